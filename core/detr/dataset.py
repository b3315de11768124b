"""From a COCO split to the tensors DETR reads: `DetectionDataset`, `Collator` and the loaders that join them.

The model's edge is here: `xyxy` pixels become normalised `cxcywh`, category ids become model indices. Crowds leave the
training targets and stay in the files for evaluation.

`loader` gives batches, for evaluation. `step_loader` gives the images of each training step, of which every process
takes its share.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from core import DataError
from core.boxes import area, clip, xywh_to_xyxy, xyxy_to_cxcywh_normalized
from core.datasets.pictures import read_picture
from core.datasets.split import CocoSplit
from core.detr.transforms import AUGMENTS, MEAN, STD, choose_view, view_boxes, view_image
from core.labels import LabelMap

STRIDE = 32  # pixels: batches are padded to multiples of it, so that a cell of a ResNet's last map is image or padding


def to_pixel_values(image: Image.Image) -> torch.Tensor:
    """An RGB picture as float32 (3, height, width), normalised."""
    # made contiguous while it is still small: a third of the time that strided floats take
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float()
    return pixels.div_(255).sub_(torch.tensor(MEAN)[:, None, None]).div_(torch.tensor(STD)[:, None, None])


class DetectionDataset(Dataset):
    """One sample per image of a split, as a dict:

    pixel_values  float32 (3, H, W), normalised
    labels        {"class_labels": int64 (n,), "boxes": float32 (n, 4) cxcywh in [0, 1] of what is shown}; n may be 0
    image_id      COCO image id
    size          (width, height) of the original image, whatever of it is shown

    `augment` is one of `augment.AUGMENTS`; its chance is drawn from (seed, epoch, index): the same on every machine, in
    every process and after a resume. Set `epoch` before a loader is made.
    Raises DataError when a picture cannot be read or has another size than its JSON says.
    """

    def __init__(
        self,
        split: CocoSplit,
        label_map: LabelMap,
        shortest_edge: int,
        longest_edge: int,
        augment: str = "none",
        seed: int = 0,
    ):
        if augment not in AUGMENTS:
            raise ValueError(f"augment is {augment!r}, but must be one of: {', '.join(AUGMENTS)}.")
        self.split, self.label_map = split, label_map
        self.shortest_edge, self.longest_edge = shortest_edge, longest_edge
        self.augment, self.seed, self.epoch = augment, seed, 0

    def __len__(self) -> int:
        return len(self.split.images)

    def targets(self, image: dict) -> dict[str, np.ndarray]:
        """The training targets of an image: `labels` (n,) and `boxes` (n, 4) xyxy; no crowds, nothing off the image."""
        found = [a for a in self.split.annotations_by_image[image["id"]] if not a["iscrowd"]]
        labels = self.label_map.to_labels([a["category_id"] for a in found])
        boxes = clip(xywh_to_xyxy([a["bbox"] for a in found]), (image["width"], image["height"]))
        kept = (labels >= 0) & (area(boxes) > 0)
        return {"labels": labels[kept], "boxes": boxes[kept]}

    def __getitem__(self, index: int) -> dict:
        info = self.split.images[index]
        size = (int(info["width"]), int(info["height"]))
        image = read_picture(self.split.image_path(info), size)
        random = np.random.default_rng((self.seed, self.epoch, index))
        view = choose_view(self.augment, size, self.shortest_edge, self.longest_edge, random)
        targets = self.targets(info)
        boxes, labels = view_boxes(targets["boxes"], targets["labels"], view)
        boxes = xyxy_to_cxcywh_normalized(boxes, view.size)
        return {
            "pixel_values": to_pixel_values(view_image(image, view)),
            "labels": {"class_labels": torch.from_numpy(labels), "boxes": torch.from_numpy(boxes)},
            "image_id": info["id"],
            "size": size,
        }


class Collator:
    """Samples of different sizes to one batch: padded at the right and below, with a mask of what is image.

    pixel_values  float32 (B, 3, H, W), 0 where padded; H and W are multiples of STRIDE
    pixel_mask    int64 (B, H, W), 1 on the image, 0 on the padding
    padded        whether there is any padding in the batch
    labels, image_id, size: lists of length B
    """

    def __call__(self, samples: list[dict]) -> dict:
        sizes = [tuple(s["pixel_values"].shape[1:]) for s in samples]
        height, width = (math.ceil(max(sides) / STRIDE) * STRIDE for sides in zip(*sizes, strict=True))
        pixels = torch.zeros(len(samples), 3, height, width)
        mask = torch.zeros(len(samples), height, width, dtype=torch.int64)
        for row, (sample, (h, w)) in enumerate(zip(samples, sizes, strict=True)):
            pixels[row, :, :h, :w] = sample["pixel_values"]
            mask[row, :h, :w] = 1
        lists = {key: [s[key] for s in samples] for key in ("labels", "image_id", "size")}
        padded = any(size != (height, width) for size in sizes)
        return {"pixel_values": pixels, "pixel_mask": mask, "padded": padded, **lists}


class StepCollator:
    """The samples of a step as a list of batches of at most `batch_size`; an empty list where there are none."""

    def __init__(self, batch_size: int):
        self.batch_size, self.collate = batch_size, Collator()

    def __call__(self, samples: list[dict]) -> list[dict]:
        starts = range(0, len(samples), self.batch_size)
        return [self.collate(samples[start : start + self.batch_size]) for start in starts]


class EpochOrder(Sampler):
    """A random order of the data set that depends on (seed, epoch) alone, from position `start` on.

    So an epoch that was interrupted goes on where it stopped, with the images it would have seen.
    """

    def __init__(self, length: int, seed: int, epoch: int, start: int = 0):
        order = np.random.default_rng((seed, epoch)).permutation(length)
        self.order = order[start:].tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


class StepBatches(Sampler):
    """For each step of an epoch, from `start_step` on, the indices of the images that one of `ranks` processes takes.

    The steps cut the EpochOrder into pieces of `images_per_step`, of which process `rank` takes every ranks-th image.
    So all processes together see the images that one would see alone. In the last, shorter step a process may have
    fewer images than the others, or none: then its list is empty, so that all have the same number of steps.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        epoch: int,
        images_per_step: int,
        start_step: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ):
        order = EpochOrder(length, seed, epoch).order
        starts = range(start_step * images_per_step, length, images_per_step)
        self.steps = [order[start : start + images_per_step][rank::ranks] for start in starts]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


