"""The popover "Export the model" of Results: the model that is shown, in each of `MODEL_FORMATS`, as a zip.

An export is made by a background task, one at a time for each run, as a file in the run's folder; then it is offered as
a download. The next one replaces it. Nothing is uploaded from here.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import streamlit as st

from core.export.model_formats import MODEL_FORMATS, ModelExport, ModelFormat, ModelOptions, write_model
from core.export.saved_model import saved_model
from core.runs.schema import Run
from ui.choose.export_download import offer_download
from ui.choose.run_picker import EvaluatedModel
from ui.server import services
from ui.server.background import Task, background_tasks
from ui.text import plain

PICTURES = "export model pictures"
MOST_PICTURES = 24


def show_export_model(viewed: EvaluatedModel, score: float) -> None:
    """Show the popover, if the model that is shown is one that was trained here."""
    run, epoch = viewed.run, viewed.evaluation.epoch
    if run.is_imported or epoch == 0:
        return
    with st.popover("Export the model", icon=":material/ios_share:", width="stretch", key="export model"):
        task = background_tasks().find(_task_name(run))
        if task and task.is_running:
            _show_progress(task.name)
            return
        pictures = st.number_input("Pictures in its card", 0, MOST_PICTURES, ModelOptions().pictures, key=PICTURES,
                                   persist_state="session", help="The images with the most errors, with their boxes. "
                                   "They are pictures of your data set: 0 leaves them out.")  # fmt: skip
        options = ModelOptions(score, int(pictures))
        for form in MODEL_FORMATS.values():
            st.button(plain(form.label), key=f"export model {form.key}", help=plain(form.description), icon=form.icon,
                      width="stretch", on_click=_start, args=(run, epoch, form, options))  # fmt: skip
        if task:
            _show_end(run, task)


def _task_name(run: Run) -> str:
    return f"export model {run.id}"


def _folder(run: Run) -> Path:
    return services.store().folder(run.id) / "export-model"


def _start(run: Run, epoch: int, form: ModelFormat, options: ModelOptions) -> None:
    out = _folder(run) / f"{run.id}-{form.key}.zip"
    background_tasks().start(_task_name(run), lambda: _export(run, epoch, form, options, out), "The export failed")


def _export(
    run: Run, epoch: int, form: ModelFormat, options: ModelOptions, out: Path
) -> Generator[str, None, ModelExport]:
    """Write the export into a folder that holds no older one; yields what is done, in words."""
    shutil.rmtree(out.parent, ignore_errors=True)
    return (yield from write_model(saved_model(services.store(), run, epoch), form, out, options))


@st.fragment(run_every=1.0)
def _show_progress(name: str) -> None:
    """Show what the export is doing, with Stop; run the page again at its end."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    st.caption(f"{plain(task.latest or 'Starting')} …")
    st.caption("It goes on when this tab is closed.")
    st.button("Stop", key="stop model export", icon=":material/stop:", disabled=task.stopped, on_click=task.stop)


def _show_end(run: Run, task: Task) -> None:
    """Show the last export as a download, or why there is none."""
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task.stopped:
        st.info("The export was stopped.", icon=":material/stop_circle:")
    else:
        written = task.result
        st.caption(f"{plain(written.path.name)}: {plain(written.sentence)}")
        offer_download(written.path, written.size, "download model")
    st.button("Dismiss", key="dismiss model export", type="tertiary", on_click=_dismiss, args=(run,))


def _dismiss(run: Run) -> None:
    """Forget the last export and delete its file; a callback."""
    task = background_tasks().find(_task_name(run))
    if task and not task.is_running:
        shutil.rmtree(_folder(run), ignore_errors=True)
        background_tasks().forget(task.name)
