"""The figures of two models beside each other, with what the bootstrap says of their differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from core.charts.compare.differences import differences
from core.evaluation.coco_eval import CocoFigures
from core.evaluation.findings.bootstrap import FIGURES, Interval, Intervals, bootstrap, in_words
from core.evaluation.findings.changes import ap_changes
from core.evaluation.findings.curves import coco_figures
from ui.charts.component import chart
from ui.charts.tables import percent

LIT = "background-color: rgba(250, 176, 5, 0.25)"  # of what differs, on a light ground and on a dark one


@st.cache_data(show_spinner="Drawing the images anew, a thousand times …", max_entries=16)
def intervals_of(before: tuple, after: tuple, _before, _after) -> Intervals:
    return bootstrap(_after, _before)


@st.cache_resource(show_spinner=False, max_entries=16)
def judged_of(before: tuple, after: tuple) -> dict[str, dict[str, Interval]]:
    """The intervals of the cells of the AP matrix by class, as far as they are known; all sessions add to it."""
    return {}


def judge_class(judged: dict, name: str, before, after) -> None:
    judged[name] = ap_changes(before, after, name)


def show_figures(marks: tuple[tuple, tuple], tables: tuple, names: tuple[str, str]) -> None:
    """COCO's twelve and AP by class, before and after, their change and its interval."""
    place = st.empty()
    place.skeleton(height=470)
    before, after = (coco_figures(table) for table in tables)
    intervals = intervals_of(*marks, *tables)
    left, right = place.container().columns(2, gap="medium")
    with left:
        rows = [(name, getattr(before, name), getattr(after, name), intervals.differences[name]) for name in FIGURES]
        _show_changes(rows, "Figure", "COCO's twelve figures before and after")
        st.caption(f"Percent; before: {names[0]}, after: {names[1]}. {in_words(intervals)}; "
                   "where 0 lies between them, the change may be noise.")  # fmt: skip
    with right:
        chart(replace(differences(intervals), key="figure-changes", title="Change of the twelve figures"),
              "chart figure changes")  # fmt: skip
    st.markdown("##### AP by class")
    _show_changes(_class_rows(before, after, intervals), "Class", "AP by class before and after")


def _class_rows(before: CocoFigures, after: CocoFigures, intervals: Intervals) -> list[tuple]:
    return [
        (name, before.per_class[name], after.per_class[name], intervals.per_class_differences[name])
        for name in after.per_class
    ]


def _show_changes(rows: Sequence[tuple[str, float | None, float | None, Interval]], what: str, alt: str) -> None:
    """Of each row its name, both values and their difference; undefined is empty, what is clear is marked."""
    table = pd.DataFrame(
        {
            what: [name for name, *_ in rows],
            **{
                column: pd.Series([percent(value) for value in values], dtype=float)
                for column, values in (
                    ("Before", [row[1] for row in rows]), ("After", [row[2] for row in rows]),
                    ("Change", [row[3].value for row in rows]), ("Low", [row[3].low for row in rows]),
                    ("High", [row[3].high for row in rows]),
                )
            },
            "More than noise": [("▲" if d.value > 0 else "▼") if d.is_clear else "" for *_, d in rows],
        }
    )  # fmt: skip
    formats = {"Before": "%.1f", "After": "%.1f", "Change": "%+.1f", "Low": "%+.1f", "High": "%+.1f"}
    columns = {name: st.column_config.NumberColumn(format=form) for name, form in formats.items()}
    st.dataframe(table, hide_index=True, height="content", alt=alt, column_config=columns, placeholder="")
