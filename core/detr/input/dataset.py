"""From a COCO split to samples: `DetectionDataset` reads a picture, its boxes and classes as a model wants them.

The model's edge is here: `xyxy` pixels become normalised `cxcywh`, category ids become model indices. Crowds leave the
training targets and stay in the files for evaluation. `batch.py` says what a sample is, `loader.py` reads many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from core.augmentation.kinds import BY_KEY, KEYS, NONE, draw_look
from core.augmentation.look import Look
from core.boxes import area, clip, xywh_to_xyxy, xyxy_to_cxcywh_normalized
from core.datasets.pictures import read_pixels, resized
from core.datasets.pixels.upright import Size
from core.datasets.split import CocoSplit
from core.detr.input.augmented.compose import Source, compose
from core.detr.input.augmented.shown import Shown
from core.detr.input.batch import STRIDE, Sample
from core.detr.input.cache import PictureCache
from core.detr.input.pixels import crop_pixels
from core.detr.input.transforms import ResizedCrop, choose_crop, kept_size, size_share, smallest_size
from core.labels import LabelMap


class PixelTargets(TypedDict):
    """The training targets of an image: `labels` (n,) int64 model indices, `boxes` (n, 4) float32 xyxy in pixels."""

    labels: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]


class DetectionDataset(Dataset[Sample]):
    """One sample for each image of a split.

    `augment` has keys of `core.augmentation.kinds.KINDS`; their random numbers follow from (seed, epoch, index) alone:
    the same on every machine, in every process and after a resume. In the share `plain_share` of the `epochs`, at the
    end, kinds that `closes` are left out. So does the size: images begin with the share `start_size` of the edges and
    grow to them in `epochs` (`transforms.size_share`). Set `epoch` before a loader is made, and `stride` to the
    model's: batches are padded to multiples of it, and with `whole_cells` what is shown is cut down to some.
    """

    def __init__(
        self,
        split: CocoSplit,
        label_map: LabelMap,
        shortest_edge: int,
        longest_edge: int,
        augment: Sequence[str] = (NONE,),
        seed: int = 0,
        square: bool = False,
        start_size: float = 1.0,
        epochs: int = 1,
        plain_share: float = 0.0,
    ) -> None:
        if isinstance(augment, str) or set(augment) - set(KEYS):
            raise ValueError(f"augment is {augment!r}, but must have some of: {', '.join(KEYS)}.")
        self.split, self.label_map = split, label_map
        self.shortest_edge, self.longest_edge, self.square = shortest_edge, longest_edge, square
        self.stride, self.whole_cells = STRIDE, False
        self.augment, self.seed, self.epoch = tuple(augment), seed, 0
        self.start_size, self.epochs, self.plain_share = start_size, epochs, plain_share
        self._cache = PictureCache({}, 0)

    def __len__(self) -> int:
        return len(self.split.images)

    def image_id(self, index: int) -> int:
        """Return the id of the image that sample `index` is of."""
        image_id: int = self.split.images[index]["id"]
        return image_id

    def targets(self, image: dict[str, Any]) -> PixelTargets:
        """Return the training targets of one of the split's `images`; no crowds, nothing off the image."""
        annotations = [a for a in self.split.annotations_by_image[image["id"]] if not a["iscrowd"]]
        labels = self.label_map.to_labels([a["category_id"] for a in annotations])
        boxes = clip(xywh_to_xyxy([a["bbox"] for a in annotations]), (image["width"], image["height"]))
        kept = (labels >= 0) & (area(boxes) > 0)
        return {"labels": labels[kept], "boxes": boxes[kept]}

    def shown_size(self, index: int) -> Size:
        """Return the (width, height) in which the picture of image `index` is shown, in this epoch."""
        return self._crop(index, self._look(index)).size

    def largest_size(self, index: int) -> Size:
        """Return the largest (width, height) in which the picture of image `index` is shown, in any epoch."""
        return self._cut(resized(self._size(index), self.shortest_edge, self.longest_edge, self.square))

    def smallest_size(self) -> Size:
        """Return the (width, height) of the smallest that is shown of any picture, in any epoch."""
        sizes = (self._size(index) for index in range(len(self)))
        return smallest_size(self.augment, sizes, *self._edges(0), self.square)

    def cost(self, epoch: int, epochs: int) -> float:
        """Return the pixels of an image in `epoch` of `epochs`, as a share of those that it has at its whole size."""
        return size_share(self.start_size, epoch, epochs) ** 2

    def _edges(self, epoch: int) -> tuple[int, int]:
        """Return the shortest and the longest edge of an epoch."""
        share = size_share(self.start_size, epoch, self.epochs)
        return round(self.shortest_edge * share), round(self.longest_edge * share)

    def _look(self, index: int) -> Look:
        """Return how an image is shown in this epoch."""
        is_plain = self.epoch >= round(self.epochs * (1 - self.plain_share)) > 0
        keys = [key for key in self.augment if key != NONE and not (is_plain and BY_KEY[key].closes)]
        return draw_look(keys, self.seed, self.epoch, index)

    def _crop(self, index: int, look: Look) -> ResizedCrop:
        crop = choose_crop(look, self._size(index), *self._edges(self.epoch), self.square)
        return replace(crop, size=self._cut(crop.size))

    def _cut(self, size: Size) -> Size:
        """Return a (width, height), cut down to multiples of the stride where that is asked for."""
        if not self.whole_cells:
            return size
        width, height = (max(self.stride, side // self.stride * self.stride) for side in size)
        return width, height

    def _size(self, index: int) -> Size:
        info = self.split.images[index]
        return int(info["width"]), int(info["height"])

    def keep_pictures(self, most_bytes: int) -> int:
        """Keep decoded pictures from now on, as many as fit; return the bytes that they will take. No sample changes.

        Processes that are forked from this one share them.
        """
        sizes = {image["id"]: self._kept_size(index) for index, image in enumerate(self.split.images)}
        self._cache = PictureCache(sizes, most_bytes)
        return self._cache.bytes

    def _kept_size(self, index: int) -> Size:
        size = self._size(index)
        kept = kept_size(self.augment, size, self.shortest_edge, self.longest_edge, self.square)
        return kept if kept == size else self._cut(kept)

    def _read(self, index: int) -> torch.Tensor:
        """Return all pixels of a picture (3, H, W), in the size in which it is kept."""
        whole = ResizedCrop((0, 0, *self._size(index)), self._kept_size(index))
        return crop_pixels(self._decoded(index), whole)

    def _decoded(self, index: int) -> torch.Tensor:
        """Return all pixels of a picture (3, H, W), in its own size."""
        pixels = read_pixels(self.split.image_path(self.split.images[index]), self._size(index))
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def source(self, index: int, look: Look) -> Source:
        """Read the picture of image `index`, and choose what its look shows of it.

        Raises DataError when the picture cannot be read or has another size than its JSON says.
        """
        info, size, crop = self.split.images[index], self._size(index), self._crop(index, look)
        pixels = self._cache.get(info["id"], lambda: self._read(index))
        targets, kept = self.targets(info), self._kept_size(index)
        if kept != size:  # then all of it is shown
            crop = replace(crop, region=(0, 0, *kept))
        boxes = targets["boxes"] * np.tile(np.divide(kept, size), 2)
        natural = self._cut(resized(size, *self._edges(self.epoch), self.square))
        return Source(Shown(pixels, boxes, targets["labels"]), crop, natural)

    def __getitem__(self, index: int) -> Sample:
        """Read the sample of image `index`; raise DataError as `source` does."""
        look = self._look(index)
        shown = compose(look, self.source(index, look), len(self), lambda i: self.source(i, self._look(i)))
        boxes = xyxy_to_cxcywh_normalized(shown.boxes, shown.size)
        return {
            "pixel_values": shown.pixels,
            "labels": {"class_labels": torch.from_numpy(shown.labels), "boxes": torch.from_numpy(boxes)},
            "image_id": self.image_id(index),
            "size": self._size(index),
        }
