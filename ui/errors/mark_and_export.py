"""Bulk actions of the Errors page, in a popover: mark many images at once, and hand them over to other tools.

An export is built in the background, one at a time for each run, as a file in the run's folder; then it is offered as
a download. The next one takes its place.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.split import CocoSplit
from core.evaluation.findings.label_errors import Doubt
from core.evaluation.selection import Selection
from core.export.bundle import Bundle, bundle_title
from core.export.writers import ExportFormat, ExportResult, write_export
from core.runs.marks import Mark, Marks
from core.runs.schema import Run
from ui.choose.run_picker import EvaluatedModel
from ui.server import services
from ui.server.background import Task, background_tasks
from ui.text import plain

PAGE, FOUND, MARKED = WHICH = ("This page", "All found", "Marked")
ICONS = {
    ExportFormat.COCO: ":material/data_object:",
    ExportFormat.PNG: ":material/image:",
    ExportFormat.FIFTYONE: ":material/folder_zip:",
}
CHOICE, ALL_SCORES = "export images", "export all scores"
MOST_BYTES = 500_000_000  # Streamlit holds a whole download in memory; a larger file is fetched from where it lies


def show_mark_and_export(
    run: Run, looked: EvaluatedModel, table: pa.Table, images: CocoSplit, found_ids: Sequence[int],
    shown_ids: Sequence[int], selection: Selection,
) -> None:  # fmt: skip
    """The popover. found_ids: of all images that the filters find; shown_ids: of those on this page."""
    with st.popover("Mark or export", key="export", icon=":material/ios_share:"):
        marks = Marks(services.store()).all(run.id)
        marked = [mark.image_id for mark in marks if mark.kind is Doubt.IMAGE]
        choice = st.segmented_control("Images", WHICH, key=CHOICE, default=FOUND, required=True, width="stretch",
                                      persist_state="session")  # fmt: skip
        ids = list(dict.fromkeys({PAGE: shown_ids, FOUND: found_ids, MARKED: marked}[choice]))
        _offer_marks(run, ids, marked)
        st.subheader("Export", divider="grey")
        task = background_tasks().find(_task_name(run))
        if task and task.is_running:
            _watch(task.name)
            return
        everything = st.toggle("Predictions of every score", key=ALL_SCORES, persist_state="session",
                               help="As AP needs them. PNGs are drawn at the page's score all the same.")  # fmt: skip
        title = bundle_title(run, looked.evaluation)
        for kind in ExportFormat:
            score = 0.0 if everything and kind is not ExportFormat.PNG else selection.score
            st.button(kind.label, key=f"export {kind}", help=kind.description, icon=ICONS[kind], width="stretch",
                      disabled=not ids, on_click=_begin, kwargs={
                          "run": run, "kind": kind,
                          "bundle": Bundle(images, table, tuple(ids), score, tuple(marks), title)})  # fmt: skip
        if task:
            _tell_end(run, task)


def _offer_marks(run: Run, ids: list[int], marked: list[int]) -> None:
    """How many images there are, and buttons that mark all of them or none."""
    are_marked = set(marked)
    without = [image_id for image_id in ids if image_id not in are_marked]
    n, k = len(ids), len(ids) - len(without)
    if not n:
        st.caption("No image is marked yet: press **M** on one in the gallery, or mark all that are found.")
    else:
        st.caption(f"{n:,} image{'s' * (n > 1)}, {'none' if not k else 'all' if k == n else f'{k:,}'} marked")
    with st.container(horizontal=True):
        st.button("Mark all", key="mark all", icon=":material/star:", disabled=not without, width="stretch",
                  on_click=_mark, args=(run.id, without, True))  # fmt: skip
        st.button("Unmark all", key="unmark all", icon=":material/close:", disabled=not k, width="stretch",
                  on_click=_mark, args=(run.id, ids, False))  # fmt: skip


def _mark(run_id: str, image_ids: Iterable[int], on: bool) -> None:
    marks = [Mark(Doubt.IMAGE, image_id) for image_id in image_ids]
    try:
        if on:
            Marks(services.store()).add_all(run_id, marks)
        else:
            Marks(services.store()).remove_all(run_id, [mark.key for mark in marks])
    except LabError as error:
        st.toast(plain(error), icon=":material/error:")


def _task_name(run: Run) -> str:
    return f"export {run.id}"


def _begin(run: Run, kind: ExportFormat, bundle: Bundle) -> None:
    folder = services.store().folder(run.id) / "export"
    out = folder / f"{run.id}-{kind}.zip"
    background_tasks().start(_task_name(run), lambda: _built(bundle, kind, out), "The export failed")


def _built(bundle: Bundle, kind: ExportFormat, out: Path) -> Generator[tuple[int, int], None, ExportResult]:
    """The export, in a folder that holds no older one."""
    shutil.rmtree(out.parent, ignore_errors=True)
    return (yield from write_export(bundle, kind, out))


@st.fragment(run_every=1.0)
def _watch(name: str) -> None:
    """How far the export is, with Stop; at its end the page is run again."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    done, total = task.latest or (0, 1)
    st.progress(done / total, f"{done:,} of {total:,} images" if task.latest else "Starting …")
    st.caption("It goes on when this tab is closed.")
    st.button("Stop", key="stop export", icon=":material/stop:", disabled=task.stopped, on_click=task.stop)


def _tell_end(run: Run, task: Task) -> None:
    """What the last export became: a download, or why there is none."""
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task.stopped:
        st.info("The export was stopped.", icon=":material/stop_circle:")
    else:
        written = task.result
        st.caption(f"{plain(written.path.name)}: {plain(written.sentence)}")
        if written.size > MOST_BYTES:
            st.caption("It is too large for a download in the browser. It lies at")
            st.code(str(written.path), language=None, wrap_lines=True)
        else:
            st.download_button("Download", partial(_read, written.path), written.path.name, "application/zip",
                               key="download export", on_click="ignore", type="primary", width="stretch",
                               icon=":material/download:")  # fmt: skip
    st.button("Dismiss", key="dismiss export", type="tertiary", on_click=_dismiss, args=(run,))


def _read(path: Path) -> bytes:
    """The file, when its download is clicked; raises LabError if another tab has made a newer one meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        raise LabError("The export is gone: make it again.") from None


def _dismiss(run: Run) -> None:
    """Lets go of the last export and its file."""
    task = background_tasks().find(_task_name(run))
    if task and not task.is_running:
        shutil.rmtree(services.store().folder(run.id) / "export", ignore_errors=True)
        background_tasks().forget(task.name)
