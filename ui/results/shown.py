"""What Results shows of an evaluated model, `Shown`: every section and tab gets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import streamlit as st

from core.charts.chart import Chart
from core.charts.sections import SECTIONS, View
from core.datasets.attributes.attribute import ImageAttributes
from core.runs.schema import Run
from ui.choose.address import Query
from ui.choose.run_picker import TableKey

Classes = tuple[str, ...] | None  # None: all


@dataclass(frozen=True)
class Shown:
    """An evaluated model as Results shows it.

    key           names the detection table, which has the images of the chosen slices
    attributes    what is known of the images
    baseline      the baseline's table; None without one
    view          the table with the chosen score and classes
    open_boxes    a callback for a click on a chart, which gets the chart's key
    go_to_errors  opens a query on Errors
    """

    run: Run
    key: TableKey
    baseline: pa.Table | None
    view: View
    attributes: ImageAttributes
    open_boxes: Callable[[str], None]
    go_to_errors: Callable[[Query], None]

    def charts(self, section: str) -> list[Chart]:
        """Return the charts of a section."""
        return charts_of(self.key, section, self.view.score, self.view.classes, self.view)


@st.cache_data(show_spinner=False, max_entries=64)
def charts_of(key: TableKey, section: str, score: float, classes: Classes, _view: View) -> list[Chart]:
    """Return a section's charts."""
    return SECTIONS[section].charts(_view)
