"""The routes of "Why this box?": what a model says about one of its queries, or about an object that it missed.

    POST /api/why/{run}/{model}/{image_id}?query=Q    what `why` of core/inference/worker.py answers about a query on a
                                                      validation image
    POST /api/why/{run}/{model}/{image_id}?gt=ID      the same about an annotation: the queries that came nearest
    POST /api/why/warm?run=…&model=…                  starts the process that answers, and loads the named model

They start a process of 0.7 GB, and so want the token that only this app's pages know (`guard.token`).

The first answer also has `note`: a sentence where the checkpoint is not the one that was evaluated. Answers are kept in
the run's folder until the checkpoint, the picture or the annotation changes. `why/why.js` shows them.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import DataError, LabError, RunError, lab_root
from core.boxes import xywh_to_xyxy
from core.disk import atomic_file
from core.files import read_bytes
from core.runs.evaluated.images import why_no_model
from core.runs.models import RunModel, evaluated_models
from core.runs.paths import RUN_ID
from core.runs.schema import Evaluation, Run
from ui.server import cache, services
from ui.server.guard import has_token, refused
from ui.server.model_worker import model_worker
from ui.server.thumbnails import NO_STORE

SECONDS = 60  # at most for an answer; the first one waits for torch
MOST_BYTES = 10_000_000  # of a kept answer
KEPT = 500  # answers of a run on disk, of about 10 KB each
OTHER_SCORE, OTHER_PLACE = 0.05, 0.02  # more than GPU and CPU differ: in score, and in shares of the image's side
LONGEST = {"query": 18, "gt": 20}  # characters of a number in an address
WEIGHTS = "model.safetensors"


def why(request: Request) -> Response:
    """Answer about a query or an annotation, from the disk if the same was asked before."""
    if not has_token(request):
        return _without_token()
    try:
        run = services.store().get(request.path_params["run"])
        evaluation = _evaluation(run, request.path_params["model"])
        question = _question(
            run, request.path_params["model"], request.path_params["image_id"], dict(request.query_params)
        )
        file = services.store().folder(run.id) / "why" / f"{_name(run, evaluation, question)}.json"
        with suppress(OSError):
            return Response(read_bytes(file, MOST_BYTES), media_type="application/json", headers=NO_STORE)
        answer = model_worker().ask({"ask": "why", **question}, SECONDS)
        if "error" in answer:
            return JSONResponse(answer, 503, NO_STORE)
        if "query" in answer:
            answer["note"] = _note(evaluation, request.path_params["image_id"], answer, question["image"])
        _keep(file, json.dumps(answer))
    except LabError as error:
        return refused(error)
    return JSONResponse(answer, headers=NO_STORE)


def warm(request: Request) -> Response:
    """Start the process that answers, without waiting for it."""
    if not has_token(request):
        return _without_token()
    query = request.query_params
    model = {name: query[name] for name in ("run", "model")} if {"run", "model"} <= set(query) else {}
    model_worker().warm(**model)
    return JSONResponse({}, headers=NO_STORE)


def _without_token() -> Response:
    return JSONResponse(
        {"error": "The app was started again since this page was loaded: reload the page."}, 403, NO_STORE
    )


def _evaluation(run: Run, model: str) -> Evaluation:
    """Return the evaluation of a run's model; raises RunError if there is none."""
    if reason := why_no_model(run):
        raise RunError(reason)
    kept = [e for e in services.store().evaluations(run.id) if e.table]
    known = evaluated_models(kept)
    if model not in known:
        raise RunError(
            f"The run {run.name} has no evaluated model {model!r}; it has: {', '.join(known) or 'none yet'}."
        )
    return known[model]


def _question(run: Run, model: str, image_id: int, query: dict[str, str]) -> dict[str, Any]:
    """Return the question as core/inference/worker.py takes it; raises DataError for an unknown image or annotation."""
    if len(set(query) & {"query", "gt"}) != 1:
        raise DataError("Ask about one box: query=NUMBER for a prediction, or gt=ID for an object.")
    path, (width, height) = cache.validation_image(run, image_id)
    question = {"run": run.id, "model": model, "image": {"path": str(path), "width": width, "height": height}}
    name, value = next((name, query[name]) for name in ("query", "gt") if name in query)
    if not value.removeprefix("-").isdecimal() or len(value) > LONGEST[name]:
        raise DataError(f"{name} is {value[:20]!r}, but must be a number.")
    if name == "query":
        return {**question, "query": int(value)}
    images = cache.validation_images(run)
    annotation = next((a for a in images.annotations_by_image[image_id] if a["id"] == int(value)), None)
    if annotation is None:
        raise DataError(f"The image {image_id} has no annotation {int(value)}.")
    name = next(c["name"] for c in images.categories if c["id"] == annotation["category_id"])
    return {**question, "gt": {"box": xywh_to_xyxy([annotation["bbox"]])[0].tolist(), "class": name}}


def _name(run: Run, evaluation: Evaluation, question: dict[str, Any]) -> str:
    """Return the name of the answer's file: another one for another checkpoint, picture or annotation."""
    if run.is_evaluation:
        folders = _folders_of(run.config["evaluation"]["model"][0])
    elif question["model"] == RunModel.BASELINE:
        folders = [lab_root() / run.config.get("model", "")]
    else:
        folders = [services.store().checkpoint(run.id, name) for name in ("best", "last")]
    stamps = [
        services.file_stamp(path)
        for path in (*(folder / WEIGHTS for folder in folders), Path(question["image"]["path"]))
    ]
    return hashlib.sha256(json.dumps([question, stamps, evaluation.created]).encode()).hexdigest()[:32]


def _folders_of(name: str) -> list[Path]:
    """Return where the weights of a model may lie that an evaluation names."""
    run_id, _, model = name.rpartition(":")
    if RUN_ID.fullmatch(run_id) and model != RunModel.BASELINE:
        return [services.store().checkpoint(run_id, one) for one in ("best", "last")]
    return [lab_root() / name]


def _note(evaluation: Evaluation, image_id: int, answer: dict[str, Any], image: dict[str, Any]) -> str | None:
    """Return a sentence if the table has another box or score for the query: the checkpoint is of another step then."""
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
    """Write an answer, and delete the oldest ones beyond KEPT; on a full disk none is kept."""
    with suppress(OSError):
        with atomic_file(file) as partial:
            partial.write_text(text, encoding="utf-8")
        for path in sorted(file.parent.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
            path.unlink(missing_ok=True)
