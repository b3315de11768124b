"""What a model is given: a `Sample` for each image, and a `Batch` of images padded to one size.

In: the samples of a `DetectionDataset`. Out: batches. Apart from the data set because whoever calls a model needs the
shape of a batch, but not the files that it comes from.
"""

from __future__ import annotations

import math
from typing import TypedDict

import torch

STRIDE = 32  # pixels: batches are padded to multiples of it, so that a cell of a ResNet's last map is image or padding;
# a vision transformer states its own (`Detector.stride`)


class ImageTargets(TypedDict):
    """The objects of an image that a model is to find; n may be 0.

    class_labels  (n,) int64, model indices
    boxes         (n, 4) float32, cxcywh in [0, 1] of what is shown of the image
    """

    class_labels: torch.Tensor
    boxes: torch.Tensor


class Sample(TypedDict):
    """One image as the model is shown it.

    pixel_values  (3, H, W) uint8, RGB
    labels        its objects
    image_id      COCO image id
    size          (width, height) of the original image, whatever part of it is shown
    """

    pixel_values: torch.Tensor
    labels: ImageTargets
    image_id: int
    size: tuple[int, int]


class Batch(TypedDict):
    """B images of different sizes, padded at the right and below to one size.

    pixel_values  (B, 3, H, W) uint8, channels last in memory; H and W are multiples of the model's stride
    pixel_mask    (B, H, W) bool, true on the image, false on the padding, where the pixels are 0
    padded        whether there is any padding in the batch
    labels, image_id, size: of each sample, lists of length B
    """

    pixel_values: torch.Tensor
    pixel_mask: torch.Tensor
    padded: bool
    labels: list[ImageTargets]
    image_id: list[int]
    size: list[tuple[int, int]]


class Collator:
    """Joins samples of different sizes to one Batch, padded to multiples of `stride`; a `collate_fn` of torch's."""

    def __init__(self, stride: int = STRIDE) -> None:
        self.stride = stride

    def __call__(self, samples: list[Sample]) -> Batch:
        """Return the samples as a batch, in their order; there must be at least one."""
        sizes = [(s["pixel_values"].shape[1], s["pixel_values"].shape[2]) for s in samples]
        height, width = (math.ceil(max(sides) / self.stride) * self.stride for sides in zip(*sizes, strict=True))
        pixels = torch.zeros(len(samples), height, width, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
        mask = torch.zeros(len(samples), height, width, dtype=torch.bool)
        for row, (sample, (h, w)) in enumerate(zip(samples, sizes, strict=True)):
            pixels[row, :, :h, :w] = sample["pixel_values"]
            mask[row, :h, :w] = True
        return {
            "pixel_values": pixels,
            "pixel_mask": mask,
            "padded": any(size != (height, width) for size in sizes),
            "labels": [s["labels"] for s in samples],
            "image_id": [s["image_id"] for s in samples],
            "size": [s["size"] for s in samples],
        }


class StepCollator:
    """Joins the samples of a step to a list of batches of at most `batch_size`; an empty list where there are none."""

    def __init__(self, batch_size: int, stride: int = STRIDE) -> None:
        self.batch_size, self.collate = batch_size, Collator(stride)

    def __call__(self, samples: list[Sample]) -> list[Batch]:
        """Return the batches of a step, in the order of its samples."""
        starts = range(0, len(samples), self.batch_size)
        return [self.collate(samples[start : start + self.batch_size]) for start in starts]


def split_batch(batch: Batch, most: int) -> list[Batch]:
    """Cut a batch into parts of at most `most` images, in their order; return it alone if it has no more."""
    images = len(batch["image_id"])
    if images <= most:
        return [batch]
    return [
        {
            "pixel_values": batch["pixel_values"][first : first + most],
            "pixel_mask": batch["pixel_mask"][first : first + most],
            "padded": batch["padded"],
            "labels": batch["labels"][first : first + most],
            "image_id": batch["image_id"][first : first + most],
            "size": batch["size"][first : first + most],
        }
        for first in range(0, images, most)
    ]
