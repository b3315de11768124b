"""Where boxes lie on their objects, as charts: how well they fit, and how far they are shifted and scaled by class.

Shift and scale have a row for all boxes together, for each class, for each size and for those cut off by the border;
in it a mark for each direction, with its bar: what may be noise is hollow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from core.charts.chart import Chart, grey_if_few
from core.datasets.split import FEW
from core.evaluation.defined import defined
from core.evaluation.findings.localization import CLEAR, EDGES, Group, Localization, Placement, deviation, scale_ratio
from core.evaluation.selection import Selection
from core.evaluation.table import ErrorType

NARROWEST = 1.0  # percent that the axis reaches at least, to either side
LONGEST = 28  # letters of a class's name beside its row
APART = 0.2  # rows: from a row's middle to each of its two marks
CROWDED = 25  # rows; more get less room each
MARKS = (("circle", "@1"), ("diamond", "@2"))  # symbol and colour of each direction
OF_MARKS = f"Bars: {CLEAR} standard errors. Hollow: may be noise; grey: fewer than {FEW} objects."


def iou_histogram(localization: Localization) -> Chart:
    """Draw how many boxes have which IoU: those that found their object, and poor ones, which a click opens."""
    parts = (("found", localization.total.found, "@good"), ("localization error", localization.total.poor, "@bad"))
    n = sum(placement.n for _, placement, _ in parts)
    poor = Selection(localization.score, _chosen(localization), ErrorType.LOCALIZATION.value).to_query()
    traces = [
        {
            "type": "bar",
            "name": f"{name}: {placement.n:,}",
            "x": [float(lower + upper) / 2 for lower, upper in pairwise(EDGES)],
            "y": list(placement.ious),
            "hovertext": [
                f"IoU {lower:.2f} to {upper:.2f}: {count:,} {'boxes' if count != 1 else 'box'}, {name}"
                for (lower, upper), count in zip(pairwise(EDGES), placement.ious, strict=True)
            ],
            "hoverinfo": "text",
            "customdata": [poor if count and name != "found" else None for count in placement.ious],
            "marker": {"color": grey_if_few(n, color)},
        }
        for name, placement, color in parts
    ]
    ious = zip(EDGES[:-1].tolist(), EDGES[1:].tolist(), *(placement.ious for _, placement, _ in parts), strict=True)
    return Chart(
        "iou",
        "IoU histogram",
        _iou_note(localization),
        n,
        "boxes",
        traces,
        {
            "barmode": "stack",
            "bargap": 0.05,
            "xaxis": {"title": "IoU of box and object", "range": [0.1, 1], "dtick": 0.1},
            "yaxis": {"title": "Boxes", "rangemode": "tozero"},
        },
        ("iou_from", "iou_to", "found", "localization_error"),
        list(ious),
        height=300,
        wide=True,
        click="Click on a red bar to see all localization errors",
    )


def _iou_note(localization: Localization) -> str:
    matched, crowds = localization.total.found, localization.crowds
    sentence = f"How well boxes fit: predictions from score {localization.score:g} on objects of their class"
    sentence += (
        f"; IoU of found ones: mean {matched.mean_iou:.2f}, median {matched.median_iou:.2f}." if matched.n else "."
    )
    if crowds:
        sentence += f" {crowds:,} localization {'errors point' if crowds != 1 else 'error points'} to a crowd and "
        sentence += f"{'are' if crowds != 1 else 'is'} left out."
    return sentence


def shift_chart(localization: Localization) -> Chart:
    """Draw how far the centres of the boxes that found an object lie from it, in percent of its size."""

    def at(placement: Placement, measure: str) -> tuple[float, float, float]:
        estimate = getattr(placement, measure)
        error = 100 * CLEAR * (estimate.error or 0)
        return 100 * estimate.mean, error, error

    return _rows(
        localization,
        "shift",
        "Shift of the boxes",
        f"Are boxes shifted? Mean shift of the box's centre, in percent of the object's width or height. {OF_MARKS}",
        {"dx": "right (left below 0)", "dy": "down (up below 0)"},
        at,
        ("group", "by", "boxes", "dx", "dx_error", "dy", "dy_error", "dx_px", "dx_px_error", "dy_px", "dy_px_error",
         "mean_iou"),
        lambda p: (p.dx.mean, p.dx.error, p.dy.mean, p.dy.error,
                   p.dx_px.mean, p.dx_px.error, p.dy_px.mean, p.dy_px.error, p.mean_iou),
    )  # fmt: skip


def scale_chart(localization: Localization) -> Chart:
    """Draw how much too wide and too tall the boxes that found an object are, in percent."""

    def at(placement: Placement, measure: str) -> tuple[float, float, float]:
        value, high, low = (defined(scale_ratio(getattr(placement, measure), errors)) for errors in (0, CLEAR, -CLEAR))
        return 100 * (value - 1), 100 * (high - value), 100 * (value - low)

    return _rows(
        localization,
        "scale",
        "Scale of the boxes",
        "Are boxes too small or too large? Mean width and height of the box against the object's (geometric mean); "
        f"below 0 too small. {OF_MARKS}",
        {"width": "width", "height": "height"},
        at,
        ("group", "by", "boxes", "width_factor", "width_log_error", "height_factor", "height_log_error",
         "share_too_small", "share_too_large"),
        lambda p: (scale_ratio(p.width), p.width.error, scale_ratio(p.height), p.height.error,
                   p.too_small, p.too_large),
    )  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """A row of a chart: a group of objects, by what they are grouped, and what a click on it opens."""

    by: str
    group: Group
    selection: Selection | None

    @property
    def label(self) -> str:
        name = "all" if self.by == "all" else self.group.name
        return f"{name if len(name) <= LONGEST else name[: LONGEST - 1] + '…'} ({self.group.found.n:,})"


def _rows(
    localization: Localization, key: str, title: str, note: str, measures: dict[str, str],
    at: Callable[[Placement, str], tuple[float, float, float]], columns: tuple[str, ...],
    figures: Callable[[Placement], tuple],
) -> Chart:  # fmt: skip
    """Two points a row, one of each measure: `at` gives its place and how far its bar reaches up and down, percent."""
    rows = list(_groups(localization))
    places = {measure: [at(row.group.found, measure) for row in rows] for measure in measures}
    reach = [NARROWEST]
    for axis in places.values():
        for row, (value, *bars) in zip(rows, axis, strict=True):  # every mark, but the long bars of few boxes may end
            reach.append(abs(value) + (max(bars) if row.group.found.n >= FEW else 0))
    kinds = [row.by for row in rows]
    borders = [i - 0.5 for i in range(1, len(rows)) if kinds[i] != kinds[i - 1]]
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": {"color": "@line", "width": 1}}
    return Chart(
        key,
        title,
        note,
        localization.total.found.n,
        "found objects",
        [_trace(rows, measure, name, places[measure], i) for i, (measure, name) in enumerate(measures.items())],
        {
            "xaxis": {
                "zeroline": True, "zerolinecolor": "@text", "zerolinewidth": 1.5, "ticksuffix": " %",
                "range": [-1.1 * max(reach), 1.1 * max(reach)],
            },
            "yaxis": {
                "tickvals": list(range(len(rows))), "ticktext": [row.label for row in rows], "showgrid": False,
                "range": [len(rows) - 0.4, -0.6],
            },
            "shapes": [line | {"y0": y, "y1": y} for y in borders],
        },
        columns,
        [(row.group.name, row.by, row.group.found.n, *figures(row.group.found)) for row in rows],
        height=110 + (26 if len(rows) <= CROWDED else 18) * max(len(rows), 3),
    )  # fmt: skip


def _groups(localization: Localization) -> Iterator[_Row]:
    """Return the groups that have boxes: all together, each class, each size, whole and cut-off objects."""
    score, chosen = localization.score, _chosen(localization)
    everything = [localization.total] if len(localization.by_class) > 1 else []
    for by, groups, select in (
        ("all", everything, lambda name: Selection(score, chosen)),
        ("class", localization.by_class, lambda name: Selection(score, (name,))),
        ("size", localization.by_size, lambda name: Selection(score, chosen, sizes=(name,))),
        ("border", (localization.whole, localization.truncated), lambda name: None),
    ):
        for group in groups:
            if group.found.n:
                yield _Row(by, group, select(group.name))


def _trace(rows: list[_Row], measure: str, name: str, places: list[tuple[float, float, float]], number: int) -> dict:
    (symbol, color), offset = MARKS[number], APART * (2 * number - 1)
    clear = [getattr(row.group.found, measure).is_clear() for row in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [value for value, *_ in places],
        "y": [i + offset for i in range(len(rows))],
        "error_x": {
            "type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": "@grey",
            "array": [up for _, up, _ in places], "arrayminus": [down for *_, down in places],
        },
        "hovertext": [f"{row.label}\n{_said(row.group.found, measure)}" for row in rows],
        "hoverinfo": "text",
        "customdata": [row.selection and row.selection.to_query() for row in rows],
        "marker": {
            "size": 9,
            "symbol": [symbol + ("" if is_clear else "-open") for is_clear in clear],
            "color": [grey_if_few(row.group.found.n, color) for row in rows],
        },
    }  # fmt: skip


def _said(placement: Placement, measure: str) -> str:
    return f"{deviation(placement, measure)}{'' if getattr(placement, measure).is_clear() else ' (may be noise)'}"


def _chosen(localization: Localization) -> tuple[str, ...]:
    """Return the classes to restrict a link to; none if all are there."""
    return localization.classes if localization.is_part else ()
