"""How sure are COCO's figures? Bootstrap intervals over images, of the figures and of their change from a baseline.

In: a detection table, and perhaps the baseline's on the same images. Out: `Intervals`. Images are drawn with
replacement, as often as there are images, and all figures are taken anew (Efron & Tibshirani, 1993). Nothing is matched
again: an image that is drawn w times counts each of its detections and objects w times, so a resample is a weight per
image, and a figure is weighted sums along the ranking. A baseline gets the same resamples; what both models find hard
cancels out in the difference.

An interval says how far a figure may move with other images, as many as these. It is that of the percentiles, moved so
that the figure is the mean: AP has a bias that grows as images get fewer different ones, and a resample has copies. On
80 random data sets of 100 images the percentiles alone held the mean of AP in 85 % of the cases, moved ones in 95 %.

Along a ranking precision only matters at each hit, a detection that found an object. What counts between one hit and
the next is a row of a sparse matrix, hits by images, which is multiplied with the weights of many resamples at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from core import RunError
from core.evaluation.coco_eval import FIGURES
from core.evaluation.columns import rank_within_group
from core.evaluation.findings.curves import RECALLS, bit, chosen_classes, coco_figures, objects_in_ranges, ranked_rows
from core.evaluation.matching import THRESHOLDS
from core.evaluation.table import RANGES, indices, integers, table_metadata
from core.wording import short

AREA = np.array([0, 0, 0, 1, 2, 3] * 2)  # which of RANGES each of FIGURES is of
AT_ONCE = 400_000  # numbers in an array of intermediate results; the arrays then stay in the processor's cache
BLOCK = 16  # rows of `_running`
# The whole percents of recall that do not reach their place in RECALLS, because that lies a bit above: 35, 41, …
LATE = np.append(np.arange(101) / 100 < RECALLS, False)

Drawn = tuple[float | None, np.ndarray]  # a figure of the table, and of each resample (R,)


@dataclass(frozen=True)
class Interval:
    """A figure or difference and where it lies with the given confidence; all None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether 0 lies outside: a difference is then more than noise."""
        if self.value is None or self.low is None or self.high is None:
            return False
        return not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Intervals:
    """What the bootstrap says of a table, and of its difference from a baseline (None without one).

    images, resamples, confidence  how many images were drawn, how often, and how much of the results lies inside
    figures, per_class             each of COCO's twelve figures, and AP by class name
    differences, per_class_differences  the same minus the baseline's, on the same resamples
    """

    images: int
    resamples: int
    confidence: float
    figures: dict[str, Interval]
    per_class: dict[str, Interval]
    differences: dict[str, Interval] | None = None
    per_class_differences: dict[str, Interval] | None = None


def in_words(intervals: Intervals) -> str:
    """Say what low and high mean, without a full stop."""
    return (
        f"With other images, as many ({intervals.images:,}), a metric would lie from low to high in "
        f"{intervals.confidence:.0%} of cases, judged by {intervals.resamples:,} resamples"
    )


def bootstrap(
    table: pa.Table,
    baseline: pa.Table | None = None,
    classes: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Intervals:
    """Return the intervals of the figures of `classes` (default: all of the table's).

    Raises RunError if the baseline was evaluated on other images or without one of the classes, DataError for a class
    that the table does not have.
    """
    names = chosen_classes(table, classes)
    if baseline is not None:
        _refuse_another(table, baseline, names)
    images = len(table_metadata(table).image_ids)
    weights = resample_weights(images, resamples, seed)
    resampled = _drawn(table, names, weights)
    figures, per_class = (
        {name: _interval(one, confidence, least=0) for name, one in part.items()} for part in resampled
    )
    if baseline is None:
        return Intervals(images, resamples, confidence, figures, per_class)
    differences, per_class_differences = (
        {name: _interval(_minus(part[name], other[name]), confidence, least=-1) for name in part}
        for part, other in zip(resampled, _drawn(baseline, names, weights), strict=True)
    )
    return Intervals(images, resamples, confidence, figures, per_class, differences, per_class_differences)


def _refuse_another(table: pa.Table, baseline: pa.Table, names: Sequence[str]) -> None:
    if table_metadata(table).image_ids != table_metadata(baseline).image_ids:
        raise RunError("The baseline was evaluated on other images: a difference of the two would say nothing.")
    for name in names:
        if name not in table_metadata(baseline).classes:
            raise RunError(
                f"The baseline was evaluated without the class {short(repr(name))}: there is no difference to tell."
            )
    if (objects_in_ranges(table, names) != objects_in_ranges(baseline, names)).any():
        raise RunError("The baseline was evaluated against other annotations: a difference would say nothing.")


def _drawn(table: pa.Table, names: Sequence[str], weights: np.ndarray) -> tuple[dict[str, Drawn], dict[str, Drawn]]:
    """Return each figure, and each class's AP: the table's value, and that of each resample (R,)."""
    value, by_class = coco_figures(table, names), weighted_figures(table, names, weights)
    mean = _mean_of_defined(by_class)
    return (
        {name: (getattr(value, name), mean[i]) for i, name in enumerate(FIGURES)},
        {name: (value.per_class[name], by_class[k, 0]) for k, name in enumerate(names)},
    )


def _minus(one: Drawn, other: Drawn) -> Drawn:
    """Return the difference of two values, and of each of their resamples."""
    value = None if one[0] is None or other[0] is None else one[0] - other[0]
    return value, one[1] - other[1]


def _interval(resampled: Drawn, confidence: float, least: float) -> Interval:
    """Return the interval of a figure that lies between `least` and 1."""
    value, drawn = resampled
    drawn = drawn[~np.isnan(drawn)]
    if value is None or not len(drawn):
        return Interval(value, None, None)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]) - drawn.mean() + value
    return Interval(value, float(np.clip(low, least, value)), float(np.clip(high, value, 1)))


def _mean_of_defined(by_class: np.ndarray) -> np.ndarray:
    """Return the mean over the classes that have objects, (K, F, R) to (F, R); NaN where none has."""
    defined = ~np.isnan(by_class)
    total, n = np.where(defined, by_class, 0).sum(axis=0), defined.sum(axis=0)
    means: np.ndarray = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
    return means


def resample_weights(images: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each image is drawn in each resample, (R, I) uint16; each row sums to I."""
    rng = np.random.default_rng(seed)
    draws = (rng.integers(images, size=images) if images else np.zeros(0, dtype=int) for _ in range(resamples))
    rows = [np.bincount(draw, minlength=images).astype(np.uint16) for draw in draws]
    return np.array(rows, dtype=np.uint16).reshape(resamples, images)


def weighted_figures(
    table: pa.Table, classes: Sequence[str], weights: np.ndarray, ranges: int = len(RANGES)
) -> np.ndarray:
    """Return FIGURES per class and resample, (K, 12, R) float64; NaN where the resample has no object for it.

    weights  (R, I) how often each image of `TableMetadata` counts; equal to COCO's figures of a data set with that
             many copies of each, where equal scores of one class in one image leave no choice of order
    ranges   how many of RANGES precision is taken in; that in the others is 0: of AP alone the first is enough
    """
    rankings = _rankings(table, classes, ranges)
    most = max([1, *(len(curve.images_of_hits) for ranking in rankings for curve in ranking.curves.values())])
    width = max(AT_ONCE // most, 128)
    parts = (weights[i : i + width].T.astype(np.float32, order="C") for i in range(0, len(weights), width))
    return np.concatenate([_figures(rankings, part) for part in parts], axis=2)


@dataclass(frozen=True)
class _Curve:
    """The ranking of one class at one IoU and area range, as far as its last hit.

    images_of_hits  (P,)   the place in `image_ids` of the image of each detection that found an object, by rank
    between         (P, I) how many detections of each image count after the hit before, up to this one
    """

    images_of_hits: np.ndarray
    between: csr_matrix


@dataclass(frozen=True)
class _Ranking:
    """One class: a curve by (place in RANGES, place in THRESHOLDS).

    counts  (10, I) of each image: its objects in each of RANGES, and the hits at all IoUs together for the six recalls
    """

    counts: csr_matrix
    curves: dict[tuple[int, int], _Curve]


def _rankings(table: pa.Table, classes: Sequence[str], ranges_used: int) -> list[_Ranking]:
    images = len(table_metadata(table).image_ids)
    image = np.searchsorted(table_metadata(table).image_ids, table["image_id"].to_numpy()).astype(np.int32)
    label, ranges = indices(table, "class_name", classes), integers(table, "ranges", null=0)
    objects = [np.where(bit(ranges, a), label, -1) for a in range(len(RANGES))]
    hits, ignored = ([integers(table, f"{column}_{name}", 0) for name in RANGES] for column in ("hits", "ignored"))
    answer = []
    for k, rows in enumerate(ranked_rows(table, classes)):
        here, place = image[rows], rank_within_group(image[rows]) if len(rows) else rows
        counts = [np.bincount(image[of_class == k], minlength=images) for of_class in objects]
        for a, most in zip(AREA[6:], (1, 10, 100, 100, 100, 100), strict=True):
            n_hits = np.bitwise_count(hits[a][rows]) * (place < most)  # at how many of the IoUs
            counts.append(np.bincount(here, weights=n_hits, minlength=images))
        curves = {}
        for a in range(ranges_used):
            hits_here, ignored_here = hits[a][rows], ignored[a][rows]
            for t in range(len(THRESHOLDS)):
                curves[a, t] = _curve(here, bit(hits_here, t), bit(ignored_here, t), images)
        answer.append(_Ranking(csr_matrix(np.array(counts, dtype=np.float32)), curves))
    return answer


def _curve(image: np.ndarray, hit: np.ndarray, ignored: np.ndarray, images: int) -> _Curve:
    """Return the curve of a class's detections by rank: the place of their image, and what they are, (N,) each."""
    hits = np.flatnonzero(hit)
    counted = ~ignored[: hits[-1] + 1 if len(hits) else 0]
    columns = image[: len(counted)][counted]
    ends = np.append(0, np.cumsum(counted)[hits])
    between = csr_matrix((np.ones(len(columns), np.float32), columns, ends), (len(hits), images))
    return _Curve(image[hits], between)


def _figures(rankings: list[_Ranking], weights: np.ndarray) -> np.ndarray:
    """Return FIGURES of each class in some resamples, (K, 12, B); weights (I, B) float32."""
    answer = np.full((len(rankings), len(FIGURES), weights.shape[1]), np.nan)
    for k, ranking in enumerate(rankings):
        sums = ranking.counts @ weights  # sparse, since BLAS would start threads
        n, hits = sums[: len(RANGES)], sums[len(RANGES) :]
        precision = np.zeros((len(RANGES), len(THRESHOLDS), weights.shape[1]))
        for (a, t), curve in ranking.curves.items():
            if len(curve.images_of_hits):
                precision[a, t] = _average_precision(curve, weights, n[a])
        mean = precision.mean(axis=1)
        recall = hits / np.maximum(len(THRESHOLDS) * n[AREA[6:]], 1)
        answer[k] = [mean[0], precision[0, 0], precision[0, 5], *mean[1:], *recall]
        answer[k][n[AREA] == 0] = np.nan
    return answer


def _average_precision(curve: _Curve, weights: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return AP in some resamples, (B,), as `curves.average_precision`; weights (I, B), n (B,) objects, both float32.

    Sums are whole numbers, exact up to 160,000 objects of a class (below 2²⁴). Each stretch of recalls has the
    precision of the hit that reaches it.
    """
    right = _running(np.add, 100 * weights[curve.images_of_hits])  # times 100, so that shares are percents
    counted = _running(np.add, curve.between @ weights)
    precision = np.divide(right, np.maximum(counted, 1, out=counted), out=counted)
    _running(np.maximum, precision[::-1])
    reached = _recalls_reached(right, n)
    total = precision[0] * reached[0] + np.einsum("pb,pb->b", precision[1:], np.diff(reached, axis=0))
    precisions: np.ndarray = total / (100 * len(RECALLS))
    return precisions


def _recalls_reached(right: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return how many of RECALLS a hundredth of `right` (P, B) of `n` (B,) objects reach, (P, B)."""
    percent = right / np.maximum(n, 1)
    reached: np.ndarray = np.floor(percent)
    doubtful = np.flatnonzero(n % 10 == 0)  # of other n no share is one of LATE, which are slow to look up
    whole = percent[:, doubtful] == reached[:, doubtful]
    reached[:, doubtful] -= whole & LATE[reached[:, doubtful].astype(np.intp)]
    reached += 1  # the recall 0 too
    return reached


def _running(ufunc: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Compute `ufunc.accumulate` down the columns of `values` (P, B), in place.

    In blocks of rows, all blocks in step: numpy's own goes down one column after the other, ten times as slow.
    """
    blocks = values[: len(values) // BLOCK * BLOCK].reshape(-1, BLOCK, values.shape[1])
    for i in range(1, BLOCK):
        ufunc(blocks[:, i - 1], blocks[:, i], out=blocks[:, i])
    if len(blocks) > 1:
        before = _running(ufunc, blocks[:-1, -1].copy())
        ufunc(blocks[1:], before[:, None], out=blocks[1:])
    for i in range(max(len(blocks) * BLOCK, 1), len(values)):
        ufunc(values[i - 1], values[i], out=values[i])
    return values
