"""Run a model on the user's own pictures: `predict` on one, `predict_files` on many, `answer_request` for the app.

In: a `Loaded` model and pictures. Out: `Prediction`s, made as in an evaluation: the same size, the same normalisation,
the same boxes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from core import DataError, LabError, RunError
from core.boxes import Detections
from core.datasets.pictures import read_picture
from core.detr.detect import detect
from core.inference.model_cache import Loaded, Models
from core.inference.own_pictures import OwnPicture, prepare_picture
from core.inference.predictions import (
    Prediction,
    above_score,
    draw_predictions,
    prediction_table,
    predictions_to_coco,
    safe_file_names,
)

JSON_NAME = "predictions.json"


def predict(loaded: Loaded, own: OwnPicture, image_id: int = 1) -> Prediction:
    """What the model finds on a picture.

    Raises DataError if it cannot be read any more, ConfigError if the GPU has no room even for one picture, RunError if
    the model's answers are not numbers.
    """
    begin = time.perf_counter()
    batch = loaded.batch(own.path, own.size)
    read = time.perf_counter()
    found = Detections.concat(detect(loaded.model, [batch], loaded.device, precision=loaded.precision))
    end = time.perf_counter()
    return Prediction(replace(found, image_id=np.full(len(found), image_id)), end - read, end - begin)


def predict_files(
    loaded: Loaded, paths: Sequence[Path], score: float, model: str, out: Path | None = None
) -> Generator[tuple[str, bool], None, dict]:
    """What the model finds on files, one after the other: yields (a sentence on it, whether it could be used).

    Returns `predictions_to_coco` of the boxes from `score` on. With a folder `out` that is written there as
    predictions.json, and each picture with its boxes as a PNG. Raises RunError if that fails.
    """
    pictures, predictions = {}, {}
    label_map, names = loaded.label_map, safe_file_names([path.name for path in paths], ".png")
    with TemporaryDirectory() as made:
        for path, name in zip(paths, names, strict=True):
            number = len(pictures) + 1
            try:
                own = prepare_picture(path, Path(made) / "upright.png")
                found = predict(loaded, own, number)
                if out:
                    table = prediction_table({number: own}, {number: found}, label_map)
                    _write(draw_predictions(read_picture(own.path, own.size), table, number, score).save, out / name)
            except DataError as error:
                yield str(error), False
                continue
            pictures[number], predictions[number] = own, found
            count = len(above_score(found.detections, score))
            yield f"{path}: {count} box{'es' * (count != 1)} in {found.whole_seconds:.3f} s", True
    coco = predictions_to_coco(pictures, predictions, label_map, score, model)
    if out:
        _write(lambda file: file.write_text(json.dumps(coco, indent=1)), out / JSON_NAME)
    return coco


def _write(save, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save(file)
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror or error}.") from None


def open_model(models: Models, model: str, run_id: str | None = None) -> Loaded:
    """The model `best`, `last` or `untouched` of a run; without a run, a checkpoint's folder or a name on the hub."""
    return models.open(model) if run_id is None else models.get(run_id, model)


def device_name(device: torch.device) -> str:
    """What people call it.

    >>> device_name(torch.device("cpu"))
    'CPU'
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(device.type, device.type)


def answer_request(request: dict, models: Models) -> dict:
    """For `core.inference.worker`: what a model finds on one picture.

    Asks {"model": …, "run": … or None, "picture": {"path", "width", "height"}}; says {"names", "category_ids": of the
    LabelMap, "device"} and "prediction", a `Prediction.to_dict()`, or "refused", a sentence on this picture.
    Raises LabError without a model.
    """
    loaded = open_model(models, request["model"], request.get("run"))
    said = {**loaded.label_map.to_dict(), "device": device_name(loaded.device)}
    picture = request["picture"]
    try:
        found = predict(loaded, OwnPicture("", Path(picture["path"]), (picture["width"], picture["height"])))
    except LabError as error:
        return {**said, "refused": str(error)}
    return {**said, "prediction": found.to_dict()}
