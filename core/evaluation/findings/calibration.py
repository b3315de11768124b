"""Is a score what it says? Of the predictions with a score of 0.8, are eight in ten right?

In: a table and classes. Out: `Calibration`: mean score and share right in ten equal bins of the score, over all classes
and for each, with ECE and MCE. Right is what found an object at IoU 0.5; what COCO ignores (crowds) is left out.
Equals hotcoco's `COCOeval.calibration`.

Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), arXiv 1706.04599.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.evaluation.findings.curves import bit, chosen_classes
from core.evaluation.table import floats, indices, integers, is_detection, table_metadata

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The predictions with a score from `lower` on and below `upper`; the last bin has those of exactly 1, too.

    n      how many there are, ignored ones left out
    score  their mean score; None without any
    right  which share of them is right; None without any
    """

    lower: float
    upper: float
    n: int
    score: float | None
    right: float | None


@dataclass(frozen=True)
class Reliability:
    """The ten bins of one class, or of all chosen ones together.

    name  the class; None for all together
    n     how many predictions count
    ece   expected calibration error: the mean gap between mean score and share right in a bin, weighted by n
    mce   maximum calibration error: the largest gap of a bin
    bins  ten; none, and no ECE and MCE, if there is no such prediction or scores are no probabilities
    """

    name: str | None
    n: int
    ece: float | None
    mce: float | None
    bins: tuple[Bin, ...]

    def from_score(self, lower: float) -> Bin:
        """Return the bins from the score `lower` on, a border between two, taken together."""
        bins = [part for part in self.bins if part.lower >= lower and part.n]
        n = sum(part.n for part in bins)
        score, right = (sum(getattr(part, name) * part.n for part in bins) for name in ("score", "right"))
        return Bin(lower, 1.0, n, *((score / n, right / n) if n else (None, None)))


@dataclass(frozen=True)
class Calibration:
    """How far scores can be taken for probabilities.

    total     all chosen classes together: a mean over predictions, not over classes
    by_class  each class, in the table's order
    classes   the chosen ones; empty for all
    note      why nothing can be said, in a sentence; None if something can
    """

    total: Reliability
    by_class: tuple[Reliability, ...]
    classes: tuple[str, ...] = ()
    note: str | None = None


def calibration(table: pa.Table, classes: Sequence[str] | None = None) -> Calibration:
    """Reliability of the scores of `classes` (default: all), at every score.

    With a score outside 0 to 1, as other tools may write, nothing is counted and `note` says so. Raises DataError for a
    class that the table does not have.
    """
    names = chosen_classes(table, classes)
    chosen = () if set(names) == set(table_metadata(table).classes) else names
    label, score = indices(table, "class_name", names), floats(table, "score")
    rows = is_detection(table) & (label >= 0) & ~bit(integers(table, "ignored_all", 0), 0)
    label, score, hit = label[rows], score[rows], bit(integers(table, "hits_all", 0), 0)[rows]
    if outside := int(np.sum((score < 0) | (score > 1))):
        n = np.bincount(label, minlength=len(names)).tolist()
        unknown = [Reliability(name, count, None, None, ()) for name, count in zip(names, n, strict=True)]
        note = (
            f"{outside:,} of {len(score):,} scores lie outside 0 to 1, so they are no probabilities that could be "
            "compared with the share that is right: apply a sigmoid or softmax to the scores and import them again."
        )
        return Calibration(Reliability(None, len(score), None, None, ()), tuple(unknown), chosen, note)
    # As float32, as scores are, so that one of 0.7 lies in the bin from 0.7 on; a score of 1 in the last bin.
    edges = (np.arange(1, BINS) / BINS).astype(np.float32)
    cell = label.astype(np.int64) * BINS + np.searchsorted(edges, score, side="right")
    sums = np.stack(
        [np.bincount(cell, weights, len(names) * BINS) for weights in (None, score.astype(np.float64), hit)]
    )
    sums = sums.reshape(3, len(names), BINS)
    by_class = tuple(_reliability(name, *sums[:, k]) for k, name in enumerate(names))
    return Calibration(_reliability(None, *sums.sum(axis=1)), by_class, chosen)


def _reliability(name: str | None, n: np.ndarray, score: np.ndarray, hit: np.ndarray) -> Reliability:
    """Return from each bin's number of predictions, sum of scores and number of right ones, (BINS,) each."""
    total = int(n.sum())
    if not total:
        return Reliability(name, 0, None, None, ())
    score, right = (np.divide(part, n, out=np.zeros(BINS), where=n > 0) for part in (score, hit))
    gap = abs(score - right)
    bins = (
        Bin(i / BINS, (i + 1) / BINS, int(n[i]), *((float(score[i]), float(right[i])) if n[i] else (None, None)))
        for i in range(BINS)
    )
    return Reliability(name, total, float(gap @ n / total), float(gap.max()), tuple(bins))
