"""The choices that several pages offer: a data set, a run, and a list beside which anything may be typed.

In: the run store and the session. Out: what is chosen, as a setting or a `Run`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import streamlit as st

from core import PROJECT, lab_root
from core.datasets.demo import BUILT_IN
from core.datasets.layouts import list_datasets
from core.detr.sources.config import CONFIG, WEIGHTS
from core.files import real_path, typed_path
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.wording import short, visible
from ui.choose.built_in import built_in_folder
from ui.choose.widget_value import set_widget_value
from ui.text import plain

T = TypeVar("T")
OTHER = ""  # of a list: what is typed into a field below it
HUB_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)(?:/.*)?", re.IGNORECASE)
STATUS_SIGNS = {"queued": "◌", "starting": "◌", "running": "●", "finished": "✓", "stopped": "■", "failed": "✕"}


def relative_to_root(path: Path) -> str:
    """Return the path as settings have it: absolute, but relative in a root that is the project's own folder."""
    path, root = real_path(path), real_path(lab_root())
    is_inside = root == PROJECT and path.is_relative_to(root)
    return path.relative_to(root).as_posix() if is_inside else str(path)


def pick_data(store: RunStore, key: str) -> str:
    """Show the data sets under data/, beside which any folder may be typed; return the chosen one as a setting."""
    names = {relative_to_root(folder): folder.name for folder in list_datasets(store.data_dir)}
    built_in = {relative_to_root(built_in_folder(one)): f"{one.folder} (built in)" for one in BUILT_IN}
    st.session_state.setdefault(key, next(iter(built_in)))
    names = built_in | {path: name for path, name in names.items() if path not in built_in}
    return pick_or_type(
        "Data set", names, key, "Another folder …", "Type or paste a path",
        "One under data/, or any other folder: COCO, YOLO, Pascal VOC, or another tool's export.",
    )  # fmt: skip


def pick_or_type(label: str, names: Mapping[str, str], key: str, other: str, placeholder: str, explanation: str) -> str:
    """Show `names` (value to label) and `other`, below which a path or name may be typed; return the value.

    The typed text has a field of its own, which takes it at Enter and when it is left; a select box would drop it then.
    It is understood as `typed_path` says; "" while nothing is typed. A value in the session under `key` that is none of
    `names`, as one of a link or of an earlier run, stands in the field.
    """
    chosen, typed_key = st.session_state[key], f"{key} typed"
    if chosen not in names and chosen != OTHER:
        st.session_state[typed_key], st.session_state[key] = visible(chosen), OTHER
    value = st.selectbox(
        plain(label), [*names, OTHER], format_func=lambda n: visible(names.get(n, n)) if n else other, key=key,
        persist_state="session", help=plain(explanation),
    )  # fmt: skip
    if value != OTHER:
        return value
    typed = st.text_input(
        plain(f"{label}: path or name"), key=typed_key, placeholder=placeholder, label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    return typed_path(typed, lab_root())


def picked(key: str) -> str:
    """Return what `pick_or_type` returns under this key, from the session."""
    value = st.session_state.get(key, OTHER)
    return value if value != OTHER else typed_path(st.session_state.get(f"{key} typed", ""), lab_root())


def typed_model(text: str) -> str:
    """Return the model that a person means: also by its address on the hub, or by a file in its folder."""
    if address := HUB_ADDRESS.fullmatch(text):
        return address[1]
    path = lab_root() / text
    return str(Path(text).parent) if path.name in (CONFIG, WEIGHTS) and os.path.isfile(path) else text


def run_name(run: Run) -> str:
    """Return what a run is called in lists: its name, in one line, or when it was made and the end of its id."""
    if run.name != run.id:
        return short(run.name)
    return f"{time.strftime('%d %b, %H:%M', time.localtime(run.created))} · {run.id[-4:]}"


def ap_text(value: float | None) -> str:
    """Write AP as everywhere in the app: in percent with one decimal."""
    return "–" if value is None else f"{100 * value:.1f}"


def run_label(run: Run) -> str:
    """Return a run in one line: its name, data set, status, best AP once it does not change any more, and notes.

    For "finished" there is only the sign before the name. An imported run has no data set, a damaged one nothing else.
    """
    if run.is_damaged:
        return f"! {run_name(run)} · {run.label.lower()}"
    ap = None if run.is_live else run.ap if run.best_ap is None else run.best_ap
    parts = [f"{STATUS_SIGNS.get(run.status.value, '!')} {run_name(run)}"]
    parts += [run.label.lower()] if run.is_imported else [short(Path(run.config.get("data", "")).name)]
    parts += [run.status.label.lower()] if not run.is_imported and run.status != Status.FINISHED else []
    parts += [f"AP {ap_text(ap)}"] if ap is not None else []
    return " · ".join(parts + ([f"“{short(first_line(run.notes), 40)}”"] if run.notes else []))


def first_line(notes: str) -> str:
    """Return the first line of a run's notes."""
    return notes.partition("\n")[0]


def pick_run(runs: Sequence[Run], key: str, chosen: str | None, default: Run, on_choose: Callable[[str], None]) -> Run:
    """Show the runs and return the one whose id is `chosen`, or `default` if there is no such run."""
    by_id = {run.id: run for run in runs}
    run_id = chosen if chosen in by_id else default.id
    return by_id[pick("Run", {i: run_label(run) for i, run in by_id.items()}, key, run_id, on_choose)]


def pick(label: str, options: dict[T, str], key: str, chosen: T, on_choose: Callable[[T], None]) -> T:
    """Show `options` (value to label) and return the chosen value, which the caller remembers by `on_choose`.

    The caller also says which value is chosen now, because labels change while a run trains, and Streamlit knows an
    option by its label.
    """
    labels = list(options.items())
    if st.session_state.get(f"{key} labels") != labels:
        st.session_state[key], st.session_state[f"{key} labels"] = chosen, labels
    set_widget_value(key, chosen)
    return st.selectbox(
        plain(label), list(options), format_func=lambda value: options.get(value, str(value)), key=key,
        on_change=lambda: on_choose(st.session_state[key]),
    )  # fmt: skip
