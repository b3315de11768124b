"""Answers that need a model, from a child of the app: `python -m core.inference.worker`.

A JSON request a line comes in, a JSON answer a line goes out, in order; it ends when there are no more lines. So torch
and its memory stay out of the process that serves the pages, and are given back when nobody asks any more.

    {"ask": "warm", "run": …, "model": …}    {}: the model, if one is named, is loaded
    {"ask": "why", "run": …, "model": "best" | "last" | "untouched", "image": …, "query" or "gt": …}    see `why`
    {"ask": "predict", …}                    see `core.inference.predict.answer(request: dict, models: Models) -> dict`

What goes wrong is {"error": one sentence}. The models are a `core.inference.model_cache.Models`, which keeps the last
two: `models.get(run_id, "best" | "last" | "untouched") -> Loaded`, or `models.open(folder or hub name) -> Loaded`, with
`Loaded(model, label_map, shortest_edge, longest_edge, precision, device)`; the model is in evaluation mode on `device`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from base64 import b64encode
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from transformers.utils import logging

from core import LabError
from core.detr.explain import explain, nearest
from core.inference.model_cache import Models
from core.runs.store import RunStore

THREADS = 2  # of torch: the pages, and perhaps a training, want the other cores
NO_OBJECT = "no object"


def main() -> None:
    """Answers until the app asks no more, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then closes our input
    out = _own_stdout()
    logging.disable_progress_bar()
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    models = Models(RunStore.default())
    try:
        for line in sys.stdin:
            print(json.dumps(answer_line(line, models)), file=out, flush=True)
    except BrokenPipeError:
        pass


def _own_stdout() -> TextIO:
    """The standard output for the answers alone: whatever a library prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return out


def answer_line(line: str, models: Models) -> dict:
    """The answer to one request; whatever goes wrong with it is said in a sentence, and the next one is answered."""
    try:
        request = json.loads(line)
        return ANSWERS[request["ask"]](request, models)
    except LabError as error:
        return {"error": str(error)}
    except torch.OutOfMemoryError:
        models.forget()
        return {"error": "The GPU has no room for the model now: ask again, it is then answered on the CPU if need be."}
    except Exception as error:  # the child lives on
        traceback.print_exc()
        return {"error": f"The model could not answer: {type(error).__name__}: {error}."}


def warm(request: dict, models: Models) -> dict:
    """Loads the model that is named, if there is one, before it is asked."""
    if "run" in request:
        models.get(request["run"], request["model"])
    return {}


def why(request: dict, models: Models) -> dict:
    """Why a query of the model has its box on an image, or which queries came near an object that it missed.

    `image` is {"path", "width", "height"} as the data set states them; `query` a number; else `gt` an object,
    {"box": [x1, y1, x2, y2], "class": name}. Boxes are in pixels of the original image, here and in the answer:

    {"query", "softmax": whether the probabilities sum to 1, "classes": [name, …], "probabilities": [p, …],
     "layers": [{"box", "class", "score"}, …],
     "maps": {"w", "h", "cover": [width, height], "sampled", "decoder": [packed, …], "encoder": packed}}
    or {"near": [{"query", "box", "iou", "score", "class", "class_score", "no_object"}, …]},
    as `core/detr/explain.py` says; a packed map is {"max", "data"}: h rows of w bytes in base64, 255 for the maximum.
    """
    loaded = models.get(request["run"], request["model"])
    image, names = request["image"], loaded.label_map.names
    batch = loaded.batch(Path(image["path"]), (image["width"], image["height"]))
    if "gt" in request:
        wanted = request["gt"]
        if wanted["class"] not in names:
            raise LabError(
                f"The model does not know the class {wanted['class']!r}, so it cannot have found this object."
            )
        found = nearest(loaded.model, batch, wanted["box"], names.index(wanted["class"]), loaded.precision)
        return {"near": [_near(one, names) for one in found]}
    found = explain(loaded.model, batch, int(request["query"]), loaded.precision)
    softmax = len(found.probabilities) > len(names)
    layers = zip(found.boxes, found.labels, found.scores, strict=True)
    return {
        "query": found.query,
        "softmax": softmax,
        "classes": [*names, NO_OBJECT] if softmax else list(names),
        "probabilities": [round(float(p), 6) for p in found.probabilities],
        "layers": [{"box": _sides(box), "class": names[c], "score": round(float(s), 6)} for box, c, s in layers],
        "maps": {
            "w": found.encoder.shape[1], "h": found.encoder.shape[0], "cover": list(found.cover),
            "sampled": found.sampled, "decoder": [_packed(m) for m in found.decoder], "encoder": _packed(found.encoder),
        },
    }  # fmt: skip


def _near(found, names: tuple[str, ...]) -> dict:
    return {
        "query": found.query, "box": _sides(found.box), "iou": found.iou, "score": found.score,
        "class": names[found.label], "class_score": found.label_score, "no_object": found.no_object,
    }  # fmt: skip


def _sides(box: np.ndarray) -> list[float]:
    return [round(float(side), 3) for side in box]


def _packed(found: np.ndarray) -> dict:
    most = float(found.max())
    scaled = np.round(255 / most * found) if most else found
    return {"max": most, "data": b64encode(scaled.astype(np.uint8).tobytes()).decode()}


def predict(request: dict, models: Models) -> dict:
    from core.inference.predict import answer_request

    return answer_request(request, models)


ANSWERS = {"warm": warm, "why": why, "predict": predict}

if __name__ == "__main__":
    main()
