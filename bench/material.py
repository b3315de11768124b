"""What rows measure with: drawn scenes, photographs, the starter model as transformers loads it, torch's threads."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from bench.photographs import draw_photographs
from bench.table import Bench, once
from core import PROJECT
from core.config import TrainConfig
from core.datasets.demo import draw_dataset
from core.datasets.part import filter_to_classes
from core.datasets.split import CocoSplit, read_split
from core.labels import COCO_TEN, LabelMap
from core.presets import PRESETS

STARTER = PROJECT / "checkpoints/starter"
REAL = os.environ.get("DETR_LAB_COCO")
PHOTOGRAPHS = "photographs of COCO" if REAL else "drawn photographs"
CLASSES = tuple(COCO_TEN)

disable_progress_bar()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@once
def scenes(bench: Bench, train: int = 64) -> Path:
    """Draw the demo's scenes at dusk, 256 pixels wide; return their folder."""
    folder = bench.folder / f"scenes{train}"
    for _ in draw_dataset(folder, train=train, val=4):
        pass
    return folder


@once
def photographs(bench: Bench, most: int = 48) -> Path:
    """Return a data set's folder with at most so many photographs to train on, with objects of the ten classes."""
    folder = bench.folder / f"photographs{most}"
    source = Path(REAL) if REAL else _draw_photographs(bench)
    for name, count in (("train", most), ("val", 4)):
        split = filter_to_classes(read_split(source, name), list(CLASSES))
        _copy(split, count, folder)
    return folder


@once
def _draw_photographs(bench: Bench) -> Path:
    folder = bench.folder / "drawn"
    draw_photographs(folder, train=72, val=8)  # of which not all have one of the ten classes
    return folder


def _copy(split: CocoSplit, count: int, folder: Path) -> None:
    """Write the first `count` images of a split, their pictures and their annotations to a data set in `folder`."""
    images = split.images[:count]
    pictures = folder / split.name
    pictures.mkdir(parents=True)
    for image in images:
        shutil.copy(split.image_path(image), pictures / image["file_name"])
    annotations = [a for image in images for a in split.annotations_by_image[image["id"]]]
    (folder / "annotations").mkdir(exist_ok=True)
    text = json.dumps({"images": images, "annotations": annotations, "categories": split.categories})
    (folder / f"annotations/instances_{split.name}.json").write_text(text, encoding="utf-8")


def training_split(folder: Path) -> tuple[CocoSplit, LabelMap]:
    """Return the training images of a data set with the ten classes, and these."""
    split = read_split(folder, "train")
    label_map = split.label_map(list(CLASSES))
    return filter_to_classes(split, list(CLASSES)), label_map


def demo_settings(folder: Path, **changes: object) -> TrainConfig:
    """Return the demo's settings for a data set, without mirroring, which the rivals do not do either."""
    preset = PRESETS["Built-in demo"].apply(TrainConfig(data=str(folder), model=str(STARTER), classes=CLASSES))
    return TrainConfig.from_dict({**preset.to_dict(), "augment": "none", **changes})


def rival_model() -> torch.nn.Module:
    """Return the starter model as a user of transformers loads it."""
    from transformers import DetrForObjectDetection

    return DetrForObjectDetection.from_pretrained(STARTER, trust_remote_code=False).train()


def rival_processor(shortest: int, longest: int):
    """Return transformers' image processor for DETR with these edges."""
    from transformers import DetrImageProcessor

    return DetrImageProcessor(size={"shortest_edge": shortest, "longest_edge": longest})
