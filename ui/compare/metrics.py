"""The metrics of two models beside each other, with what the bootstrap says of their differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.charts.compare.differences import differences
from core.evaluation.coco_eval import FIGURES, CocoFigures
from core.evaluation.findings.bootstrap import Interval, Intervals, bootstrap, in_words
from core.evaluation.findings.changes import ap_changes
from core.evaluation.findings.curves import coco_figures
from core.wording import cell, visible
from ui.charts.component import show_chart
from ui.charts.tables import percent
from ui.choose.run_picker import TableKey
from ui.text import plain

APIntervals = dict[str, dict[str, Interval]]  # by class, then "all" or a size
Row = tuple[str, float | None, float | None, Interval]  # a metric or class: before, after, their difference


@st.cache_data(show_spinner="Drawing the images anew, a thousand times …", max_entries=16)
def intervals_of(before: TableKey, after: TableKey, _before: pa.Table, _after: pa.Table) -> Intervals:
    """Return the intervals of all metrics and of their differences."""
    return bootstrap(_after, _before)


@st.cache_resource(show_spinner=False, max_entries=16)
def ap_intervals(before: TableKey, after: TableKey) -> APIntervals:
    """Return the dict of the intervals of AP's differences, to which all sessions add, class by class."""
    return {}


def add_ap_intervals(intervals: APIntervals, name: str, before: pa.Table, after: pa.Table) -> None:
    """Compute the intervals of one class; takes seconds on large data."""
    intervals[name] = ap_changes(before, after, name)


def show_metrics(keys: tuple[TableKey, TableKey], tables: tuple[pa.Table, pa.Table], names: tuple[str, str]) -> None:
    """Show COCO's twelve metrics and AP by class: before, after, their difference and its interval."""
    place = st.empty()
    place.skeleton(height=470)
    before, after = (coco_figures(table) for table in tables)
    intervals = intervals_of(*keys, *tables)
    changes = intervals.differences or {}
    left, right = place.container().columns(2, gap="medium")
    with left:
        rows = [(name, getattr(before, name), getattr(after, name), changes[name]) for name in FIGURES]
        _show_changes(rows, "Metric", "COCO's twelve metrics before and after")
        st.caption(f"Percent; before: {plain(names[0])}, after: {plain(names[1])}. {plain(in_words(intervals))}; "
                   "where 0 lies between them, the change may be noise.")  # fmt: skip
    with right:
        chart = replace(differences(intervals), key="figure-changes", title="Change of the twelve metrics")
        show_chart(chart, "chart figure changes")
    st.markdown("##### AP by class")
    _show_changes(_class_rows(before, after, intervals), "Class", "AP by class before and after")


def _class_rows(before: CocoFigures, after: CocoFigures, intervals: Intervals) -> list[Row]:
    changes: Mapping[str, Interval] = intervals.per_class_differences or {}
    return [(name, before.per_class[name], after.per_class[name], changes[name]) for name in after.per_class]


def _show_changes(rows: Sequence[Row], heading: str, alt: str) -> None:
    """Show rows as a table under `heading`; undefined cells are empty, changes beyond noise have a sign."""
    columns: dict[str, list[float | None]] = {
        "Before": [before for _, before, _, _ in rows],
        "After": [after for _, _, after, _ in rows],
        "Change": [change.value for *_, change in rows],
        "Low": [change.low for *_, change in rows],
        "High": [change.high for *_, change in rows],
    }
    signs = [("▲" if change.value and change.value > 0 else "▼") if change.is_clear else "" for *_, change in rows]
    table = pd.DataFrame(
        {heading: [cell(visible(name)) for name, *_ in rows]}
        | {name: pd.Series([percent(value) for value in values], dtype=float) for name, values in columns.items()}
        | {"More than noise": signs}
    )
    formats = {"Before": "%.1f", "After": "%.1f", "Change": "%+.1f", "Low": "%+.1f", "High": "%+.1f"}
    config = {name: st.column_config.NumberColumn(format=number) for name, number in formats.items()}
    st.dataframe(table, hide_index=True, height="content", alt=alt, column_config=config, placeholder="")
