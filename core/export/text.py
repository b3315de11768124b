"""A model's figures in lines for a terminal: what train, import, evaluate and analyze say, in the same words.

In: `CocoFigures.to_dict()` and the detection table. AP and its kin are percent with one decimal, as everywhere in the
app, and a difference is points of percent; a loss stays what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # most commands, which need `percent` only, begin without pyarrow
    import pyarrow as pa


def loss_text(value: float | None) -> str:
    """A loss, as it is."""
    return "–" if value is None else f"{value:.3f}"


def percent(value: float | None, sign: bool = False) -> str:
    """A figure of [0, 1] in percent with one decimal; with `sign`, a difference of two such in points.

    >>> percent(0.3989), percent(0.012, sign=True), percent(-0.0001, sign=True), percent(None)
    ('39.9', '+1.2', '+0.0', '–')
    """
    if value is None:
        return "–"
    points = round(100 * value, 1) + 0.0  # never -0.0
    return f"{points:+.1f}" if sign else f"{points:.1f}"


def describe_table(table: pa.Table) -> str:
    """On how many images, objects and predictions a detection table rests, in words."""
    from core.evaluation.table import about, flags, has

    predictions = int(has(table, "query").sum())
    objects = table.num_rows - predictions - int(flags(table, "iscrowd").sum())
    numbers = {"image": len(about(table).image_ids), "object": objects, "prediction": predictions}
    return ", ".join(f"{n:,} {what}{'s' * (n != 1)}" for what, n in numbers.items())


def errors_and_impact(table: pa.Table, score: float) -> tuple[dict[str, int], dict[str, float | None]]:
    """How many errors there are from a score, and what AP50 would gain without those at any score, by type."""
    from core.evaluation.findings.impact import impact
    from core.evaluation.selection import count_errors
    from core.evaluation.table import ErrorType

    gains = impact(table).total
    return count_errors(table, score), {kind.value: gains[kind] for kind in ErrorType}


def evaluation_text(models: dict[str, dict], table: pa.Table, score: float) -> str:
    """A model's twelve figures, classes and errors from a score, each AP beside the untouched model's.

    `models` is `CocoFigures.to_dict()` by name: of the model of the `table`, after the untouched one if there is one.
    """
    *untouched, figures = models.values()
    lines = [describe_table(table), "", f"{'percent':<14}" + _cells([*models, *(["change"] * len(untouched))])]
    for name in [name for name in figures if name != "per_class"]:
        lines.append(f"{name:<14}" + _cells(_beside([before[name] for before in untouched], figures[name])))
    lines += ["", *_class_lines(untouched, figures, table, score), "", *_error_lines(table, score)]
    return "\n".join(lines)


def _class_lines(untouched: list[dict], figures: dict, table: pa.Table, score: float) -> list[str]:
    from core.evaluation.findings.curves import class_figures

    names = ["untouched", "AP", "change"] if untouched else ["AP"]
    lines = [f"{'class':<24}{'objects':>9}" + _cells(["AP50", *names])]
    for of_class in class_figures(table, score):
        before = [model["per_class"].get(of_class.name) for model in untouched]
        cells = [percent(of_class.AP50), *_beside(before, figures["per_class"].get(of_class.name))]
        lines.append(f"{of_class.name:<24}{of_class.objects:>9,}" + _cells(cells))
    return lines


def _error_lines(table: pa.Table, score: float) -> list[str]:
    from core.evaluation.table import ErrorType

    errors, gains = errors_and_impact(table, score)
    title = f"errors from score {score:g}"
    lines = [f"{title:<40}{'count':>9}{'ΔAP50':>9}"]
    for kind in ErrorType:
        lines.append(f"{kind.label:<40}{errors[kind.value]:>9,}{percent(gains[kind.value], sign=True):>9}")
    return [*lines, "ΔAP50: the points that AP50 would gain if all such errors, at any score, were put right."]


def _beside(before: list[float | None], value: float | None) -> list[str]:
    """A figure in words, between the untouched model's and their difference if there is one."""
    changes = [None if None in (old, value) else value - old for old in before]
    return [*map(percent, before), percent(value), *(percent(change, sign=True) for change in changes)]


def _cells(words: list[str]) -> str:
    return "".join(f"{word:>11}" for word in words)
