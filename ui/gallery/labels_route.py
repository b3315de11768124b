"""The routes by which the large view corrects labels: each answers with the image's boxes, matched anew.

    POST /api/labels/{run}/{model}/{image_id}?do=look    nothing
                                             ?do=accept&query=Q      a prediction; &own=1: as a label of its own
                                             ?do=draw&class=C&box=x1,y1,x2,y2
                                             ?do=change&id=I&class=C, or &box=…, or &crowd=1
                                             ?do=delete&id=I, ?do=undo, ?do=redo
    POST /api/labels/{run}/{model}?score=S   what all corrections of the file change: AP, its interval, errors

The first answers {"model": boxes as in `columns.py`, "undo": how often, "redo": how often, "id": of the label that was
corrected last}. They write, and so want the token that only this app's pages know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import DataError, LabError, RunError
from core.datasets.coco.ids import to_id, to_number
from core.evaluation.findings.label_noise import LabelNoise
from core.evaluation.table import integers, is_detection
from core.runs.corrections.corrected import corrected_table
from core.runs.corrections.journal import DONE, UNDONE, Correction, CorrectionKind, net_corrections
from core.runs.corrections.mend import Mender
from core.runs.models import evaluated_models
from core.runs.schema import Evaluation, Run
from ui.gallery.columns import class_names, columns_of, json_bytes
from ui.server import cache, labels, services
from ui.server.guard import has_token, refused
from ui.server.thumbnails import NO_STORE

Asked = Mapping[str, str]


def correct(request: Request) -> Response:
    """Do what is asked to the labels of an image, and answer with its boxes."""
    if not has_token(request):
        return refused("The app was started again since this page was loaded: reload the page.", 403)
    try:
        run, evaluation = _evaluated(request)
        image_id, asked = request.path_params["image_id"], dict(request.query_params)
        mender, table = labels.mender_of(run), _rows(cache.table_of(evaluation), request.path_params["image_id"])
        if asked.get("do") not in _ACTIONS:
            raise DataError("Nothing that can be done to labels was asked for.")
        correction = _ACTIONS[asked["do"]](mender, table, image_id, asked)
        made = mender.corrections_of(image_id)
        now = corrected_table(table, made)
        answer = {
            "model": columns_of(now, [image_id], class_names(now)),
            "undo": sum(one.state == DONE for one in made), "redo": sum(one.state == UNDONE for one in made),
            "id": str(correction.label_id) if correction else None,
        }  # fmt: skip
    except LabError as error:
        return refused(error, 400)
    return Response(json_bytes(answer), media_type="application/json", headers=NO_STORE)


def figures(request: Request) -> Response:
    """Answer with what all corrections change of the evaluation."""
    if not has_token(request):
        return refused("The app was started again since this page was loaded: reload the page.", 403)
    try:
        run, evaluation = _evaluated(request)
        score = _number(request.query_params.get("score", "0.5"), "The score")
        net = net_corrections(labels.mender_of(run).corrections())
        answer: dict[str, Any] = {"labels": sum(map(len, net.values())), "images": len(net)}
        if net:
            answer |= _in_numbers(labels.label_noise_of(run, evaluation, score))
    except LabError as error:
        return refused(error, 400)
    return JSONResponse(answer, headers=NO_STORE)


def _in_numbers(noise: LabelNoise) -> dict[str, Any]:
    difference = noise.ap.difference
    return {
        "before": noise.ap.before, "after": noise.ap.after, "difference": difference.value, "low": difference.low,
        "high": difference.high, "errors": [sum(counts.values()) for counts in noise.errors],
    }  # fmt: skip


def _evaluated(request: Request) -> tuple[Run, Evaluation]:
    run, model = services.store().get(request.path_params["run"]), request.path_params["model"]
    known = evaluated_models([e for e in services.store().evaluations(run.id) if e.table])
    if model not in known:
        raise RunError(f"The run {run.name} has no evaluated model {model!r}.")
    return run, known[model]


def _rows(table: pa.Table, image_id: int) -> pa.Table:
    """Return the rows of an image, with all that the table says besides."""
    ids = table["image_id"].to_numpy()
    first, last = np.searchsorted(ids, [image_id]), np.searchsorted(ids, [image_id], side="right")
    return table.slice(first[0], last[0] - first[0])


def _accept(mender: Mender, table: pa.Table, image_id: int, asked: Asked) -> Correction:
    now = corrected_table(table, mender.corrections_of(image_id))
    query = to_id(asked.get("query"))
    rows = now.filter(pa.array(is_detection(now) & (integers(now, "query") == (-1 if query is None else query))))
    if not len(rows):
        raise DataError("There is no such prediction on the image.")
    row = max(rows.to_pylist(), key=lambda one: one["score"])
    return mender.accept(image_id, row, as_own=asked.get("own") == "1")


def _draw(mender: Mender, table: pa.Table, image_id: int, asked: Asked) -> Correction:
    return mender.draw(image_id, asked.get("class", ""), _box(asked))


def _change(mender: Mender, table: pa.Table, image_id: int, asked: Asked) -> Correction:
    if "class" in asked:
        return mender.change(image_id, _label_id(asked), CorrectionKind.CLASS, class_name=asked["class"])
    if "crowd" in asked:
        return mender.change(image_id, _label_id(asked), CorrectionKind.CROWD, crowd=asked["crowd"] == "1")
    return mender.change(image_id, _label_id(asked), CorrectionKind.BOX, box=_box(asked))


def _delete(mender: Mender, table: pa.Table, image_id: int, asked: Asked) -> Correction:
    return mender.delete(image_id, _label_id(asked))


_ACTIONS: dict[str, Callable[[Mender, pa.Table, int, Asked], Correction | None]] = {
    "look": lambda mender, table, image_id, asked: None,
    "accept": _accept,
    "draw": _draw,
    "change": _change,
    "delete": _delete,
    "undo": lambda mender, table, image_id, asked: mender.journal.undo(image_id),
    "redo": lambda mender, table, image_id, asked: mender.journal.redo(image_id),
}


def _label_id(asked: Asked) -> int:
    label_id = to_id(asked.get("id"))
    if label_id is None:
        raise DataError("No label is named.")
    return label_id


def _box(asked: Asked) -> list[float]:
    sides = asked.get("box", "").split(",")
    if len(sides) != 4:
        raise DataError("A box has four sides: box=x1,y1,x2,y2.")
    return [_number(side, "A side of the box") for side in sides]


def _number(text: str, subject: str) -> float:
    value = to_number(text)
    if value is None:
        raise DataError(f"{subject} must be a number.")
    return float(value)
