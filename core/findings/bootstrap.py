"""How sure are COCO's figures? Bootstrap intervals over images, of the figures and of their change from a baseline.

In: a detection table, and perhaps the baseline's on the same images. Out: `Intervals`. Images are drawn with
replacement, as often as there are images, and all figures are taken anew (Efron & Tibshirani, 1993: percentile
intervals). Nothing is matched again: an image that is drawn w times counts each of its detections and objects w times,
so a resample is a weight per image, and a figure is weighted sums along the ranking. A baseline gets the same
resamples; what both models find hard cancels out in the difference.

Of detections only sums between one that found an object and the next are needed: a sparse matrix, detections by images,
takes the weights of many resamples at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from core import RunError
from core.evaluate import CocoFigures, places
from core.findings.curves import RECALLS, bit, chosen_classes, coco_figures, ranked_rows
from core.matching import THRESHOLDS
from core.table import RANGES, about, indices, integers

FIGURES = tuple(field.name for field in fields(CocoFigures) if field.name != "per_class")
AT_ONCE = 400_000  # numbers in an array of intermediate results; the arrays then stay in the processor's cache
BLOCK = 16
# Recalls that only more than k of 100 objects reach, because RECALLS lies a bit above k / 100
LATE = np.append(np.arange(101) / 100 < RECALLS, False)


@dataclass(frozen=True)
class Interval:
    """A figure or difference and where it lies with the given confidence; all None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether 0 lies outside: a difference is then more than noise."""
        return None not in (self.value, self.low) and not self.low <= 0 <= self.high


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


def bootstrap(
    table: pa.Table,
    baseline: pa.Table | None = None,
    classes: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Intervals:
    """Intervals of the figures of `classes` (default: all of the table's).

    Raises RunError if the baseline was evaluated on other images or without one of the classes, DataError for a class
    that the table does not have.
    """
    names = chosen_classes(table, classes)
    if baseline is not None:
        _refuse_another(table, baseline, names)
    images = len(about(table).image_ids)
    weights = drawn_weights(images, resamples, seed)
    own = _everything(table, names, weights)
    shown = {name: _interval(value, drawn, confidence) for name, (value, drawn) in own.items()}
    answer = [images, resamples, confidence, *_apart(shown)]
    if baseline is not None:
        theirs = _everything(baseline, names, weights)
        answer += _apart({name: _difference(own[name], theirs[name], confidence) for name in own})
    return Intervals(*answer)


def _refuse_another(table: pa.Table, baseline: pa.Table, names: Sequence[str]) -> None:
    if about(table).image_ids != about(baseline).image_ids:
        raise RunError("The baseline was evaluated on other images: a difference of the two would say nothing.")
    for name in names:
        if name not in about(baseline).classes:
            raise RunError(f"The baseline was evaluated without the class {name!r}: there is no difference to tell.")


def _everything(table: pa.Table, names: Sequence[str], weights: np.ndarray) -> dict:
    """Each figure by name, and AP by (class name,): the table's own value, and that of each resample (R,)."""
    value = coco_figures(table, names)
    by_class = weighted_figures(table, names, weights)
    drawn = _mean_of_defined(by_class)
    answer = {name: (getattr(value, name), drawn[i]) for i, name in enumerate(FIGURES)}
    return answer | {(name,): (value.per_class[name], by_class[k, 0]) for k, name in enumerate(names)}


def _apart(intervals: dict) -> tuple[dict, dict]:
    """(Figures, classes)."""
    return {name: intervals[name] for name in FIGURES}, {
        name[0]: interval for name, interval in intervals.items() if name not in FIGURES
    }


def _difference(own: tuple, theirs: tuple, confidence: float) -> Interval:
    value = None if None in (own[0], theirs[0]) else own[0] - theirs[0]
    return _interval(value, own[1] - theirs[1], confidence)


def _interval(value: float | None, drawn: np.ndarray, confidence: float) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if value is None or not len(drawn):
        return Interval(value, None, None)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def _mean_of_defined(by_class: np.ndarray) -> np.ndarray:
    """The mean over the classes that have objects, (K, F, R) to (F, R); NaN where none has."""
    defined = ~np.isnan(by_class)
    total, n = np.where(defined, by_class, 0).sum(axis=0), defined.sum(axis=0)
    return np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)


def drawn_weights(images: int, resamples: int, seed: int) -> np.ndarray:
    """How often each image is drawn in each resample, (R, I) uint16; each row sums to I."""
    rng = np.random.default_rng(seed)
    draws = (rng.integers(images, size=images) if images else np.zeros(0, dtype=int) for _ in range(resamples))
    rows = [np.bincount(draw, minlength=images).astype(np.uint16) for draw in draws]
    return np.array(rows, dtype=np.uint16).reshape(resamples, images)


