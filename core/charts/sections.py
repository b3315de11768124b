"""What the Results page shows and the report prints, section by section, as charts: `View` and `SECTIONS`.

    View (table, score, classes, baseline) -> findings -> charts

Each section answers one question from the one detection table; the page asks for the one in sight, the report for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from core.charts import confusion
from core.charts.calibration import ece_by_class, reliability
from core.charts.chart import Chart
from core.charts.curves import precision_recall_chart, threshold_chart
from core.charts.figures import class_bars, size_bars, size_heat
from core.charts.images import duplicates, hardness, per_image
from core.charts.impact import impact_bars, impact_cells, impact_heat
from core.charts.localization import iou_histogram, scale_chart, shift_chart
from core.charts.recall_by_size import recall_bars, recall_heat
from core.charts.slices.slices import difference_bars, error_heat
from core.evaluation.findings import localization as placement
from core.evaluation.findings import recall_by_size as size_matters
from core.evaluation.findings import slices as by_slice
from core.evaluation.findings.calibration import calibration
from core.evaluation.findings.confusion import confusion_matrix
from core.evaluation.findings.curves import ClassFigures, class_figures, precision_recall
from core.evaluation.findings.images import per_image_figures
from core.evaluation.findings.impact import Impact, impact
from core.evaluation.findings.threshold_curve import threshold_curve
from core.evaluation.table import isin, table_metadata

IOUS = (0.5, 0.75)  # of the precision-recall curves


@dataclass(frozen=True)
class View:
    """A detection table as it is looked at: predictions from `score`, and some classes or all (None).

    slices  the evaluated slices of the same classes; None where what is known of the images was not looked at
    """

    table: pa.Table
    score: float = 0.5
    classes: tuple[str, ...] | None = None
    slices: by_slice.Slices | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The classes looked at."""
        return table_metadata(self.table).classes if self.classes is None else self.classes

    @cached_property
    def part(self) -> pa.Table:
        """The rows of the classes: all that a finding about each box by itself needs."""
        if self.classes is None:
            return self.table
        return self.table.filter(pa.array(isin(self.table, "class_name", set(self.classes))))

    @cached_property
    def impact(self) -> Impact:
        """What each error type costs, at all scores."""
        return impact(self.table, self.classes)

    @cached_property
    def figures(self) -> list[ClassFigures]:
        """AP, recall and counts of each class."""
        return [figures for figures in class_figures(self.table, self.score) if figures.name in self.names]


def metric_charts(view: View) -> list[Chart]:
    """Draw AP and recall of the classes and sizes."""
    return [chart(view.figures, view.score) for chart in (class_bars, size_heat, size_bars)]


def curve_charts(view: View) -> list[Chart]:
    """Draw precision against recall at two IoUs, and precision, recall and F1 against the score."""
    by_iou = [
        precision_recall_chart([precision_recall(view.table, name, iou) for name in view.names], iou) for iou in IOUS
    ]
    name = view.names[0] if len(view.names) == 1 else "all classes"
    return [*by_iou, threshold_chart(threshold_curve(view.table, view.names), name, view.score)]


def impact_charts(view: View) -> list[Chart]:
    """Draw what the errors of each type cost in AP50: the costliest groups, in all, by size and by class."""
    return [
        impact_cells(view.impact),
        impact_bars(view.impact),
        impact_heat(view.impact, "size"),
        impact_heat(view.impact, "class"),
    ]


def confusion_charts(view: View) -> list[Chart]:
    """Draw the confusion matrix, in counts and in shares of its rows; of many classes also narrowed to the worst."""
    return confusion.confusion_charts(confusion_matrix(view.table, view.score), view.classes or ())


def localization_charts(view: View) -> list[Chart]:
    """Draw the IoU of the boxes, and how far they are shifted or scaled."""
    localization = placement.localization(view.part, view.score)
    return [iou_histogram(localization), shift_chart(localization), scale_chart(localization)]


