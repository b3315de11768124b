"""Where boxes lie on their objects, as charts: IoU, shift and scale, each by class, with what may be noise.

The objects' sizes and those cut off by the border are there, too, and are shown when the legend's entry is clicked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from core.charts import FEW, Chart, faint
from core.findings.localization import CLEAR, EDGES, Group, Localization, Placement, deviation, factor, off
from core.selection import Selection
from core.table import ErrorType

MOST_WITH_TEXT = 15  # classes with name and error bars at their point; of more, those that deviate most
NARROWEST = 1.0  # percent that an axis reaches at least, to either side
OF_POINTS = f"Bars: {CLEAR} standard errors. Hollow: may be noise."


def iou_histogram(localization: Localization) -> Chart:
    """How many boxes have which IoU: those that found their object, and poor ones, which a click opens."""
    parts = (("found", localization.total.found, "@good"), ("poor box", localization.total.poor, "@bad"))
    n = sum(placement.n for _, placement, _ in parts)
    poor = Selection(localization.score, _chosen(localization), ErrorType.LOCALIZATION.value).to_query()
    traces = [
        {
            "type": "bar",
            "name": f"{name}: {placement.n:,}",
            "x": [float(lower + upper) / 2 for lower, upper in zip(EDGES[:-1], EDGES[1:], strict=True)],
            "y": list(placement.ious),
            "hovertext": [
                f"IoU {lower:.2f} to {upper:.2f}: {count:,} {'boxes' if count != 1 else 'box'}, {name}"
                for lower, upper, count in zip(EDGES[:-1], EDGES[1:], placement.ious, strict=True)
            ],
            "hoverinfo": "text",
            "customdata": [poor if count and name != "found" else None for count in placement.ious],
            "marker": {"color": faint(n, color)},
        }
        for name, placement, color in parts
    ]
    ious = zip(EDGES[:-1].tolist(), EDGES[1:].tolist(), *(placement.ious for _, placement, _ in parts), strict=True)
    return Chart(
        "iou",
        "How well boxes fit",
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
        ("iou_from", "iou_to", "found", "poor"),
        list(ious),
    )


def _iou_note(localization: Localization) -> str:
    found, crowds = localization.total.found, localization.crowds
    said = f"Predictions from score {localization.score:g} on objects of their class"
    said += f"; IoU of found ones: mean {found.mean_iou:.2f}, median {found.median_iou:.2f}." if found.n else "."
    if localization.total.poor.n:
        said += " A click opens all poor boxes."
    if crowds:
        said += f" {crowds:,} poor {'boxes point' if crowds != 1 else 'box points'} to a crowd and "
        said += f"{'are' if crowds != 1 else 'is'} left out."
    return said


def shift_chart(localization: Localization) -> Chart:
    """How far the centres of the boxes that found an object lie from it, in percent of its size, by class."""

    def at(placement: Placement, measure: str) -> tuple[float, float, float]:
        estimate = getattr(placement, measure)
        error = 100 * CLEAR * (estimate.error or 0)
        return 100 * estimate.mean, error, error

    return _points(
        localization,
        "shift",
        "Are boxes shifted?",
        f"Mean shift of the box's centre against the object's, by class; right and down as in the picture. {OF_POINTS}",
        ("dx", "dy"),
        at,
        {"xaxis": {"title": "Left or right, % of the object's width"},
         "yaxis": {"title": "Up or down, % of its height", "autorange": "reversed"}},
        ("group", "by", "boxes", "dx", "dx_error", "dy", "dy_error", "dx_px", "dx_px_error", "dy_px", "dy_px_error"),
        lambda p: (p.dx.mean, p.dx.error, p.dy.mean, p.dy.error,
                   p.dx_px.mean, p.dx_px.error, p.dy_px.mean, p.dy_px.error),
    )  # fmt: skip


def scale_chart(localization: Localization) -> Chart:
    """How much too wide and too tall the boxes that found an object are, in percent, by class."""

    def at(placement: Placement, measure: str) -> tuple[float, float, float]:
        value, high, low = (factor(getattr(placement, measure), errors) for errors in (0, CLEAR, -CLEAR))
        return 100 * (value - 1), 100 * (high - value), 100 * (value - low)

    return _points(
        localization,
        "scale",
        "Are boxes too small or too large?",
        "Mean width and height of the box against the object's (geometric mean), by class; below 0 too small. "
        f"{OF_POINTS}",
        ("width", "height"),
        at,
        {"xaxis": {"title": "Too narrow or too wide, %"}, "yaxis": {"title": "Too short or too tall, %"}},
        ("group", "by", "boxes", "width_factor", "width_log_error", "height_factor", "height_log_error",
         "share_too_small", "share_too_large"),
        lambda p: (factor(p.width), p.width.error, factor(p.height), p.height.error, p.too_small, p.too_large),
    )  # fmt: skip


def _points(
    localization: Localization,
    key: str,
    title: str,
    note: str,
    measures: tuple[str, str],
    at: Callable[[Placement, str], tuple[float, float, float]],
    layout: dict,
    columns: tuple[str, ...],
    figures: Callable[[Placement], tuple],
) -> Chart:
    """A point for each group: `at` gives a measure's place and how far its bar reaches up and down, in percent."""
    traces, rows, reach = [], [], [NARROWEST]
    for by, groups, selections in _groups(localization):
        placements = [group.found for group in groups]
        places = [[at(placement, measure) for placement in placements] for measure in measures]
        reach += [abs(v) + (max(bars) if p.n >= FEW else 0)
                  for axis in places for p, (v, *bars) in zip(placements, axis, strict=True)]  # fmt: skip
        traces.append(_trace(by, groups, measures, places, selections))
        rows += [(group.name, by, group.found.n, *figures(group.found)) for group in groups]
    for axis in ("xaxis", "yaxis"):
        limits = [-1.15 * max(reach), 1.15 * max(reach)]
        layout[axis] |= {"zeroline": True, "zerolinecolor": "@grey", "ticksuffix": " %"}
        layout[axis]["range"] = limits[::-1] if layout[axis].pop("autorange", None) else limits
    n = localization.total.found.n
    return Chart(key, title, note, n, "found objects", traces, layout, columns, rows, height=400)


