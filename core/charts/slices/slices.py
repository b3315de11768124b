"""How far AP lies from that of the other images, and which errors are made, slice by slice, as charts.

A click opens the images of the slice, or its errors of one type.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from core.charts.chart import Chart, grey_if_few
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW
from core.evaluation.defined import defined
from core.evaluation.findings.slices import FEWEST_IMAGES, SliceAP, SliceCounts, Slices
from core.evaluation.selection import Selection
from core.evaluation.table import ERROR_TYPES, ErrorType

MOST_SHOWN = 40  # slices, those that differ most; the numbers are there of all
COLUMN = 16  # letters beside each other over a column of the heat map
COLUMNS = (
    "attribute", "slice", "source", "images", "objects", "AP", "AP50", "recall", "AP_elsewhere", "difference", "low",
    "high", *(kind.value for kind in ERROR_TYPES),
)  # fmt: skip
NOTHING = "Nothing is known of these images by which they differ: put a CSV beside the data."

Counted = Sequence[tuple[SliceAP, SliceCounts]]


def difference_bars(slices: Slices, counts: Sequence[SliceCounts], score: float, classes: tuple[str, ...]) -> Chart:
    """AP of each slice less AP of all other images, with its interval, what is clearly worse on top."""
    every = list(zip(slices.slices, counts, strict=True))
    shown = _shown(every)
    values = [100 * defined(one.difference.value) for one, _ in shown]
    intervals = [one.difference for one, _ in shown]
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [f"{one.name} ({one.images:,})" for one, _ in shown],
        "x": values,
        "error_x": {
            "type": "data", "symmetric": False, "thickness": 1.2, "width": 4, "color": "@text",
            "array": [_reach(one.high, one.value) for one in intervals],
            "arrayminus": [_reach(one.value, one.low) for one in intervals],
        },
        "hovertext": [said(one, counted) for one, counted in shown],
        "hoverinfo": "text",
        "customdata": [_query(one, score, classes) for one, _ in shown],
        "marker": {"color": [_color(one) for one, _ in shown]},
    }  # fmt: skip
    edges = [100 * edge for one in intervals for edge in (one.value, one.low, one.high) if edge is not None]
    return Chart(
        "slices",
        "AP by slice, against all other images",
        _note(slices, len(every) - len(shown)),
        slices.objects if shown else 0,
        "objects",
        [trace],
        {
            "xaxis": {"title": "AP here less AP elsewhere, points", "range": _range(edges), "zeroline": True},
            "yaxis": {"range": [len(shown) - 0.5, -0.5], "dtick": 1, "showgrid": False},
            "bargap": 0.35,
        },
        COLUMNS,
        [_row(one, counted) for one, counted in every],
        height=110 + max(len(shown), 3) * 24,
        wide=True,
        click="Click to see the images of that slice",
    )


def error_heat(slices: Slices, counts: Sequence[SliceCounts], score: float, classes: tuple[str, ...]) -> Chart:
    """Errors of each type per 100 objects, slice by slice in the order of the bars."""
    shown = _shown(list(zip(slices.slices, counts, strict=True)))
    cells = [
        [
            Cell(
                _rate(counted, kind) if counted.objects >= FEW else 0,
                f"{kind.label} · {one.name}\n{counted.errors[kind]:,} on {counted.objects:,} objects",
                f"{_rate(counted, kind):.0f}" if counted.errors[kind] else "",
                _query(one, score, classes, kind) if counted.errors[kind] else None,
            )
            for kind in ERROR_TYPES
        ]
        for one, counted in shown
    ]
    highest = max((defined(cell.value) for row in cells for cell in row), default=0) or 1
    labels = [f"{one.name} ({one.objects:,})" for one, _ in shown]
    trace = heatmap(labels, [textwrap.fill(kind.label, COLUMN) for kind in ERROR_TYPES], cells, 0, highest)
    return Chart(
        "slices-errors",
        "Errors by slice",
        f"Errors per 100 objects, of the predictions from score {score:g}; in brackets the slice's objects, with fewer "
        f"than {FEW} it stays without colour.",
        slices.objects if shown else 0,
        "objects",
        [trace],
        {"xaxis": {"side": "top", "labelalias": {}}, "yaxis": {"autorange": "reversed", "dtick": 1}},
        ("attribute", "slice", "error", "errors", "objects"),
        [
            (one.attribute, one.value, kind.value, counted.errors[kind], counted.objects)
            for one, counted in shown
            for kind in ERROR_TYPES
        ],
        height=130 + max(len(shown), 3) * 24,
        wide=True,
        click="Click to see these errors of that slice",
    )


def said(one: SliceAP, counted: SliceCounts) -> str:
    """Return a slice's numbers in a few lines."""
    difference = one.difference
    text = f"{one.name} · {one.source}\n{one.images:,} images, {counted.objects:,} objects"
    if one.AP is None or difference.value is None:
        return text
    text += (
        f"\nAP {100 * one.AP:.1f}, AP50 {100 * defined(one.AP50):.1f}, elsewhere AP {100 * defined(one.elsewhere):.1f}"
    )
    text += f"\ndifference {100 * difference.value:+.1f}"
    if difference.low is not None and difference.high is not None:
        text += f" ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"
    return text + (f"\n{100 * counted.recall:.0f} % of the objects found" if counted.recall is not None else "")


