"""A data set of plain pictures, written as COCO files."""

import json
from pathlib import Path

from PIL import Image

from core.datasets.split import read_split
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


def dataset(folder: Path, **options) -> DetectionDataset:
    split = read_split(folder, "train")
    return DetectionDataset(split, split.label_map(), 48, 64, **options)