def recall_charts(view: View) -> list[Chart]:
    """Draw recall against the size of objects: in the original's pixels, in the model's and in cells of its map."""
    recalls = size_matters.recall_by_size(view.part, view.score)
    by_size = [recall_bars(recalls, "pixels")]
    if table_metadata(view.table).input:
        by_size += [recall_bars(recalls, "input"), recall_bars(recalls, "cells")]
    return [*by_size, recall_heat(recalls)]


def calibration_charts(view: View) -> list[Chart]:
    """Draw the reliability diagram, and ECE by class."""
    calibrations = calibration(view.table, view.classes)
    return [reliability(calibrations), ece_by_class(calibrations)]


def image_charts(view: View) -> list[Chart]:
    """Draw boxes per image, duplicates, and how hard the images are."""
    per_image_counts = per_image_figures(view.part, view.score)
    return [per_image(per_image_counts), duplicates(per_image_counts), hardness(per_image_counts)]


def slice_charts(view: View) -> list[Chart]:
    """Draw AP against the other images, and errors, of each slice; none where the slices were not evaluated."""
    if view.slices is None:
        return []
    counts = by_slice.slice_counts(view.table, view.slices, view.score)
    classes = view.classes or ()
    return [chart(view.slices, counts, view.score, classes) for chart in (difference_bars, error_heat)]


def impact_verdict(view: View) -> str:
    """Return a sentence on the error type with the largest impact; empty if none has any."""
    costly = [(delta, kind) for kind, delta in view.impact.total.items() if delta]
    if not costly:
        return ""
    delta, kind = max(costly)
    costliest = (
        f"“{kind.label}” has the largest impact: without these errors AP50 would be {100 * delta:.1f} points higher."
    )
    worst = max(view.impact.cells.items(), key=lambda item: item[1].delta)
    (kind, name, size), cost = worst
    return f"{costliest} The costliest group is “{kind.label}”, {name}, {size}: {100 * cost.delta:.1f} points."


def localization_verdict(view: View) -> str:
    """Return a sentence on how well boxes fit."""
    return placement.verdict(placement.localization(view.part, view.score))


def recall_verdict(view: View) -> str:
    """Return a sentence on the size from which objects are found."""
    return size_matters.verdict(size_matters.recall_by_size(view.part, view.score))


def slice_verdict(view: View) -> str:
    """Return a sentence on the worst slice that is no noise."""
    return by_slice.verdict(view.slices) if view.slices else ""


@dataclass(frozen=True)
class Section:
    """A question, the charts that answer it and, for some, a sentence with the answer's numbers."""

    title: str
    question: str
    charts: Callable[[View], list[Chart]]
    verdict: Callable[[View], str] = lambda view: ""


SECTIONS = {
    "figures": Section("Metrics", "How good is it, by class and by size?", metric_charts),
    "curves": Section("PR curves", "Which precision is to be had at which recall, and from which score?", curve_charts),
    "costs": Section("Error impact", "What does each error type cost?", impact_charts, impact_verdict),
    "confusion": Section("Confusion matrix", "What is taken for what?", confusion_charts),
    "boxes": Section("Localization", "How well do the boxes fit?", localization_charts, localization_verdict),
    "small": Section("Recall by size", "From which size are objects found?", recall_charts, recall_verdict),
    "confidence": Section("Calibration", "Are the scores to be believed?", calibration_charts),
    "images": Section("Images", "Which images are hard?", image_charts),
    "slices": Section("Slices", "On which kind of images is it worse?", slice_charts, slice_verdict),
}


def verdicts(view: View) -> list[str]:
    """Return the sentences of all sections: what to know first."""
    return [sentence for section in SECTIONS.values() if (sentence := section.verdict(view))]


def charts_of(view: View) -> list[tuple[str, list[Chart]]]:
    """Return every section's title and charts."""
    return [(section.title, section.charts(view)) for section in SECTIONS.values()]
