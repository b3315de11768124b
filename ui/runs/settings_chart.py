"""What the runs of the table were trained with, against their AP: one line a run (parallel coordinates)."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.charts.compare.runs import settings_against_ap
from core.config_diff import compare_settings, value_text
from core.runs.schema import Run
from ui.charts.component import show_chart
from ui.choose import pickers


def show_settings_chart(runs: Sequence[Run]) -> None:
    """Show the chart of the trainings among these runs that are evaluated, once their settings differ."""
    trained = [run for run in runs if not (run.is_imported or run.is_damaged) and _ap(run) is not None]
    settings = [setting for setting in compare_settings([run.config for run in trained]) if setting.differs]
    if not settings:
        st.caption("Once two runs were trained with different settings, a picture here shows which of them pay.")
        return
    axes = [(s.label, s.values if s.is_number else [value_text(value) for value in s.values]) for s in settings]
    steps = sum(run.step or 0 for run in trained)
    names = [pickers.run_name(run) for run in trained]
    show_chart(settings_against_ap(names, axes, [_ap(run) for run in trained], steps), "chart settings against AP")


def _ap(run: Run) -> float | None:
    return run.ap if run.best_ap is None else run.best_ap