def weighted_figures(table: pa.Table, classes: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """FIGURES per class and resample, (K, 12, R) float64; NaN where the resample has no object for it.

    weights  (R, I) how often each image of `About` counts; equal to COCO's figures of a data set with that many copies
             of each, where equal scores of one class in one image leave no choice of order
    """
    rankings = _rankings(table, classes)
    most = max([1, *(len(r.images_of_hits) for of_class in rankings for r in of_class.curves.values())])
    width = max(AT_ONCE // most, 32)
    parts = [weights[i : i + width].T.astype(np.float32, order="C") for i in range(0, len(weights), width)]
    return np.concatenate([_figures(rankings, part) for part in parts], axis=2)


@dataclass(frozen=True)
class _Curve:
    """The ranking of one class at one IoU and area range, as far as its last hit.

    images_of_hits  (P,)   the place in `About.image_ids` of the image of each detection that found an object, by rank
    between         (P, I) how many detections of each image count after the hit before, up to this one
    """

    images_of_hits: np.ndarray
    between: csr_matrix


@dataclass(frozen=True)
class _Class:
    """counts (10, I) float32: objects of each image in the four ranges, and hits at all IoUs for the six recalls."""

    counts: np.ndarray
    curves: dict[tuple[int, int], _Curve]


def _rankings(table: pa.Table, classes: Sequence[str]) -> list[_Class]:
    images = len(about(table).image_ids)
    image = np.searchsorted(about(table).image_ids, table["image_id"].to_numpy()).astype(np.int32)
    label, ranges = indices(table, "class_name", classes), integers(table, "ranges", null=0)
    hits, ignored = ([integers(table, f"{what}_{name}", 0) for name in RANGES] for what in ("hits", "ignored"))
    answer = []
    for k, rows in enumerate(ranked_rows(table, classes)):
        place = places(image[rows]) if len(rows) else rows
        truths = [image[(label == k) & bit(ranges, a)] for a in range(len(RANGES))]
        counts = [np.bincount(truth, minlength=images) for truth in truths]
        for a, most in ((0, 1), (0, 10), (0, 100), (1, 100), (2, 100), (3, 100)):
            found = np.bitwise_count(hits[a][rows]) * (place < most)
            counts.append(np.bincount(image[rows], weights=found, minlength=images))
        curves = {
            (a, t): _curve(image[rows], bit(hits[a][rows], t), bit(ignored[a][rows], t), images)
            for a in range(len(RANGES))
            for t in range(len(THRESHOLDS))
        }
        answer.append(_Class(np.array(counts, dtype=np.float32), curves))
    return answer


def _curve(image, hit, ignored, images) -> _Curve:
    found = np.flatnonzero(hit)
    last = found[-1] + 1 if len(found) else 0
    counted = ~ignored[:last]
    columns = image[:last][counted]
    ends = np.append(0, np.cumsum(counted)[found])
    between = csr_matrix((np.ones(len(columns), np.float32), columns, ends.astype(np.int32)), (len(found), images))
    return _Curve(image[found], between)


def _figures(rankings: list[_Class], weights: np.ndarray) -> np.ndarray:
    """(K, 12, B); weights (I, B)"""
    answer = np.full((len(rankings), len(FIGURES), weights.shape[1]), np.nan)
    for k, of_class in enumerate(rankings):
        sums = of_class.counts @ weights
        n, found = sums[:4], sums[4:]
        for a in range(4):
            ap = np.mean(p := [_average_precision(of_class.curves[a, t], weights, n[a]) for t in range(10)], axis=0)
            answer[k, (0, 3, 4, 5)[a]] = ap
            if a == 0:
                answer[k, 1], answer[k, 2] = p[0], p[5]
        with np.errstate(invalid="ignore"):  # a resample without any object
            answer[k, 6:] = found / n[[0, 0, 0, 1, 2, 3]] / 10
        for f, a in enumerate((0, 0, 0, 1, 2, 3, 0, 0, 0, 1, 2, 3)):
            answer[k, f, n[a] == 0] = np.nan
    return answer


def _average_precision(curve: _Curve, weights: np.ndarray, n: np.ndarray) -> np.ndarray:
    right = _running(np.add, weights[curve.images_of_hits])
    counted = _running(np.add, curve.between @ weights)
    np.maximum(counted, 1, out=counted)
    precision = np.divide(right, counted, out=counted)
    _running(np.maximum, precision[::-1])
    right *= 100
    right /= np.maximum(n, 1)
    steps = np.floor(right)
    columns = np.flatnonzero(n % 10 == 0)
    part = right[:, columns]
    late = LATE[part.astype(np.intp)] & (part == steps[:, columns])
    steps[:, columns] -= late
    steps += 1
    steps[1:] -= steps[:-1].copy()
    return np.einsum("pb,pb->b", precision, steps) / 101


def _running(ufunc, values: np.ndarray) -> np.ndarray:
    whole = len(values) // BLOCK * BLOCK
    blocks = values[:whole].reshape(-1, BLOCK, values.shape[1])
    for i in range(1, BLOCK):
        ufunc(blocks[:, i - 1], blocks[:, i], out=blocks[:, i])
    if len(blocks) > 1:
        ends = _running(ufunc, blocks[:, -1].copy())
        ufunc(blocks[1:], ends[:-1, None], out=blocks[1:])
    for i in range(max(whole, 1), len(values)):
        ufunc(values[i - 1], values[i], out=values[i])
    return values
