"""ONNX files of a model on Results: a button that makes them, what they cost in a table, and their evaluation as runs.

In: the model that Results shows. An export is a background task whose work is done by a process of its own
(`ui/server/exporting.py`); its files and its table lie in the run's folder.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core import LabError
from core.export.onnx.measurements import HEADINGS, Measurements, cells, read_measurements
from core.inference.evaluation.config import EvaluationConfig
from core.runs.evaluated.images import data_of
from core.wording import cell
from ui.choose.run_picker import EvaluatedModel
from ui.results.evaluations import begin_evaluations
from ui.server import services
from ui.server.background import Task, background_tasks
from ui.server.exporting import ask_exporter
from ui.text import plain

WHAT = (
    "The model in files that ONNX Runtime and others compute without PyTorch, with a description of how pictures are "
    "made for them. Smaller variants are kept if their AP does not fall by more than a point."
)


def show_onnx(viewed: EvaluatedModel) -> None:
    """Show the section."""
    st.caption("What does it cost to use this model elsewhere, as ONNX?")
    run = viewed.run
    if run.is_imported:
        st.info("Of this run only results are here: choose one that was trained here to export its model.")
        return
    folder = services.store().onnx_folder(run.id, viewed.evaluation.epoch)
    name = _task_name(viewed)
    task = background_tasks().find(name)
    if task and task.is_running:
        _show_progress(name)
        return
    try:
        measurements = read_measurements(folder)
    except LabError as error:
        st.error(plain(error))
        measurements = None
    if task:
        _show_end(task)
    if measurements:
        _show_table(viewed, measurements, folder)
    else:
        st.markdown(WHAT)
    request = {"run": run.id, "epoch": viewed.evaluation.epoch}
    st.button("Export again" if measurements else "Export to ONNX", key="export onnx", icon=":material/deployed_code:",
              type="secondary" if measurements else "primary", on_click=_start, args=(viewed, request, folder.parent),
              help="Takes minutes: AP and time are measured on up to 200 validation images.")  # fmt: skip


def _show_table(viewed: EvaluatedModel, measurements: Measurements, folder: Path) -> None:
    rows = [[cell(text) for text in row] for row in cells(measurements)]
    st.dataframe(pd.DataFrame(rows, columns=list(HEADINGS)), hide_index=True, alt="The cost of each ONNX file")
    st.caption(plain(measurements.sentence))
    st.code(str(folder), language=None, wrap_lines=True)
    kept = [row for row in measurements.rows if row.file and not row.refused]
    with st.container(horizontal=True, vertical_alignment="center"):
        for row in kept:
            config = EvaluationConfig((str(folder / row.file),), str(data_of(viewed.run)))
            st.button(f"Evaluate {plain(row.file)}", key=f"evaluate {row.file}", icon=":material/fact_check:",
                      on_click=begin_evaluations, args=([config], viewed),
                      help="On all validation images, as a run of its own, which Compare can choose.")  # fmt: skip


def _task_name(viewed: EvaluatedModel) -> str:
    return f"onnx {viewed.run.id}"


def _start(viewed: EvaluatedModel, request: dict[str, Any], folder: Path) -> None:
    """Start the task; a callback."""
    name = _task_name(viewed)
    background_tasks().forget(name)

    def make() -> Generator[str, None, dict[str, Any]]:
        return (yield from ask_exporter(request, folder))

    background_tasks().start(name, make, "The export failed")


@st.fragment(run_every=1.0)
def _show_progress(name: str) -> None:
    """Show what the task does, with Stop; run the page again at its end."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    st.info(f"{plain(task.latest or 'Starting')} …", icon=":material/hourglass:")
    st.caption("It goes on when this tab is closed.")
    st.button("Stop", key="stop onnx", icon=":material/stop:", disabled=task.stopped, on_click=task.stop)


def _show_end(task: Task) -> None:
    """Show why there is no export."""
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task.stopped:
        st.info("It was stopped.", icon=":material/stop_circle:")
