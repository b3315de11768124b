"""What the errors cost, as charts: by type, by type and class or size, and the costliest groups of boxes.

Everything is in points of AP50: from 45.3 to 47.4 is 2.1 points. A click opens exactly the boxes of a bar or cell.
"""

from __future__ import annotations

import textwrap

from core.charts.chart import Chart, grey_if_few
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW, SIZES
from core.evaluation.defined import defined
from core.evaluation.findings.impact import GroupImpact, Impact
from core.evaluation.selection import LOWEST_SCORE, Selection
from core.evaluation.table import ERROR_TYPES, ErrorType

COUNTED = "Predictions of every score count."
CLICK = f"Click to see these boxes, from score {LOWEST_SCORE:g}"
UNDEFINED = "None of these classes has an object, so AP50 is not defined."
COLUMN = 16  # letters beside each other over a column of a heat map
BESIDE = 24  # letters of an error type beside its bar
_NOTHING = GroupImpact(0.0, 0)


def impact_bars(impact: Impact) -> Chart:
    """Draw how far AP50 would rise without the errors of each type, the costliest first."""
    costs = {kind: GroupImpact(delta, impact.boxes[kind]) for kind, delta in impact.total.items() if delta is not None}
    kinds = sorted(costs, key=lambda kind: -costs[kind].delta)
    trace = _bars(
        impact,
        [textwrap.fill(kind.label, BESIDE) for kind in kinds],
        [costs[kind] for kind in kinds],
        [_query(kind, _chosen(impact)) for kind in kinds],
        [grey_if_few(_objects(impact))] * len(kinds),
    )
    return Chart(
        "impact",
        "Impact of each error type",
        _note(
            impact,
            "What each error type costs: if every error of one type were right and all else as it is, AP50 would rise "
            "by so many points.",
        ),
        _objects(impact),
        "objects",
        [trace],
        _bar_layout(list(costs.values())),
        ("error", "delta_AP50", "boxes"),
        [(kind.value, costs[kind].delta, costs[kind].boxes) for kind in kinds],
        height=260,
        click=CLICK,
    )


def impact_heat(impact: Impact, by: str = "class") -> Chart:
    """ΔAP50 of the errors of each type in each "class", the costliest on top, or of each "size"."""
    entries = impact.by_class if by == "class" else impact.by_size
    words = list(SIZES)
    if by == "class":
        shown = {name for _, name in entries} | {name for name in impact.classes if impact.objects[name]}
        costs = {name: sum(entries.get((kind, name), _NOTHING).delta for kind in ERROR_TYPES) for name in shown}
        words = sorted((name for name in impact.objects if name in shown), key=lambda name: -costs[name])
    keys = [[(kind, word, entries.get((kind, word), _NOTHING)) for kind in ERROR_TYPES] for word in words]
    if impact.ap50 is None:
        words, keys = [], []
    few = {word for word in words if by == "class" and impact.objects[word] < FEW}
    digits = _digits([cost for row in keys for *_, cost in row])

    def query(kind: ErrorType, word: str) -> dict:
        return _query(kind, (word,)) if by == "class" else _query(kind, _chosen(impact), (word,))

    cells = [
        [
            Cell(
                0 if word in few else 100 * cost.delta,
                f"{kind.label} · {word}\n{_said(impact, cost, digits)}",
                _points(cost.delta, digits) if cost.delta > 0.0001 else "",
                query(kind, word) if cost.boxes else None,
            )
            for kind, word, cost in row
        ]
        for row in keys
    ]
    highest = max((100 * cost.delta for row in keys for _, word, cost in row if word not in few), default=0) or 1
    labels = [f"{word} ({impact.objects[word]:,})" if by == "class" else word for word in words]
    trace = heatmap(labels, [textwrap.fill(kind.label, COLUMN) for kind in ERROR_TYPES], cells, 0, highest)
    colourless = f" In brackets the class's objects; with fewer than {FEW} it stays without colour." * (by == "class")
    return Chart(
        f"impact-by-{by}",
        f"Error impact by {by}",
        _note(impact, f"Points that AP50 would rise by if every such box were right.{colourless}"),
        _objects(impact),
        "objects",
        [trace],
        {"xaxis": {"side": "top", "labelalias": {}}, "yaxis": {"autorange": "reversed", "dtick": 1}},
        ("error", by, "delta_AP50", "boxes"),
        [(kind.value, word, cost.delta, cost.boxes) for row in keys for kind, word, cost in row],
        height=110 + max(len(words), 3) * (26 if len(words) <= 25 else 18),
        wide=True,
        click=CLICK,
    )


