"""Why this box: a model's answer about one of its queries, or about an object that it missed, over HTTP (why.js).

    /api/why/{run}/{model}/{image_id}?query=Q    what core/inference/worker.py's `why` says of a query on a validation
    image /api/why/{run}/{model}/{image_id}?gt=ID      … of an annotation: the queries that came nearest
    /api/why/warm?run=…&model=…                  has the process that answers ready, and the model if one is named

In the first also `note`: a sentence where the checkpoint is not the one that was evaluated. Answers are kept in the
run's folder until the checkpoint, the picture or the annotation changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core import PROJECT, DataError, LabError, RunError
from core.boxes import xywh_to_xyxy
from core.runs.models import evaluated_models
from core.runs.schema import Evaluation, Run
from ui.server import cache, services
from ui.server.model_worker import models
from ui.server.thumbnails import FRESH

SECONDS = 60  # at most for an answer; the first one waits for torch
KEPT = 500  # answers of a run on disk, of about 10 KB each
OTHER_SCORE, OTHER_PLACE = 0.05, 0.02  # more than GPU and CPU differ: in score, and in shares of the image's side
WEIGHTS = "model.safetensors"


def why(request: Request) -> Response:
    """The answer, from the disk if it was asked before."""
    try:
        run = services.store().get(request.path_params["run"])
        evaluation = _evaluation(run, request.path_params["model"])
        asked = _asked(run, request.path_params["model"], request.path_params["image_id"], dict(request.query_params))
        file = services.store().folder(run.id) / "why" / f"{_name(run, evaluation, asked)}.json"
        if file.is_file():
            return Response(file.read_bytes(), media_type="application/json", headers=FRESH)
        answer = models().ask({"ask": "why", **asked}, SECONDS)
        if "error" in answer:
            return JSONResponse(answer, 503, FRESH)
        if "query" in answer:
            answer["note"] = _note(evaluation, request.path_params["image_id"], answer, asked["image"])
        _keep(file, json.dumps(answer))
    except LabError as error:
        return JSONResponse({"error": str(error)}, 404, FRESH)
    return JSONResponse(answer, headers=FRESH)


def warm(request: Request) -> Response:
    """Does not wait until it is ready."""
    asked = request.query_params
    named = {name: asked[name] for name in ("run", "model")} if {"run", "model"} <= set(asked) else {}
    models().warm(**named)
    return JSONResponse({}, headers=FRESH)


def _evaluation(run: Run, model: str) -> Evaluation:
    """The evaluation whose boxes are looked at; raises RunError without one."""
    if run.is_imported:
        raise RunError(f"The run {run.name} was imported: only its results are here, no model that could be asked.")
    found = [e for e in services.store().evaluations(run.id) if e.table]
    known = evaluated_models(found)
    if model not in known:
        raise RunError(
            f"The run {run.name} has no evaluated model {model!r}; it has: {', '.join(known) or 'none yet'}."
        )
    return known[model]


def _asked(run: Run, model: str, image_id: int, query: dict[str, str]) -> dict:
    """What core/inference/worker.py is asked; raises DataError for an image, an annotation or a number that there
    is not."""
    if len(set(query) & {"query", "gt"}) != 1:
        raise DataError("Ask about one box: query=NUMBER for a prediction, or gt=ID for an object.")
    path, (width, height) = cache.validation_image(run, image_id)
    asked = {"run": run.id, "model": model, "image": {"path": str(path), "width": width, "height": height}}
    name, value = next((name, query[name]) for name in ("query", "gt") if name in query)
    if not value.removeprefix("-").isdecimal() or len(value) > 18:
        raise DataError(f"{name} is {value[:20]!r}, but must be a number.")
    if name == "query":
        return {**asked, "query": int(value)}
    images = cache.validation_images(run)
    found = next((a for a in images.by_image[image_id] if a["id"] == int(value)), None)
    if found is None:
        raise DataError(f"The image {image_id} has no annotation {int(value)}.")
    name = next(c["name"] for c in images.categories if c["id"] == found["category_id"])
    return {**asked, "gt": {"box": xywh_to_xyxy([found["bbox"]])[0].tolist(), "class": name}}


def _name(run: Run, evaluation: Evaluation, asked: dict) -> str:
    """Names an answer: another one for another checkpoint, picture or annotation."""
    if asked["model"] == "untouched":
        folders = [PROJECT / run.config["model"]]
    else:
        folders = [services.store().checkpoint(run.id, name) for name in ("best", "last")]
    stamps = [
        services.stamp(path) for path in (*(folder / WEIGHTS for folder in folders), Path(asked["image"]["path"]))
    ]
    return hashlib.sha256(json.dumps([asked, stamps, evaluation.created]).encode()).hexdigest()[:32]


def _note(evaluation: Evaluation, image_id: int, answer: dict, image: dict) -> str | None:
    """Says so if the table has another box or score for the query: the checkpoint is of another step then."""
    table = cache.table_of(evaluation)
    rows = table.filter(pc.and_(pc.equal(table["image_id"], image_id), pc.equal(table["query"], answer["query"])))
    if not len(rows):
        return None
    row = max(rows.to_pylist(), key=lambda row: row["score"])
    last = answer["layers"][-1]
    moved = np.abs(np.subtract(last["box"], [row[side] for side in ("x1", "y1", "x2", "y2")])).max()
    far = moved > OTHER_PLACE * max(image["width"], image["height"])
    if not far and abs(last["score"] - row["score"]) <= OTHER_SCORE:
        return None
    return (
        f"The checkpoint now gives this query {last['score']:.2f} {last['class']}, where {row['score']:.2f} "
        f"{row['class_name']} was evaluated: it was saved at another step, and that is what is explained here."
    )


def _keep(file: Path, text: str) -> None:
    """Writes an answer, and deletes the oldest beyond KEPT; a full disk keeps none."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{threading.get_ident()}.partial")
        partial.write_text(text)
        os.replace(partial, file)
        for path in sorted(file.parent.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
            path.unlink(missing_ok=True)


ROUTES = [Route("/api/why/warm", warm), Route("/api/why/{run}/{model}/{image_id:int}", why)]
