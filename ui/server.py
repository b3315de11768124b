"""What the whole server process shares: run store, job manager, drawing of the built-in data set, what is read once.

All of it lives in `st.cache_resource`: made once, whatever tabs come and go. Used by the pages and by `routes.py`.
"""

from __future__ import annotations

import logging
import os
import threading
import zlib
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pyarrow as pa
import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from core import DataError, LabError
from core.coco import CocoSplit, read_split
from core.demo import draw_dataset, is_complete
from core.imports import read_imported
from core.jobs import JobManager
from core.records import Evaluation, Run
from core.runs import RunStore
from core.table import read_table

PROJECT = Path(__file__).resolve().parent.parent
TRAIN_PAGE, RESULTS_PAGE, ERRORS_PAGE = (PROJECT / f"pages/{name}.py" for name in ("train", "results", "errors"))
BUILT_IN = "street"  # the built-in data set's folder under data/

# Starlette reads the host up to its first colon: "[" is what remains of [::1]
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[")
MIDDLEWARE = [
    Middleware(
        TrustedHostMiddleware,
        allowed_hosts=[*LOCAL_HOSTS, *filter(None, os.environ.get("DETR_LAB_HOSTS", "").split(","))],
        www_redirect=False,
    )
]


@asynccontextmanager
async def lifespan(app):
    """Looks after running trainings from the server's first moment; lets go of them, or stops them, at its last."""
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # else a line a second for every live run
    jobs()
    yield
    jobs().shutdown()


def store() -> RunStore:
    """The run store of the folder that DETR_LAB_ROOT names, or of the project."""
    return _store(os.environ.get("DETR_LAB_ROOT", ""))


@st.cache_resource(show_spinner=False)
def _store(root: str) -> RunStore:
    return RunStore.default()


def jobs() -> JobManager:
    """The one job manager of this process."""
    return _jobs(os.environ.get("DETR_LAB_ROOT", ""))


@st.cache_resource(show_spinner=False)
def _jobs(root: str) -> JobManager:
    return JobManager(store())


def waiting() -> list[Run]:
    """The runs in the queue, the next one first."""
    return jobs().waiting()


def page_version(run: Run) -> str:
    """What Train shows of a run besides its live component, in short: once it differs, the page is to be run again."""
    paths = (store().preflight_path(run.id), store().profile_path(run.id), store().trace_path(run.id))
    parts = [run.label, *map(stamp, paths), *(other.id for other in waiting())]
    return f"{run.status.value} {zlib.crc32(' '.join(parts).encode()):08x}"


def stamp(path: Path) -> str:
    """A file's time and size, which change with it; empty if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns:x}-{found.st_size:x}" if found.st_size else ""


class Drawing:
    """The drawing of the built-in data set in a thread of its own, so that no tab that is closed can break it off."""

    def __init__(self, folder: Path):
        self.done, self.total, self.error = 0, 1, ""
        self._folder = folder
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._draw, name="draw the built-in data", daemon=True)
        self._thread.start()

    def _draw(self) -> None:
        try:
            with closing(draw_dataset(self._folder)) as progress:
                for self.done, self.total in progress:
                    with self._changed:
                        self._changed.notify_all()
        except LabError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"The built-in data set could not be drawn into {self._folder}: {error!r}."
        finally:
            with self._changed:
                self._changed.notify_all()

    def shares(self):
        """What share is done, in [0, 1], whenever it has changed, until the drawing ends."""
        while self._thread.is_alive():
            with self._changed:
                self._changed.wait(timeout=0.5)
            yield self.done / self.total


@st.cache_resource(show_spinner=False, max_entries=1)
def _drawing(folder: Path) -> Drawing:
    return Drawing(folder)


def draw_built_in_data() -> str:
    """Draws the built-in data set if it is not there, showing how far it is; returns a sentence if that failed."""
    folder = store().data_dir / BUILT_IN
    if _is_complete(folder):
        return ""
    drawing = _drawing(folder)
    with st.sidebar:
        form = st.skeleton(height=600)  # keeps the sidebar's place
    bar = st.progress(0.0, "Drawing the built-in data set: street scenes, once …")
    for share in drawing.shares():
        bar.progress(share, f"Drawing the built-in data set: {drawing.done} of {drawing.total} street scenes …")
    bar.empty()
    form.empty()
    _drawing.clear()
    return drawing.error


@st.cache_resource(show_spinner=False, max_entries=1, validate=bool)  # "not yet" is looked up again
def _is_complete(folder: Path) -> bool:
    return is_complete(folder)


def images_of(folder: str | Path, name: str) -> CocoSplit:
    """A split of a data set, read once until one of its files changes; raises DataError."""
    folder = PROJECT / folder
    stamps = tuple(sorted((p.name, p.stat().st_mtime_ns) for p in (folder / "annotations").glob("*.json")))
    return _images(folder, name, stamps)


@st.cache_resource(show_spinner=False, max_entries=6)
def _images(folder: Path, name: str, stamps: tuple) -> CocoSplit:
    return read_split(folder, name)


def validation_images(run: Run) -> CocoSplit:
    """The images that the run is evaluated on; raises DataError if they are gone."""
    if not run.is_imported:
        return images_of(run.config["data"], "val")
    imported = run.config["imported"]
    return _imported(imported["gt"], imported["images"], stamp(Path(imported["gt"])))


@st.cache_resource(show_spinner=False, max_entries=4)
def _imported(gt: str, images: str | None, mark: str) -> CocoSplit:
    return read_imported(gt, images)


def validation_image_path(run: Run, image_id: int) -> Path:
    """Where the picture lies, inside the folder of the pictures; raises DataError if there is no such image."""
    images = validation_images(run)
    if image_id not in images.image_by_id:
        raise DataError(f"{images.json_path} has no image {image_id}.")
    return images.image_path(images.image_by_id[image_id])


def table_of(evaluation: Evaluation) -> pa.Table:
    """An evaluation's detection table; raises RunError if it is gone."""
    return _table(evaluation.table, evaluation.created)


@st.cache_resource(show_spinner=False, max_entries=4)
def _table(path: Path, created: float) -> pa.Table:
    return read_table(path)
