"""COCO's twelve metrics against the baseline's, with the interval that tells progress from noise."""

from __future__ import annotations

from core.charts.chart import Chart
from core.evaluation.coco_eval import FIGURES
from core.evaluation.defined import defined
from core.evaluation.findings.bootstrap import Interval, Intervals, in_words


def differences(intervals: Intervals) -> Chart:
    """Draw how far each metric has risen or fallen, in points, with its interval; or the metrics alone."""
    has_baseline = intervals.differences is not None
    shown = intervals.figures if intervals.differences is None else intervals.differences
    names = [name for name in FIGURES if None not in (shown[name].value, shown[name].low)]
    value_name = "difference" if has_baseline else "value"
    return Chart(
        key="differences" if has_baseline else "intervals",
        title="Change from the baseline" if has_baseline else "Intervals of the metrics",
        note=_note(intervals, has_baseline),
        n=intervals.images,
        unit="images",
        traces=[_points([shown[name] for name in names], names, has_baseline)],
        layout={
            "yaxis": {"autorange": "reversed", "type": "category"},
            "xaxis": {"title": {"text": "points" if has_baseline else "percent"}, "zeroline": has_baseline},
        },
        columns=("metric", value_name, "low", "high"),
        rows=[(name, shown[name].value, shown[name].low, shown[name].high) for name in names],
        height=380,
    )


def _points(shown: list[Interval], names: list[str], has_baseline: bool) -> dict:
    values, lows, highs = ([100 * getattr(i, part) for i in shown] for part in ("value", "low", "high"))
    number = "%{x:+.1f}" if has_baseline else "%{x:.1f}"
    return {
        "type": "scatter", "mode": "markers", "x": values, "y": names,
        "marker": {"size": 9, "color": [_color(i) if has_baseline else "@1" for i in shown]},
        "error_x": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 5, "color": "@grey",
            "array": [high - value for value, high in zip(values, highs, strict=True)],
            "arrayminus": [value - low for value, low in zip(values, lows, strict=True)],
        },
        "customdata": [f"{low:.1f} to {high:.1f}" for low, high in zip(lows, highs, strict=True)],
        "hovertemplate": "%{y}: " + number + "<br>%{customdata}<extra></extra>",
    }  # fmt: skip


def _color(difference: Interval) -> str:
    """Return the colour of a difference: grey as long as it may be noise."""
    return "@grey" if not difference.is_clear else "@good" if defined(difference.value) > 0 else "@bad"


def _note(intervals: Intervals, has_baseline: bool) -> str:
    return f"{in_words(intervals)}." + (" Grey ones reach across 0: that may be noise." if has_baseline else "")
