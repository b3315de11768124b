"""The metrics of a model as text for a terminal: train, import, evaluate and analyze print the same words.

In: `CocoFigures.to_dict()` and the detection table. AP, AR and impact are in percent with one decimal, as everywhere in
the app, and a difference is in points of percent; a loss keeps its unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.wording import short

if TYPE_CHECKING:  # most commands need only `percent`, and start without pyarrow
    import pyarrow as pa

LABEL_WIDTH = 40  # of the column of error types


def loss_text(value: float | None) -> str:
    """Return a loss with three decimals."""
    return "–" if value is None else f"{value:.3f}"


def percent(value: float | None, sign: bool = False) -> str:
    """Return a metric of [0, 1] in percent with one decimal; with `sign`, a difference of two in points.

    >>> percent(0.3989), percent(0.012, sign=True), percent(-0.0001, sign=True), percent(None)
    ('39.9', '+1.2', '+0.0', '–')
    """
    if value is None:
        return "–"
    points = round(100 * value, 1) + 0.0  # never -0.0
    return f"{points:+.1f}" if sign else f"{points:.1f}"


def in_percent(value: float | None) -> float | None:
    """Return a metric of [0, 1] in percent, in full precision, for JSON."""
    return None if value is None else 100 * value


def describe_table(table: pa.Table) -> str:
    """Return how many images, objects and predictions a detection table has, as text."""
    from core.evaluation.table import flags, has_value, table_metadata

    predictions = int(has_value(table, "query").sum())
    objects = table.num_rows - predictions - int(flags(table, "iscrowd").sum())
    numbers = {"image": len(table_metadata(table).image_ids), "object": objects, "prediction": predictions}
    return ", ".join(f"{number:,} {noun}{'s' * (number != 1)}" for noun, number in numbers.items())


def errors_and_impact(table: pa.Table, score: float) -> tuple[dict[str, int], dict[str, float | None]]:
    """Return by error type the number of errors with at least `score`, and the impact (ΔAP50) of those at any score.

    An impact is in [0, 1], None where AP50 is undefined.
    """
    from core.evaluation.findings.impact import impact
    from core.evaluation.table import ErrorType
    from core.evaluation.threshold import count_errors

    total = impact(table).total
    return count_errors(table, score), {kind.value: total[kind] for kind in ErrorType}


def evaluation_json(metrics: dict[str, Any], table: pa.Table, score: float) -> dict[str, Any]:
    """Return for JSON a model's COCO metrics, "per_class" (AP), "errors" (counts) and "impact" (ΔAP50), by error type.

    metrics  `CocoFigures.to_dict()` of the model of the `table`
    score    errors are counted from this score

    Metrics, AP of classes and impact are in percent, None where they are undefined.
    """
    counts, impacts = errors_and_impact(table, score)
    percents = {name: in_percent(value) for name, value in metrics.items() if name != "per_class"}
    per_class = {name: in_percent(value) for name, value in metrics["per_class"].items()}
    impact = {kind: in_percent(value) for kind, value in impacts.items()}
    return {**percents, "per_class": per_class, "errors": counts, "impact": impact}


def evaluation_text(models: dict[str, dict[str, Any]], table: pa.Table, score: float) -> str:
    """Return a model's COCO metrics, classes and errors as lines, each AP beside the baseline's.

    models  `CocoFigures.to_dict()` by name: the baseline's first, if there is one, then that of the `table`
    score   errors are counted from this score
    """
    *baseline, metrics = models.values()
    lines = [describe_table(table), "", f"{'percent':<14}" + _cells([*models, *(["change"] * len(baseline))])]
    lines += [
        f"{name:<14}" + _cells(_compared([before[name] for before in baseline], value))
        for name, value in metrics.items()
        if name != "per_class"
    ]
    lines += ["", *_class_lines(baseline, metrics, table, score), "", *_error_lines(table, score)]
    return "\n".join(lines)


def _class_lines(baseline: list[dict[str, Any]], metrics: dict[str, Any], table: pa.Table, score: float) -> list[str]:
    from core.evaluation.findings.curves import class_figures

    names = ["baseline", "AP", "change"] if baseline else ["AP"]
    lines = [f"{'class':<24}{'objects':>9}" + _cells(["AP50", *names])]
    for of_class in class_figures(table, score):
        before = [model["per_class"].get(of_class.name) for model in baseline]
        cells = [percent(of_class.AP50), *_compared(before, metrics["per_class"].get(of_class.name))]
        lines.append(f"{short(of_class.name):<24}{of_class.objects:>9,}" + _cells(cells))
    return lines


def _error_lines(table: pa.Table, score: float) -> list[str]:
    from core.evaluation.table import ErrorType

    counts, impacts = errors_and_impact(table, score)
    title = f"errors from score {score:g}"
    lines = [f"{title:<{LABEL_WIDTH}}{'count':>9}{'ΔAP50':>9}"]
    for kind in ErrorType:
        impact = percent(impacts[kind.value], sign=True)
        lines.append(f"{kind.label:<{LABEL_WIDTH}}{counts[kind.value]:>9,}{impact:>9}")
    return [
        *lines,
        "ΔAP50, the impact: the points that AP50 would gain if all such errors, at any score, were corrected.",
    ]


def _compared(before: list[float | None], value: float | None) -> list[str]:
    """Return a metric in percent; with the baseline's, that one first and the difference last."""
    changes = [None if old is None or value is None else value - old for old in before]
    return [*map(percent, before), percent(value), *(percent(change, sign=True) for change in changes)]


def _cells(words: list[str]) -> str:
    return "".join(f"{word:>11}" for word in words)
