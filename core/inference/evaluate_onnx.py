"""An ONNX file as an evaluated run, so that every page and command treats it like a trained model.

In: the file with its description, and a data set. Out: a finished run with one evaluation, of epoch 0, on the
validation images with the file's classes: those that a training of these classes is evaluated on, so that Compare can
set both beside each other.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import replace
from pathlib import Path

from core import RunError
from core.boxes import Detections
from core.datasets.part import filter_to_classes
from core.datasets.split import CocoSplit, read_split
from core.detr.detect import detect
from core.detr.input.loader import ReadFailure, loader
from core.evaluation.coco_eval import evaluate
from core.evaluation.model_input import ModelInput
from core.evaluation.tide import detection_table
from core.files import real_path
from core.inference.model_cache import LoadedModel, load_onnx
from core.inference.onnx.model import OnnxModel
from core.runs.imports import add_evaluated
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import short


def evaluate_onnx(
    store: RunStore, file: Path, data: str | Path, name: str | None = None
) -> Generator[tuple[int, int], None, Run]:
    """Make a run of an ONNX file and a data set's validation images; yield (images done, images in all).

    Pictures that cannot be read are left out, and noted. Raises ModelError for the file, DataError for the data, also
    where it lacks a class of the file, and RunError if the run cannot be written; then no run is left.
    """
    file, folder = real_path(file), real_path(data)
    loaded = load_onnx(file)
    split = filter_to_classes(read_split(folder, "val"), list(loaded.label_map.names), None)
    failures: list[ReadFailure] = []
    parts: list[Detections] = []
    dataset = loaded.dataset(split, split.label_map(list(loaded.label_map.names)))
    yield 0, len(dataset)
    batches = loader(dataset, 1, spare=failures.append)
    for done, detections in enumerate(detect(loaded.model, batches, loaded.device), start=1):
        parts.append(detections)
        yield done, len(dataset)
    lost = {failure.image_id for failure in failures}
    split = only_images(split, split.image_by_id.keys() - lost)
    if not split.images:
        raise RunError(f"No picture of {short(folder, 120)} can be read: {failures[0].message if failures else ''}")
    ground_truth, detections = split.to_dict(), Detections.concat(parts)
    table = detection_table(ground_truth, detections, dataset.label_map, _model_input(loaded))
    imported = {
        "gt": str(split.json_path), "dt": str(file), "images": str(split.image_dir), "data": str(folder),
        "onnx": str(file), "notes": [failure.message for failure in failures],
    }  # fmt: skip
    figures = evaluate(ground_truth, detections, dataset.label_map)
    return add_evaluated(store, {"imported": imported}, name or short(file.name), figures, table, split)


def only_images(split: CocoSplit, image_ids: Collection[int]) -> CocoSplit:
    """Return the split with these images alone."""
    images = [image for image in split.images if image["id"] in image_ids]
    return replace(split, images=images, annotations=[a for a in split.annotations if a["image_id"] in image_ids])


def _model_input(loaded: LoadedModel) -> ModelInput | None:
    stride = loaded.model.description.feature_stride if isinstance(loaded.model, OnnxModel) else None
    return ModelInput(loaded.shortest_edge, loaded.longest_edge, stride, loaded.square) if stride else None
