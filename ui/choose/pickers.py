"""Choosing a data set, a model or a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import streamlit as st

from core import PROJECT
from core.config import RANDOM_MODEL, TrainConfig
from core.datasets.demo import BUILT_IN
from core.datasets.layouts import list_datasets
from core.detr.pretrained import KNOWN_MODELS
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from ui.choose.built_in import built_in_folder

T = TypeVar("T")
STARTER = TrainConfig().model
STATUS_MARKS = {"queued": "◌", "starting": "◌", "running": "●", "finished": "✓", "stopped": "■", "failed": "✕"}


def relative_to_project(path: Path) -> str:
    """A path as a setting names it: from the project's folder if it lies in it, where trainings run."""
    path = path.resolve()
    return path.relative_to(PROJECT).as_posix() if path.is_relative_to(PROJECT) else str(path)


def pick_data(store: RunStore, key: str) -> str:
    """A data set under data/, or any folder that is typed."""
    names = {relative_to_project(folder): folder.name for folder in list_datasets(store.data_dir)}
    built_in = {relative_to_project(built_in_folder(one)): f"{one.folder} (built in)" for one in BUILT_IN}
    typed = st.session_state.setdefault(key, next(iter(built_in)))
    names = built_in | {path: name for path, name in names.items() if path not in built_in}
    names.setdefault(typed, typed)
    return st.selectbox(
        "Data set", list(names), format_func=lambda n: names.get(n, n), key=key,
        accept_new_options=True, persist_state="session",
        help="A folder in COCO layout: one under data/, or type the path of any other.",
    )  # fmt: skip


def pick_model(store: RunStore, key: str) -> str:
    """The starter model, published ones, a run's best checkpoint, or any name or folder that is typed."""
    names = {STARTER: "Starter model (built in)", **{name: name for name in KNOWN_MODELS}}
    for run in store.runs():
        folder = store.checkpoint(run.id, "best")
        if folder.is_dir():
            names[relative_to_project(folder)] = f"Best of {run_name(run)}"
    names[RANDOM_MODEL] = "Small DETR, untrained"
    typed = st.session_state.setdefault(key, STARTER)
    names.setdefault(typed, typed)
    return st.selectbox(
        "Model", list(names), format_func=lambda n: names.get(n, n), key=key, accept_new_options=True,
        persist_state="session",
        help="What training starts from; or type a checkpoint folder, or a model's name on the Hugging Face hub.",
    )  # fmt: skip


def run_name(run: Run) -> str:
    """What a run is called in lists: its name, or when it was made and the end of its id."""
    if run.name != run.id:
        return run.name
    return f"{time.strftime('%d %b, %H:%M', time.localtime(run.created))} · {run.id[-4:]}"


def ap_text(value: float | None) -> str:
    """AP as everywhere in the app: in percent with one decimal."""
    return "–" if value is None else f"{100 * value:.1f}"


def run_label(run: Run) -> str:
    """A run in one line: its name, data set, status and, once it does not change any more, best AP.

    What has finished, its mark says; of an imported one the source says more than the folder of its images.
    """
    ap = None if run.is_live else run.ap if run.best_ap is None else run.best_ap
    words = [f"{STATUS_MARKS.get(run.status.value, '!')} {run_name(run)}"]
    words += [run.label.lower()] if run.is_imported else [Path(run.config["data"]).name]
    words += [run.status.label.lower()] if not run.is_imported and run.status != Status.FINISHED else []
    return " · ".join(words + ([f"AP {ap_text(ap)}"] if ap is not None else []))


def pick_run(runs: Sequence[Run], key: str, chosen: str | None, default: Run, on_choose: Callable[[str], None]) -> Run:
    """One of the runs: the one whose id is `chosen`, or `default` if there is no such run."""
    by_id = {run.id: run for run in runs}
    run_id = chosen if chosen in by_id else default.id
    return by_id[pick("Run", {i: run_label(run) for i, run in by_id.items()}, key, run_id, on_choose)]


def pick(label: str, options: dict[T, str], key: str, chosen: T, on_choose: Callable[[T], None]) -> T:
    """One of `options` (value to what is shown). The caller remembers the choice and says which value is chosen now.

    Because what is shown changes while a run trains, and Streamlit knows an option by what is shown.
    """
    st.session_state[key] = chosen
    return st.selectbox(
        label, list(options), format_func=lambda value: options.get(value, str(value)), key=key,
        on_change=lambda: on_choose(st.session_state[key]),
    )  # fmt: skip
