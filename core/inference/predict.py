"""Run a model on the user's own pictures: `predict` on one, `predict_files` on many, `answer_request` for the app.

In: a `LoadedModel` and pictures. Out: `Prediction`s, made as in an evaluation: the same size, the same normalisation,
the same boxes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from core import DataError, LabError
from core.boxes import Detections
from core.datasets.pictures import read_picture
from core.detr.detect import detect
from core.disk import whole_file
from core.inference.model_cache import LoadedModel, ModelCache
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


def predict(loaded: LoadedModel, picture: OwnPicture, image_id: int = 1) -> Prediction:
    """Return the model's detections on a picture.

    Raises DataError if the picture cannot be read any more, ConfigError if the GPU has no room even for one picture,
    RunError if the model's outputs are not finite.
    """
    begin = time.perf_counter()
    batch = loaded.batch(picture.path, picture.size)
    read = time.perf_counter()
    detections = Detections.concat(detect(loaded.model, [batch], loaded.device, precision=loaded.precision))
    end = time.perf_counter()
    detections = replace(detections, image_id=np.full(len(detections), image_id))
    return Prediction(detections, end - read, end - begin)


def predict_files(
    loaded: LoadedModel, paths: Sequence[Path], score: float, model: str, out: Path | None = None
) -> Generator[tuple[str, bool], None, dict[str, Any]]:
    """Predict on files one after the other; yield for each (a sentence on it, whether it could be used).

    Returns `predictions_to_coco` of the boxes with at least `score`. With a folder `out` that is written there as
    predictions.json, and each picture with its boxes as a PNG. Raises RunError if that fails.
    """
    pictures: dict[int, OwnPicture] = {}
    predictions: dict[int, Prediction] = {}
    label_map, names = loaded.label_map, safe_file_names([path.name for path in paths], ".png")
    with TemporaryDirectory() as folder:
        for path, name in zip(paths, names, strict=True):
            image_id = len(pictures) + 1
            try:
                picture = prepare_picture(path, Path(folder) / "upright.png")
                prediction = predict(loaded, picture, image_id)
                if out:
                    table = prediction_table({image_id: picture}, {image_id: prediction}, label_map)
                    image = read_picture(picture.path, picture.size)
                    with whole_file(out / name) as file:
                        draw_predictions(image, table, image_id, score).save(file, format="PNG")
            except DataError as error:
                yield str(error), False
                continue
            pictures[image_id], predictions[image_id] = picture, prediction
            count = len(above_score(prediction.detections, score))
            yield f"{path}: {count} box{'es' * (count != 1)} in {prediction.whole_seconds:.3f} s", True
    coco = predictions_to_coco(pictures, predictions, label_map, score, model)
    if out:
        with whole_file(out / JSON_NAME) as file:
            file.write_text(json.dumps(coco, indent=1), encoding="utf-8")
    return coco


def open_model(models: ModelCache, model: str, run_id: str | None = None) -> LoadedModel:
    """Return a run's model "best", "last" or "untouched"; without a run, that of a folder or of a name on the hub."""
    return models.open(model) if run_id is None else models.get(run_id, model)


def device_name(device: torch.device) -> str:
    """Return the device's name for the user.

    >>> device_name(torch.device("cpu"))
    'CPU'
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(device.type, device.type)


def answer_request(request: dict[str, Any], models: ModelCache) -> dict[str, Any]:
    """Answer a request to `core.inference.worker` to predict on one picture.

    request  {"model": …, "run": … or None, "picture": {"path", "width", "height"}}
    answer   {"names", "category_ids": of the LabelMap, "device"} and "prediction", a `Prediction.to_dict()`, or
             "refused", a sentence on why this picture cannot be used

    Raises LabError if there is no such model.
    """
    loaded = open_model(models, request["model"], request.get("run"))
    answer = {**loaded.label_map.to_dict(), "device": device_name(loaded.device)}
    path, size = Path(request["picture"]["path"]), (request["picture"]["width"], request["picture"]["height"])
    try:
        prediction = predict(loaded, OwnPicture("", path, size))
    except LabError as error:
        return {**answer, "refused": str(error)}
    return {**answer, "prediction": prediction.to_dict()}
