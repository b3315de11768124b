"""The confusion matrix as a heat map: what is right in one colour, what is confused in another.

In: a `ConfusionMatrix`. Out: charts; of many classes one of those with the most errors, the others summed, and one of
all, which is shown on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.charts.chart import TALLEST, Chart
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW
from core.evaluation.findings.confusion import ConfusionMatrix, Focus, shares_of_rows
from core.evaluation.selection import BACKGROUND, Selection

MOST_WITH_TEXT = 25  # classes; beyond, a cell is too small for its number
MOST_IN_FOCUS = 15  # classes of a matrix that is narrowed to those with the most errors
MOST_WITH_LABELS = 100  # classes; beyond, not every row has a label
PALEST, PALEST_SMALL = 0.25, 0.45  # of cells with a single box, and of all in a row of few; of cells of few pixels
NOT_FOUND, NO_OBJECT = "(not found)", "(no object)"  # background as a column, and as a row


@dataclass(frozen=True)
class Matrix:
    """A matrix as it is drawn.

    classes   one for each row and column but the last: a class, or None for those that are summed
    others    what the summed classes are called
    counts    (rows, columns) int64
    right     of the summed classes' cell, how many are right
    """

    classes: tuple[str | None, ...]
    others: str
    counts: np.ndarray
    score: float
    right: int = 0

    @property
    def names(self) -> list[str]:
        """What rows and columns stand for, the last for the background."""
        return [*(self.others if name is None else name for name in self.classes), BACKGROUND]


def confusion_charts(confusion: ConfusionMatrix, first: Sequence[str] = ()) -> list[Chart]:
    """Draw the matrix in counts and in shares of its rows; of many classes first narrowed, then whole, `on_request`.

    first  the classes that a narrowed matrix has in any case
    """
    whole = Matrix(confusion.classes, "", confusion.counts, confusion.score)
    k = len(confusion.classes)
    if k <= MOST_WITH_TEXT:
        return [_draw(whole, confusion.objects, shares) for shares in (False, True)]
    focus = Focus.of(confusion, MOST_IN_FOCUS, first)
    others = f"{focus.others:,} other classes"
    while others in focus.classes:
        others += "\u200b"  # Plotly would draw both in one row
    narrowed = Matrix((*focus.classes, None), others, focus.counts, focus.score, focus.right)
    sentence = _in_words(focus, k, first)
    charts = [_draw(narrowed, confusion.objects, shares, sentence) for shares in (False, True)]
    return charts + [_draw(whole, confusion.objects, shares, on_request=True) for shares in (False, True)]


def _in_words(focus: Focus, k: int, first: Sequence[str]) -> str:
    """Say which classes a narrowed matrix shows, and how much of all errors."""
    m = len(focus.classes)
    which = f"the {m} with the most errors" if not first else f"{m}: the chosen, and what is most confused with them"
    errors = "there are no errors" if focus.share is None else (
        f"{100 * focus.share:.0f} % of all errors lie in their rows and columns"
    )  # fmt: skip
    return f"Of {k} classes {which}; {errors}. The others are summed. "


def _draw(matrix: Matrix, objects: int, normalized: bool, sentence: str = "", on_request: bool = False) -> Chart:
    """Draw a matrix; a click opens a cell's boxes, but for cells of summed classes.

    Colours are for the eye: counts by their logarithm, shares by their root, so that rare confusions are seen.
    """
    k, shares, names = len(matrix.classes), shares_of_rows(matrix.counts), matrix.names
    is_small = k <= MOST_WITH_TEXT
    cells = _cells(matrix, shares, normalized, is_small)
    rows = [f"{name or NO_OBJECT} ({n:,})" for name, n in zip(names, matrix.counts.sum(axis=1).tolist(), strict=True)]
    trace = heatmap(rows, [*names[:-1], NOT_FOUND], cells, -1, 1, scale="@diverging", has_text=is_small)
    unit = "in percent of each row" if normalized else "in numbers of boxes"
    labels = {"tickfont": {"size": 11 if is_small else 8}} | ({"dtick": 1} if k <= MOST_WITH_LABELS else {})
    upright = {} if is_small else {"tickangle": -90}
    places = np.argwhere(matrix.counts if not is_small else np.ones_like(matrix.counts)).tolist()
    return Chart(
        "confusion" + "-all" * on_request + "-shares" * normalized,
        "Confusion matrix" + " of all classes" * on_request,
        f"{sentence}What is taken for what, {unit}: predictions from score {matrix.score:g}, each with the object that "
        f"it fits (IoU 0.5), of whatever class. In brackets a row's boxes; with fewer than {FEW} it is pale.",
        objects,
        "objects",
        [trace],
        {
            "xaxis": {"side": "top", "title": "Predicted", **labels, **upright},
            "yaxis": {"autorange": "reversed", "title": "Annotated", **labels},
        },
        ("annotated", "predicted", "boxes", "share"),
        [(names[i], names[j], int(matrix.counts[i, j]), float(shares[i, j])) for i, j in places],
        height=min(160 + (k + 1) * (30 if is_small else 10), TALLEST),
        wide=True,
        on_request=on_request,
    )


def _cells(matrix: Matrix, shares: np.ndarray, normalized: bool, is_small: bool) -> list[list[Cell]]:
    colours = _colours(matrix, shares, normalized).round(3).tolist()
    counts, nothing = matrix.counts.tolist(), Cell(0, "")
    return [
        [
            Cell(
                colours[i][j],
                _hover(matrix, shares, i, j),
                _text(count, shares[i, j], normalized) if is_small else "",
                _query(matrix, i, j),
            )
            if count else nothing
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(counts)
    ]  # fmt: skip


def _colours(matrix: Matrix, shares: np.ndarray, normalized: bool) -> np.ndarray:
    """Right from pale to 1, wrong from pale to -1; 0 where nothing is, and where summed classes meet."""
    counts = matrix.counts
    strength = np.sqrt(shares) if normalized else np.log1p(counts)
    is_right = np.eye(len(strength), dtype=bool)
    if not normalized:  # each part to its own highest: background alone would leave the classes' cells pale
        background = np.zeros_like(is_right)
        background[-1] = background[:, -1] = True
        highest = strength.max(where=background, initial=1)
        between = strength.max(where=~is_right & ~background, initial=highest / 2)
        right = strength.max(where=is_right, initial=1)
        strength = strength / np.where(background, highest, np.where(is_right, right, between))
    palest = PALEST if len(matrix.classes) <= MOST_WITH_TEXT else PALEST_SMALL
    strength = palest + (1 - palest) * strength
    strength[counts.sum(axis=1) < FEW] = palest
    strength[counts == 0] = 0
    if None in matrix.classes:  # right and confused in one cell
        strength[-2, -2] = 0
    return np.where(is_right, strength, -strength)


def _text(count: int, share: float, normalized: bool) -> str:
    """Return the text of a cell that is not empty."""
    return f"{count:,}" if not normalized else "<1" if share < 0.005 else f"{100 * share:.0f}"


def _hover(matrix: Matrix, shares: np.ndarray, i: int, j: int) -> str:
    names, last = matrix.names, len(matrix.classes)
    annotated, predicted, count = names[i], names[j], int(matrix.counts[i, j])
    part = f"{count:,} ({100 * shares[i, j]:.1f} %)"
    if i == last:
        return f"{part} of the predictions where no object is: {predicted}"
    if i == j and matrix.classes[i] is None:
        return f"{annotated}: {part} of the objects, {matrix.right:,} found, {count - matrix.right:,} taken for another"
    how = "not found" if j == last else "found" if i == j else f"taken for {predicted}"
    return f"{annotated}: {part} of the objects {how}"


def _query(matrix: Matrix, i: int, j: int) -> dict | None:
    """Return what a click opens; None for cells of summed classes."""
    annotated, predicted = ((*matrix.classes, BACKGROUND)[place] for place in (i, j))
    if annotated is None or predicted is None:
        return None
    return Selection(matrix.score, pair=(annotated, predicted)).to_query()
