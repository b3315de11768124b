"""A chart as a component: title, note, plot, on how much it rests, its figures as table, CSV and PNG (chart.js)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.charts.chart import Chart
from core.charts.to_json import to_json
from ui.server import scripts

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "chart",
    html='<figure class="dl-chart">\n</figure>',
    css=(HERE / "chart.css").read_text(encoding="utf-8"),
    js=scripts.loader("ui/charts/chart.js"),
    isolate_styles=False,  # Plotly writes its styles into the page
)


def chart(chart: Chart, key: str, on_open: Callable[[], None] | None = None) -> None:
    """Shows a chart, and lets its boxes be opened if `on_open` is given.

    A click on a point whose `customdata` is a dict calls `on_open`, which finds the dict in st.session_state[key].open.
    """
    data = chart_data(chart, clickable=on_open is not None)
    _component(key=key, data=data, **({"on_open_change": on_open} if on_open else {}))


def show_charts(charts: list[Chart], on_open: Callable[[str], None]) -> None:
    """Charts two beside each other; a wide one takes a row. A click that opens something calls `on_open` with a key."""
    free = None
    for one in charts:
        if one.wide:
            place, free = st.container(), None
        elif free is None:
            place, free = st.columns(2, gap="medium")
        else:
            place, free = free, None
        with place:
            key = f"chart {one.key}"
            chart(one, key, on_open=lambda key=key: on_open(key))


def chart_data(chart: Chart, clickable: bool) -> dict:
    """What chart.js takes; the signature tells it whether anything is new, and only then it reads the rest."""
    made = to_json(chart)
    return {"signature": hashlib.sha256(made.encode()).hexdigest()[:16], "chart": made, "clickable": clickable}
