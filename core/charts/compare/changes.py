"""What has changed from one model to another, as charts: AP by class and size, objects fixed and broken, false alarms.

A click asks for what lies behind a cell or a bar: its dict has "change", a `Change`, and "class" and "size".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.charts.chart import Chart
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW, SIZES
from core.evaluation.defined import defined
from core.evaluation.findings.bootstrap import Interval
from core.evaluation.findings.changes import AP_OF, OBJECT_CHANGES, Change, Changes
from core.evaluation.findings.curves import ClassFigures

Judged = Mapping[str, Mapping[str, Interval]]  # by class: the interval of each of its cells
CLICK = "Click to see these below"
LOOKS: dict[
    Change, dict[str, Any]
] = {  # of the stacked bars, so that right lies to the left of wrong, before and after
    Change.STILL_RIGHT: {"marker": {"color": "@good"}, "opacity": 0.3},
    Change.FIXED: {"marker": {"color": "@good"}},
    Change.BROKEN: {"marker": {"color": "@bad"}},
    Change.STILL_WRONG: {"marker": {"color": "@bad"}, "opacity": 0.3},
}


def change_query(change: Change, name: str | None = None, size: str | None = None) -> dict:
    """Return the query of a click: which change, of which class and size."""
    return {"change": change.value} | ({"class": name} if name else {}) | ({"size": size} if size in SIZES else {})


# AP


def ap_heat(
    before: Sequence[ClassFigures],
    after: Sequence[ClassFigures],
    judged: Judged,
) -> Chart:
    """Draw how far AP of each class has risen, in all and by size, the largest fall on top.

    judged  by class: the intervals of its cells (`changes.ap_changes`) as far as they are known; the chart has another
            key until all are, so that a page that draws it anew takes it for another
    A fall opens what is broken there, a rise what is fixed.
    """
    pairs = [(b, a) for b, a in zip(_by_name(before, after), after, strict=True) if a.objects]
    pairs.sort(key=lambda pair: defined(pair[1].AP) - defined(pair[0].AP))
    names = [a.name for _, a in pairs]
    changes = [[_change_of(b, a, size) for size in AP_OF] for b, a in pairs]
    objects = [[a.objects if size == "all" else a.sizes[size].objects for size in AP_OF] for _, a in pairs]
    points = [abs(100 * change) for row, counts in zip(changes, objects, strict=True)
              for change, n in zip(row, counts, strict=True) if n >= FEW and change is not None]  # fmt: skip
    most = max([1.0, *points])

    def cell(i: int, j: int, size: str) -> Cell:
        change, n, name = changes[i][j], objects[i][j], names[i]
        is_clear = n >= FEW and _is_clear(judged, name, size)
        in_points = None if change is None else 100 * change
        return Cell(
            0 if n < FEW and change is not None else in_points,
            _said(pairs[i], size, n, judged),
            _text(in_points, is_clear),
            _cell_query(change, name, size),
        )

    cells = [[cell(i, j, size) for j, size in enumerate(AP_OF)] for i in range(len(names))]
    trace = heatmap(names, tuple(AP_OF), cells, -most, most, scale="@diverging")
    return Chart(
        "ap-changes",
        "Change of AP by class and size",
        _heat_note(waits=not all(name in judged for name in names)),
        sum(a.objects for _, a in pairs),
        "objects",
        [trace],
        {"xaxis": {"side": "top"}, "yaxis": {"autorange": "reversed", "dtick": 1}},
        ("class", "size", "objects", "AP_change", "low", "high"),
        [(name, size, objects[i][j], changes[i][j], *_ends(judged, name, size))
         for i, name in enumerate(names) for j, size in enumerate(AP_OF)],
        height=110 + max(len(names), 3) * (26 if len(names) <= 25 else 18),
        click=CLICK,
    )  # fmt: skip


def _by_name(before: Sequence[ClassFigures], after: Sequence[ClassFigures]) -> list[ClassFigures]:
    named = {figures.name: figures for figures in before}
    return [named[figures.name] for figures in after]


def _ap(figures: ClassFigures, size: str) -> float | None:
    return figures.AP if size == "all" else figures.sizes[size].AP


def _change_of(before: ClassFigures, after: ClassFigures, size: str) -> float | None:
    first, second = _ap(before, size), _ap(after, size)
    return None if first is None or second is None else second - first


def _is_clear(judged: Judged, name: str, size: str) -> bool:
    return name in judged and judged[name][size].is_clear


def _ends(judged: Judged, name: str, size: str) -> tuple[float | None, float | None]:
    return (judged[name][size].low, judged[name][size].high) if name in judged else (None, None)


def _text(points: float | None, clear: bool) -> str:
    """Return a change in points, with a triangle where it is clear."""
    if points is None:
        return ""
    return f"{points:+.1f}" + ((" ▲" if points > 0 else " ▼") if clear else "")


def _cell_query(change: float | None, name: str, size: str) -> dict | None:
    if change is None:
        return None
    return change_query(Change.BROKEN if change < 0 else Change.FIXED, name, size)


def _said(pair: tuple[ClassFigures, ClassFigures], size: str, objects: int, judged: Judged) -> str:
    before, after = (_ap(figures, size) for figures in pair)
    name = pair[1].name
    if after is None:
        return f"{name} · {size}: no objects"
    low, high = _ends(judged, name, size)
    between = "" if low is None or high is None else f"\nwith other images from {100 * low:+.1f} to {100 * high:+.1f}"
    n = f"{objects:,} object{'' if objects == 1 else 's'}"
    return f"{name} · {size}: AP from {100 * defined(before):.1f} to {100 * after:.1f}, {n}{between}"


def _heat_note(waits: bool) -> str:
    says = "▲ and ▼: more than noise, since the 95 % interval of paired resamples leaves out 0."
    says = "Which changes are more than noise is still being judged." if waits else says
    return f"In points, over all scores. {says} Cells with fewer than {FEW} objects have neither mark nor colour."


# Objects and false alarms


def change_bars(changes: Changes, by: str = "class") -> Chart:
    """Draw how many objects of each "class" or "size" are still right, fixed, broken and still wrong."""
    words, counts = _sums(changes, by)
    total = np.sum([counts[change] for change in OBJECT_CHANGES], axis=0)
    order = [i for i in _order(by, counts, words) if total[i]]
    labels = [f"{words[i]} ({total[i]:,})" for i in order]
    traces = [
        {
            "type": "bar", "orientation": "h", "name": change.label, "y": labels,
            "x": [int(counts[change][i]) for i in order],
            **look,
            "hovertemplate": "%{y}<br>%{fullData.name}: %{x}<extra></extra>",
            "customdata": [
                change_query(change, **{"name" if by == "class" else "size": words[i]}) if counts[change][i] else None
                for i in order
            ],
        }
        for change, look in LOOKS.items()
    ]  # fmt: skip
    return Chart(
        f"changes-by-{by}",
        f"Objects fixed and broken, by {by}",
        f"Predictions from {changes.from_scores}. "
        "An object is right if a prediction of its class found it at IoU 0.5.",
        int(total.sum()),
        "objects",
        traces,
        {
            "barmode": "stack", "bargap": 0.3, "xaxis": {"title": "objects"},
            "yaxis": {"autorange": "reversed", "dtick": 1, "showgrid": False}, "legend": {"traceorder": "normal"},
        },
        ("change", by, "objects"),
        [(change.value, words[i], int(counts[change][i])) for change in LOOKS for i in order],
        height=130 + max(len(order), 3) * (24 if len(order) <= 25 else 16),
        click=CLICK,
    )  # fmt: skip


def alarm_bars(changes: Changes) -> Chart:
    """Draw how many false alarms of each class are new, to the right, and gone, to the left."""
    words, counts = _sums(changes, "class")
    net = counts[Change.NEW] - counts[Change.GONE]
    order = [i for i in np.argsort(-net, kind="stable") if counts[Change.NEW][i] or counts[Change.GONE][i]]
    traces = [
        {
            "type": "bar", "orientation": "h", "name": change.label, "y": [words[i] for i in order],
            "x": [sign * int(counts[change][i]) for i in order], "marker": {"color": color},
            "text": [f"{counts[change][i]:,}" if counts[change][i] else "" for i in order], "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": "%{y}<br>%{fullData.name}: %{text}<extra></extra>",
            "customdata": [change_query(change, words[i]) if counts[change][i] else None for i in order],
        }
        for change, sign, color in ((Change.GONE, -1, "@good"), (Change.NEW, 1, "@bad"))
    ]  # fmt: skip
    new, gone = (int(counts[change].sum()) for change in (Change.NEW, Change.GONE))
    return Chart(
        "alarm-changes",
        "False alarms, new and gone",
        f"Wrong predictions from {changes.from_scores}, by predicted class; {changes.stayed:,} are in both models.",
        new + gone,
        "false alarms",
        traces,
        {
            "barmode": "relative", "bargap": 0.3,
            "xaxis": {"title": "gone to the left, new to the right", "zeroline": True},
            "yaxis": {"autorange": "reversed", "dtick": 1, "showgrid": False},
        },
        ("change", "class", "false_alarms"),
        [(change.value, words[i], int(counts[change][i])) for change in (Change.GONE, Change.NEW) for i in order],
        height=130 + max(len(order), 3) * (24 if len(order) <= 25 else 16),
        click=CLICK,
    )  # fmt: skip


def _sums(changes: Changes, by: str) -> tuple[Sequence[str], dict[Change, np.ndarray]]:
    axis, words = (1, changes.classes) if by == "class" else (0, SIZES)
    return words, {change: counts.sum(axis=axis) for change, counts in changes.counts.items()}


def _order(by: str, counts: dict[Change, np.ndarray], words: Sequence[str]) -> list[int]:
    """Return the order of the rows: classes by what is lost, the most on top; sizes as they are."""
    if by == "size":
        return list(range(len(words)))
    return np.argsort(counts[Change.FIXED] - counts[Change.BROKEN], kind="stable").tolist()
