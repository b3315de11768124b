"""How two runs were trained: their settings beside each other, differences highlighted, and their curves overlaid."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.charts.chart import Chart
from core.charts.compare.runs import RunCurves, curves_together
from core.charts.training import TAGS
from core.config_diff import compare_settings, value_text
from core.runs.provenance.code import compare_code
from core.runs.schema import Run
from core.wording import cell, visible
from ui.charts.component import show_charts
from ui.choose.run_picker import EvaluatedModel
from ui.server import services
from ui.text import plain

ALL_SETTINGS, UNIT = "all settings", "curves by"  # in the session
HIGHLIGHT = "background-color: rgba(250, 176, 5, 0.25)"  # of differences, on light and dark ground
NAMED = ("data", "model", "classes", "seed", "code")  # equal settings that are named; the others are counted
UNITS = {"epoch": "By epoch", "step": "By step"}
CurveKey = tuple[str, int | None, float | None, str, str]  # a run's id, step, heartbeat, label and colour


def show_settings(before: EvaluatedModel, after: EvaluatedModel, names: tuple[str, str]) -> None:
    """Show a table of the settings that differ, or of all of them."""
    st.markdown("##### Settings")
    is_one_run = before.run.id == after.run.id
    if is_one_run:
        st.caption("Both models are of one run, and so of one training.")
    settings = compare_settings([before.run.config, after.run.config])
    settings += compare_code([services.store().folder(model.run.id) for model in (before, after)])
    same = [setting for setting in settings if not setting.differs]
    show_all = st.toggle("All settings", key=ALL_SETTINGS, persist_state="session",
                         help="Those too that are the same for both.")  # fmt: skip
    shown = settings if show_all else [setting for setting in settings if setting.differs]
    if shown:
        rows = [[s.label, *(cell(visible(value_text(value))) for value in s.values), s.help] for s in shown]
        highlighted = [s.differs and show_all for s in shown]
        table = pd.DataFrame(rows, columns=["Setting", f"Before: {names[0]}", f"After: {names[1]}", "What it is"])
        style = table.style.apply(lambda row: [HIGHLIGHT if highlighted[row.name] else ""] * len(row), axis=1)
        st.dataframe(style, hide_index=True, height="content", alt="Settings of both runs")
    elif not is_one_run:
        st.caption("Both were trained with the same settings.")
    for run, name in ((before.run, names[0]), (after.run, names[1]))[is_one_run:]:
        if run.notes:
            st.caption(f"Notes on {plain(name)}: {plain(run.notes)}")
    named = [f"{plain(s.label.lower())} {plain(value_text(s.values[0]))}" for s in same if s.name in NAMED]
    rest = len(same) - len(named)
    if same and not show_all:
        others = f"{rest:,} other setting{'' if rest == 1 else 's'}"
        st.caption("The same for both: " + ", ".join(named + [others] * (rest > 0)) + ".")


def show_curves(before: EvaluatedModel, after: EvaluatedModel) -> None:
    """Show losses and AP of both runs, or of the one run that both models are of."""
    st.markdown("##### Curves")
    is_one_run = before.run.id == after.run.id
    runs = [(after.run, "This run", "@1")] if is_one_run else [(before.run, "Before", "@2"), (after.run, "After", "@1")]
    if not any(run.step for run, _, _ in runs):
        st.caption("There are no curves: imported results have no training.")
        return
    unit = st.segmented_control("Curves by", list(UNITS), format_func=UNITS.__getitem__, default="epoch", key=UNIT,
                                required=True, label_visibility="collapsed", persist_state="session")  # fmt: skip
    keys = tuple((run.id, run.step, run.heartbeat, label, color) for run, label, color in runs)
    charts = curve_charts(keys, unit, [run for run, _, _ in runs])
    if not charts:
        st.caption("No curve was recorded.")
    show_charts(charts, lambda key: None)


@st.cache_data(show_spinner="Reading the curves …", max_entries=16)
def curve_charts(keys: tuple[CurveKey, ...], unit: str, _runs: list[Run]) -> list[Chart]:
    """Return the charts of the runs' curves; `keys` say how far each run is, its label and its colour."""
    store = services.store()
    curves = [
        RunCurves(label, store.curves_after(run.id, tags=TAGS)[0],
                  run.steps / run.epochs if run.steps and run.epochs else None, color)
        for run, (*_, label, color) in zip(_runs, keys, strict=True)
    ]  # fmt: skip
    return curves_together(curves, unit)
