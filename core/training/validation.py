"""One evaluation of a training's model on the validation images, by all processes that train together.

In: the stepper with its model, and the data set. Out: the AP in every process, and COCO's figures, detections and
metrics in the main one. Apart from `training.py`, which decides when it is due and what follows from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core import metrics as tags
from core.boxes import Detections
from core.datasets.part import only_images
from core.detr.detect import LossSums, detect
from core.detr.device import deterministic
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.input.order import by_shape
from core.detr.losses import LossNormalizers
from core.detr.states.keeper import MOST, StateKeeper
from core.detr.states.query_states import QueryStates
from core.evaluation.coco_eval import CocoFigures, evaluate
from core.evaluation.selection import LOWEST_SCORE
from core.training.data.unreadable import Unreadable
from core.training.step import Stepper

# Of one process: detections, losses, the images that it could not read, and the states of its queries.
Share = tuple[Detections, dict[str, torch.Tensor] | None, LossNormalizers, dict[int, str], QueryStates | None]


@dataclass(frozen=True)
class Measurements:
    """What an evaluation has measured.

    figures     COCO's twelve figures, and AP by class
    detections  of all queries, in the order of the data set's images
    metrics     tag to value, as they are recorded
    states      of the queries that count; None where the model gives none
    """

    figures: CocoFigures
    detections: Detections
    metrics: dict[str, float]
    states: QueryStates | None


def validate(
    stepper: Stepper, data: DetectionDataset, unreadable: Unreadable
) -> Generator[int, None, tuple[float, Measurements | None]]:
    """Evaluate the stepper's model on all images that can be read, and leave only those in `data`.

    Yields how many are done. Returns AP, 0 where it is undefined, in every process; and the Measurements, None in all
    processes but the main one.
    Raises what `detect` and `evaluate` raise.
    """
    config, processes = stepper.config, stepper.processes
    losses, parts, images = LossSums(stepper.loss_config), [], 0
    indices = by_shape(range(len(data)), data.shown_size)[processes.rank :: processes.world_size]
    batches = loader(
        data, stepper.images_evaluated_at_once, config.workers, indices, pin_memory=stepper.device.type == "cuda",
        spare=unreadable.spare,
    )  # fmt: skip
    keeper = StateKeeper(LOWEST_SCORE, MOST // processes.world_size)
    with deterministic(config.deterministic):
        for detections in detect(stepper.evaluated, batches, stepper.device, losses, stepper.precision, keeper):
            parts.append(detections)
            images += len(set(detections.image_id.tolist())) * processes.world_size
            yield min(images, len(data))
    with processes.collective():
        share = Detections.concat(parts), losses.sums, losses.normalizers, unreadable.sentences, keeper.take()
        shares = processes.all_gather(share)
        for *_, sentences, _ in shares:
            unreadable.add(sentences)
        if unreadable.sentences:
            data.split = only_images(data.split, data.split.image_by_id.keys() - unreadable.sentences.keys())
        measurements = _measurements(stepper, data, shares) if processes.is_main_process else None
        ap = processes.all_gather(measurements and (measurements.figures.AP or 0.0))[0]
    return ap, measurements


def _measurements(stepper: Stepper, data: DetectionDataset, shares: Sequence[Share]) -> Measurements:
    losses = LossSums(stepper.loss_config)
    for _, sums, normalizers, _, _ in shares:
        losses.add_sums(sums, normalizers)
    detections = Detections.concat(share[0] for share in shares)
    position = {image["id"]: i for i, image in enumerate(data.split.images)}
    order = np.argsort([position[image_id] for image_id in detections.image_id.tolist()], kind="stable")
    detections = detections[order]
    ground_truth = data.split.to_dict()
    figures = evaluate(ground_truth, detections, data.label_map)
    values = losses.values() | losses.errors()
    metrics = {loss.val.tag: values[loss.name] for loss in tags.CURVES if loss.name in values}
    for name, by_answer in losses.by_answer().items():
        family = tags.LOSS_BY_NAME[name].val_layers
        metrics |= {family.tag(n): value for n, value in enumerate(by_answer[1:].tolist(), start=1)}
    twelve = {metric.tag: getattr(figures, name) for name, metric in tags.COCO.items()}
    by_class = {tags.AP_BY_CLASS.tag(name): ap for name, ap in figures.per_class.items()}
    metrics |= {tag: value for tag, value in (twelve | by_class).items() if value is not None}
    metrics |= _counts(data, detections, ground_truth)
    return Measurements(figures, detections, metrics, StateKeeper.join(share[-1] for share in shares))


def _counts(data: DetectionDataset, detections: Detections, ground_truth: dict) -> dict[str, float]:
    """Return how much is predicted, of each class and by image, and how many objects there are by image."""
    predicted = Counter(detections.label[detections.score >= tags.COUNTED_SCORE].tolist())
    counts = {tags.PREDICTED_BY_CLASS.tag(name): float(predicted[i]) for i, name in enumerate(data.label_map.names)}
    counts[tags.PREDICTED.tag] = predicted.total() / len(data)
    counts[tags.OBJECTS.tag] = sum(not a["iscrowd"] for a in ground_truth["annotations"]) / len(data)
    return counts
