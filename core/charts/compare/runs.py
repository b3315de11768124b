"""Several runs in one chart: the curves of two over each other, and what many were trained with against their AP."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.charts.chart import Chart
from core.charts.training import NOTHING, Curve, decimate, smooth
from core.evaluation.defined import defined
from core.metrics import AP, CURVES, Metric

PARTS = {"train": "training", "val": "validation"}
MOST_RATIO = 20  # of positive values, from which an axis of the parallel coordinates is logarithmic
LONGEST = 24  # characters of a value on such an axis


@dataclass(frozen=True)
class RunCurves:
    """A run's curves by tag, as `RunStore.curves_after` has them, and how many steps its epochs have.

    label, color  a short one, for the legend; one of a chart's colours
    """

    label: str
    curves: dict[str, Curve]
    steps_per_epoch: float | None
    color: str = "@1"

    def points(self, tag: str, unit: str, smoothed: bool = False) -> tuple[list[float], list[float | None]]:
        """Return a curve by "epoch" or "step", as few points as can be told apart."""
        steps, values = self.curves.get(tag, NOTHING)
        if smoothed:
            values = smooth(values)
        x, y = decimate(steps, values)
        scale = self.steps_per_epoch if unit == "epoch" and self.steps_per_epoch else 1
        return (x / scale).tolist(), [value if math.isfinite(value) else None for value in y.tolist()]


def curves_together(runs: Sequence[RunCurves], unit: str = "epoch") -> list[Chart]:
    """Draw a chart of AP, and one of each loss that a run has: training as a smooth line, validation with marks."""
    note = "After each epoch; at 0 the baseline."
    charts = [_together(runs, unit, "AP", "AP on the validation images", note, {"val": AP})]
    for loss in CURVES:
        parts = {"train": loss.train, "val": loss.val}
        charts.append(_together(runs, unit, loss.name, loss.label, loss.help, parts))
    return [chart for chart in charts if chart.traces]


def _together(
    runs: Sequence[RunCurves], unit: str, name: str, title: str, note: str, parts: Mapping[str, Metric]
) -> Chart:
    traces, rows, n = [], [], 0  # n: how far they go
    for run in runs:
        for part, metric in parts.items():
            x, y = run.points(metric.tag, unit, smoothed=part == "train")
            if not x:
                continue
            n = max(n, run.curves[metric.tag][0][-1])
            rows += [(run.label, PARTS[part], place, value) for place, value in zip(x, y, strict=True)]
            shown = [None if value is None else metric.scale * value for value in y]
            traces.append(_line(run, part, x, shown, unit, len(parts) > 1))
    axes = {"xaxis": {"title": unit}, "yaxis": {"title": "AP, %", "rangemode": "tozero"} if name == "AP" else {}}
    return Chart(
        f"runs-{name}", title, note, n, "training steps", traces, axes, ("run", "images", unit, name), rows, height=320
    )


def _line(run: RunCurves, part: str, x: list, y: list, unit: str, both: bool) -> dict:
    words = f", {PARTS[part]}" if both else ""
    marks = part == "val"
    line = {"color": run.color, "width": 1.5 if marks else 2} | ({"dash": "dot"} if marks and both else {})
    return {
        "type": "scatter", "mode": "lines+markers" if marks else "lines", "x": x, "y": y, "name": run.label + words,
        "line": line, "marker": {"color": run.color, "size": 6, "symbol": "diamond"}, "cliponaxis": False,
        "hovertemplate": f"%{{fullData.name}}<br>{unit} %{{x:.4~g}}: %{{y:.4~g}}<extra></extra>",
    }  # fmt: skip


def settings_against_ap(
    names: Sequence[str], axes: Sequence[tuple[str, Sequence]], aps: Sequence[float | None], steps: int
) -> Chart:
    """Draw one line a run through the values of its settings to its AP, which colours it (parallel coordinates).

    names  (R,) of the runs
    axes   a setting's label, and its values (R,); numbers that span much stand on a logarithmic axis
    aps    (R,) of their best models, in [0, 1]; a run without one is left out
    steps  of all trainings together
    """
    kept = [i for i, ap in enumerate(aps) if ap is not None]
    points = [100 * defined(aps[i]) for i in kept]
    dimensions = [_axis(label, [values[i] for i in kept]) for label, values in axes]
    low, high = (math.floor(min(points)), math.ceil(max(points) + 1e-9)) if points else (0, 1)
    dimensions.append({"label": "AP", "values": points, "range": [low, high]})
    trace = {
        "type": "parcoords",
        "dimensions": dimensions,
        "line": {
            "color": points, "colorscale": [[0, "@2"], [1, "@1"]], "cmin": low, "cmax": high, "showscale": True,
            "colorbar": {"title": "AP", "thickness": 10, "outlinewidth": 0},
        },
        "labelfont": {"size": 12},
    }  # fmt: skip
    return Chart(
        "settings-against-ap",
        "What the runs were trained with, and their AP",
        "One line a run, coloured by the AP of its best model; only settings that differ. Drag along an axis to keep "
        "the runs in that range, and an axis's name to move it.",
        steps,
        "training steps",
        [trace] if kept else [],
        {"margin": {"l": 70, "r": 70, "t": 70, "b": 24}},
        ("run", *(label for label, _ in axes), "AP"),
        [(names[i], *(values[i] for _, values in axes), aps[i]) for i in kept],
        height=380,
        wide=True,
    )


def _axis(label: str, values: list) -> dict:
    """Return a dimension of the parallel coordinates.

    Numbers stand as they are or by their logarithm, everything else by its place among the values that there are.
    """
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        ticks = sorted(set(values))
        if ticks and ticks[0] > 0 and ticks[-1] / ticks[0] >= MOST_RATIO:
            at = [math.log10(tick) for tick in ticks]
            return _ticked(label, [math.log10(value) for value in values], at, ticks)
        return _ticked(label, values, ticks, ticks) if len(ticks) <= 8 else {"label": label, "values": values}
    words = [_plain(value) for value in values]
    ticks = sorted(set(words))
    return _ticked(label, [ticks.index(word) for word in words], list(range(len(ticks))), ticks)


def _ticked(label: str, values: list, at: list, texts: list) -> dict:
    """Return an axis with a mark at each value that there is, but for those that would overlap the one below."""
    low, high = min(at, default=0), max(at, default=0)
    gap = (high - low) / 12
    shown: list[tuple[float, str]] = []
    for place, text in zip(at, texts, strict=True):
        if not shown or place - shown[-1][0] >= gap:
            shown.append((place, _plain(text)))
    margin = (high - low) * 0.04 or 0.5
    return {
        "label": label, "values": values, "range": [low - margin, high + margin],
        "tickvals": [place for place, _ in shown], "ticktext": [text for _, text in shown],
    }  # fmt: skip


def _plain(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else "…" + text[1 - LONGEST :]
