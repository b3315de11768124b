"""Charts on their way to a browser: Plotly, the script that draws a `Chart` (draw.js), and a chart as its JSON."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from core.charts.chart import Chart
from core.datasets.split import FEW
from core.evaluation.defined import defined

PLOTLY = (
    Path(defined(defined(find_spec("plotly")).origin)).parent / "package_data" / "plotly.min.js"
)  # found without importing it
SCRIPT = (Path(__file__).parent / "draw.js").read_text(encoding="utf-8")


def to_json(chart: Chart) -> str:
    """Return a chart as the JSON that draw.js takes; arrays may be numpy's, and what is not finite becomes null.

    Only ASCII: half a surrogate pair, which a name in a JSON file may have, could not be sent as UTF-8.
    """
    values = {
        name: getattr(chart, name) for name in ("key", "title", "note", "click", "traces", "layout", "height", "area")
    }
    values |= {"columns": chart.columns, "rows": chart.rows, "caption": caption(chart), "few": chart.n < FEW}
    return json.dumps(_plain(values), separators=(",", ":"))


def caption(chart: Chart) -> str:
    """Say on how much the chart rests, in words: "4,210 objects"."""
    unit = chart.unit if chart.n != 1 else chart.unit.removesuffix("es" if chart.unit.endswith("xes") else "s")
    if chart.n >= FEW:
        return f"{chart.n:,} {unit}"
    return f"only {chart.n} {unit}: too few to say much" if chart.n else f"no {unit}: nothing to say"


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
