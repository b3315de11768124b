"""A chart as a component: title, note, plot, the size of its data, its numbers as table, CSV and PNG (`chart.js`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.charts.chart import Chart
from core.charts.to_json import to_json
from ui.server import scripts

HERE = Path(__file__).parent

_component = scripts.component(
    "chart",
    "ui/charts/chart.js",
    html='<figure class="dl-chart">\n</figure>',
    css=(HERE / "chart.css").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly writes its styles into the page
)


def show_chart(chart: Chart, key: str, on_open: Callable[[], None] | None = None) -> None:
    """Show a chart, whose boxes can be opened if `on_open` is given.

    A click on a point whose `customdata` is a dict calls `on_open`, which reads the dict from
    st.session_state[key].open.
    """
    data = chart_data(chart, clickable=on_open is not None)
    callbacks: dict[str, Any] = {"on_open_change": on_open} if on_open else {}
    _component(key=key, data=data, **callbacks)


def show_charts(charts: list[Chart], on_open: Callable[[str], None]) -> None:
    """Show charts, two in a row, a wide one alone; a click that opens boxes calls `on_open` with the chart's key."""
    free: DeltaGenerator | None = None
    for chart in charts:
        if chart.wide:
            place, free = st.container(), None
        elif free is None:
            place, free = st.columns(2, gap="medium")
        else:
            place, free = free, None
        with place:
            key = f"chart {chart.key}"
            show_chart(chart, key, on_open=partial(on_open, key))


def chart_data(chart: Chart, clickable: bool) -> dict[str, Any]:
    """Return what `chart.js` takes; the signature tells it whether anything is new, and only then it reads the rest."""
    text = to_json(chart)
    return {"signature": hashlib.sha256(text.encode()).hexdigest()[:16], "chart": text, "clickable": clickable}
