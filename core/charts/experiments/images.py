"""The same training on parts of the data, as charts: the learning curve, and the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

from core.charts.chart import Chart
from core.evaluation.experiments.learning_curve import LearningCurve
from core.evaluation.findings.bootstrap import Interval

UNIT = "training steps"


def learning_curve_chart(
    numbers: Sequence[int], seeds: Sequence[int], aps: Sequence[float], curve: LearningCurve | None, steps: int
) -> Chart:
    """Draw AP against the number of training images, with the fitted curve up to twice as many.

    numbers, seeds, aps  (N,) of each training; AP in [0, 1]
    steps                of all trainings together
    """
    traces: list[dict] = []
    if curve is not None:
        x = curve.numbers.tolist()
        for bound, more in ((curve.high, {}), (curve.low, {"fill": "tonexty"})):
            traces.append(
                {"type": "scatter", "mode": "lines", "x": x, "y": (100 * bound).tolist(), "hoverinfo": "skip",
                 "line": {"width": 0.5, "color": "@line"}, **more}
            )  # fmt: skip
        traces.append(
            {"type": "scatter", "mode": "lines", "x": x, "y": (100 * curve.aps).tolist(),
             "line": {"color": "@2", "width": 2, "dash": "dot"},
             "hovertemplate": "%{x:,.0f} images: likely AP %{y:.1f}<extra></extra>"}
        )  # fmt: skip
        doubled = 100 * curve.doubled[0]
        traces.append(
            {"type": "scatter", "mode": "markers", "x": x[-1:], "y": [doubled],
             "marker": {"size": 11, "symbol": "diamond-open", "color": "@2"},
             "hovertemplate": "twice the images: likely AP %{y:.1f}<extra></extra>"}
        )  # fmt: skip
    traces.append(
        {"type": "scatter", "mode": "markers", "x": list(numbers), "y": [100 * ap for ap in aps],
         "marker": {"size": 8, "color": "@1"}, "text": [f"seed {seed}" for seed in seeds], "cliponaxis": False,
         "hovertemplate": "%{x:,} images, %{text}: AP %{y:.1f}<extra></extra>"}
    )  # fmt: skip
    ticks = sorted({*numbers, *([2 * max(numbers)] if curve is not None and numbers else [])})
    return Chart(
        "learning-curve",
        "AP against the number of training images",
        "A point for each training, all with as many steps. The dotted line is fitted to them; the band is where it "
        "lies in 80 % of draws. The open diamond is twice the images: likely, not measured.",
        steps,
        UNIT,
        traces,
        {
            "xaxis": {"title": {"text": "training images"}, "type": "log", "tickvals": ticks,
                      "ticktext": [f"{tick:,}" for tick in ticks]},
            "yaxis": {"title": {"text": "AP, %"}},
            "showlegend": False,
        },
        ("images", "seed", "AP"),
        list(zip(numbers, seeds, aps, strict=True)),
        wide=True,
    )  # fmt: skip


def folds_chart(folds: Sequence[int], aps: Sequence[float], mean: Interval, steps: int) -> Chart:
    """Draw the AP of each fold, and their mean with its interval."""
    names = [f"fold {fold}" for fold in folds]
    traces: list[dict] = [
        {"type": "scatter", "mode": "markers", "x": names, "y": [100 * ap for ap in aps],
         "marker": {"size": 10, "color": "@1"}, "hovertemplate": "%{x}: AP %{y:.1f}<extra></extra>"}
    ]  # fmt: skip
    if mean.value is not None:
        bounds = mean.low is not None and mean.high is not None
        up = 100 * (mean.high - mean.value) if bounds and mean.high is not None else 0
        traces.append(
            {"type": "scatter", "mode": "markers", "x": ["mean"], "y": [100 * mean.value],
             "marker": {"size": 11, "symbol": "diamond", "color": "@2"},
             "error_y": {"type": "data", "array": [up], "color": "@2", "width": 6},
             "hovertemplate": "mean: AP %{y:.1f}<extra></extra>"}
        )  # fmt: skip
    return Chart(
        "folds",
        "AP of each fold",
        "Each fold's model is judged by images that it was not trained on. The interval of the mean, 95 %, allows for "
        "the folds being trained on much the same images.",
        steps,
        UNIT,
        traces,
        {"xaxis": {"type": "category"}, "yaxis": {"title": {"text": "AP, %"}}, "showlegend": False},
        ("fold", "AP"),
        list(zip(folds, aps, strict=True)),
    )
