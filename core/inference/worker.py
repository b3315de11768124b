"""The app's child process that answers requests with a model: `python -m core.inference.worker`.

In: JSON requests, one a line, on the pipe of `core.child`. Out: their JSON answers, one a line, in the same order; the
process ends with its requests. So torch and its memory stay out of the process that serves the pages, and are given
back later.

    {"ask": "warm", "run": …, "model": …}    {}: the model, if one is named, is loaded
    {"ask": "device", "device": …, "processes": …}    {"refused": one sentence, "" if a training can have them}
    {"ask": "preview", "settings": of a TrainConfig, "epoch": …, "stamps": what changes with its data's files}
                                             {"picture": a JPEG in base64}, see `preview`
    {"ask": "why", "run": …, "model": "best" | "last" | "untouched", "image": …, "query" or "gt": …}    see `why`
    {"ask": "predict", …}                    see `core.inference.predict.answer_request`

A request that fails is answered by {"error": one sentence}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from base64 import b64encode
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from transformers.utils import logging

from core import ConfigError, LabError, RunError
from core.child import open_requests
from core.config import TrainConfig
from core.datasets.split import CocoSplit, read_split
from core.detr.device import available_device
from core.detr.explain import Near, explain, nearest
from core.inference.evaluation.models import asked_model
from core.inference.model_cache import ModelCache
from core.runs.queue import RunQueue
from core.runs.store import RunStore
from core.training.data.preview import draw_preview
from core.wording import short

THREADS = 2  # of torch: the pages need the other cores
NO_OBJECT = "no object"


def main() -> None:
    """Answer requests until they end, or the app."""
    requests = open_requests()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then closes the pipe
    out = _stdout_for_answers()
    logging.disable_progress_bar()
    store = RunStore.default()
    models, queue = ModelCache(store), RunQueue(store)
    try:
        for line in requests:
            torch.set_num_threads(threads_for(queue))
            print(json.dumps(answer_line(line, models)), file=out, flush=True)
    except BrokenPipeError:
        pass


def threads_for(queue: RunQueue) -> int:
    """Return how many threads an answer may take: one beside a training, or where the cores are busy otherwise.

    Several spin while they wait for each other: with the cores busy, an answer took 750 ms instead of 30.
    """
    cores = os.cpu_count() or 1
    with suppress(RunError):  # the answer says what is wrong with the store
        if not queue.active() and os.getloadavg()[0] < cores:
            return min(THREADS, cores)
    return 1


def _stdout_for_answers() -> TextIO:
    """Return the standard output, for answers only: from now on whatever a library prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return out


def answer_line(line: str, models: ModelCache) -> dict[str, Any]:
    """Return the answer to one request, or {"error": a sentence} whatever goes wrong: the child must live on."""
    try:
        request = json.loads(line)
        return HANDLERS[request["ask"]](request, models)
    except LabError as error:
        return {"error": str(error)}
    except torch.OutOfMemoryError:
        models.forget()
        return {"error": "The GPU has no room for the model now: ask again, it is then answered on the CPU if need be."}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"The model could not answer: {type(error).__name__}: {error}."}


def warm(request: dict[str, Any], models: ModelCache) -> dict[str, Any]:
    """Load the model that the request names, if it names one, before anything is asked of it."""
    if "run" in request:
        asked_model(models, request["run"], request["model"])
    return {}


def device(request: dict[str, Any], models: ModelCache) -> dict[str, Any]:
    """Say whether this machine has a training's device, and as many of it as there are processes."""
    try:
        available_device(request["device"], request["processes"] - 1)
    except ConfigError as error:
        return {"refused": str(error)}
    return {"refused": ""}


def preview(request: dict[str, Any], models: ModelCache) -> dict[str, Any]:
    """Draw the first training images as the settings show them in an epoch, from 0."""
    config = TrainConfig.from_dict(request["settings"])
    picture, file = draw_preview(config, _train_split(config.data, str(request["stamps"])), request["epoch"]), BytesIO()
    picture.save(file, "JPEG", quality=90)
    return {"picture": b64encode(file.getvalue()).decode()}


@lru_cache(maxsize=1)
def _train_split(data: str, stamps: str) -> CocoSplit:
    """Return the training part, read once for all that is switched on and off: COCO's own takes seconds."""
    return read_split(data, "train")


def why(request: dict[str, Any], models: ModelCache) -> dict[str, Any]:
    """Explain why a query of the model has its box on an image, or which queries came near an object that it missed.

    `image` is {"path", "width", "height"} as the data set states them; `query` a number, or instead `gt` an object,
    {"box": [x1, y1, x2, y2], "class": name}. Boxes are in pixels of the original image, here and in the answer:

    {"query", "softmax": whether the probabilities sum to 1, "classes": [name, …], "probabilities": [p, …],
     "layers": [{"box", "class", "score"}, …],
     "maps": {"w", "h", "cover": [width, height], "sampled", "tokens", "decoder": [packed, …], "encoder": packed
     or null}}
    or {"near": [{"query", "box", "iou", "score", "class", "class_score", "no_object"}, …]},
    as `core/detr/explain.py` says; a packed map is {"max", "data"}: h rows of w bytes in base64, 255 for the maximum.
    """
    loaded = asked_model(models, request["run"], request["model"])
    image, names = request["image"], loaded.label_map.names
    batch = loaded.batch(Path(image["path"]), (image["width"], image["height"]))
    if "gt" in request:
        gt = request["gt"]
        if gt["class"] not in names:
            raise LabError(
                f"The model does not know the class {short(repr(gt['class']))}, so it cannot have found this object."
            )
        near = nearest(loaded.detector, batch, gt["box"], names.index(gt["class"]), loaded.precision)
        return {"near": [_near(query, names) for query in near]}
    explained = explain(loaded.detector, batch, int(request["query"]), loaded.precision)
    softmax = len(explained.probabilities) > len(names)
    layers = zip(explained.boxes, explained.labels, explained.scores, strict=True)
    return {
        "query": explained.query,
        "softmax": softmax,
        "classes": [*names, NO_OBJECT] if softmax else list(names),
        "probabilities": [round(float(p), 6) for p in explained.probabilities],
        "layers": [{"box": _sides(box), "class": names[c], "score": round(float(s), 6)} for box, c, s in layers],
        "maps": {
            "w": explained.decoder.shape[2], "h": explained.decoder.shape[1], "cover": list(explained.cover),
            "sampled": explained.sampled, "tokens": explained.tokens,
            "decoder": [_packed(attention) for attention in explained.decoder],
            "encoder": None if explained.encoder is None else _packed(explained.encoder),
        },
    }  # fmt: skip


def _near(near: Near, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "query": near.query, "box": _sides(near.box), "iou": near.iou, "score": near.score,
        "class": names[near.label], "class_score": near.label_score, "no_object": near.no_object,
    }  # fmt: skip


def _sides(box: np.ndarray) -> list[float]:
    return [round(float(side), 3) for side in box]


def _packed(attention: np.ndarray) -> dict[str, Any]:
    """Return a map (h, w) for JSON, at 8 bits a cell."""
    most = float(attention.max())
    scaled = np.round(255 / most * attention) if most else attention
    return {"max": most, "data": b64encode(scaled.astype(np.uint8).tobytes()).decode()}


def predict(request: dict[str, Any], models: ModelCache) -> dict[str, Any]:
    """Predict on a picture, as `core.inference.predict.answer_request` says."""
    from core.inference.predict import answer_request

    return answer_request(request, models)


HANDLERS = {"warm": warm, "device": device, "preview": preview, "why": why, "predict": predict}

if __name__ == "__main__":
    main()
