"""The route by which the live component gets what is new of a run.

/api/metrics/{run}?after=N&group=G&remarks=M

rows     by tag [[steps], [values]]: the metrics of the group G of curves after row N
last     the number of the last row, for the next request
run      the run's state
version  changes when the page is to be run again (`services.page_version`)
start    how far the run's start is (`start.py`); null once it has figures, or has ended
busy     whether any run trains or waits, so that the next request may find something new
remarks  {"mark", "list"}: the doctor's remarks, left out if their mark is M
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import LabError
from core.metrics import GROUPS
from core.runs.schema import Run, Status
from core.training.remark import Level
from ui.live.start import start_of
from ui.server import services
from ui.server.guard import refused
from ui.server.thumbnails import NO_STORE

SHOWN = (
    "epoch", "epochs", "step", "steps", "images_per_second", "seconds_left", "message",
    "baseline_ap", "ap", "best_ap", "best_epoch",
)  # fmt: skip


def metrics(request: Request) -> Response:
    """Answer with what is new of a run."""
    query = request.query_params
    try:
        run = services.store().get(request.path_params["run"])
        tags = tags_of(run, query.get("group", "losses"))
        curves, last = services.store().curves_after(run.id, int(query.get("after", "0")), tags)
    except (LabError, ValueError, OverflowError) as error:
        return refused(error)
    rows = {tag: (steps, [five_digits(value) for value in values]) for tag, (steps, values) in curves.items()}
    state = run_state(run)
    answer = {"rows": rows, "last": last, "run": state, "version": services.page_version(run)}
    answer["start"] = start_of(run, state["message"] or "")
    answer["busy"] = bool(services.busy())
    remarks = by_urgency(run.remarks)
    mark = f"{zlib.crc32(json.dumps(remarks).encode()):08x}"
    if mark != query.get("remarks"):
        answer["remarks"] = {"mark": mark, "list": remarks}
    return JSONResponse(answer, headers=NO_STORE)


def tags_of(run: Run, group: str) -> list[str]:
    """Return the tags of a group of curves; raises ValueError for an unknown group."""
    if group not in GROUPS:
        raise ValueError(f"There is no group of curves {group!r}.")
    return GROUPS[group].tags((run.label_map or {}).get("names", []))


def by_urgency(remarks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort remarks: the most urgent level first, within a level by step."""
    urgency = {level.value: i for i, level in enumerate(Level)}
    return sorted(remarks, key=lambda r: (urgency.get(str(r.get("level")), len(urgency)), r.get("step") or 0))


def five_digits(value: float | None) -> float | None:
    """Round to five digits, which is more than can be seen: a third of the bytes."""
    return None if value is None else float(f"{value:.5g}")


def run_state(run: Run) -> dict[str, Any]:
    """Return what the component shows of a run beside its curves and remarks."""
    state = {"status": run.status.value, "label": run.label, "live": run.is_live, "clip": run.config.get("clip")}
    state |= {name: getattr(run, name) for name in SHOWN}
    if run.status == Status.QUEUED:
        queue = [other.id for other in services.waiting()]
        place = queue.index(run.id) + 1 if run.id in queue else 1
        state["message"] = "Next in the queue" if place == 1 else f"Number {place} in the queue"
    return state
