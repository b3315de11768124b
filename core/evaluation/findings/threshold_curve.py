"""How many are found, and rightly, from which score on? Precision, recall and F1 against the score threshold.

In: a table and classes. Out: `ThresholdCurve`, with the threshold of the best F1.
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
    hit, ignored = (bit(integers(table, f"{column}_all", 0)[rows], 0) for column in ("hits", "ignored"))
    score, n = floats(table, "score")[rows], int(objects_in_ranges(table, names)[:, 0].sum())
    hit_scores, counted = np.sort(score[hit]), np.sort(score[~ignored])

    def at(thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        right, all_ = (len(s) - np.searchsorted(s, thresholds.astype(np.float32)) for s in (hit_scores, counted))
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


def _last_peak(thresholds: np.ndarray, f1: np.ndarray) -> tuple[float | None, float | None]:
    """Return the highest threshold with the highest F1, and that F1; None if there is none above 0."""
    if not f1.any():
        return None, None
    at = len(f1) - 1 - int(np.argmax(f1[::-1]))
    return float(thresholds[at]), float(f1[at])
