"""COCO's figures of a detection table at weights of its images, thousands of times: what the bootstrap rests on.

In: a table, and a weight for each image: how often it was drawn. Out: `weighted_figures`, all twelve, or `weighted_ap`,
which takes a quarter of the time. Nothing is matched again: an image that is drawn w times counts each of its
detections and objects w times, so a figure is weighted sums along the ranking.

Along a ranking precision only matters at each hit, a detection that found an object. What counts between one hit and
the next is a row of a sparse matrix, hits by images, which is multiplied with the weights of many resamples at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from core.evaluation.coco_eval import FIGURES
from core.evaluation.columns import rank_within_group
from core.evaluation.findings.curves import RECALLS, bit, ranked_rows
from core.evaluation.matching import THRESHOLDS
from core.evaluation.table import RANGES, indices, integers, table_metadata

AREA = np.array([0, 0, 0, 1, 2, 3] * 2)  # which of RANGES each of FIGURES is of
AT_ONCE = 400_000  # numbers in an array of intermediate results; the arrays then stay in the processor's cache
BLOCK = 16  # rows of `_running`
# The whole percents of recall that do not reach their place in RECALLS, because that lies a bit above: 35, 41, …
LATE = np.append(np.arange(101) / 100 < RECALLS, False)


def mean_of_defined(by_class: np.ndarray) -> np.ndarray:
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


def weighted_figures(table: pa.Table, classes: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """Return FIGURES per class and resample, (K, 12, R) float64; NaN where the resample has no object for it.

    weights  (R, I) how often each image of `TableMetadata` counts; equal to COCO's figures of a data set with that
             many copies of each, where equal scores of one class in one image leave no choice of order
    """
    rankings = _rankings(table, classes)
    return np.concatenate([_figures(rankings, part) for part in _parts(rankings, weights)], axis=2)


def weighted_ap(table: pa.Table, classes: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """Return AP and AP50 per class and resample, (K, 2, R) float64; the same as `weighted_figures` gives."""
    rankings = _rankings(table, classes, RANGES[:1])
    return np.concatenate([_ap(rankings, part) for part in _parts(rankings, weights)], axis=2)


def _ap(rankings: list[_Ranking], weights: np.ndarray) -> np.ndarray:
    """Return AP and AP50 of each class in some resamples, (K, 2, B); weights (I, B) float32."""
    answer = np.full((len(rankings), 2, weights.shape[1]), np.nan)
    for k, ranking in enumerate(rankings):
        n = (ranking.counts @ weights)[0]
        precision = _precision(ranking, weights, n[None])[0]
        answer[k] = [precision.mean(axis=0), precision[0]]
        answer[k][:, n == 0] = np.nan
    return answer


def _parts(rankings: list[_Ranking], weights: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the weights of so many resamples that what is computed of them stays in the processor's cache, (I, B)."""
    most = max([1, *(len(curve.images_of_hits) for ranking in rankings for curve in ranking.curves.values())])
    width = max(AT_ONCE // most, 128)
    for i in range(0, max(len(weights), 1), width):
        yield weights[i : i + width].T.astype(np.float32, order="C")


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

    counts  (10, I) of each image: its objects in each of RANGES, and the hits at all IoUs together for the six recalls;
            (1, I) where only the range "all" is asked for
    """

    counts: csr_matrix
    curves: dict[tuple[int, int], _Curve]


def _rankings(table: pa.Table, classes: Sequence[str], areas: Sequence[str] = RANGES) -> list[_Ranking]:
    images = len(table_metadata(table).image_ids)
    image = np.searchsorted(table_metadata(table).image_ids, table["image_id"].to_numpy()).astype(np.int32)
    label, ranges = indices(table, "class_name", classes), integers(table, "ranges", null=0)
    objects = [np.where(bit(ranges, a), label, -1) for a in range(len(areas))]
    hits, ignored = ([integers(table, f"{column}_{name}", 0) for name in areas] for column in ("hits", "ignored"))
    answer = []
    for k, rows in enumerate(ranked_rows(table, classes)):
        here = image[rows]
        counts = [np.bincount(image[of_class == k], minlength=images) for of_class in objects]
        place = rank_within_group(here) if len(rows) and areas == RANGES else rows
        for a, most in zip(AREA[6:], (1, 10, 100, 100, 100, 100), strict=True) if areas == RANGES else ():
            n_hits = np.bitwise_count(hits[a][rows]) * (place < most)  # at how many of the IoUs
            counts.append(np.bincount(here, weights=n_hits, minlength=images))
        curves = {}
        for a in range(len(areas)):
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
        precision = _precision(ranking, weights, n)
        mean = precision.mean(axis=1)
        recall = hits / np.maximum(len(THRESHOLDS) * n[AREA[6:]], 1)
        answer[k] = [mean[0], precision[0, 0], precision[0, 5], *mean[1:], *recall]
        answer[k][n[AREA] == 0] = np.nan
    return answer


def _precision(ranking: _Ranking, weights: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return AP by range and IoU in some resamples, (A, 10, B); weights (I, B), n (A, B) objects, both float32."""
    precision = np.zeros((len(n), len(THRESHOLDS), weights.shape[1]))
    for (a, t), curve in ranking.curves.items():
        if len(curve.images_of_hits):
            precision[a, t] = _average_precision(curve, weights, n[a])
    return precision


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