class _Loader(DataLoader):
    """A DataLoader that says what a reading process met as that process would have said it."""

    def __init__(self, dataset: Dataset, workers: int, prefetch: int = 2, **how):
        super().__init__(
            dataset,
            num_workers=workers,
            prefetch_factor=prefetch if workers else None,
            worker_init_fn=_ignore_ctrl_c,
            generator=torch.Generator(),  # else each epoch would draw from torch's own, which is the caller's
            **how,
        )

    def __iter__(self) -> Iterator:
        try:
            yield from super().__iter__()
        except DataError as error:  # torch puts another process's whole traceback before its one sentence
            said = str(error)
            if not said.startswith("Caught "):
                raise
            raise DataError(said.rpartition(f"{DataError.__name__}: ")[2].strip()) from None
        except RuntimeError as error:
            if "DataLoader worker (pid" not in str(error):
                raise
            raise DataError(
                "A process that reads images was ended from outside, most often for want of memory: "
                "take fewer reading processes, or 0."
            ) from error


def _ignore_ctrl_c(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; the training hears it and ends its readers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def loader(
    dataset: DetectionDataset,
    batch_size: int,
    workers: int = 0,
    order: Iterable[int] | None = None,
    pin_memory: bool = False,
) -> DataLoader:
    """Batches of a data set: all of it as the file has it, or the indices of `order`; pinned memory suits a GPU."""
    how = {"batch_size": batch_size, "sampler": order, "collate_fn": Collator(), "pin_memory": pin_memory}
    return _Loader(dataset, workers, **how)


def step_loader(
    dataset: DetectionDataset,
    batch_size: int,
    accumulate: int,
    epoch: int,
    start_step: int = 0,
    workers: int = 0,
    rank: int = 0,
    ranks: int = 1,
    pin_memory: bool = False,
    seed: int | None = None,
) -> DataLoader:
    """For each step of an epoch, from `start_step` on, this process's share as a list of batches; it may be empty.

    A step has `batch_size` × `accumulate` × `ranks` images, of which every process gets at most `accumulate` batches.
    `seed` of the order is the data set's own if not given.
    """
    seed = dataset.seed if seed is None else seed
    steps = StepBatches(len(dataset), seed, epoch, batch_size * accumulate * ranks, start_step, rank, ranks)
    return _Loader(
        dataset,
        workers,
        prefetch=2 if accumulate == 1 else 1,  # steps that wait in memory, for each reading process
        batch_sampler=steps,
        collate_fn=StepCollator(batch_size),
        pin_memory=pin_memory,
    )
