"""How two runs were trained: their settings beside each other with the differences lit, and curves over each other."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.charts.chart import Chart
from core.charts.compare.runs import TAGS, RunCurves, curves_together
from core.runs.config_diff import compare_settings, value_text
from core.runs.schema import Run
from ui.charts.component import show_charts
from ui.choose.run_picker import EvaluatedModel
from ui.compare.metrics import LIT
from ui.server import services
from ui.text import plain

ALL_SETTINGS, UNIT = "all settings", "curves by"
TOLD = ("data", "model", "classes", "seed")  # what one wants to know to be the same
UNITS = {"epoch": "By epoch", "step": "By step"}


def show_settings(before: EvaluatedModel, after: EvaluatedModel, names: tuple[str, str]) -> None:
    """A table of the settings that differ, or of all of them."""
    st.markdown("##### Settings")
    if before.run.id == after.run.id:
        st.caption("Both models are of one run, and so of one training.")
    found = compare_settings([before.run.config, after.run.config])
    differing = [setting for setting in found if setting.differs]
    same = [setting for setting in found if not setting.differs]
    everything = st.toggle("All settings", key=ALL_SETTINGS, persist_state="session",
                           help="Those too that are the same for both.")  # fmt: skip
    shown = found if everything else differing
    if shown:
        rows = [[s.label, *map(value_text, s.values), s.help] for s in shown]
        lit = [s.differs and everything for s in shown]
        table = pd.DataFrame(rows, columns=["Setting", f"Before: {names[0]}", f"After: {names[1]}", "What it is"])
        style = table.style.apply(lambda row: [LIT if lit[row.name] else ""] * len(row), axis=1)
        st.dataframe(style, hide_index=True, height="content", alt="Settings of both runs")
    elif before.run.id != after.run.id:
        st.caption("Both were trained with the same settings.")
    told = [f"{s.label.lower()} {plain(value_text(s.values[0]))}" for s in same if s.name in TOLD]
    rest = len(same) - len(told)
    if same and not everything:
        others = f"{rest} other setting{'' if rest == 1 else 's'}"
        st.caption("The same for both: " + ", ".join(told + [others] * (rest > 0)) + ".")


def show_curves(before: EvaluatedModel, after: EvaluatedModel) -> None:
    """Losses and AP of both runs; of one run its own."""
    st.markdown("##### Curves")
    one_run = before.run.id == after.run.id
    runs = [(after.run, "This run", "@1")] if one_run else [(before.run, "Before", "@2"), (after.run, "After", "@1")]
    trained = [run for run, _, _ in runs if run.step]
    if not trained:
        st.caption("There are no curves: imported results have no training.")
        return
    unit = st.segmented_control("Curves by", list(UNITS), format_func=UNITS.get, default="epoch", key=UNIT,
                                required=True, label_visibility="collapsed", persist_state="session")  # fmt: skip
    marks = tuple((run.id, run.step, run.heartbeat, label, color) for run, label, color in runs)
    charts = curve_charts(marks, unit, [run for run, _, _ in runs])
    if not charts:
        st.caption("No curve was recorded.")
    show_charts(charts, lambda key: None)


@st.cache_data(show_spinner="Reading the curves …", max_entries=16)
def curve_charts(marks: tuple, unit: str, _runs: list[Run]) -> list[Chart]:
    """`marks`: of each run its id, how far it is, its label and colour."""
    store = services.store()
    found = [
        RunCurves(label, store.curves_after(run.id, tags=TAGS)[0],
                  run.steps / run.epochs if run.steps and run.epochs else None, color)
        for run, (*_, label, color) in zip(_runs, marks, strict=True)
    ]  # fmt: skip
    return curves_together(found, unit)
