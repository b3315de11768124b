"""COCO's figures by class and by size, as charts. A click opens the boxes of that class and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.charts.chart import Chart, grey_if_few
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW, SIZES
from core.evaluation.defined import defined
from core.evaluation.findings.curves import ClassFigures, SizeFigures
from core.evaluation.selection import Selection

COLUMNS = ("AP", "AP50", "AP75", "recall")
DIAMOND = {"type": "scatter", "mode": "markers", "marker": {"symbol": "diamond", "size": 10}}
STROKE = {"type": "scatter", "mode": "markers", "marker": {"symbol": "line-ns-open", "size": 9, "line": {"width": 2}}}


def class_bars(figures: Sequence[ClassFigures], score: float = 0.5) -> Chart:
    """AP of each class as a bar, AP50 and recall (from `score`) as marks, the best class on top."""
    shown = sorted((f for f in figures if f.objects), key=lambda f: -defined(f.AP))
    common = {
        "y": [f"{f.name} ({f.objects:,})" for f in shown],
        "customdata": [Selection(score, classes=(f.name,)).to_query() for f in shown],
        "hovertemplate": "%{y}<br>%{fullData.name} %{x:.1f}<extra></extra>",
    }
    traces = []
    marks: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("AP", "AP", "@1", {"type": "bar", "orientation": "h", "marker": {}}),
        ("AP50", "AP50", "@2", DIAMOND),
        ("recall", f"recall from {score:g}", "@3", STROKE),
    )
    for part, name, color, look in marks:
        marker = look["marker"] | {"color": [grey_if_few(f.objects, color) for f in shown]}
        percents = [100 * getattr(f, part) for f in shown]
        traces += _with_swatch(look | common | {"name": name, "x": percents, "marker": marker}, "y", color)
    return Chart(
        "ap-by-class",
        "AP by class",
        f"In brackets the class's objects; what rests on fewer than {FEW} is grey.",
        sum(f.objects for f in shown),
        "objects",
        traces,
        {
            "xaxis": {"title": "percent", "range": [0, 101]},
            "yaxis": {"range": [len(shown) - 0.5, -0.5], "dtick": 1},
            "bargap": 0.35,
            "barmode": "overlay",  # the legend's swatches are bars too
        },
        ("class", "objects", "predictions", *COLUMNS),
        [(f.name, f.objects, f.predictions, *(getattr(f, name) for name in COLUMNS)) for f in shown],
        height=130 + max(len(shown), 3) * (24 if len(shown) <= 25 else 16),
    )


def _with_swatch(trace: dict, names: str, color: str) -> list[dict]:
    """Return the trace, and a point without a value that shows its colour in the legend: its own first may be grey."""
    values = "x" if names == "y" else "y"
    swatch = {part: value for part, value in trace.items() if part not in ("customdata", "hovertemplate")}
    swatch |= {names: trace[names][:1], values: [None], "marker": trace["marker"] | {"color": color}}
    group = {"legendgroup": trace["name"]}  # a click in the legend hides both
    return [trace | group | {"showlegend": False}, swatch | group]


def size_bars(figures: Sequence[ClassFigures], score: float = 0.5) -> Chart:
    """AP (mean over the classes) and recall from `score` (of all objects) in each of COCO's sizes."""
    parts = {size: [f.sizes[size] for f in figures if f.sizes[size].objects] for size in SIZES}
    objects = {size: sum(part.objects for part in of_size) for size, of_size in parts.items()}
    sizes = [size for size in SIZES if objects[size]]
    ap = {size: sum(defined(part.AP) for part in parts[size]) / len(parts[size]) for size in sizes}
    recall = {size: sum(part.found for part in parts[size]) / objects[size] for size in sizes}
    classes = tuple(f.name for f in figures) if len(figures) == 1 else ()
    traces = []
    for name, values, color, place in (("AP", ap, "@1", "1"), (f"recall from {score:g}", recall, "@3", "2")):
        bars = {
            "type": "bar", "name": name, "offsetgroup": place,
            "x": [f"{size} ({objects[size]:,})" for size in sizes], "y": [100 * values[size] for size in sizes],
            "customdata": [Selection(score, classes, sizes=(size,)).to_query() for size in sizes],
            "marker": {"color": [grey_if_few(objects[size], color) for size in sizes]},
            "texttemplate": "%{y:.1f}", "textposition": "outside", "cliponaxis": False,
            "hovertemplate": "%{x}<br>%{fullData.name} %{y:.1f}<extra></extra>",
        }  # fmt: skip
        traces += _with_swatch(bars, "x", color)
    return Chart(
        "ap-by-size",
        "AP and recall by size",
        "COCO's sizes by area: small below 32², large from 96² pixels of the original; in brackets how many objects.",
        sum(objects.values()),
        "objects",
        traces,
        {"yaxis": {"title": "percent", "range": [0, 108]}, "barmode": "group", "bargap": 0.3},
        ("size", "objects", "AP", "recall"),
        [(size, objects[size], ap[size], recall[size]) for size in sizes],
    )


def size_heat(figures: Sequence[ClassFigures], score: float = 0.5) -> Chart:
    """AP of each class and size as a heat map; cells on fewer than FEW objects stay without colour."""
    shown = sorted((f for f in figures if f.objects), key=lambda f: -defined(f.AP))
    cells = [
        [
            Cell(
                _percent(part),
                f"{f.name} · {size}\n{_said(part)}",
                f"{100 * defined(part.AP):.1f}  ({part.objects:,})" if part.objects else "",
                Selection(score, (f.name,), sizes=(size,)).to_query() if part.objects else None,
            )
            for size in SIZES
            for part in [f.sizes[size]]
        ]
        for f in shown
    ]
    trace = heatmap([f.name for f in shown], SIZES, cells, 0, 100)
    return Chart(
        "ap-by-class-and-size",
        "AP by class and size",
        f"In brackets how many objects; a cell with fewer than {FEW} stays without colour.",
        sum(f.objects for f in shown),
        "objects",
        [trace],
        {"xaxis": {"side": "top"}, "yaxis": {"autorange": "reversed", "dtick": 1}},
        ("class", "size", "objects", "found", "AP"),
        [(f.name, size, f.sizes[size].objects, f.sizes[size].found, f.sizes[size].AP) for f in shown for size in SIZES],
        height=110 + max(len(shown), 3) * (26 if len(shown) <= 25 else 18),
    )


def _percent(part: SizeFigures) -> float | None:
    if not part.objects:
        return None
    return 100 * defined(part.AP) if part.objects >= FEW else 0  # as the background


def _said(part: SizeFigures) -> str:
    if not part.objects:
        return "no objects"
    return f"AP {100 * defined(part.AP):.1f}, {part.found:,} of {part.objects:,} found"