def impact_cells(impact: Impact, most: int = 15) -> Chart:
    """Draw the costliest groups of one error type, class and size, at most `most`, those without a cost left out."""
    costly = [key for key, cost in impact.cells.items() if cost.delta > 1e-9]  # less is rounding
    keys = sorted(costly, key=lambda key: -impact.cells[key].delta)[:most]
    costs = [impact.cells[key] for key in keys]
    trace = _bars(
        impact,
        [f"{kind.label}\n{name} · {size}" for kind, name, size in keys],
        costs,
        [_query(kind, (name,), (size,)) for kind, name, size in keys],
        [grey_if_few(impact.objects[name]) for _, name, _ in keys],
    )
    grey = f" Grey: a class with fewer than {FEW} objects." * any(impact.objects[name] < FEW for _, name, _ in keys)
    says = f"If every such box were right, AP50 would rise by so many points.{grey}"
    return Chart(
        "impact-cells",
        "Errors of the largest impact",
        _note(impact, says if keys else "No error of one class and size costs anything."),
        _objects(impact),
        "objects",
        [trace],
        _bar_layout(costs),
        ("error", "class", "size", "delta_AP50", "boxes"),
        [(*map(str, key), cost.delta, cost.boxes) for key, cost in zip(keys, costs, strict=True)],
        height=90 + 36 * max(len(keys), 3),
        click=CLICK,
    )


def _bars(impact: Impact, labels: list[str], costs: list[GroupImpact], queries: list[dict], colors: list[str]) -> dict:
    """Horizontal bars with their points and boxes; those without a box open nothing."""
    digits = _digits(costs)
    return {
        "type": "bar",
        "orientation": "h",
        "y": labels,
        "x": [100 * cost.delta for cost in costs],
        "text": [f"{_points(cost.delta, digits)} · {_boxes(cost.boxes)}" for cost in costs],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [_said(impact, cost, digits) for cost in costs],
        "hoverinfo": "text",
        "customdata": [query if cost.boxes else None for query, cost in zip(queries, costs, strict=True)],
        "marker": {"color": colors},
    }


def _bar_layout(costs: list[GroupImpact]) -> dict:
    # a line across would strike the texts through, the longest bar's text needs room, and no label is to be cut short
    return {
        "xaxis": {
            "title": "ΔAP50, points",
            "showgrid": False,
            "range": [0, 160 * max((cost.delta for cost in costs), default=0) or 1],
        },
        "yaxis": {"autorange": "reversed", "dtick": 1, "showgrid": False, "labelalias": {}},
    }


def _query(kind: ErrorType, classes: tuple[str, ...] = (), sizes: tuple[str, ...] = ()) -> dict:
    return Selection(LOWEST_SCORE, tuple(classes), kind.value, tuple(sizes)).to_query()


def _chosen(impact: Impact) -> tuple[str, ...]:
    """Return the classes to restrict a link to; none if all are chosen."""
    return () if set(impact.classes) == set(impact.objects) else impact.classes


def _objects(impact: Impact) -> int:
    return sum(impact.objects[name] for name in impact.classes)


def _note(impact: Impact, says: str) -> str:
    return f"{says} {COUNTED}" if impact.ap50 is not None else UNDEFINED


def _said(impact: Impact, cost: GroupImpact, digits: int) -> str:
    ap50 = defined(impact.ap50)
    rise, before, after = (_points(value, digits) for value in (cost.delta, ap50, ap50 + cost.delta))
    return f"{_boxes(cost.boxes)}. If right, AP50 would rise by {rise} points, from {before} to {after}."


def _digits(costs: list[GroupImpact]) -> int:
    """Return how many decimals tell the costs apart: of 80 classes, none may cost a whole point."""
    return 1 if max((cost.delta for cost in costs), default=0) >= 0.01 else 2


def _points(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f}"


def _boxes(n: int) -> str:
    return f"{n:,} {'box' if n == 1 else 'boxes'}"
