"""From a COCO split to the tensors DETR reads: `DetectionDataset`, `Collator` and the loader that joins them.

The model's edge is here: `xyxy` pixels become normalised `cxcywh`, category ids become model indices. Crowds leave the
training targets and stay in the files for evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset, Sampler

from core import DataError
from core.boxes import area, clip, xywh_to_xyxy, xyxy_to_cxcywh_normalized
from core.coco import CocoSplit
from core.labels import LabelMap

# ImageNet's statistics, as in every released DETR (preprocessor_config.json of facebook/detr-resnet-50)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resized(size: tuple[int, int], shortest_edge: int, longest_edge: int) -> tuple[int, int]:
    """The (width, height) to which DETR resizes an image of `size`, keeping its aspect.

    The shorter side becomes `shortest_edge`, unless the longer one would exceed `longest_edge`
    (facebookresearch/detr, datasets/transforms.py: get_size_with_aspect_ratio).

    >>> resized((640, 480), 800, 1333), resized((1000, 300), 800, 1333)
    ((1067, 800), (1333, 400))
    """
    scale = min(shortest_edge / min(size), longest_edge / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def read_image(path) -> Image.Image:
    """The picture as RGB; raises DataError if it is missing, cut off or not a picture."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError(f"The picture {path} is missing: restore it or take its image out of the JSON.") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"The picture {path} cannot be read ({error}): replace the file.") from None


def to_pixel_values(image: Image.Image, size: tuple[int, int]) -> torch.Tensor:
    """An RGB picture resized to `size` (width, height), as float32 (3, height, width), normalised."""
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)  # Pillow's bilinear antialiases when it shrinks
    pixels = torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1) / 255
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


class DetectionDataset(Dataset):
    """One sample per image of a split, as a dict:

    pixel_values  float32 (3, H, W), normalised
    labels        {"class_labels": int64 (n,), "boxes": float32 (n, 4) cxcywh in [0, 1]}; n may be 0
    image_id      COCO image id
    size          (width, height) of the original image

    `flip` mirrors every other image, drawn from (seed, epoch, index): the same on every machine and after a resume.
    Raises DataError when a picture cannot be read or has another size than its JSON says.
    """

    def __init__(
        self, split: CocoSplit, label_map: LabelMap, shortest_edge: int, longest_edge: int, flip: bool = False, seed=0
    ):
        self.split, self.label_map = split, label_map
        self.shortest_edge, self.longest_edge = shortest_edge, longest_edge
        self.flip, self.seed, self.epoch = flip, seed, 0

    def __len__(self) -> int:
        return len(self.split.images)

    def targets(self, image: dict) -> dict[str, np.ndarray]:
        """The training targets of an image: `labels` (n,) and `boxes` (n, 4) xyxy; no crowds, nothing off the image."""
        found = [a for a in self.split.by_image[image["id"]] if not a["iscrowd"]]
        labels = self.label_map.to_labels([a["category_id"] for a in found])
        boxes = clip(xywh_to_xyxy([a["bbox"] for a in found]), (image["width"], image["height"]))
        kept = (labels >= 0) & (area(boxes) > 0)
        return {"labels": labels[kept], "boxes": boxes[kept]}

    def __getitem__(self, index: int) -> dict:
        info = self.split.images[index]
        path = self.split.image_path(info)
        image = read_image(path)
        size = (int(info["width"]), int(info["height"]))
        if image.size != size:
            raise DataError(
                f"The picture {path} has {image.size[0]} × {image.size[1]} pixels, but its JSON {size[0]} × {size[1]}"
                ": its boxes would be misplaced; put the original picture back."
            )
        pixels = to_pixel_values(image, resized(size, self.shortest_edge, self.longest_edge))
        targets = self.targets(info)
        boxes = xyxy_to_cxcywh_normalized(targets["boxes"], size)
        if self.flip and np.random.default_rng((self.seed, self.epoch, index)).random() < 0.5:
            pixels = pixels.flip(2)
            boxes[:, 0] = 1 - boxes[:, 0]
        labels = {"class_labels": torch.from_numpy(targets["labels"]), "boxes": torch.from_numpy(boxes)}
        return {"pixel_values": pixels, "labels": labels, "image_id": info["id"], "size": size}


class Collator:
    """Samples of different sizes to one batch: padded at the right and below, with a mask of what is image.

    pixel_values  float32 (B, 3, H, W), 0 where padded
    pixel_mask    int64 (B, H, W), 1 on the image, 0 on the padding
    labels, image_id, size: lists of length B
    """

    def __call__(self, samples: list[dict]) -> dict:
        height = max(s["pixel_values"].shape[1] for s in samples)
        width = max(s["pixel_values"].shape[2] for s in samples)
        pixels = torch.zeros(len(samples), 3, height, width)
        mask = torch.zeros(len(samples), height, width, dtype=torch.int64)
        for row, sample in enumerate(samples):
            _, h, w = sample["pixel_values"].shape
            pixels[row, :, :h, :w] = sample["pixel_values"]
            mask[row, :h, :w] = 1
        lists = {key: [s[key] for s in samples] for key in ("labels", "image_id", "size")}
        return {"pixel_values": pixels, "pixel_mask": mask, **lists}


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


def loader(dataset: DetectionDataset, batch_size: int, workers: int = 0, order: Sampler | None = None) -> DataLoader:
    """Batches of a data set, in the file's order or in the given one."""
    return DataLoader(dataset, batch_size=batch_size, sampler=order, num_workers=workers, collate_fn=Collator())
