"""The built-in data sets: where they lie under the store's data folder, and their drawing at the first start."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import PROJECT
from core.datasets.demo import BUILT_IN, BuiltInDataset, draw_built_in, is_complete
from ui.server import services
from ui.server.background import background_tasks


def built_in_folder(one: BuiltInDataset = BUILT_IN[0]) -> Path:
    return services.store().data_dir / one.folder


def built_in_at(folder: str | Path) -> BuiltInDataset | None:
    """Which of the built-in data sets has this folder, drawn or not; also by its real path, as settings name it."""
    for one in BUILT_IN:
        home = built_in_folder(one)
        if PROJECT / folder in (home, home.resolve()):
            return one
    return None


def draw_built_in_data(one: BuiltInDataset = BUILT_IN[0]) -> str:
    """Draws a built-in data set if it is not there, showing how far it is; returns a sentence if that failed."""
    folder = built_in_folder(one)
    if _is_complete(folder):
        return ""
    name = f"draw {folder}"
    task = background_tasks().start(
        name, lambda: draw_built_in(one, services.store().data_dir), f"{one.title} could not be drawn into {folder}"
    )
    with st.sidebar:  # at the first start its place is kept; later there is a form, which would be moved down
        form = st.skeleton(height=600) if one == BUILT_IN[0] else None
    bar = st.progress(0.0, f"Drawing the built-in scenes, once: {one.title} …")
    for done, total in task.progress():
        bar.progress(done / total, f"Drawing the built-in scenes, once: {one.title}, {done} of {total} …")
    bar.empty()
    if form:
        form.empty()
    background_tasks().forget(name)
    return task.error


@st.cache_resource(show_spinner=False, max_entries=2, validate=bool)  # "not yet" is looked up again
def _is_complete(folder: Path) -> bool:
    return is_complete(folder)
