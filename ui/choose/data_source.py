"""The data set of the Data page: built in, a subset of COCO 2017, or a folder of the user's own.

In: what the sidebar and the session say. Out: a folder in COCO layout; one of another format is converted once.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from core import DataError, lab_root
from core.datasets.convert.to_coco import FORMATS, convert, default_target, detect_format, is_current
from core.datasets.demo import BUILT_IN as SCENES
from core.datasets.demo import BuiltInDataset
from core.datasets.layouts import list_datasets
from core.files import typed_path
from ui.choose import built_in
from ui.choose.pickers import relative_to_root
from ui.server import services
from ui.server.background import background_tasks
from ui.text import plain

BUILT_IN, COCO, OWN = "Built-in street scenes", "COCO 2017 subset", "A folder of mine"
NEW = "New subset …"
WHICH = "built-in scenes"
SOURCE, SUBSET, TYPED, KEPT = "data source", "coco subset", "own folder", "kept folder"
CONVERTED = "converted folders"  # in the session: those that are known to be up to date


def pick_source() -> Path | None:
    """Show the sources and return the chosen data set's folder; None while none is chosen."""
    with st.sidebar:
        source = st.radio("Source", [BUILT_IN, COCO, OWN], key=SOURCE, persist_state="session")
        if source == BUILT_IN:
            return built_in.built_in_folder(_pick_scenes())
        return _pick_subset() if source == COCO else _pick_own()


def _pick_scenes() -> BuiltInDataset:
    return st.radio("Scenes", SCENES, key=WHICH, format_func=lambda scenes: plain(scenes.title),
                    captions=[plain(scenes.sentence) for scenes in SCENES], persist_state="session")  # fmt: skip


def choose_dataset(folder: Path) -> None:
    """Choose a data set under data/, in a callback or before the widgets are made."""
    is_coco = _is_coco(folder)
    st.session_state[SOURCE] = COCO if is_coco else OWN
    st.session_state[SUBSET if is_coco else TYPED] = folder.name if is_coco else relative_to_root(folder)


def is_new_subset() -> bool:
    """Check whether the choice is a new subset of COCO, which is to be downloaded."""
    return st.session_state.get(SOURCE) == COCO and st.session_state.get(SUBSET, NEW) == NEW


def _is_coco(folder: Path) -> bool:
    return (folder / "annotations" / "instances_train2017.json").is_file()


def _pick_subset() -> Path | None:
    names = [folder.name for folder in list_datasets(services.store().data_dir) if _is_coco(folder)]
    if st.session_state.get(SUBSET) not in [*names, NEW]:
        st.session_state[SUBSET] = names[0] if names else NEW
    name = st.selectbox("Subset", [*names, NEW], key=SUBSET, persist_state="session")
    return None if name == NEW else services.store().data_dir / name


def _pick_own() -> Path | None:
    text = st.text_input(
        "Folder", key=TYPED, placeholder="Type or paste a path", persist_state="session",
        help="COCO (annotations/ beside the pictures, Roboflow's export, or one JSON beside a folder of pictures), "
             "YOLO, Pascal VOC, or the files of labelme, CVAT, Label Studio and others (see the guide).",
    )  # fmt: skip
    typed = typed_path(text, lab_root())
    names = {relative_to_root(folder): folder.name for folder in list_datasets(services.store().data_dir)}
    names = {path: name for path, name in names.items() if not built_in.built_in_at(path)}
    if names:
        st.session_state[KEPT] = typed if typed in names else None
        st.selectbox("Under data/", list(names), index=None, format_func=names.__getitem__, key=KEPT,
                     on_change=_take_kept, placeholder="Those that are there")  # fmt: skip
    return lab_root() / typed if typed else None


def _take_kept() -> None:
    st.session_state[TYPED] = st.session_state[KEPT] or ""


def coco_folder(folder: Path) -> Path | None:
    """Return the folder itself if it is in COCO layout, or else the folder that it is converted to.

    None, with the reason on the page, if it cannot be opened or converted.
    """
    try:
        if folder.is_file():
            raise DataError(f"{folder} is a file: choose the folder that holds it and its pictures.")
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}.")
        kind = detect_format(folder)
    except DataError as error:
        st.error(plain(error))
        return None
    except OSError as error:
        st.error(plain(f"The folder {folder} cannot be opened: {error.strerror or error}."))
        return None
    return _converted(folder, kind) if kind else folder


def in_coco_layout(data: str) -> str:
    """Return a data set as settings have it; one of another format is converted first, and replaced by the result."""
    folder = lab_root() / data
    if not data or not os.path.isdir(folder) or not detect_format(folder):
        return data
    target = coco_folder(folder)
    return relative_to_root(target) if target else data


def opens_unchanged(data: str) -> bool:
    """Check whether nothing need be written to open a folder, or to say why not: all but what is to be converted."""
    folder = lab_root() / data
    try:
        if built_in.built_in_at(data) or not os.path.isdir(folder) or not detect_format(folder):
            return True
        return is_current(folder, default_target(folder, services.store().data_dir))
    except (DataError, OSError, ValueError):
        return False


def _converted(folder: Path, kind: str) -> Path | None:
    target, known = default_target(folder, services.store().data_dir), st.session_state.setdefault(CONVERTED, set())
    name = f"convert {folder}"
    task = background_tasks().find(name)
    if task is None and (folder in known or is_current(folder, target)):
        known.add(folder)
        with st.sidebar:
            st.caption(f"{plain(FORMATS[kind].TITLE)}, converted once to COCO in {plain(relative_to_root(target))}.")
            st.button("Convert again", key="convert again", type="tertiary", icon=":material/refresh:",
                      on_click=known.discard, args=(folder,), help="If labels were changed meanwhile.")  # fmt: skip
        return target
    task = task or background_tasks().start(name, lambda: convert(folder, target), f"{folder} could not be converted")
    title = plain(FORMATS[kind].TITLE)
    bar = st.progress(0.0, f"Converting {title} to COCO …")
    for done, total in task.progress():
        bar.progress(done / max(total, 1), f"Converting {title} to COCO: {done:,} of {total:,} images …")
    bar.empty()
    background_tasks().forget(name)
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
        return None
    known.add(folder)
    return target
