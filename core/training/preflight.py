"""Before the first step: is what the model will see what the files say, and can it learn from it?

Each check takes seconds, and one that fails stops the training with what it found. The untouched model's evaluation,
which every training begins with, comes after them.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel

from core.boxes import Detections, cxcywh_normalized_to_xyxy, xyxy_to_cxcywh_normalized
from core.datasets.check import summarize_problems
from core.datasets.problems import Problem
from core.datasets.split import CocoSplit
from core.detr.dataset import DetectionDataset
from core.detr.losses import PARTS
from core.evaluation.coco_eval import evaluate
from core.labels import LabelMap
from core.training.events import Check
from core.training.step import Stepper

ENOUGH_AP = 0.95  # of the ground truth as its own prediction; below 1 only where boxes reach beyond their images
SPARE_BYTES = 200_000_000  # for events, tables and pictures


def check_data(problems: list[Problem]) -> Check:
    """What of annotations and pictures was left out or repaired; with a fatal problem no training comes this far."""
    said = summarize_problems(problems)
    return Check("Data", True, f"{said[0].upper()}{said[1:]}." if said else "Every box and picture can be used.")


def check_disk(folder: Path, model: PreTrainedModel, averaged: bool) -> Check:
    """Room for the checkpoints best and last, and for the one that is being written."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    needed = 3 * weights * (3 + averaged) + SPARE_BYTES  # weights and AdamW's two moments
    free = shutil.disk_usage(folder).free
    return Check("Disk", free >= needed, f"{_gigabytes(free)} free, {_gigabytes(needed)} needed for checkpoints.")


def check_mapping(data: DetectionDataset, label_map: LabelMap) -> Check:
    """The ground truth, through all conversions on the way to the model and back, evaluated as if it were found."""
    found = Detections.concat(_as_found(data, image) for image in data.split.images)
    if not len(found):
        return Check("Mapping", True, "The validation images hold no object that could be found.")
    figures = evaluate(data.split.to_dict(), found, label_map)
    if figures.AP is None:
        return Check("Mapping", True, "The validation images hold crowds only.")
    wrong = [f"{name} {100 * ap:.1f}" for name, ap in figures.per_class.items() if ap is not None and ap < ENOUGH_AP]
    evidence = f"The ground truth, taken as the prediction, has AP {100 * figures.AP:.1f} on {len(found):,} objects"
    ok = figures.AP >= ENOUGH_AP and (figures.AP50 or 0.0) > 0.99
    if ok:
        return Check("Mapping", True, f"{evidence}, so classes and boxes arrive where they belong.")
    advice = "are there boxes far outside their images, or more than 100 objects of a class in an image?"
    return Check("Mapping", False, f"{evidence}, but should have 100; lowest: {', '.join(wrong[:5])}; {advice}")


def _as_found(data: DetectionDataset, image: dict) -> Detections:
    size, targets = (image["width"], image["height"]), data.targets(image)
    boxes = cxcywh_normalized_to_xyxy(xyxy_to_cxcywh_normalized(targets["boxes"], size), size)
    count = len(boxes)
    return Detections([image["id"]] * count, range(count), targets["labels"], [1.0] * count, boxes)


def check_queries(splits: list[CocoSplit], label_map: LabelMap, queries: int) -> Check:
    """No image should hold more objects than the model has queries; those beyond can neither be taught nor found."""
    chosen = set(label_map.category_ids)
    counts = [
        sum(a["category_id"] in chosen and not a["iscrowd"] for a in split.annotations_by_image[image["id"]])
        for split in splits
        for image in split.images
    ]
    most, above = max(counts, default=0), sum(count > queries for count in counts)
    rest = f"; {above} images hold more than it can find." if above else "."
    return Check("Queries", True, f"The fullest image has {most} objects, the model {queries} queries{rest}")


def check_first_batch(stepper: Stepper, batches: list[dict]) -> Check:
    """Forward and backward on the first training batch, without an update, have finite losses and a finite gradient."""
    model, was_training = stepper.model, stepper.model.training
    model.train()
    losses, gradient = stepper.try_out(batches)
    model.train(was_training)
    worst = [name for name, values in zip(PARTS, losses, strict=True) if not torch.isfinite(values).all()]
    said = ", ".join(f"{name} {float(values[-1]):.3f}" for name, values in zip(PARTS, losses, strict=True))
    images = [image for batch in batches for image in batch["image_id"]]
    if worst or not math.isfinite(gradient):
        what = " and ".join(worst) or "the gradient"
        return Check("First batch", False, f"On the images {images}, {what} is not a finite number ({said}).")
    return Check("First batch", True, f"{len(images)} images forward and backward: {said}, gradient {gradient:.2f}.")


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
