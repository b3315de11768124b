"""The settings of a sweep against AP: a point for each training, the mean of the seeds, and where it lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from core.charts.chart import Chart
from core.charts.heatmap import Cell, heatmap
from core.config_diff import value_text
from core.evaluation.defined import defined
from core.evaluation.experiments.noise import mean_interval
from core.evaluation.findings.bootstrap import Interval

MOST_RATIO = 20  # of positive values, from which an axis is logarithmic
UNIT = "training steps"
Values = dict[str, Any]  # of the settings that differ, by name


@dataclass(frozen=True)
class Trained:
    """One training: its values of the settings that differ, its seed, and the AP of its best model, in [0, 1].

    ended  the epoch after which it ended early, because others were better; None: it went to its end
    """

    values: Values
    seed: int
    ap: float
    ended: int | None = None


def setting_charts(labels: Mapping[str, str], trained: Sequence[Trained], steps: int) -> list[Chart]:
    """Draw each setting against AP; of two settings also both at once, as a heat map.

    labels  by name, of the settings that differ
    steps   of all trainings together
    """
    charts = [_against(name, label, trained, len(labels), steps) for name, label in labels.items()]
    if len(labels) == 2:
        charts.insert(0, _heat(labels, trained, steps))
    return charts


def _against(name: str, label: str, trained: Sequence[Trained], settings: int, steps: int) -> Chart:
    values = sorted_values([one.values[name] for one in trained])
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    at = {v: v if is_number else value_text(v) for v in values}
    whole = [one for one in trained if one.ended is None]
    early = [one for one in trained if one.ended is not None]
    traces = [_dots([at[one.values[name]] for one in whole], whole, "trainings", "@1")]
    if early:
        traces.append(_dots([at[one.values[name]] for one in early], early, "ended early", "@grey"))
    means = {v: mean_interval([one.ap for one in whole if one.values[name] == v]) for v in values}
    means = {v: mean for v, mean in means.items() if mean.value is not None}
    traces.append(_means([at[v] for v in means], list(means.values()), is_number, has_interval=settings == 1))
    words = (
        "with the interval in which the mean of many seeds lies in 95 % of cases."
        if settings == 1
        else "over seeds and the other settings."
    )
    return Chart(
        f"sweep-{name}",
        f"{label} against AP",
        f"A point for each training, its best model; diamonds are means, {words}"
        + (" Grey ones ended early, so they were trained for less." if early else ""),
        steps,
        UNIT,
        traces,
        {
            "xaxis": _axis(label, list(at.values()), is_number),
            "yaxis": {"title": {"text": "AP, %"}},
            "showlegend": False,
        },
        (name, "seed", "AP", "ended after epoch"),
        [(value_text(one.values[name]), one.seed, one.ap, one.ended) for one in trained],
    )


def _dots(x: list[Any], trained: Sequence[Trained], name: str, color: str) -> dict[str, Any]:
    words = [f"seed {one.seed}" + (f", ended after epoch {one.ended}" if one.ended else "") for one in trained]
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": x, "y": [100 * one.ap for one in trained],
        "marker": {"size": 8, "color": color, "opacity": 0.6}, "text": words, "cliponaxis": False,
        "hovertemplate": "%{x}, %{text}: AP %{y:.1f}<extra></extra>",
    }  # fmt: skip


def _means(x: list[Any], means: Sequence[Interval], is_number: bool, has_interval: bool) -> dict[str, Any]:
    values = [100 * defined(mean.value) for mean in means]
    halves = [0.0 if mean.high is None else 100 * (mean.high - defined(mean.value)) for mean in means]
    return {
        "type": "scatter", "mode": "lines+markers" if is_number else "markers", "name": "mean", "x": x, "y": values,
        "marker": {"size": 10, "symbol": "diamond", "color": "@2"}, "line": {"color": "@2", "width": 1.5},
        "error_y": {"type": "data", "array": halves, "color": "@2", "width": 5, "visible": has_interval},
        "hovertemplate": "%{x}: mean AP %{y:.1f}<extra></extra>", "cliponaxis": False,
    }  # fmt: skip


def _axis(label: str, at: list[Any], is_number: bool) -> dict[str, Any]:
    title = {"title": {"text": label}}
    if not is_number:
        return title | {"type": "category"}
    if at and min(at) > 0 and max(at) / min(at) >= MOST_RATIO:
        low, high = math.log10(min(at)), math.log10(max(at))
        room = 0.06 * (high - low)
        return title | {"type": "log", "range": [low - room, high + room], "tickvals": at,
                        "ticktext": [value_text(v) for v in at]}  # fmt: skip
    return title


def _heat(labels: Mapping[str, str], trained: Sequence[Trained], steps: int) -> Chart:
    (first, first_label), (second, second_label) = labels.items()
    columns, rows = (sorted_values([one.values[name] for one in trained]) for name in (first, second))
    aps: dict[tuple[Any, Any], list[float]] = {}
    for one in trained:
        if one.ended is None:
            aps.setdefault((one.values[second], one.values[first]), []).append(one.ap)
    means = {key: 100 * sum(values) / len(values) for key, values in aps.items()}
    cells = [
        [
            Cell(
                means.get((row, column)),
                f"{first_label} {value_text(column)}, {second_label} {value_text(row)}: "
                + (f"AP {means[row, column]:.1f}" if (row, column) in means else "no training went to its end"),
                f"{means[row, column]:.1f}" if (row, column) in means else "",
            )
            for column in columns
        ]
        for row in rows
    ]
    low, high = (min(means.values()), max(means.values())) if means else (0.0, 1.0)
    trace = heatmap(list(map(value_text, rows)), list(map(value_text, columns)), cells, low - 0.15 * (high - low + 1),
                    max(high, low + 0.1), is_clickable=False)  # fmt: skip
    return Chart(
        f"sweep-{first}-{second}",
        f"{first_label} and {second_label}: mean AP",
        "The mean over the seeds of the AP of each training's best model, in percent.",
        steps,
        UNIT,
        [trace],
        {
            "xaxis": {"title": {"text": first_label}, "type": "category"},
            "yaxis": {"title": {"text": second_label}, "type": "category"},
        },
        (first, second, "mean AP"),
        [(value_text(c), value_text(r), means[r, c] / 100) for r, c in product(rows, columns) if (r, c) in means],
        wide=True,
    )


def sorted_values(values: Sequence[Any]) -> list[Any]:
    """Return the values each once: numbers rising, others in the order given."""
    once = list(dict.fromkeys(values))
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in once):
        return sorted(once)
    return once
