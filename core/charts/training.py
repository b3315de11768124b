"""A run's curves as charts: the losses and AP by step, as few points as can be told apart."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from core.charts.chart import Chart
from core.metrics import AP, CURVES, Loss

TAGS = (AP.tag, *(metric.tag for loss in CURVES for metric in (loss.train, loss.val)))  # what is drawn
MOST_POINTS = 1000  # of a curve
Curve = tuple[list, list]  # steps, and values with None for what is not finite
NOTHING: Curve = ([], [])


def training_charts(curves: dict[str, Curve]) -> list[Chart]:
    """Draw a chart of AP, and one of each loss that was recorded.

    curves  by tag, as `RunStore.curves_after` has them
    """
    steps = max((x[-1] for x, _ in curves.values() if x), default=0)
    charts = []
    if curves.get(AP.tag, NOTHING)[0]:
        charts.append(_ap_chart(curves[AP.tag], steps))
    for loss in CURVES:
        train, val = curves.get(loss.train.tag, NOTHING), curves.get(loss.val.tag, NOTHING)
        if train[0] or val[0]:
            charts.append(_loss_chart(loss, train, val, steps))
    return charts


def _ap_chart(curve: Curve, steps: int) -> Chart:
    x, y = decimate(*curve)
    trace = _marked(x, AP.scale * y, "AP", "@1", "step %{x}<br>AP %{y:.1f}<extra></extra>")
    return Chart(
        "training-ap", "AP on the validation images", "After each epoch; at step 0 the baseline.", steps,
        "training steps", [trace], {"xaxis": {"title": {"text": "step"}}, "yaxis": {"rangemode": "tozero",
        "title": {"text": "AP, %"}}}, ("step", "AP"), _rows(x, y), height=280,
    )  # fmt: skip


def _loss_chart(loss: Loss, train: Curve, val: Curve, steps: int) -> Chart:
    x, y = decimate(*train)
    smooth_x, smooth_y = decimate(train[0], smooth(train[1]))
    val_x, val_y = decimate(*val)
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "x": x, "y": y, "opacity": 0.35, "hoverinfo": "skip",
            "showlegend": False, "line": {"color": "@1", "width": 1},
        },
        {
            "type": "scatter", "mode": "lines", "x": smooth_x, "y": smooth_y, "name": "training, smoothed",
            "line": {"color": "@1", "width": 2}, "hovertemplate": "step %{x}<br>%{y:.4g}<extra></extra>",
        },
        _marked(val_x, val_y, "validation", "@2", "step %{x}<br>%{y:.4g}<extra></extra>"),
    ]  # fmt: skip
    rows = [("training", *row) for row in _rows(x, y)] + [("validation", *row) for row in _rows(val_x, val_y)]
    thinned = f" {MOST_POINTS:,} of {len(train[0]):,} steps are drawn." if len(train[0]) > MOST_POINTS else ""
    return Chart(
        f"training-{loss.name}", loss.label, loss.help + thinned, steps, "training steps",
        [trace for trace in traces if len(trace["x"])], {"xaxis": {"title": {"text": "step"}}},
        ("images", "step", "loss"), rows, height=280,
    )  # fmt: skip


def _marked(x: np.ndarray, y: np.ndarray, name: str, color: str, hovertemplate: str) -> dict:
    return {
        "type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": name,
        "line": {"color": color, "width": 1.5}, "marker": {"color": color, "size": 7, "symbol": "diamond"},
        "hovertemplate": hovertemplate, "cliponaxis": False,
    }  # fmt: skip


def _rows(x: np.ndarray, y: np.ndarray) -> list[tuple]:
    return [(step, value if np.isfinite(value) else None) for step, value in zip(x.tolist(), y.tolist(), strict=True)]


def smooth(values: list) -> list:
    """Return the exponential mean over about a fortieth of the run, unbiased at its start; None for None."""
    keep = 1 - 1 / max(8, len(values) / 40)
    places = [i for i, value in enumerate(values) if value is not None]
    sums = accumulate((values[i] for i in places), lambda total, value: keep * total + value)
    weights = accumulate((1 for _ in places), lambda total, one: keep * total + one)
    out = [None] * len(values)
    for i, total, weight in zip(places, sums, weights, strict=True):
        out[i] = total / weight
    return out


def decimate(steps: list, values: list, most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `most` of the points, (N,) each: of every stretch its lowest and its highest; NaN for None."""
    x, y = np.asarray(steps), np.array(values, float)
    if len(x) <= most:
        return x, y
    starts = np.linspace(0, len(x), most // 2 + 1).astype(int)[:-1]
    stretch = np.searchsorted(starts, np.arange(len(x)), side="right")
    order = np.lexsort((y, stretch))  # NaN stands last
    valid = np.add.reduceat(np.isfinite(y), starts)
    lowest, highest = order[starts], order[starts + np.maximum(valid, 1) - 1]
    kept = np.unique(np.concatenate([lowest, highest]))
    return x[kept], y[kept]