def _groups(localization: Localization) -> Iterable[tuple[str, list[Group], list[Selection | None]]]:
    """(by what, its groups with boxes, what a click opens), for each kind of group."""
    score, chosen = localization.score, _chosen(localization)
    everything = [localization.total] if len(localization.by_class) > 1 else []
    for by, groups, select in (
        ("class", localization.by_class, lambda name: Selection(score, (name,))),
        ("all", everything, lambda name: Selection(score, chosen)),
        ("size", localization.by_size, lambda name: Selection(score, chosen, sizes=(name,))),
        ("border", (localization.whole, localization.truncated), lambda name: None),
    ):
        there = [group for group in groups if group.found.n]
        if there:
            yield by, there, [select(group.name) for group in there]


_SYMBOLS = {"class": "circle", "all": "diamond", "size": "square", "border": "triangle-up"}
_LEGEND = {"class": "classes", "all": "all", "size": "sizes", "border": "at the border"}
_COLORS = {"class": "@1", "all": "@text", "size": "@2", "border": "@3"}


def _trace(by: str, groups: list[Group], measures, places: list[list[tuple]], selections) -> dict:
    placements = [group.found for group in groups]
    clear = [any(getattr(p, measure).is_clear() for measure in measures) for p in placements]
    texts = _texts(groups, measures)
    bars = {  # only where the name stands: 80 crosses would hide each other
        f"error_{letter}": {
            "type": "data", "symmetric": False, "thickness": 1, "width": 3, "color": "@grey",
            "array": [up if text else None for text, (_, up, _) in zip(texts, axis, strict=True)],
            "arrayminus": [down if text else None for text, (_, _, down) in zip(texts, axis, strict=True)],
        }
        for letter, axis in zip("xy", places, strict=True)
    }  # fmt: skip
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": _LEGEND[by],
        "visible": True if by in ("class", "all") else "legendonly",
        "x": [value for value, *_ in places[0]],
        "y": [value for value, *_ in places[1]],
        **bars,
        "text": texts,
        "textposition": "top right",
        "hovertext": [f"{g.name} · {g.found.n:,} found\n{_said(g.found, measures)}" for g in groups],
        "hoverinfo": "text",
        "customdata": [selection and selection.to_query() for selection in selections],
        "marker": {
            "size": 9,
            "symbol": [_SYMBOLS[by] + ("" if is_clear else "-open") for is_clear in clear],
            "color": [faint(p.n, _COLORS[by]) for p in placements],
        },
    }


def _texts(groups: list[Group], measures) -> list[str]:
    """The names to stand beside the points: all, or those of the groups that deviate most and rest on enough."""

    def deviates(group: Group) -> float:
        return max(abs(off(group.found, measure)) for measure in measures) if group.found.n >= FEW else -1

    most = sorted(map(deviates, groups), reverse=True)[: MOST_WITH_TEXT + 1]
    limit = most[-1] if len(groups) > MOST_WITH_TEXT else -2
    return [group.name if deviates(group) > limit else "" for group in groups]


def _said(placement: Placement, measures) -> str:
    return "\n".join(
        f"{deviation(placement, measure)}{'' if getattr(placement, measure).is_clear() else ' (may be noise)'}"
        for measure in measures
    )


def _chosen(localization: Localization) -> tuple[str, ...]:
    """The classes to restrict a link to; none if all are there."""
    return localization.classes if localization.is_part else ()
