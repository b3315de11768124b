"""What the whole server process shares: run store, job manager, drawing of the built-in data set, what is read once.

All of it lives in `st.cache_resource`: made once, whatever tabs come and go. Used by the pages and by `routes.py`.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import zlib
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa
import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from core import PROJECT, DataError
from core.datasets.demo import BUILT_IN, BuiltIn, draw_built_in, is_complete
from core.datasets.layouts import annotation_files
from core.datasets.split import CocoSplit, examine_splits, usable
from core.evaluation.table import read_table
from core.runs.imports import read_imported
from core.runs.manager import JobManager
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore
from ui.server.background import desk
from ui.server.model_worker import models
from ui.server.uploads import Uploads

DATA_PAGE, TRAIN_PAGE, RESULTS_PAGE, ERRORS_PAGE, COMPARE_PAGE, PREDICT_PAGE = (
    PROJECT / f"pages/{name}.py" for name in ("data", "train", "results", "errors", "compare", "predict")
)
SHUTDOWN_SECONDS = 3.0  # for downloads and the like to end

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
    uploads()
    yield
    models().stop()
    desk().stop_all(SHUTDOWN_SECONDS)
    uploads().clear()
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


def uploads() -> Uploads:
    """The pictures that users have brought while this process runs."""
    return _uploads(store().runs_dir / ".uploads")


@st.cache_resource(show_spinner=False)
def _uploads(folder: Path) -> Uploads:
    return Uploads(folder)


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


def built_in_folder(one: BuiltIn = BUILT_IN[0]) -> Path:
    return store().data_dir / one.folder


def built_in_at(folder: str | Path) -> BuiltIn | None:
    """Which of the built-in data sets has this folder, drawn or not; also by its real path, as settings name it."""
    for one in BUILT_IN:
        home = built_in_folder(one)
        if PROJECT / folder in (home, home.resolve()):
            return one
    return None


def draw_built_in_data(one: BuiltIn = BUILT_IN[0]) -> str:
    """Draws a built-in data set if it is not there, showing how far it is; returns a sentence if that failed."""
    folder = built_in_folder(one)
    if _is_complete(folder):
        return ""
    name = f"draw {folder}"
    work = desk().begin(
        name, lambda: draw_built_in(one, store().data_dir), f"{one.title} could not be drawn into {folder}"
    )
    with st.sidebar:  # at the first start its place is kept; later there is a form, which would be moved down
        form = st.skeleton(height=600) if one == BUILT_IN[0] else None
    bar = st.progress(0.0, f"Drawing the built-in scenes, once: {one.title} …")
    for done, total in work.steps():
        bar.progress(done / total, f"Drawing the built-in scenes, once: {one.title}, {done} of {total} …")
    bar.empty()
    if form:
        form.empty()
    desk().forget(name)
    return work.error


@st.cache_resource(show_spinner=False, max_entries=2, validate=bool)  # "not yet" is looked up again
def _is_complete(folder: Path) -> bool:
    return is_complete(folder)


def images_of(folder: str | Path, name: str) -> CocoSplit:
    """A split of a data set, read once until one of its files changes; raises DataError."""
    splits = splits_of(folder)
    if name not in splits:
        raise DataError(f"The data set {folder} has no {name} split; it has: {', '.join(splits)}.")
    return usable(splits[name])


def splits_of(folder: str | Path) -> dict[str, CocoSplit]:
    """All splits of a data set as far as they can be read, with their problems, read once until a file changes.

    Raises DataError if there is no data set, or a file is not COCO's at all.
    """
    folder = PROJECT / folder
    return _splits(folder, data_stamps(folder))


def data_stamps(folder: Path) -> tuple:
    """Names and times of a data set's annotation files, which change with it."""
    return tuple((str(path), stamp(path)) for path in annotation_files(folder))


@st.cache_resource(show_spinner=False, max_entries=3)
def _splits(folder: Path, stamps: tuple) -> dict[str, CocoSplit]:
    splits = examine_splits(folder)
    for split in splits.values():
        _ = split.is_broken or split.columns  # made now, not at the first look
    gc.collect()
    gc.freeze()  # a full collection takes half a second among a million annotations, and all of them are in use
    return splits


def data_key(folder: str | Path) -> str:
    """By what name the browser asks for the pictures of a data set that a page shows: never a path."""
    folder = PROJECT / folder
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    _shown_folders()[key] = folder
    return key


@st.cache_resource(show_spinner=False)
def _shown_folders() -> dict[str, Path]:
    return {}


def data_image(key: str, split: str, image_id: int) -> tuple[Path, tuple[int, int]]:
    """Where a picture of a shown data set lies, and its stated size (width, height); raises DataError without one."""
    splits = splits_of(_shown_folders()[key]) if key in _shown_folders() else {}
    if split not in splits or splits[split].is_broken or image_id not in splits[split].image_by_id:
        raise DataError("There is no such picture.")
    image = splits[split].image_by_id[image_id]
    return splits[split].image_path(image), (int(image["width"]), int(image["height"]))


def validation_images(run: Run) -> CocoSplit:
    """The images that the run is evaluated on; raises DataError if they are gone."""
    if not run.is_imported:
        return images_of(run.config["data"], "val")
    imported = run.config["imported"]
    return _imported(imported["gt"], imported["images"], stamp(Path(imported["gt"])))


@st.cache_resource(show_spinner=False, max_entries=4)
def _imported(gt: str, images: str | None, mark: str) -> CocoSplit:
    return read_imported(gt, images)


def validation_image(run: Run, image_id: int) -> tuple[Path, tuple[int, int]]:
    """Where the picture lies, inside the folder of the pictures, and its stated size (width, height).

    Raises DataError if there is no such image.
    """
    images = validation_images(run)
    if image_id not in images.image_by_id:
        raise DataError(f"{images.json_path} has no image {image_id}.")
    image = images.image_by_id[image_id]
    return images.image_path(image), (int(image["width"]), int(image["height"]))


def table_of(evaluation: Evaluation) -> pa.Table:
    """An evaluation's detection table; raises RunError if it is gone."""
    return _table(evaluation.table, evaluation.created)


@st.cache_resource(show_spinner=False, max_entries=4)
def _table(path: Path, created: float) -> pa.Table:
    return read_table(path)
