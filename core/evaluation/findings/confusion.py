"""What is taken for what? The confusion matrix with background, counted from the detection table.

Boxes are paired whatever their classes: by falling score each prediction takes the free object of highest IoU, from 0.5
on (the columns any_gt and any_score). Crowds are left out. Counts equal hotcoco's `confusion_matrix`, and those of the
boxes that `Selection(pair=…)` selects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.evaluation.selection import BACKGROUND
from core.evaluation.table import floats, has_value, indices, integers, table_metadata
from core.evaluation.threshold import is_object


@dataclass(frozen=True)
class ClassConfusion:
    """Objects of one class that were taken for another: how many, and which share of that class's objects."""

    annotated: str
    predicted: str
    objects: int
    share: float


@dataclass(frozen=True)
class ConfusionMatrix:
    """The confusion matrix of the predictions from a score.

    classes  the K classes of the table, in its order
    score    the threshold
    counts   (K + 1, K + 1) int64: rows the annotated class, columns the predicted one; last the background: in the
             column objects that no prediction found, in the row predictions that found none
    """

    classes: tuple[str, ...]
    score: float
    counts: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """Of rows and columns, as a `Selection.pair` has them."""
        return *self.classes, BACKGROUND

    @property
    def objects(self) -> int:
        """How many objects there are, crowds left out."""
        return int(self.counts[:-1].sum())

    @property
    def normalized(self) -> np.ndarray:
        """The counts as shares of their row, (K + 1, K + 1) float64; an empty row is 0."""
        return shares_of_rows(self.counts)

    def worst(self, n: int = 10) -> list[ClassConfusion]:
        """Return the `n` most frequent confusions of two classes, by falling number, then by class; no background."""
        between = self.counts[:-1, :-1].copy()
        np.fill_diagonal(between, 0)
        order = np.argsort(-between, axis=None, kind="stable")[:n]
        cells = [divmod(int(place), len(self.classes)) for place in order if between.flat[place]]
        shares = self.normalized
        return [
            ClassConfusion(self.classes[a], self.classes[p], int(between[a, p]), float(shares[a, p])) for a, p in cells
        ]


def shares_of_rows(counts: np.ndarray) -> np.ndarray:
    """Return counts as shares of their row, float64 of the same shape; an empty row is 0."""
    rows = counts.sum(axis=1, keepdims=True)
    shares: np.ndarray = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    return shares


@dataclass(frozen=True)
class Focus:
    """A confusion matrix of many classes, narrowed to M of them; the others are summed in one row and one column.

    classes  the M classes
    score    the threshold
    others   how many classes are summed; at least one
    counts   (M + 2, M + 2) int64: rows and columns as in the ConfusionMatrix, the sums last but one
    right    objects of the summed classes that are found as what they are: a part of that cell, as the rest is confused
    share    the share of all errors that lie in a row or column of the M classes; None where there is no error
    """

    classes: tuple[str, ...]
    score: float
    others: int
    counts: np.ndarray
    right: int
    share: float | None

    @classmethod
    def of(cls, confusion: ConfusionMatrix, most: int, first: Sequence[str] = ()) -> Focus:
        """Take the classes `first`, those that are confused with them, and those with the most errors: `most` in all.

        An error is an object that is taken for another class or not found, or a prediction of no object. Each counts
        for both of its classes. Equal classes come by falling number of objects, then in the matrix' own order.
        """
        counts, k = confusion.counts, len(confusion.classes)
        errors = counts.copy()
        np.fill_diagonal(errors, 0)
        by_class = (errors.sum(axis=0) + errors.sum(axis=1))[:k]
        is_first = np.isin(confusion.classes, list(first))
        with_first = errors[:k, :k][is_first].sum(axis=0) + errors[:k, :k][:, is_first].sum(axis=1)
        order = np.lexsort((-counts.sum(axis=1)[:k], -by_class, -with_first, ~is_first))
        places, rest = order[:most], np.sort(order[most:])
        one_of_each = np.zeros(
            (len(places) + 2, k + 1), dtype=np.int64
        )  # (rows and columns shown, those that there are)
        one_of_each[range(len(places)), places] = one_of_each[-2, rest] = one_of_each[-1, k] = 1
        summed = one_of_each @ counts @ one_of_each.T
        right = int(counts[rest, rest].sum())
        total, outside = int(errors.sum()), int(summed[-2:, -2:].sum()) - right
        return cls(
            tuple(confusion.classes[i] for i in places.tolist()), confusion.score, len(rest), summed, right,
            1 - outside / total if total else None,
        )  # fmt: skip


def confusion_matrix(table: pa.Table, score: float = 0.5) -> ConfusionMatrix:
    """Return the confusion matrix of the predictions from `score`."""
    classes = table_metadata(table).classes
    threshold, k = np.float32(score), len(classes)  # scores are float32, see `threshold.reaches`
    label = indices(table, "class_name", classes)
    objects = is_object(table)
    missed = objects & ~(floats(table, "any_score") >= threshold)
    predicted = floats(table, "score") >= threshold
    matched = predicted & has_value(table, "any_gt")
    ids = integers(table, "gt_id")[objects]
    by_id = np.argsort(ids)
    of_object = label[objects][by_id[np.searchsorted(ids[by_id], integers(table, "any_gt")[matched])]]
    counts = np.zeros((k + 1, k + 1), dtype=np.int64)
    np.add.at(counts, (of_object, label[matched]), 1)
    counts[k] = np.bincount(label[predicted & ~matched], minlength=k + 1)
    counts[:, k] += np.bincount(label[missed], minlength=k + 1)
    return ConfusionMatrix(classes, score, counts)