def _shown(every: Counted) -> Counted:
    """Return the slices with a difference, the lowest upper end of the interval first, those on too few last."""
    told = [pair for pair in every if pair[0].difference.value is not None]
    kept = sorted(told, key=lambda pair: (pair[0].difference.low is None, -abs(defined(pair[0].difference.value))))
    return sorted(kept[:MOST_SHOWN], key=_place)


def _place(pair: tuple[SliceAP, SliceCounts]) -> tuple[bool, bool, float]:
    difference = pair[0].difference
    value = defined(difference.value)
    return difference.low is None, not (difference.is_clear and value < 0), value


def _color(one: SliceAP) -> str:
    if one.difference.is_clear:
        return "@bad" if defined(one.difference.value) < 0 else "@good"
    return "@1" if one.difference.low is not None else grey_if_few(0)


def _reach(high: float | None, low: float | None) -> float:
    return 0.0 if high is None or low is None else 100 * (high - low)


def _range(edges: Sequence[float]) -> list[float]:
    low, high = min(edges, default=0.0), max(edges, default=0.0)
    room = max(high - low, 1.0) * 0.06
    return [min(low, 0) - room, max(high, 0) + room]


def _rate(counted: SliceCounts, kind: ErrorType) -> float:
    return 100 * counted.errors[kind] / max(counted.objects, 1)


def _query(one: SliceAP, score: float, classes: tuple[str, ...], kind: ErrorType | None = None) -> dict:
    return Selection(score, classes, kind.value if kind else None, slices=(one.key,)).to_query()


def _row(one: SliceAP, counted: SliceCounts) -> tuple:
    difference = one.difference
    return (
        one.attribute, one.value, one.source, one.images, counted.objects, one.AP, one.AP50, counted.recall,
        one.elsewhere, difference.value, difference.low, difference.high, *counted.errors.values(),
    )  # fmt: skip


def _note(slices: Slices, left_out: int) -> str:
    if not slices.slices:
        return NOTHING
    text = "In brackets the images. "
    if slices.compared:
        text += (
            f"All {slices.compared:,} intervals hold together in 95 % of cases, each therefore with "
            f"{100 * slices.confidence:.2f} %: red and green differ by more than noise. "
        )
    text += f"Grey: fewer than {FEWEST_IMAGES} images or {FEW} objects, here or elsewhere."
    return text + (f" {left_out:,} slices that differ less are in the numbers only." if left_out else "")
