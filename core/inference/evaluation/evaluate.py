"""Evaluates a model on images with labels: `evaluate_model`, which shows it every image and measures what it says.

In: an `EvaluationConfig`. Out: an `Outcome`, figures and detection table on the classes that model and data both have.
Classes are matched by name, as everywhere. A run's model on its own validation images, as it was trained, has the
figures that its training recorded.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core import DataError
from core.boxes import Detections
from core.datasets.part import filter_to_classes, only_images
from core.datasets.split import CocoSplit
from core.detr.detect import detect
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import ReadFailure, loader
from core.detr.input.order import by_shape
from core.detr.input.tiles import TiledDataset, merge_tiles
from core.detr.states.keeper import StateKeeper
from core.detr.states.query_states import QueryStates
from core.evaluation.coco_eval import CocoFigures, evaluate
from core.evaluation.model_input import ModelInput
from core.evaluation.selection import LOWEST_SCORE
from core.evaluation.tide import detection_table
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.models import open_model
from core.inference.model_cache import LoadedModel
from core.inference.onnx.model import OnnxModel
from core.labels import LabelMap
from core.runs.evaluated.images import read_part
from core.runs.store import RunStore
from core.wording import short

MOST_NAMED = 5  # classes in a note


@dataclass(frozen=True)
class Outcome:
    """What an evaluation has measured.

    split              the images that could be read, with the classes that were evaluated
    notes              sentences on what was left out
    images_per_second  reading, model and merging of tiles together; None if there was one image alone
    states             of the queries that count; None where there are none of the model's own: in ONNX files, of tiles
    """

    figures: CocoFigures
    table: pa.Table
    split: CocoSplit
    notes: tuple[str, ...]
    images_per_second: float | None
    states: QueryStates | None


def evaluate_model(store: RunStore, config: EvaluationConfig) -> Generator[tuple[int, int], None, Outcome]:
    """Evaluate a model; yield (images done, images in all), the first time before any.

    Pictures that cannot be read are left out, and noted. Raises ModelError for the model, DataError for the data, also
    where both have no class in common or nothing is labelled; what `detect` raises.
    """
    split = read_part(config.data, config.part, config.images)
    loaded = open_model(store, config)
    label_map = _shared_classes(loaded, split)
    notes = _class_notes(loaded.label_map, split, label_map)
    split = filter_to_classes(split, list(label_map.names), None)
    if not split.annotations:
        raise DataError(f"{_named(split)} has no object of {_listed(label_map.names)}: there is nothing to measure on.")
    data = loaded.dataset(split, label_map, config.tiles)
    failures: list[ReadFailure] = []
    parts: list[Detections] = []
    rate, begin, keeper = None, 0.0, StateKeeper(LOWEST_SCORE)
    yield 0, len(split.images)
    for done, detections in _detected(loaded, data, config, failures, keeper):
        parts.append(detections)
        if rate is None and not begin:
            begin, first = time.perf_counter(), done  # the first images are slower, whatever the model
        elif done > first:
            rate = (done - first) / (time.perf_counter() - begin)
        yield done, len(split.images)
    sentences = {failure.image_id: failure.message for failure in failures}
    read = only_images(split, split.image_by_id.keys() - sentences.keys())
    if not read.images:
        raise DataError(f"No picture of {_named(split)} can be read: {next(iter(sentences.values()))}")
    ground_truth, detections = read.to_dict(), _relabelled(Detections.concat(parts), loaded.label_map, label_map, read)
    table = detection_table(ground_truth, detections, label_map, _model_input(loaded, config.tiles))
    figures = evaluate(ground_truth, detections, label_map)
    return Outcome(figures, table, read, (*notes, *sentences.values()), rate, keeper.take())


def _detected(
    loaded: LoadedModel, data: DetectionDataset, config: EvaluationConfig, failures: list[ReadFailure],
    keeper: StateKeeper,
) -> Iterator[tuple[int, Detections]]:  # fmt: skip
    """Yield how many images are done, and the detections of the last of them."""
    order = (
        None
        if isinstance(data, TiledDataset) or config.batch_size == 1
        else by_shape(range(len(data)), data.shown_size)
    )
    batches = loader(data, config.batch_size, config.workers, order, spare=failures.append)
    is_tiled = isinstance(data, TiledDataset)  # of whose boxes the queries are numbered anew
    answers = detect(loaded.model, batches, loaded.device, None, loaded.precision, None if is_tiled else keeper)
    if isinstance(data, TiledDataset):
        answers = merge_tiles(data, answers)
    done = 0
    for detections in answers:
        done += max(1, len(np.unique(detections.image_id)))
        yield min(done, len(data.split.images)), detections


def _shared_classes(loaded: LoadedModel, split: CocoSplit) -> LabelMap:
    names = {category["name"] for category in split.categories}
    shared = [name for name in loaded.label_map.names if name in names]
    if not shared:
        raise DataError(
            f"The model's classes ({_listed(loaded.label_map.names)}) are none of {_named(split)}'s "
            f"({_listed([c['name'] for c in split.categories])}): give the classes of the data the model's names."
        )
    return split.label_map(shared)


def _class_notes(labels: LabelMap, split: CocoSplit, shared: LabelMap) -> list[str]:
    """Return a sentence on the data's classes that the model does not know, and on those that only the model has."""
    unknown = [name for name in sorted(split.used_names) if name not in shared.names]
    absent = [name for name in labels.names if name not in shared.names]
    notes = [f"The model does not know {_listed(unknown)}: their objects do not count."] if unknown else []
    return notes + ([f"The data set has no class {_listed(absent)}: such boxes do not count."] if absent else [])


def _relabelled(detections: Detections, before: LabelMap, after: LabelMap, split: CocoSplit) -> Detections:
    """Return the detections in the order of the images, of the classes that are evaluated, with their indices."""
    index = {name: i for i, name in enumerate(after.names)}
    label = np.array([index.get(name, -1) for name in before.names])[detections.label]
    place = {image["id"]: i for i, image in enumerate(split.images)}
    order = np.argsort([place[image_id] for image_id in detections.image_id.tolist()], kind="stable")
    order = order[label[order] >= 0]
    chosen = detections[order]
    return Detections(chosen.image_id, chosen.query, label[order], chosen.score, chosen.boxes)


def _model_input(loaded: LoadedModel, tiles: int) -> ModelInput | None:
    model = loaded.model
    stride = model.description.feature_stride if isinstance(model, OnnxModel) else model.feature_stride()
    edges = loaded.shortest_edge, loaded.longest_edge
    return ModelInput(*edges, stride, loaded.square, tiles) if stride else None


def _named(split: CocoSplit) -> str:
    return f"The part {split.name} of {short(split.json_path, 120)}"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return short(", ".join(names[:MOST_NAMED]), 120) + more
