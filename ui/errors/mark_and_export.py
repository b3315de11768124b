"""The popover "Mark or export" of Errors: marks many images at once, and exports them for other tools.

An export is made by a background task, one at a time for each run, as a file in the run's folder; then it is offered as
a download. The next one replaces it.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.split import CocoSplit
from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.selection import Selection
from core.export.bundle import Bundle, bundle_title
from core.export.writers import ExportFormat, ExportResult, write_export
from core.runs.marks import Mark, Marks
from core.runs.schema import Run
from ui.apps.fiftyone import show_fiftyone
from ui.choose.export_download import offer_download
from ui.choose.run_picker import EvaluatedModel
from ui.server import services
from ui.server.background import Task, background_tasks
from ui.text import plain

PAGE, FOUND, MARKED = CHOICES = ("This page", "All found", "Marked")
ICONS = {
    ExportFormat.COCO: ":material/data_object:",
    ExportFormat.PNG: ":material/image:",
    ExportFormat.FIFTYONE: ":material/folder_zip:",
}
CHOICE, ALL_SCORES = "export images", "export all scores"


def show_mark_and_export(
    viewed: EvaluatedModel, table: pa.Table, images: CocoSplit, selected_ids: Sequence[int], shown_ids: Sequence[int],
    selection: Selection,
) -> None:  # fmt: skip
    """Show the popover.

    selected_ids  of all images that pass the filters
    shown_ids     of those on this page
    """
    run = viewed.run
    with st.popover("Mark or export", key="export", icon=":material/ios_share:"):
        marks = Marks(services.store()).all(run.id)
        marked = [mark.image_id for mark in marks if mark.kind is LabelErrorKind.IMAGE]
        choice = st.segmented_control("Images", CHOICES, key=CHOICE, default=FOUND, required=True, width="stretch",
                                      persist_state="session")  # fmt: skip
        ids = list(dict.fromkeys({PAGE: shown_ids, FOUND: selected_ids, MARKED: marked}[choice]))
        _offer_marks(run, ids, marked)
        st.subheader("Export", divider="grey")
        task = background_tasks().find(_task_name(run))
        if task and task.is_running:
            _show_progress(task.name)
            return
        everything = st.toggle("Predictions of every score", key=ALL_SCORES, persist_state="session",
                               help="As AP needs them. PNGs are drawn at the page's score all the same.")  # fmt: skip
        title = bundle_title(run, viewed.evaluation)
        for file_format in ExportFormat:
            score = 0.0 if everything and file_format is not ExportFormat.PNG else selection.score
            bundle = Bundle(images, table, tuple(ids), score, tuple(marks), title)
            st.button(plain(file_format.label), key=f"export {file_format}", help=plain(file_format.description),
                      icon=ICONS[file_format], width="stretch", disabled=not ids, on_click=_start_export,
                      args=(run, file_format, bundle))  # fmt: skip
        if task:
            _show_end(run, task)
        st.subheader("FiftyOne", divider="grey")
        show_fiftyone(viewed, 0.0 if everything else selection.score, ids, "errors fiftyone")


def _offer_marks(run: Run, ids: list[int], marked: list[int]) -> None:
    """Show how many images there are, and buttons that mark all of them or none."""
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
    marks = [Mark(LabelErrorKind.IMAGE, image_id) for image_id in image_ids]
    try:
        if on:
            Marks(services.store()).add_all(run_id, marks)
        else:
            Marks(services.store()).remove_all(run_id, [mark.key for mark in marks])
    except LabError as error:
        st.toast(plain(error), icon=":material/error:")


def _task_name(run: Run) -> str:
    return f"export {run.id}"


def _start_export(run: Run, file_format: ExportFormat, bundle: Bundle) -> None:
    folder = services.store().folder(run.id) / "export"
    out = folder / f"{run.id}-{file_format}.zip"
    background_tasks().start(_task_name(run), lambda: _export(bundle, file_format, out), "The export failed")


def _export(bundle: Bundle, file_format: ExportFormat, out: Path) -> Generator[tuple[int, int], None, ExportResult]:
    """Write the export into a folder that holds no older one; yields (images done, images in all)."""
    shutil.rmtree(out.parent, ignore_errors=True)
    return (yield from write_export(bundle, file_format, out))


@st.fragment(run_every=1.0)
def _show_progress(name: str) -> None:
    """Show how far the export is, with Stop; run the page again at its end."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    done, total = task.latest or (0, 1)
    st.progress(done / total, f"{done:,} of {total:,} images" if task.latest else "Starting …")
    st.caption("It goes on when this tab is closed.")
    st.button("Stop", key="stop export", icon=":material/stop:", disabled=task.stopped, on_click=task.stop)


def _show_end(run: Run, task: Task) -> None:
    """Show the last export as a download, or why there is none."""
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task.stopped:
        st.info("The export was stopped.", icon=":material/stop_circle:")
    else:
        written = task.result
        st.caption(f"{plain(written.path.name)}: {plain(written.sentence)}")
        offer_download(written.path, written.size, "download export")
    st.button("Dismiss", key="dismiss export", type="tertiary", on_click=_dismiss, args=(run,))


def _dismiss(run: Run) -> None:
    """Forget the last export and delete its file; a callback."""
    task = background_tasks().find(_task_name(run))
    if task and not task.is_running:
        shutil.rmtree(services.store().folder(run.id) / "export", ignore_errors=True)
        background_tasks().forget(task.name)
