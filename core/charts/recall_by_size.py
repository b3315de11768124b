"""Recall against the size of objects, as charts: in pixels, as the model sees them, in its cells; and by class.

A click opens the missed objects: those that neither a right box nor a poor or wrongly named one points to.
"""

from __future__ import annotations

from itertools import pairwise
from math import log

from core.charts.chart import Chart, grey_if_few
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW, SIZE_LIMITS, SIZES
from core.evaluation.defined import defined
from core.evaluation.findings.recall_by_size import Curve, Recall, RecallBySize, SizeBin
from core.evaluation.selection import Selection
from core.evaluation.table import ErrorType

TITLES = {
    "pixels": "Recall by object size",
    "input": "Recall by size as the model sees it",
    "cells": "Recall by size in cells of the model",
}
AXES = {
    "pixels": "√area, pixels of the original (objects)",
    "input": "√area, pixels of the model's input (objects)",
    "cells": "√area, cells of the feature map (objects)",
}
EMPTY = Curve((), 0, None, False)


def recall_bars(small: RecallBySize, which: str = "pixels") -> Chart:
    """Recall in each bin of the size in "pixels", "input" pixels or "cells", with its 95 % interval."""
    curve = getattr(small, which) or EMPTY
    labels = [_label(part) for part in curve.bins]
    recalls = [part.recall for part in curve.bins]
    shown = {
        "type": "bar",
        "name": f"from score {small.score:g}",
        "x": labels,
        "y": [recall.recall for recall in recalls],
        "error_y": _intervals(recalls),
        "hovertext": [f"{_range(part)} {_unit(which)}\n{_said(part.recall)}" for part in curve.bins],
        "hoverinfo": "text",
        "customdata": [_missed_around(small, part) if which == "pixels" else None for part in curve.bins],
        "marker": {"color": [grey_if_few(recall.n) for recall in recalls]},
    }
    at_any = {
        "type": "scatter",
        "mode": "markers",
        "name": "at any score",
        "x": labels,
        "y": [recall.recall_at_any for recall in recalls],
        "hoverinfo": "skip",
        "marker": {"symbol": "line-ew", "size": 16, "line": {"width": 2, "color": "@2"}, "color": "@2"},
    }
    shapes, annotations = _marks(small, which, curve)
    return Chart(
        f"recall-by-{which}",
        TITLES[which],
        _note(small, which, curve),
        curve.n,
        "objects",
        [shown, at_any],
        {
            "xaxis": {"title": AXES[which], "tickangle": 0, "tickfont": {"size": 10}},
            "yaxis": {"title": "Recall at IoU 0.5", "range": [0, 1.08], "tickformat": ".0%", "dtick": 0.25},
            "bargap": 0.15,
            "shapes": shapes,
            "annotations": annotations,
        },
        ("from", "to", "objects", "found", "missed", "recall", "low", "high", "recall_at_any_score"),
        [(part.lower, part.upper, *_figures(part.recall)) for part in curve.bins],
        wide=True,
        click="Click to see the missed objects of that size: small, medium or large",
    )


def recall_heat(small: RecallBySize) -> Chart:
    """Recall of each class and size as a heat map, the class of lowest recall on top; classes without objects not."""
    totals = {
        name: [sum(getattr(small.by_class[name, size], part) for size in SIZES) for part in ("n", "found")]
        for name in small.classes
    }
    names = sorted((name for name, (n, _) in totals.items() if n), key=lambda name: totals[name][1] / totals[name][0])
    keys = [[(name, size, small.by_class[name, size]) for size in SIZES] for name in names]
    cells = [
        [
            Cell(
                recall.recall if recall.n >= FEW else 0.5,
                f"{name} · {size}\n{_said(recall)}",
                f"{100 * defined(recall.recall):.0f} % of {recall.n:,}" if recall.n else "",
                _missed(small, (name,), size, recall),
            )
            for name, size, recall in row
        ]
        for row in keys
    ]
    labels = [f"{name} ({totals[name][0]:,})" for name in names]
    trace = heatmap(labels, SIZES, cells, 0, 1, scale="@diverging")
    return Chart(
        "recall-by-class-and-size",
        "Recall by class and size",
        f"Share of the objects found from score {small.score:g} at IoU 0.5; on fewer than {FEW} objects without "
        "colour.",
        small.total.n,
        "objects",
        [trace],
        {"xaxis": {"side": "top"}, "yaxis": {"autorange": "reversed", "dtick": 1}},
        ("class", "size", "objects", "found", "missed", "recall", "low", "high", "recall_at_any_score"),
        [(name, size, *_figures(recall)) for row in keys for name, size, recall in row],
        height=110 + max(len(names), 3) * (26 if len(names) <= 25 else 18),
        click="Click to see the missed ones",
    )


