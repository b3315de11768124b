"""Precision against recall, and both against the score threshold, as charts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.charts.chart import Chart, grey_if_few
from core.datasets.split import FEW
from core.evaluation.defined import defined
from core.evaluation.findings.curves import PrecisionRecall
from core.evaluation.findings.threshold_curve import ThresholdCurve
from core.evaluation.selection import LOWEST_SCORE, Selection

COLORS = 5  # of the series; further classes get them again, dashed
DASHES = ("solid", "dash", "dot", "dashdot")
MOST_NAMED = COLORS * len(DASHES)  # classes; of more only the mean is told apart
HOVER = "%{fullData.name}<br>recall %{x:.0%}, precision %{y:.1%}<br>%{text}<extra></extra>"


def precision_recall_chart(curves: Sequence[PrecisionRecall], iou: float) -> Chart:
    """Draw COCO's curve of each class at one IoU, and their mean; those on fewer than FEW objects are grey.

    A click on a point opens the class's boxes from the score that reaches that recall.
    """
    shown = sorted((curve for curve in curves if curve.n), key=lambda curve: -defined(curve.AP))
    looks = iter(range(len(shown)))
    traces = [_line(curve, 0 if curve.n < FEW else next(looks), len(shown) <= MOST_NAMED) for curve in shown]
    if len(shown) > 1:
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": f"mean {100 * np.mean([curve.AP for curve in shown]):.1f}",
                "x": shown[0].recall.tolist(), "y": np.mean([curve.precision for curve in shown], axis=0).tolist(),
                "text": ["over the classes"] * len(shown[0].recall), "line": {"color": "@text", "width": 3},
                "hovertemplate": HOVER, "showlegend": True,
            }
        )  # fmt: skip
    area = f"; the area below is its AP{round(100 * iou)}" if iou in (0.5, 0.75) else ""
    return Chart(
        f"precision-recall-{round(100 * iou)}",
        f"PR curves at IoU {iou:g}",
        f"Precision against recall of each class, over all scores{area}."
        + ("" if len(shown) <= MOST_NAMED else " The thick line is the mean; point at another to see whose it is."),
        sum(curve.n for curve in shown),
        "objects",
        traces,
        {
            "xaxis": {"title": "recall", "range": [0, 1.01], "tickformat": ".0%"},
            "yaxis": {"title": "precision", "range": [0, 1.03], "tickformat": ".0%"},
            "legend": {"orientation": "v", "x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top"},
        },
        ("class", "iou", "objects", "recall", "precision", "score"),
        [
            (curve.name, iou, curve.n, recall, precision, score)
            for curve in shown
            for recall, precision, score in zip(
                curve.recall.tolist(), curve.precision.tolist(), curve.score, strict=True
            )
        ],
        height=400,
    )


def _line(curve: PrecisionRecall, look: int, is_named: bool) -> dict:
    color, dash = f"@{look % COLORS + 1}", DASHES[look // COLORS % len(DASHES)]
    if not is_named:
        color, dash = "@1", "solid"
    # Down to a whole hundredth, as the sliders have them
    scores = [None if score is None else max(math.floor(100 * score) / 100, LOWEST_SCORE) for score in curve.score]
    return {
        "type": "scatter", "mode": "lines", "name": f"{curve.name} {100 * defined(curve.AP):.1f}",
        "x": curve.recall.tolist(), "y": curve.precision.tolist(),
        "text": ["never reached" if score is None else f"from score {score:.3f}" for score in curve.score],
        "hovertemplate": HOVER, "showlegend": is_named, "opacity": 1 if is_named else 0.4,
        "line": {"color": grey_if_few(curve.n, color), "dash": dash, "width": 1.5},
        "customdata": [None if score is None else Selection(score, (curve.name,)).to_query() for score in scores],
    }  # fmt: skip


def threshold_chart(curve: ThresholdCurve, name: str, current: float) -> Chart:
    """Precision, recall and F1 from each score on, with the best threshold and the one that is set."""
    parts = (("precision", curve.precision, "@1"), ("recall", curve.recall, "@3"), ("F1", curve.f1, "@2"))
    traces = [
        {
            "type": "scatter", "mode": "lines", "name": part, "x": curve.thresholds.tolist(), "y": list(values),
            "line": {"color": color, "width": 3 if part == "F1" else 2},
            "hovertemplate": "from score %{x:.2f}<br>%{fullData.name} %{y:.1%}<extra></extra>",
        }
        for part, values, color in parts
    ]  # fmt: skip
    marks = [(current, "@grey", "dot")]
    if curve.best is not None:
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": f"best F1: {curve.best:.2f}", "x": [curve.best],
                "y": [curve.best_f1], "marker": {"color": "@2", "size": 11, "symbol": "star"},
                "hovertemplate": "best threshold %{x:.2f}<br>F1 %{y:.1%}<extra></extra>",
            }
        )  # fmt: skip
        marks.append((curve.best, "@2", "dash"))
    upright = {"type": "line", "y0": 0, "y1": 1, "yref": "paper"}
    shapes = [upright | {"x0": x, "x1": x, "line": {"color": c, "dash": dash, "width": 1}} for x, c, dash in marks]
    return Chart(
        "score-threshold",
        f"Precision, recall and F1 by score threshold: {name}",
        "Of the predictions from each score on, at IoU 0.5: precision, recall and F1, their harmonic mean. "
        f"The dotted line is the score that is set{', the star the highest F1' if curve.best is not None else ''}.",
        curve.n,
        "objects",
        traces,
        {
            "xaxis": {"title": "score at least", "range": [0, 1]},
            "yaxis": {"range": [0, 1.03], "tickformat": ".0%"},
            "shapes": shapes,
        },
        ("score", "precision", "recall", "F1"),
        list(zip(curve.thresholds.tolist(), curve.precision, curve.recall, curve.f1, strict=True)),
        height=360,
        wide=True,
    )
