"""The slices of a run's images as text for a terminal and as JSON, in percent like every metric there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.evaluation.findings.slices import SliceAP, SliceCounts, Slices, verdict
from core.export.text import in_percent, percent
from core.wording import short

NAME_WIDTH = 36
NOTHING = (
    "Nothing is known of these images by which they differ. Put a CSV beside the data, with a column file_name and one "
    "for each thing you know, such as camera or weather."
)


def slices_text(slices: Slices, counts: Sequence[SliceCounts]) -> str:
    """Return a table of the slices by attribute, then the worst that is no noise, and what could not be used."""
    if not slices.slices:
        return "\n".join([*slices.notes, NOTHING])
    head = f"{'images':>8}{'objects':>9}{'AP':>7}{'AP50':>7}{'recall':>8}{'others':>8}{'difference':>12}  interval"
    lines = [f"{'slice':<{NAME_WIDTH}}{head}"]
    lines += [_line(one, counted) for one, counted in zip(slices.slices, counts, strict=True)]
    if slices.compared:
        lines.append(
            f"* more than noise: all {slices.compared:,} intervals hold together in 95 % of cases, each with "
            f"{100 * slices.confidence:.2f} %."
        )
    return "\n".join([*lines, *slices.notes, *([text] if (text := verdict(slices)) else [])])


def _line(one: SliceAP, counted: SliceCounts) -> str:
    difference = one.difference
    low, high = percent(difference.low, sign=True), percent(difference.high, sign=True)
    span = f"{low} to {high}{' *' * difference.is_clear}" if difference.low is not None else "too few"
    return (
        f"{short(one.name, NAME_WIDTH - 1):<{NAME_WIDTH}}{one.images:>8,}{counted.objects:>9,}{percent(one.AP):>7}"
        f"{percent(one.AP50):>7}{percent(counted.recall):>8}{percent(one.elsewhere):>8}"
        f"{percent(difference.value, sign=True):>12}  {span}"
    )


def slices_json(slices: Slices, counts: Sequence[SliceCounts]) -> dict[str, Any]:
    """Return the slices as JSON has them: metrics in percent, None where they are undefined."""
    rows = [
        {
            "attribute": one.attribute, "slice": one.value, "source": one.source, "images": one.images,
            "objects": counted.objects, "AP": in_percent(one.AP), "AP50": in_percent(one.AP50),
            "recall": in_percent(counted.recall), "elsewhere": in_percent(one.elsewhere),
            "difference": in_percent(one.difference.value), "low": in_percent(one.difference.low),
            "high": in_percent(one.difference.high), "is_clear": one.difference.is_clear,
            "errors": {kind.value: n for kind, n in counted.errors.items()},
        }
        for one, counted in zip(slices.slices, counts, strict=True)
    ]  # fmt: skip
    worst = slices.worst
    return {
        "slices": rows, "worst": [worst.attribute, worst.value] if worst else None, "compared": slices.compared,
        "confidence": 100 * slices.confidence, "notes": list(slices.notes),
    }  # fmt: skip
