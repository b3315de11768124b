"""A data set of plain pictures, written as COCO files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.v2.functional import normalize

from core.datasets.split import read_split
from core.detr.families.base import Detector
from core.detr.input.dataset import DetectionDataset


def write_dataset(folder: Path, annotations: list[dict], sizes=((64, 48),)) -> Path:
    """A data set of plain pictures with the given annotations, the same in train and val."""
    images = [{"id": i, "file_name": f"{i}.png", "width": w, "height": h} for i, (w, h) in enumerate(sizes, start=1)]
    categories = [{"id": 3, "name": "car"}, {"id": 18, "name": "dog"}]
    full = [{"id": n, "iscrowd": 0, "area": 1.0, **a} for n, a in enumerate(annotations, start=1)]
    (folder / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / split).mkdir()
        for image in images:
            Image.new("RGB", (image["width"], image["height"]), (90, 20, 200)).save(folder / split / image["file_name"])
        data = {"images": images, "annotations": full, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(data))
    return folder


def normalized(batch: dict) -> torch.Tensor:
    """What the published models are given for a batch: an oracle for `Detector.normalize`."""
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])  # preprocessor_config.json of facebook/detr-resnet-50
    return normalize(batch["pixel_values"].float() / 255, mean, std) * batch["pixel_mask"][:, None]


@contextmanager
def broken_image(model: Detector, row: int) -> Iterator[None]:
    """Let what a model computes on of image `row` of each batch be no numbers, as from weights that overflow."""
    whole = model.normalize

    def broken(*inputs) -> torch.Tensor:
        values = whole(*inputs)
        values[row] = torch.nan
        return values

    model.normalize = broken
    yield
    del model.normalize


def dataset(folder: Path, **options) -> DetectionDataset:
    split = read_split(folder, "train")
    return DetectionDataset(split, split.label_map(), 48, 64, **options)
