"""All evaluated runs in one table and one chart: their metrics, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.charts.compare.runs import settings_against_ap
from core.config_diff import Setting, compare_settings, value_text
from core.wording import cell, visible
from ui.charts.component import show_chart
from ui.charts.tables import percent
from ui.choose import pickers
from ui.choose.manage_run import show_manage
from ui.choose.pair_picker import ModelKey, choose_pair
from ui.choose.run_picker import EvaluatedModel
from ui.text import plain

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def show_runs(models: Mapping[ModelKey, EvaluatedModel], on_compare: Callable[[], None]) -> None:
    """Show the table, a button that compares two chosen rows, and the parallel coordinates.

    on_compare: called after the pair is chosen.
    """
    runs = _best_of_each(models)
    trained = [model for model in runs if not model.run.is_imported]  # imported ones have no settings
    settings = [setting for setting in compare_settings([model.run.config for model in trained]) if setting.differs]
    table, formats = _table(runs, trained, settings)
    place = st.container(horizontal=True, vertical_alignment="center")
    picked = st.dataframe(table, hide_index=True, on_select="rerun", selection_mode="multi-row", key="all runs",
                          alt="All evaluated runs", column_config=formats, placeholder="")  # fmt: skip
    pair = sorted((runs[i] for i in picked.selection.rows), key=lambda model: model.run.created)

    def compare() -> None:
        choose_pair(*pair)
        on_compare()

    with place:
        if len(pair) == 1:
            show_manage(pair[0].run, "all runs")
        st.button("Compare these two", key="compare two", icon=":material/compare:", type="primary",
                  disabled=len(pair) != 2, on_click=compare, help="Choose two rows on their left.")  # fmt: skip
        chosen = f"{len(pair)} chosen" if pair else "Choose two rows on their left"
        st.caption(f"{chosen} · the best model of each run, in percent; a click on a column's head sorts.")
    _show_parallel(trained, settings)


def _best_of_each(models: Mapping[ModelKey, EvaluatedModel]) -> list[EvaluatedModel]:
    """Return the first model of each run, which is its best."""
    best: dict[str, EvaluatedModel] = {}
    for model in models.values():
        best.setdefault(model.run.id, model)
    return list(best.values())


def _table(
    runs: list[EvaluatedModel], trained: list[EvaluatedModel], settings: list[Setting]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a row for each run and the columns' formats; undefined cells are empty, also in whole columns."""
    columns: dict[str, list[Any]] = {"Run": [cell(pickers.run_name(model.run)) for model in runs]}
    columns["Epoch"] = [model.evaluation.epoch or None for model in runs]
    columns |= {name: [percent(model.evaluation.figures.get(name)) for model in runs] for name in METRICS}
    columns["Δ AP"] = [_ap_change(model) for model in runs]
    formats: dict[str, Any] = {name: st.column_config.NumberColumn(format="%.1f") for name in METRICS}
    formats["Epoch"] = st.column_config.NumberColumn(format="%d", help="After which its best model was saved.")
    formats["Δ AP"] = st.column_config.NumberColumn(
        format="%+.1f", help="Against the run's own baseline, the untouched model."
    )
    texts, places = {"Run", "Notes"}, {model.run.id: i for i, model in enumerate(trained)}
    for setting in settings:
        values = setting.values if setting.is_number else [cell(visible(value_text(value))) for value in setting.values]
        name = setting.label if setting.label not in columns else setting.name
        columns[name] = [values[places[model.run.id]] if model.run.id in places else None for model in runs]
        if setting.is_number:
            formats[name] = st.column_config.NumberColumn(help=plain(setting.help), format="%g")
        else:
            formats[name] = st.column_config.TextColumn(help=plain(setting.help))
            texts.add(name)
    if any(model.run.notes for model in runs):
        columns["Notes"] = [cell(visible(model.run.notes)) or None for model in runs]
    series = {name: pd.Series(v, dtype=object if name in texts else float) for name, v in columns.items()}
    return pd.DataFrame(series), formats


def _ap_change(model: EvaluatedModel) -> float | None:
    """Return AP minus the baseline's, in points; None where one of them is unknown."""
    if model.baseline is None:
        return None
    after, before = (evaluation.figures.get("AP") for evaluation in (model.evaluation, model.baseline))
    return None if after is None or before is None else 100 * (after - before)


def _show_parallel(trained: list[EvaluatedModel], settings: list[Setting]) -> None:
    if not settings:
        st.caption("Once two runs were trained with different settings, a picture here shows which of them pay.")
        return
    axes = [(s.label, s.values if s.is_number else [value_text(value) for value in s.values]) for s in settings]
    aps = [model.evaluation.figures.get("AP") for model in trained]
    names = [pickers.run_name(model.run) for model in trained]
    steps = sum(model.run.step or 0 for model in trained)
    show_chart(settings_against_ap(names, axes, aps, steps), "chart settings against AP")
