"""What the components fetch over HTTP, outside Streamlit's reruns.

    /api/metrics/{run}?after=N&group=G&remarks=M
                                      a run's state, its metric rows of one group of curves that are newer than row N,
                                      and its remarks, unless they are those that M marks
    /api/preflight/{run}              the pre-flight's picture of the first batch
    /api/image/{run}/{image_id}?w=W&crop=…  a validation image, or a part of it, as JPEG, its longest side W pixels
    /api/boxes/{run}/{image_id}?score=S     a validation image's boxes at every epoch at which they are kept
    /api/why/{run}/{model}/{image_id}?query=Q  why a box is there (why.py)
    /api/data/{key}/{split}/{image_id}?w=W  the same of a data set that the Data page shows
    /api/upload/{key}/{number}?w=W    the same of a picture that a session has brought to Predict
    /api/js/{version}/{path}          the components' scripts (ui/server/scripts.py)
    /api/plotly.js                    the library that draws the curves

Only run and image ids come in, never a path; only this machine's host names are answered (`services.MIDDLEWARE`).
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from core import LabError
from core.charts.to_json import PLOTLY
from core.metrics import GROUPS
from core.runs.schema import Run, Status
from core.training.remark import Level
from ui.gallery.watch_route import boxes
from ui.gallery.why_route import ROUTES as WHY
from ui.server import cache, services
from ui.server.scripts import script
from ui.server.thumbnails import HEADERS, IMMUTABLE, NO_STORE, picture_response

SHOWN = (
    "epoch", "epochs", "step", "steps", "images_per_second", "seconds_left", "message",
    "baseline_ap", "ap", "best_ap", "best_epoch",
)  # fmt: skip
BRIEF = {**HEADERS, "Cache-Control": "private, max-age=60"}  # of pictures that their owner may replace meanwhile


def metrics(request: Request) -> Response:
    """The rows after `after` by tag, as [[steps], [values]], the number of the last row, and what else is new."""
    asked = request.query_params
    try:
        run = services.store().get(request.path_params["run"])
        tags = tags_of(run, asked.get("group", "losses"))
        rows, last = services.store().curves_after(run.id, int(asked.get("after", "0")), tags)
    except (LabError, ValueError, OverflowError) as error:
        return JSONResponse({"error": str(error)}, 404, NO_STORE)
    rows = {tag: (steps, [_short(value) for value in values]) for tag, (steps, values) in rows.items()}
    answer = {"rows": rows, "last": last, "run": run_state(run), "version": services.page_version(run)}
    remarks = in_order(run.remarks)
    mark = f"{zlib.crc32(json.dumps(remarks).encode()):08x}"
    if mark != asked.get("remarks"):
        answer["remarks"] = {"mark": mark, "list": remarks}
    return JSONResponse(answer, headers=NO_STORE)


def tags_of(run: Run, group: str) -> list[str]:
    """The metrics that are drawn together; raises ValueError for an unknown group."""
    if group not in GROUPS:
        raise ValueError(f"There is no group of curves {group!r}.")
    return GROUPS[group].tags((run.label_map or {}).get("names", []))


def in_order(remarks: list[dict]) -> list[dict]:
    """The most urgent first, and of one level those seen first."""
    urgency = {level.value: i for i, level in enumerate(Level)}
    return sorted(remarks, key=lambda r: (urgency.get(str(r.get("level")), len(urgency)), r.get("step") or 0))


def _short(value: float | None) -> float | None:
    """Five digits, more than can be seen: a third of the bytes."""
    return None if value is None else float(f"{value:.5g}")


def run_state(run: Run) -> dict:
    """What the page shows of a run besides its curves."""
    state = {"status": run.status.value, "label": run.label, "live": run.is_live, "clip": run.config.get("clip")}
    state |= {name: getattr(run, name) for name in SHOWN}
    if run.status == Status.QUEUED:
        places = [other.id for other in services.waiting()]
        place = places.index(run.id) + 1 if run.id in places else 1
        state["message"] = "Next in the queue" if place == 1 else f"Number {place} in the queue"
    return state


def preflight(request: Request) -> Response:
    """The picture as it was saved; its address changes with it."""
    try:
        run = services.store().get(request.path_params["run"])
        body = services.store().preflight_picture(run.id).read_bytes()
    except (LabError, OSError):
        return JSONResponse({"error": "There is no such picture."}, 404, NO_STORE)
    return Response(body, media_type="image/png", headers={**IMMUTABLE, "Content-Encoding": "identity"})


def image(request: Request) -> Response:
    """A validation image of a run."""

    def find(asked: dict) -> tuple[Path, tuple[int, int]]:
        return cache.validation_image(services.store().get(asked["run"]), asked["image_id"])

    return picture_response(request, find)


def data_image(request: Request) -> Response:
    """An image of a data set that the Data page shows."""
    return picture_response(
        request, lambda asked: cache.data_image(asked["key"], asked["split"], asked["image_id"]), BRIEF
    )


def upload(request: Request) -> Response:
    """A picture that a session has brought to Predict."""
    return picture_response(request, lambda asked: services.uploads().find(asked["key"], asked["number"]), beside=True)


def plotly_js(request: Request) -> Response:
    return FileResponse(PLOTLY, media_type="text/javascript", headers=IMMUTABLE)


ROUTES = [
    Route("/api/metrics/{run}", metrics),
    Route("/api/preflight/{run}", preflight),
    Route("/api/image/{run}/{image_id:int}", image),
    Route("/api/boxes/{run}/{image_id:int}", boxes),
    Route("/api/data/{key}/{split}/{image_id:int}", data_image),
    Route("/api/upload/{key}/{number:int}", upload),
    Route("/api/js/{version}/{path:path}", script),
    Route("/api/plotly.js", plotly_js),
    *WHY,
]
