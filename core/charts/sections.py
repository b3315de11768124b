"""What the Results page shows and the report prints, section by section, as charts: `View` and `SECTIONS`.

    View (table, score, classes, baseline) -> findings -> charts

Each section answers one question from the one detection table; the page asks for the one in sight, the report for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from core.charts.calibration import ece_by_class, reliability
from core.charts.chart import Chart
from core.charts.confusion import confusion_heat
from core.charts.curves import precision_recall_chart, threshold_chart
from core.charts.figures import class_bars, size_bars, size_heat
from core.charts.images import duplicates, hardness, per_image
from core.charts.impact import impact_bars, impact_cells, impact_heat
from core.charts.localization import iou_histogram, scale_chart, shift_chart
from core.charts.recall_by_size import recall_bars, recall_heat
from core.evaluation.findings import localization as placement
from core.evaluation.findings import recall_by_size as size_matters
from core.evaluation.findings.calibration import calibration
from core.evaluation.findings.confusion import confusion_matrix
from core.evaluation.findings.curves import ClassFigures, class_figures, precision_recall, threshold_curve
from core.evaluation.findings.images import per_image_figures
from core.evaluation.findings.impact import Impact, impact
from core.evaluation.table import isin, table_metadata

IOUS = (0.5, 0.75)  # of the precision-recall curves


@dataclass(frozen=True)
class View:
    """A detection table as it is looked at: predictions from `score`, and some classes or all (None)."""

    table: pa.Table
    score: float = 0.5
    classes: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return table_metadata(self.table).classes if self.classes is None else self.classes

    @cached_property
    def part(self) -> pa.Table:
        """The rows of the classes: all that a finding about each box by itself needs."""
        if self.classes is None:
            return self.table
        return self.table.filter(pa.array(isin(self.table, "class_name", set(self.classes))))

    @cached_property
    def impact(self) -> Impact:
        return impact(self.table, self.classes)

    @cached_property
    def figures(self) -> list[ClassFigures]:
        return [figures for figures in class_figures(self.table, self.score) if figures.name in self.names]


def figures(view: View) -> list[Chart]:
    return [chart(view.figures, view.score) for chart in (class_bars, size_heat, size_bars)]


def curves(view: View) -> list[Chart]:
    by_iou = [
        precision_recall_chart([precision_recall(view.table, name, iou) for name in view.names], iou) for iou in IOUS
    ]
    name = view.names[0] if len(view.names) == 1 else "all classes"
    return [*by_iou, threshold_chart(threshold_curve(view.table, view.names), name, view.score)]


def costs(view: View) -> list[Chart]:
    found = view.impact
    return [impact_cells(found), impact_bars(found), impact_heat(found, "size"), impact_heat(found, "class")]


def mistaken(view: View) -> list[Chart]:
    found = confusion_matrix(view.table, view.score)
    return [confusion_heat(found), confusion_heat(found, normalized=True)]


def boxes(view: View) -> list[Chart]:
    found = placement.localization(view.part, view.score)
    return [iou_histogram(found), shift_chart(found), scale_chart(found)]


def small(view: View) -> list[Chart]:
    found = size_matters.recall_by_size(view.part, view.score)
    by_size = [recall_bars(found, "pixels")]
    if table_metadata(view.table).input:
        by_size += [recall_bars(found, "input"), recall_bars(found, "cells")]
    return [*by_size, recall_heat(found)]


def confidence(view: View) -> list[Chart]:
    found = calibration(view.table, view.classes)
    return [reliability(found), ece_by_class(found)]


def crowding(view: View) -> list[Chart]:
    found = per_image_figures(view.part, view.score)
    return [per_image(found), duplicates(found), hardness(found)]


def costliest(view: View) -> str:
    """Which type of error costs the most, in a sentence; empty if none costs anything."""
    costly = [(delta, kind) for kind, delta in view.impact.total.items() if delta]
    if not costly:
        return ""
    delta, kind = max(costly)
    what = f"“{kind.label}” has the largest impact: without these errors AP50 would be {100 * delta:.1f} points higher."
    worst = max(view.impact.cells.items(), key=lambda item: item[1].delta)
    (kind, name, size), cost = worst
    return f"{what} The costliest group is “{kind.label}”, {name}, {size}: {100 * cost.delta:.1f} points."


def placed(view: View) -> str:
    return placement.verdict(placement.localization(view.part, view.score))


def missed_small(view: View) -> str:
    return size_matters.verdict(size_matters.recall_by_size(view.part, view.score))


@dataclass(frozen=True)
class Section:
    """A question, the charts that answer it and, for some, a sentence with the answer's numbers."""

    title: str
    question: str
    charts: Callable[[View], list[Chart]]
    verdict: Callable[[View], str] = lambda view: ""


SECTIONS = {
    "figures": Section("Metrics", "How good is it, by class and by size?", figures),
    "curves": Section("PR curves", "Which precision is to be had at which recall, and from which score?", curves),
    "costs": Section("Error impact", "What does each error type cost?", costs, costliest),
    "confusion": Section("Confusion matrix", "What is taken for what?", mistaken),
    "boxes": Section("Localization", "How well do the boxes fit?", boxes, placed),
    "small": Section("Recall by size", "From which size are objects found?", small, missed_small),
    "confidence": Section("Calibration", "Are the scores to be believed?", confidence),
    "images": Section("Images", "Which images are hard?", crowding),
}


def verdicts(view: View) -> list[str]:
    """What to know first: every section's sentence."""
    return [sentence for section in SECTIONS.values() if (sentence := section.verdict(view))]


def charts_of(view: View) -> list[tuple[str, list[Chart]]]:
    """Every section's title and charts."""
    return [(section.title, section.charts(view)) for section in SECTIONS.values()]
