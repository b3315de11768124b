"""The built-in data sets: where they lie under the store's data folder, and how they are drawn when first chosen."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import lab_root
from core.datasets.demo import BUILT_IN, BuiltInDataset, draw_built_in, folder_of, is_complete
from ui.server import services
from ui.server.background import Task, background_tasks
from ui.server.services import file_stamp


def built_in_folder(dataset: BuiltInDataset = BUILT_IN[0]) -> Path:
    """Return where the data set is, or will be once it is drawn."""
    folder = services.store().data_dir / dataset.folder
    annotations = folder / "annotations"
    return _folder(dataset, folder.parent, tuple(map(file_stamp, (folder, annotations))))


@st.cache_data(show_spinner=False, max_entries=16)
def _folder(dataset: BuiltInDataset, data_dir: Path, stamps: tuple[str, ...]) -> Path:
    """Look at what the folder holds, again when it or its annotations have changed."""
    return folder_of(dataset, data_dir)


def built_in_at(folder: str | Path) -> BuiltInDataset | None:
    """Return the built-in data set of this folder, drawn or not; None if it is none of them.

    The folder may be relative to the root, and may be named by its real path, as settings do.
    """
    for dataset in BUILT_IN:
        home = built_in_folder(dataset)
        if lab_root() / folder in (home, home.resolve()):
            return dataset
    return None


def start_drawing(dataset: BuiltInDataset = BUILT_IN[0]) -> Task | None:
    """Return the task that draws the data set, started unless another tab has done that; None if it is drawn."""
    folder = built_in_folder(dataset)
    if _is_complete(folder):
        return None
    return background_tasks().start(
        f"draw {folder}",
        lambda: draw_built_in(dataset, services.store().data_dir),
        f"{dataset.title} could not be drawn into {folder}",
    )


def draw_built_in_data(dataset: BuiltInDataset = BUILT_IN[0]) -> str:
    """Draw the data set if it is not there, showing how far that is; return a sentence if it failed, else ""."""
    task = start_drawing(dataset)
    if task is None:
        return ""
    bar = st.progress(0.0, "Drawing the built-in scenes, once …")
    for done, total in task.progress():
        bar.progress(done / total, f"Drawing the built-in scenes, once: {done:,} of {total:,} …")
    bar.empty()
    background_tasks().forget(task.name)
    return task.error


@st.cache_resource(show_spinner=False, max_entries=2, validate=bool)  # "not yet" is looked up again
def _is_complete(folder: Path) -> bool:
    return is_complete(folder)
