"""What the whole server shares: the run store, the job manager, the uploads; and the server's start and end.

All of it lives in `st.cache_resource`: made once, whatever tabs come and go. Pages and routes use it.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from core import PROJECT
from core.runs.manager import JobManager
from core.runs.schema import Run
from core.runs.store import RunStore
from ui.server.background import background_tasks
from ui.server.ending import bound_the_end
from ui.server.engine import engine
from ui.server.guard import Guard
from ui.server.model_worker import model_worker
from ui.server.side_apps import side_apps
from ui.server.uploads import Uploads

DATA_PAGE, TRAIN_PAGE, RUNS_PAGE, RESULTS_PAGE, ERRORS_PAGE, COMPARE_PAGE, PREDICT_PAGE = (
    PROJECT / f"pages/{name}.py" for name in ("data", "train", "runs", "results", "errors", "compare", "predict")
)
SHUTDOWN_SECONDS = 3.0  # for downloads and the like to end

# Starlette reads the host up to its first colon: "[" is what remains of [::1]
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[")
MIDDLEWARE = [
    Middleware(Guard),
    Middleware(
        TrustedHostMiddleware,
        allowed_hosts=[*LOCAL_HOSTS, *filter(None, os.environ.get("DETR_LAB_HOSTS", "").split(","))],
        www_redirect=False,
    ),
]


@asynccontextmanager
async def lifespan(app: object) -> AsyncGenerator[None]:
    """Start what the server needs, as the watch over trainings that run already; stop it at the server's end."""
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # else a line a second for every live run
    engine().begin()
    jobs()
    uploads()
    bound_the_end(_stop)
    yield
    _stop()


def _stop() -> None:
    """Stop what works for the server; a second call, while the first is stuck, does the same again."""
    model_worker().stop()
    side_apps().stop_all()
    background_tasks().stop_all(SHUTDOWN_SECONDS)
    uploads().clear()
    jobs().shutdown()
    engine().stop()


def store() -> RunStore:
    """Return the run store of the folder that DETR_LAB_ROOT names, or of the project."""
    return _store(os.environ.get("DETR_LAB_ROOT", ""))


@st.cache_resource(show_spinner=False)
def _store(root: str) -> RunStore:
    return RunStore.default()


def jobs() -> JobManager:
    """Return the one job manager of this process."""
    return _jobs(os.environ.get("DETR_LAB_ROOT", ""))


@st.cache_resource(show_spinner=False)
def _jobs(root: str) -> JobManager:
    return JobManager(store(), start=engine().start)


def uploads() -> Uploads:
    """Return the pictures that users uploaded while this process runs."""
    return _uploads(store().runs_dir / ".uploads")


@st.cache_resource(show_spinner=False)
def _uploads(folder: Path) -> Uploads:
    return Uploads(folder)


def waiting() -> list[Run]:
    """Return the runs in the queue, the next one first."""
    return jobs().waiting()


def busy() -> list[Run]:
    """Return the run that is at work, if any, and those that wait, the next one first."""
    current = jobs().current
    return [*([current] if current else []), *waiting()]


def page_version(run: Run) -> str:
    """Return a short text that changes with what Train shows of a run beside its live component.

    When it has changed, the component has the page run again.
    """
    paths = (store().preflight_path(run.id), store().profile_path(run.id), store().trace_path(run.id))
    parts = [run.label, *map(file_stamp, paths), *(f"{other.id} {other.status}" for other in busy())]
    return f"{run.status.value} {zlib.crc32(' '.join(parts).encode()):08x}"


def file_stamp(path: Path) -> str:
    """Return a file's time and size, which change with it; "" if there is no file, or an empty one."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}" if status.st_size else ""
