"""Metrics as tables: COCO's twelve, those of each class, and of images; a click on a column's head sorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.datasets.split import SIZES, CocoSplit
from core.evaluation.coco_eval import FIGURES, CocoFigures
from core.evaluation.findings.bootstrap import Intervals, in_words
from core.evaluation.findings.curves import ClassFigures
from core.evaluation.findings.images import ImageFigures
from core.wording import cell, visible
from ui.text import plain


def percent(share: float | None) -> float | None:
    """Return a share in percent; None stays None."""
    return None if share is None else 100 * share


def show_coco_metrics(intervals: Intervals, before: CocoFigures | None) -> None:
    """Show COCO's twelve metrics with their intervals, beside the baseline's (`before`) if there is one."""
    shown_intervals = (intervals.differences if before else None) or intervals.figures
    rows = []
    for name in FIGURES:
        shown = shown_intervals[name]
        row: dict[str, Any] = {"Metric": name, "This model": percent(intervals.figures[name].value)}
        if before:
            row |= {"Baseline": percent(getattr(before, name)), "Change": percent(shown.value)}
        rows.append(row | {"Low": percent(shown.low), "High": percent(shown.high)})
    numbers = dict.fromkeys(("This model", "Baseline"), "%.1f")
    numbers |= dict.fromkeys(("Change", "Low", "High"), "%+.1f" if before else "%.1f")
    st.dataframe(_table(rows), hide_index=True, height="content", alt="COCO's twelve metrics",
                 column_config=_formats(numbers))  # fmt: skip
    noise = "; where 0 lies between them, the change may be noise" if before else ""
    st.caption(f"Percent. {plain(in_words(intervals))}{noise}.")


def show_class_metrics(classes: Sequence[ClassFigures], score: float) -> None:
    """Show AP, recall and numbers of each class, in all and by size."""
    rows = [
        {
            "Class": cell(visible(f.name)), "Objects": f.objects, "Predictions": f.predictions,
            **{name: percent(getattr(f, name)) for name in ("AP", "AP50", "AP75")}, "Recall": percent(f.recall),
            **{f"AP {size}": percent(f.sizes[size].AP) for size in SIZES},
            **{f"{size} objects": f.sizes[size].objects for size in SIZES},
        }
        for f in classes
    ]  # fmt: skip
    shares = [name for name in rows[0] if name.startswith(("AP", "Recall"))] if rows else []
    st.markdown("##### By class")
    st.dataframe(_table(rows), hide_index=True, alt="Metrics by class",
                 column_config=_formats(dict.fromkeys(shares, "%.1f")))  # fmt: skip
    st.caption(f"Percent; recall and predictions from score {score:.2f}. Click a column's head to sort by it.")


def pick_images(listed: Sequence[ImageFigures], split: CocoSplit, key: str, alt: str) -> list[int]:
    """Show a table of images whose rows can be chosen; return the ids of the chosen ones, or of all if none is."""
    rows = [
        {
            "Image": cell(visible(split.image_by_id.get(i.image_id, {"file_name": i.image_id})["file_name"])),
            "F1": percent(i.f1), "Objects": i.objects, "Predictions": i.predictions, "Correct": i.correct,
            **{error.label: n for error, n in i.errors.items()},
        }
        for i in listed
    ]  # fmt: skip
    picked = st.dataframe(_table(rows), hide_index=True, on_select="rerun", selection_mode="multi-row", key=key,
                          alt=alt, column_config=_formats({"F1": "%.0f"}))  # fmt: skip
    return [listed[row].image_id for row in picked.selection.rows] or [i.image_id for i in listed]


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows as a table; undefined cells are empty, also where a whole column is."""
    table = pd.DataFrame(rows)
    undefined = [name for name in table if table[name].isna().all()]
    return table.astype(dict.fromkeys(undefined, float))


def _formats(numbers: dict[str, str]) -> dict[str, Any]:
    return {name: st.column_config.NumberColumn(format=form) for name, form in numbers.items()}