def _figures(recall: Recall) -> tuple:
    interval = recall.interval or (None, None)
    return recall.n, recall.found, recall.missed, recall.recall, *interval, recall.recall_at_any


def _intervals(recalls: list[Recall]) -> dict:
    spans = [(defined(recall.recall), *defined(recall.interval)) if recall.n else (0, 0, 0) for recall in recalls]
    return {
        "type": "data", "symmetric": False, "thickness": 1.2, "width": 4, "color": "@text",
        "array": [high - value for value, _, high in spans], "arrayminus": [value - low for value, low, _ in spans],
    }  # fmt: skip


# What a click opens


def _missed(small: RecallBySize, classes: tuple[str, ...], size: str, recall: Recall) -> dict | None:
    """Return the missed objects of classes and a size; None if there are none."""
    return Selection(small.score, classes, ErrorType.MISSED.value, (size,)).to_query() if recall.missed else None


def _missed_around(small: RecallBySize, part: SizeBin) -> dict | None:
    """Return the missed objects of the bin's COCO size, if the bin has some: a bin never lies in two sizes."""
    size = SIZES[sum(part.lower**2 >= limit for limit in SIZE_LIMITS)]
    return _missed(small, small.classes if small.is_part else (), size, part.recall)


# Texts and lines


def _note(small: RecallBySize, which: str, curve: Curve) -> str:
    if not curve.n:
        return "How large the model saw the objects is not known." if small.total.n and which != "pixels" else ""
    sentence = f"Share of the objects found at IoU 0.5, with its 95 % interval; grey on fewer than {FEW} objects."
    if curve.half is not None:
        sentence += f" Half are found from {_number(curve.half)} {_unit(which)} on."
    if which == "pixels":
        return sentence
    if unknown := small.total.n - curve.n:
        sentence += f" {unknown:,} {'objects' if unknown != 1 else 'object'} on images of unknown size "
        sentence += f"{'are' if unknown != 1 else 'is'} left out."
    if which == "cells":
        sentence += " What is smaller than a cell shares it with its surroundings."
    return sentence + f" A cell is {small.stride} pixels of the model's input."


def _said(recall: Recall) -> str:
    if not recall.n:
        return "no object"
    low, high = (f"{100 * edge:.0f}" for edge in defined(recall.interval))
    seen = recall.n - recall.found - recall.missed
    return (
        f"{recall.found:,} of {recall.n:,} found: {100 * defined(recall.recall):.0f} % ({low} to {high})\n"
        f"{recall.missed:,} missed, {seen:,} seen with a localization or classification error\n"
        f"{100 * defined(recall.recall_at_any):.0f} % at any score"
    )


def _marks(small: RecallBySize, which: str, curve: Curve) -> tuple[list[dict], list[dict]]:
    """Dashed lines at the borders of COCO's sizes, or at a cell; a dotted one where half are found."""
    if not curve.bins:
        return [], []
    borders = {
        "pixels": [(limit**0.5, f"{limit**0.5:.0f} px") for limit in SIZE_LIMITS],
        "input": [(small.stride, "one cell")],
        "cells": [(1, "one cell")],
    }[which]
    lines = [(_place(curve, size), text, "dash", 1.08) for size, text in borders]
    if curve.half is not None:
        lines.append((_place(curve, curve.half), "half found", "dot", 0.99))
    lines = [line for line in lines if -0.5 <= line[0] <= len(curve.bins) - 0.5]
    return [
        {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1,
         "line": {"color": "@grey", "width": 1, "dash": dash}}
        for x, _, dash, _ in lines
    ], [
        {"xref": "x", "yref": "y", "x": x, "y": y, "text": text, "showarrow": False, "xanchor": "left",
         "yanchor": "top", "font": {"size": 10, "color": "@grey"}}
        for x, text, _, y in lines
    ]  # fmt: skip


def _place(curve: Curve, size: float) -> float:
    """Return where a size lies on the axis, whose bins have their middles at 0, 1, 2, …"""
    edges = [*(part.lower for part in curve.bins), curve.bins[-1].upper]
    for i, (lower, upper) in enumerate(pairwise(edges)):
        if lower <= size <= upper:
            return i - 0.5 + (log(size) - log(lower)) / (log(upper) - log(lower))
    return -1.0


def _range(part: SizeBin) -> str:
    return f"{_number(part.lower)}–{_number(part.upper)}"


def _label(part: SizeBin) -> str:
    return f"{_range(part)}\n({part.recall.n:,})"


def _number(size: float) -> str:
    """Short, and enough to tell two neighbours apart."""
    return f"{size:,.0f}" if size >= 20 else f"{size:.2g}" if size < 1 else f"{size:.1f}".removesuffix(".0")


def _unit(which: str) -> str:
    return {"pixels": "pixels", "input": "pixels of the model's input", "cells": "cells"}[which]
