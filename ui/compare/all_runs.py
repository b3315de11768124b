"""All evaluated runs in one table and one picture: figures, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.charts.compare.runs import settings_against_ap
from core.runs.config_diff import Setting, compare_settings, value_text
from ui.charts.component import chart
from ui.charts.tables import percent
from ui.choose import pickers
from ui.choose.pair_picker import Key, choose_pair
from ui.choose.run_picker import EvaluatedModel

SHOWN = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def show_runs(models: Mapping[Key, EvaluatedModel], on_compare) -> None:
    """The table, the button for two chosen rows, and the parallel coordinates. `on_compare` is called with a choice."""
    runs = _best_of_each(models)
    trained = [one for one in runs if not one.run.is_imported]  # imported ones have no settings to tell of
    settings = [setting for setting in compare_settings([one.run.config for one in trained]) if setting.differs]
    table, formats = _table(runs, trained, settings)
    place = st.container(horizontal=True, vertical_alignment="center")
    picked = st.dataframe(table, hide_index=True, on_select="rerun", selection_mode="multi-row", key="all runs",
                          alt="All evaluated runs", column_config=formats, placeholder="")  # fmt: skip
    two = sorted((runs[i] for i in picked.selection.rows), key=lambda one: one.run.created)

    def compare() -> None:
        choose_pair(*two)
        on_compare()

    with place:
        st.button("Compare these two", key="compare two", icon=":material/compare:", type="primary",
                  disabled=len(two) != 2, on_click=compare, help="Choose two rows on their left.")  # fmt: skip
        chosen = f"{len(two)} chosen" if two else "Choose two rows on their left"
        st.caption(f"{chosen} · the best model of each run, in percent; a click on a column's head sorts.")
    _show_parallel(trained, settings)


def _best_of_each(models: Mapping[Key, EvaluatedModel]) -> list[EvaluatedModel]:
    """Of each run its first model, which is its best."""
    return list({one.run.id: one for one in reversed(models.values())}.values())[::-1]


def _table(
    runs: list[EvaluatedModel], trained: list[EvaluatedModel], settings: list[Setting]
) -> tuple[pd.DataFrame, dict[str, st.column_config.NumberColumn]]:
    """A row for each run; what is not defined is empty, also where a whole column is."""
    columns: dict[str, list] = {"Run": [pickers.run_name(one.run) for one in runs]}
    columns["Epoch"] = [one.evaluation.epoch or None for one in runs]
    columns |= {name: [percent(one.evaluation.figures.get(name)) for one in runs] for name in SHOWN}
    columns["Δ AP"] = [_risen(one) for one in runs]
    formats = {name: st.column_config.NumberColumn(format="%.1f") for name in SHOWN}
    formats["Epoch"] = st.column_config.NumberColumn(format="%d", help="After which its best model was saved.")
    formats["Δ AP"] = st.column_config.NumberColumn(format="%+.1f", help="Against the run's own untouched model.")
    places = {one.run.id: i for i, one in enumerate(trained)}
    for setting in settings:
        values = setting.values if setting.is_number else [value_text(value) for value in setting.values]
        name = setting.label if setting.label not in columns else setting.name
        columns[name] = [values[places[one.run.id]] if one.run.id in places else None for one in runs]
        kind = st.column_config.NumberColumn if setting.is_number else st.column_config.TextColumn
        formats[name] = kind(help=setting.help, **({"format": "%g"} if setting.is_number else {}))
    texts = {"Run", *(name for name, column in formats.items() if column["type_config"]["type"] == "text")}
    series = {name: pd.Series(v, dtype=object if name in texts else float) for name, v in columns.items()}
    return pd.DataFrame(series), formats


def _risen(one: EvaluatedModel) -> float | None:
    """AP minus the untouched model's, in points."""
    pair = [e.figures.get("AP") if e else None for e in (one.evaluation, one.baseline)]
    return None if None in pair else 100 * (pair[0] - pair[1])


def _show_parallel(trained: list[EvaluatedModel], settings: list[Setting]) -> None:
    if not settings:
        st.caption("Once two runs were trained with different settings, a picture here shows which of them pay.")
        return
    axes = [(s.label, s.values if s.is_number else [value_text(value) for value in s.values]) for s in settings]
    aps = [one.evaluation.figures.get("AP") for one in trained]
    names, steps = [pickers.run_name(one.run) for one in trained], sum(one.run.step or 0 for one in trained)
    chart(settings_against_ap(names, axes, aps, steps), "chart settings against AP")
