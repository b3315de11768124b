"""The confusion matrix as a heat map: what is right in one colour, what is confused in another."""

from __future__ import annotations

import numpy as np

from core.charts.chart import Chart
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW
from core.evaluation.findings.confusion import ConfusionMatrix
from core.evaluation.selection import BACKGROUND, Selection

MOST_WITH_TEXT = 25  # classes; beyond, a cell is too small for its number
NOT_FOUND, NO_OBJECT = "(not found)", "(no object)"  # background as a column, and as a row


def confusion_heat(confusion: ConfusionMatrix, normalized: bool = False) -> Chart:
    """Draw the matrix in counts, or as shares of each row; a click opens a cell's boxes.

    Colours are for the eye: counts by their logarithm, shares by their root, so that rare confusions are seen.
    """
    n, k = confusion.counts.sum(axis=1), len(confusion.classes)
    shares, places = confusion.normalized, range(k + 1)
    is_small = k <= MOST_WITH_TEXT
    colours = _colours(confusion, normalized).tolist()
    cells = [
        [
            Cell(
                colours[i][j],
                _said(confusion, shares, i, j),
                _text(confusion.counts[i, j], shares[i, j], normalized) if is_small else "",
                _query(confusion, i, j),
            )
            for j in places
        ]
        for i in places
    ]
    rows = [f"{name or NO_OBJECT} ({count:,})" for name, count in zip(confusion.names, n.tolist(), strict=True)]
    trace = heatmap(rows, [*confusion.classes, NOT_FOUND], cells, -1, 1, scale="@diverging", has_text=is_small)
    unit = "in percent of each row" if normalized else "in numbers of boxes"
    labels = {"tickfont": {"size": 11 if is_small else 8}, "dtick": 1}
    return Chart(
        "confusion-shares" if normalized else "confusion",
        "Confusion matrix",
        f"What is taken for what, {unit}: predictions from score {confusion.score:g}, each with the object that it "
        f"fits (IoU 0.5), of whatever class. In brackets a row's boxes; with fewer than {FEW} it stays without colour.",
        confusion.objects,
        "objects",
        [trace],
        {
            "xaxis": {"side": "top", "title": "Predicted", **labels},
            "yaxis": {"autorange": "reversed", "title": "Annotated", **labels},
        },
        ("annotated", "predicted", "boxes", "share"),
        [
            (confusion.names[i], confusion.names[j], int(confusion.counts[i, j]), float(shares[i, j]))
            for i in places
            for j in places
        ],
        height=160 + (k + 1) * (30 if is_small else 12),
        wide=True,
    )


def _colours(confusion: ConfusionMatrix, normalized: bool) -> np.ndarray:
    """Right from 0 to 1, wrong from 0 to -1, (K + 1, K + 1); 0 in rows that rest on few objects."""
    strength = np.sqrt(confusion.normalized) if normalized else np.log1p(confusion.counts)
    strength[confusion.counts.sum(axis=1) < FEW] = 0
    is_right = np.eye(len(strength), dtype=bool)
    signed = np.where(is_right, strength, -strength)
    if not normalized:  # each part to its own highest: background alone would leave the classes' cells pale
        background = np.zeros_like(is_right)
        background[-1] = background[:, -1] = True
        highest = strength.max(where=background, initial=1)
        between = strength.max(where=~is_right & ~background, initial=highest / 2)
        right = strength.max(where=is_right, initial=1)
        signed /= np.where(background, highest, np.where(is_right, right, between))
    return signed


def _text(count: int, share: float, normalized: bool) -> str:
    """Return the text of a cell: none where nothing is, so that the others meet the eye."""
    if not count:
        return ""
    return f"{100 * share:.0f}" if normalized else f"{count:,}"


def _said(confusion: ConfusionMatrix, shares: np.ndarray, i: int, j: int) -> str:
    annotated, predicted, count = confusion.names[i], confusion.names[j], int(confusion.counts[i, j])
    if not count:
        return ""
    part = f"{count:,} ({100 * shares[i, j]:.1f} %)"
    if annotated == BACKGROUND:
        return f"{part} of the predictions where no object is: {predicted}"
    how = "not found" if predicted == BACKGROUND else "found" if i == j else f"taken for {predicted}"
    return f"{annotated}: {part} of the objects {how}"


def _query(confusion: ConfusionMatrix, i: int, j: int) -> dict | None:
    """Return what a click opens; None for an empty cell."""
    if not confusion.counts[i, j]:
        return None
    return Selection(confusion.score, pair=(confusion.names[i], confusion.names[j])).to_query()
