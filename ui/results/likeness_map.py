"""The tab Map of Results: the boxes of a model on which an area can be drawn to see its pictures on Errors."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import LabError
from core.charts.alike.likeness_map import Layout, layout_of, map_chart, opened_by
from core.charts.chart import Chart
from core.charts.sections import View
from core.evaluation.alike.likeness import Likeness
from core.evaluation.selection import Selection
from ui.charts.component import show_chart
from ui.choose.address import Query
from ui.choose.run_picker import EvaluatedModel, TableKey
from ui.server import cache
from ui.text import plain

CHART, OPENED = "chart likeness-map", "boxes of the map"
QUESTION = "Which boxes does the model see alike, and where among them does it err?"


def show_likeness_map(viewed: EvaluatedModel, key: TableKey, view: View, go_to_errors: Callable[[Query], None]) -> None:
    """Show the map, or why there is none; a click on it, or an area that is drawn, opens Errors.

    key: names the view's table
    """
    if opened := st.session_state.pop(OPENED, None):
        query = Selection(view.score, view.classes or ()).to_query()
        go_to_errors({**query, **opened, "view": "objects"})
    st.caption(QUESTION)
    try:
        likeness = cache.likeness_of(key, viewed.run, viewed.evaluation, view.table)
    except LabError as error:
        st.info(plain(error))
        return
    layout = _layout_of(key, view.score, likeness)
    if not len(layout.rows):
        st.info("No box reaches this score, and none is missed that the model came near: choose another score.")
        return
    show_chart(_chart_of(key, view.score, view.classes, likeness, layout), CHART, on_open=_open)


def _open() -> None:
    """Have the boxes of a click or a drawn area shown on Errors, after this run of the page; a callback."""
    st.session_state[OPENED] = opened_by(st.session_state[CHART].open)


@st.cache_resource(show_spinner="Laying out the map …", max_entries=8)
def _layout_of(key: TableKey, score: float, _likeness: Likeness) -> Layout:
    return layout_of(_likeness, score)


@st.cache_data(show_spinner=False, max_entries=8)
def _chart_of(
    key: TableKey, score: float, classes: tuple[str, ...] | None, _likeness: Likeness, _layout: Layout
) -> Chart:
    return map_chart(_likeness, _layout, score, classes)
