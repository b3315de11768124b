"""Before the first step: is what the model will see what the files say, and can it learn from it?

In: the parts of a training that has not begun. Out: a `Check` of each, with its evidence; one that fails stops the
training. Each takes seconds. The evaluation of the baseline, with which every training begins, comes after them.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from core.boxes import Detections, cxcywh_normalized_to_xyxy, xyxy_to_cxcywh_normalized
from core.datasets.folder.totals import Totals, summarize_problems
from core.datasets.problems import Problem
from core.detr.families.base import Detector, Head
from core.detr.input.batch import Batch
from core.detr.input.dataset import DetectionDataset
from core.evaluation.coco_eval import evaluate
from core.labels import LabelMap
from core.training.data.training_data import TrainingData
from core.training.events import MODEL, Check
from core.training.step import Stepper

ENOUGH_AP = 0.95  # of the ground truth as its own prediction; below 1 only where boxes reach beyond their images
SPARE_BYTES = 200_000_000  # for events, tables and pictures


def make_checks(
    stepper: Stepper, batches: list[Batch], data: TrainingData, datasets: Sequence[DetectionDataset], folder: Path
) -> Iterator[Check]:
    """Make the pre-flight's CHECKS one by one.

    batches  of the first step; datasets: of the training and of the validation images; folder: of the checkpoints
    """
    yield check_data(data.problems, data.totals)
    yield check_disk(folder, stepper.model, bool(stepper.config.ema))
    yield check_mapping(datasets[1], data.label_map)
    yield check_queries(datasets, stepper.model)
    yield check_first_batch(stepper, batches)


def describe_model(model: Detector, head: Head, device: torch.device, chosen: str = "") -> Check:
    """Tell how large a loaded model is, where it computes, how many of the classes it knows, and what was chosen."""
    parameters = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    classes = len(head.copied) + len(head.fresh)
    knows = f"it knows {len(head.copied)} of the {classes} classes"
    return Check(MODEL, True, f"{parameters:.1f} million parameters, on {device.type.upper()}; {knows}.{chosen}")


def check_data(problems: list[Problem], totals: Totals | None = None) -> Check:
    """Tell which annotations and pictures are left out or repaired; with a fatal problem no training comes this far."""
    summary = summarize_problems(problems)
    evidence = f"{summary[0].upper()}{summary[1:]}." if summary else "Every box and picture can be used."
    evidence = ". ".join([*(totals.sentences if totals else []), evidence])
    return Check("Data", True, evidence)


def check_disk(folder: Path, model: Detector, averaged: bool) -> Check:
    """Check that there is room for the checkpoints best and last, and for the one that is being written."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    needed = 3 * weights * (3 + averaged) + SPARE_BYTES  # weights and AdamW's two moments
    free = shutil.disk_usage(folder).free
    return Check("Disk", free >= needed, f"{_gigabytes(free)} free, {_gigabytes(needed)} needed for checkpoints.")


def check_mapping(data: DetectionDataset, label_map: LabelMap) -> Check:
    """Evaluate the ground truth as if it were detections, after all conversions on the way to the model and back."""
    detections = Detections.concat(_as_detections(data, image) for image in data.split.images)
    if not len(detections):
        return Check("Mapping", True, "The validation images hold no object that could be found.")
    figures = evaluate(data.split.to_dict(), detections, label_map)
    if figures.AP is None:
        return Check("Mapping", True, "The validation images hold crowds only.")
    wrong = [f"{name} {100 * ap:.1f}" for name, ap in figures.per_class.items() if ap is not None and ap < ENOUGH_AP]
    evidence = (
        f"The ground truth, taken as the prediction, has AP {100 * figures.AP:.1f} on {len(detections):,} objects"
    )
    ok = figures.AP >= ENOUGH_AP and (figures.AP50 or 0.0) > 0.99
    if ok:
        return Check("Mapping", True, f"{evidence}, so classes and boxes arrive where they belong.")
    advice = "are there boxes far outside their images, or more than 100 objects of a class in an image?"
    return Check("Mapping", False, f"{evidence}, but should have 100; lowest: {', '.join(wrong[:5])}; {advice}")


def _as_detections(data: DetectionDataset, image: dict) -> Detections:
    size, targets = (image["width"], image["height"]), data.targets(image)
    boxes = cxcywh_normalized_to_xyxy(xyxy_to_cxcywh_normalized(targets["boxes"], size), size)
    count = len(boxes)
    return Detections(
        np.full(count, image["id"]), np.arange(count), targets["labels"], np.ones(count, np.float32), boxes
    )


def check_queries(datasets: Sequence[DetectionDataset], model: Detector) -> Check:
    """Count images with more objects than the model has queries: those beyond can neither be taught nor found.

    A picture that is shown too small to have a place for every query, where the model chooses places, ends a training.
    """
    queries, side = model.num_queries, model.smallest_side
    for data in datasets:
        width, height = (math.ceil(length / data.stride) * data.stride for length in data.smallest_size())
        if width * height < side**2:
            return Check(
                "Queries", False, f"A picture may be shown with {width} × {height} pixels, but the model needs "
                f"{side} × {side} for its {queries} queries: take larger edges, or images that are whole from the "
                "start, or an augmentation without crops.",
            )  # fmt: skip
    counts = [
        sum(a["category_id"] in data.label_map.category_ids and not a["iscrowd"] for a in annotations)
        for data in datasets
        for annotations in data.split.annotations_by_image.values()
    ]
    most, above = max(counts, default=0), sum(count > queries for count in counts)
    rest = f"; {above} images hold more than it can find." if above else "."
    return Check("Queries", True, f"The fullest image has {most} objects, the model {queries} queries{rest}")


def check_first_batch(stepper: Stepper, batches: list[Batch]) -> Check:
    """Check that a forward and a backward pass of the first training batch give finite losses and a finite gradient."""
    model, was_training = stepper.model, stepper.model.training
    model.train()
    losses, gradient = stepper.try_out(batches)
    model.train(was_training)
    broken = [name for name, values in losses.items() if not np.isfinite(values).all()]
    text = ", ".join(f"{name} {values[-1]:.3f}" for name, values in losses.items())
    images = [image for batch in batches for image in batch["image_id"]]
    if broken or not math.isfinite(gradient):
        names = " and ".join(broken) or "the gradient"
        return Check("First batch", False, f"On the images {images}, {names} is not a finite number ({text}).")
    return Check("First batch", True, f"{len(images)} images forward and backward: {text}, gradient {gradient:.2f}.")


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
