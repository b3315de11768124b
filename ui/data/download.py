"""The COCO 2017 subset on Data: the form, the download under way, and downloads that were broken off."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from pathlib import Path

import streamlit as st

from core import DataError
from core.datasets.coco2017.download import download, unfinished_downloads
from core.datasets.coco2017.pictures import DownloadProgress
from core.datasets.subset import Subset
from core.detr.pretrained import COCO_CLASSES
from core.disk import partial_path
from core.labels import COCO_TEN
from ui.server import services
from ui.server.background import Task, background_tasks
from ui.text import Markup, plain

TASK = "download"  # one at a time
NAME = re.compile(r"[\w][\w.-]{0,60}")
ANNOTATIONS_MB, PICTURE_MB = 253, 0.165
CLASSES, TRAIN, VAL, EMPTY, SEED, FOLDER = (
    f"coco {name}" for name in ("classes", "train", "val", "empty", "seed", "name")
)
FIRST = {CLASSES: list(COCO_TEN), TRAIN: 4000, VAL: 1000, EMPTY: 0, SEED: 0, FOLDER: "coco10"}


def show_download_form() -> None:
    """Show what to download, and the button; while a download is under way, show how far it is instead."""
    task = background_tasks().find(TASK)
    if task and task.is_running:
        show_progress(task.name)
        return
    st.subheader("A subset of COCO 2017")
    st.caption("Photographs with objects of your classes, every annotation of these classes and the original ids. "
               "The annotations of all images are fetched once, then only the chosen pictures.")  # fmt: skip
    if task:
        _show_end(task)
    for key, value in FIRST.items():
        st.session_state.setdefault(key, value)
    st.multiselect("Classes", COCO_CLASSES, key=CLASSES, placeholder="Choose classes, all 80 can be searched",
                   persist_state="session", help="An image belongs to it if it shows any of them.")  # fmt: skip
    left, middle, right = st.columns(3)
    left.number_input("Training images", step=500, key=TRAIN, persist_state="session", help="At most; 0 takes all.")
    middle.number_input("Validation images", step=100, key=VAL, persist_state="session", help="At most; 0 takes all.")
    right.slider("Without any of the classes", 0, 90, step=5, format="%d %%", key=EMPTY, persist_state="session",
                 help="This share of the images shows none: the model learns what is no object.")  # fmt: skip
    left, middle, _ = st.columns(3)
    left.text_input("Name", key=FOLDER, persist_state="session", help="Of the new folder under data/.")
    middle.number_input("Seed", step=1, key=SEED, persist_state="session",
                        help="The same seed and classes give the same images.")  # fmt: skip
    try:
        subset = chosen_subset()
    except DataError as error:
        st.error(plain(error))
        return
    st.caption(_amount(subset))
    if st.button("Download", key="download", type="primary", icon=":material/download:"):
        start_download(st.session_state[FOLDER], subset)
    _offer_unfinished()


def chosen_subset() -> Subset:
    """Return the subset that the form describes; raises DataError where the form cannot be met."""
    state = st.session_state
    checked_name(state[FOLDER])
    return Subset(tuple(state[CLASSES]), state[TRAIN], state[VAL], state[EMPTY] / 100, state[SEED])


def checked_name(name: str) -> str:
    """Return the name of a new folder; raises DataError for one that is none."""
    if not NAME.fullmatch(name or ""):
        raise DataError(f"The name {name!r} is no folder's: use letters, digits, dots, dashes and underlines.")
    return name


def start_download(name: str, subset: Subset) -> None:
    """Start a download, or continue one, and show it."""
    out = services.store().data_dir / name
    background_tasks().start(TASK, lambda: _download(out, subset), f"The download into {out} failed")
    st.rerun()


def _download(out: Path, subset: Subset) -> Generator[DownloadProgress, None, Path]:
    """Download the subset; the result is its folder."""
    yield from download(out, subset)
    return out


def _amount(subset: Subset) -> Markup:
    counts = [subset.max_train, subset.max_val]
    if not all(counts):
        return Markup("All images of the classes in a split without a number: up to 118,287 + 5,000 pictures, 19 GB.")
    size = sum(counts) * PICTURE_MB / 1000
    return Markup(
        f"Up to {sum(counts):,} pictures, about {size:.1f} GB; "
        f"the first time also {ANNOTATIONS_MB:d} MB of annotations."
    )


@st.fragment(run_every=1.0)
def show_progress(name: str) -> None:
    """Show how far the download is, with Stop; run the page again at its end."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    st.subheader("Downloading COCO 2017")
    progress = task.latest
    st.progress(progress.share if progress else 0.0, plain(progress.sentence) if progress else "Starting …")
    st.caption("It goes on when this tab is closed, and after a stop or a crash it continues where it was.")
    if task.stopped:
        st.caption("Stopping …")
    else:
        st.button("Stop", key="stop download", icon=":material/stop:", on_click=task.stop)


def _show_end(task: Task) -> None:
    """Show how the last download ended, if it did not end well."""
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task.stopped:
        st.info("The download was stopped. What is there is kept.", icon=":material/pause_circle:")
    st.button("Dismiss", key="dismiss", type="tertiary", on_click=background_tasks().forget, args=(TASK,))


def finished_download() -> Path | None:
    """Return the folder of a download that has just ended well, once; None otherwise."""
    task = background_tasks().find(TASK)
    if task and not task.is_running and task.result:
        background_tasks().forget(TASK)
        return task.result
    return None


def _offer_unfinished() -> None:
    """Show downloads that were stopped or broken off, each with a button that continues it."""
    for name, subset in unfinished_downloads(services.store().data_dir).items():
        with st.container(horizontal=True, vertical_alignment="center"):
            amount = f"{subset.max_train or 'all'} + {subset.max_val or 'all'} images of {len(subset.classes)} classes"
            st.caption(f"Unfinished: **{plain(name)}**, {plain(amount)}", width="content")
            if st.button("Continue", key=f"continue {name}", icon=":material/play_arrow:"):
                start_download(name, subset)
            st.button("Delete", key=f"delete {name}", icon=":material/delete:", on_click=_delete, args=(name,),
                      help="What was fetched for it; COCO's annotations are kept.")  # fmt: skip


def _delete(name: str) -> None:
    shutil.rmtree(partial_path(services.store().data_dir / name), ignore_errors=True)
