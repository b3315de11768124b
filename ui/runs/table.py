"""The table of all runs, in which rows are chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from core.runs.many.figures import best_figures
from core.runs.schema import Run
from ui.choose.address import remember
from ui.runs.columns import Column, all_columns, expand, frame, rows_of
from ui.runs.filters import CHOICES, CHOSEN, chosen_ids, pick_columns
from ui.server import services


def show_table(
    runs: Sequence[Run], everything: Sequence[Run], choose_columns_in: st.delta_generator.DeltaGenerator
) -> None:
    """Show these runs; the rows that are chosen in it are remembered.

    everything         all runs, which say what columns there can be
    choose_columns_in  where the choice of columns stands
    """
    figures = best_figures(services.store())
    with choose_columns_in:
        columns: list[Column] = pick_columns(all_columns(rows_of(everything, figures)))
    rows = rows_of(runs, figures)
    table, formats = frame(expand(columns, rows), rows)
    ids = [run.id for run in runs]
    # a table of other runs is another one: Streamlit knows a chosen row by its place alone
    mark = hashlib.sha256(repr((ids, st.session_state.get(CHOICES, 0))).encode()).hexdigest()[:12]
    key, chosen = f"all runs {mark}", set(chosen_ids())
    st.dataframe(
        table, hide_index=True, selection_mode="multi-row", key=key, alt="All runs", column_config=formats,
        placeholder="", on_select=lambda: _take(key, ids),
        selection_default={"selection": {"rows": [i for i, run_id in enumerate(ids) if run_id in chosen]}},
    )  # fmt: skip


def _take(key: str, ids: Sequence[str]) -> None:
    """Remember which rows are chosen; what is chosen and not in sight stays so."""
    picked = [ids[i] for i in st.session_state[key].selection.rows if i < len(ids)]
    hidden = [run_id for run_id in chosen_ids() if run_id not in set(ids)]
    remember(CHOSEN, [*hidden, *picked])
