"""How many are found, and rightly, from which score on? Precision, recall and F1 against the score threshold.

In: a table and classes. Out: `ThresholdCurve`, with the threshold of the best F1; `ThresholdCounts`, class by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.evaluation.findings.curves import bit, chosen_classes, objects_in_ranges, ranked_rows
from core.evaluation.table import floats, integers

SCORES = np.arange(101) / 100  # the score thresholds of `ThresholdCurve`


@dataclass(frozen=True)
class ThresholdCurve:
    """Precision, recall and F1 of the predictions from each score threshold, at IoU 0.5; of several classes pooled.

    n                      how many objects there are, crowds left out
    thresholds             (101,) float64: SCORES
    precision, recall, f1  (101) each; None where undefined: precision without predictions, the others without objects
    best, best_f1          the threshold of the highest F1 among `thresholds`, so that a slider with steps of 0.01 can
                           take it, of equals the highest; None where nothing is found at all
    peak, peak_f1          the same among all scores; `best` is mostly `peak` rounded down
    """

    n: int
    thresholds: np.ndarray
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]
    best: float | None
    best_f1: float | None
    peak: float | None
    peak_f1: float | None


def threshold_curve(table: pa.Table, classes: Sequence[str] | None = None) -> ThresholdCurve:
    """Return the curve of `classes` (default: all), whose predictions and objects are counted together.

    Ignored predictions count neither way. Raises DataError for a class that the table does not have.
    """
    names = chosen_classes(table, classes)
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *ranked_rows(table, names)])
    (hit_scores, counted), n = _scores(table, [rows])[0], int(objects_in_ranges(table, names)[:, 0].sum())

    def at(thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        right, all_ = _reaching(hit_scores, thresholds), _reaching(counted, thresholds)
        return right, all_, np.divide(2 * right, all_ + n, out=np.zeros(len(right)), where=all_ + n > 0)

    right, all_, f1 = at(SCORES)
    best, best_f1 = _last_peak(SCORES, f1)
    scores = np.unique(hit_scores)  # between two hits F1 only falls
    return ThresholdCurve(
        n, SCORES,
        tuple(int(r) / int(a) if a else None for r, a in zip(right, all_, strict=True)),
        tuple(int(r) / n if n else None for r in right),
        tuple(float(f) if n else None for f in f1),
        best, best_f1, *_last_peak(scores, at(scores)[2]),
    )  # fmt: skip


@dataclass(frozen=True)
class ThresholdCounts:
    """What a `ThresholdCurve` divides, for each of K classes; their sums are those of the classes pooled.

    names        (K,)
    n            (K,) int64  objects, crowds left out
    found        (K, 101) int64  predictions from each of SCORES on that found an object, at IoU 0.5
    predictions  (K, 101) int64  all from there on; those that are ignored count neither way
    """

    names: tuple[str, ...]
    n: np.ndarray
    found: np.ndarray
    predictions: np.ndarray


def threshold_counts(table: pa.Table, classes: Sequence[str] | None = None) -> ThresholdCounts:
    """Return the counts of each of `classes` (default: all); raises DataError for one that the table does not have."""
    names = chosen_classes(table, classes)
    scores = _scores(table, ranked_rows(table, names))
    right, all_ = (
        np.array([_reaching(pair[i], SCORES) for pair in scores], dtype=np.int64).reshape(-1, len(SCORES))
        for i in (0, 1)
    )
    return ThresholdCounts(names, objects_in_ranges(table, names)[:, 0], right, all_)


def _scores(table: pa.Table, groups: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, ascending, the scores of those of each group's detections that found an object, and of all that count."""
    hits, ignored = (bit(integers(table, f"{column}_all", 0), 0) for column in ("hits", "ignored"))
    score = floats(table, "score")
    return [(np.sort(score[rows[hits[rows]]]), np.sort(score[rows[~ignored[rows]]])) for rows in groups]


def _reaching(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return how many of the ascending scores reach each threshold; scores are float32, see `threshold.reaches`."""
    return len(scores) - np.searchsorted(scores, thresholds.astype(np.float32))


def _last_peak(thresholds: np.ndarray, f1: np.ndarray) -> tuple[float | None, float | None]:
    """Return the highest threshold with the highest F1, and that F1; None if there is none above 0."""
    if not f1.any():
        return None, None
    at = len(f1) - 1 - int(np.argmax(f1[::-1]))
    return float(thresholds[at]), float(f1[at])
