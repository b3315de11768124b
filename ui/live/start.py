"""How far the start of a run is, from the click to its first figures, for the live component.

In: a run and what its process has written of its start. Out: the steps in their order, what the one at hand is about,
and where the picture of the first batch is. Of a run that has figures, or has ended, there is nothing to tell.
"""

from __future__ import annotations

import json
from typing import Any, TypedDict
from urllib.parse import quote

from core import RunError
from core.files import read_bytes
from core.runs.schema import Run, Status
from core.training.events import CHECKS, START
from ui.server import services

MOST_BYTES = 1_000_000  # of the file
PROCESS = "Process"  # the step before those that the training tells
WAITING = {Status.STARTING: "Starting", Status.RUNNING: "Loading the libraries"}  # what it does meanwhile


class Step(TypedDict):
    """A step: `state` is "done", "failed", "now" or "" for what is still to come; `text` what was seen, or is done."""

    name: str
    state: str
    text: str


def start_of(run: Run, message: str) -> dict[str, Any] | None:
    """Return {"steps": [Step, …], "picture": its address or None, "soon": bool}; None of a run with figures, or ended.

    message  what the run is about, or its place in the queue
    soon     whether it goes on soon, not after another run
    """
    if not run.is_live or _has_figures(run):
        return None
    written = read_start(run)
    if written is None:
        soon = run.status != Status.QUEUED or services.jobs().current is None
        text = WAITING.get(run.status, WAITING[Status.STARTING] if soon else message)
        steps = [_step(PROCESS, "now", text), *(_step(name) for name in START)]
        return {"steps": steps, "picture": None, "soon": soon}
    done = {step["name"]: step for step in written["done"]}
    left = [name for name in START if name not in done and not (written["resumes"] and name in CHECKS)]
    steps = [_step(PROCESS, "done", "Started."), *done.values(), *(_step(name) for name in left)]
    if left:
        steps[-len(left)] = _step(left[0], "now", message)
    return {"steps": steps, "picture": _picture(run) if written["picture"] else None, "soon": True}


def _has_figures(run: Run) -> bool:
    """Check whether anything is recorded, or the run has been deleted meanwhile."""
    try:
        return bool(services.store().metrics_after(run.id, limit=1)[0])
    except RunError:
        return True


def _step(name: str, state: str = "", text: str = "") -> Step:
    return {"name": name, "state": state, "text": text}


def read_start(run: Run) -> dict[str, Any] | None:
    """Return what the run's process has written of this start; None before that, or if it cannot be read."""
    try:
        written = json.loads(read_bytes(services.store().start_path(run.id), MOST_BYTES))
        if written["started"] != run.started:
            return None
        done = [_step(str(s["name"]), "done" if s["ok"] else "failed", str(s["evidence"])) for s in written["done"]]
        return {"done": done, "resumes": bool(written["resumes"]), "picture": bool(written["picture"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _picture(run: Run) -> str | None:
    stamp = services.file_stamp(services.store().preflight_picture(run.id))
    return f"/api/preflight/{quote(run.id)}?v={quote(stamp)}" if stamp else None
