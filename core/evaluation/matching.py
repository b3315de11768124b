"""Which detection takes which ground truth: COCO's greedy matching, at all its thresholds and sizes at once.

In: the checked columns of `evaluate.py`. Out: `Overlaps`, how boxes of one image lie over each other, and from it
matches as arrays. `errors.py` makes the detection table of them.

By falling score each detection takes the free ground truth of highest IoU, of equals the last in the file; one that is
to be ignored only if there is no other, and a crowd is never used up (pycocotools, `cocoeval.py: evaluateImg`).
Whose turn it is depends on the detections of the same image and class only. So all images and classes go in step: in
the first round the highest score of each, in the second the next; a round is a few array operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.evaluation.columns import DetectionColumns, GroundTruths, rank_within_group

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # COCO's ten IoUs, as pycocotools computes them
# px², both ends included, so that an area on a border counts in two; as pycocotools has them
AREA_RANGES = {"all": (0, 1e5**2), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}
PAIRS_AT_ONCE = 1_000_000  # bounds the memory that the IoUs take


@dataclass(frozen=True)
class Overlaps:
    """How detections (N), by falling score, and ground truths of the same image overlap.

    same_iou   (N,) float64  highest IoU with a ground truth of the same class, crowds included; NaN without any
    other_iou  (N,) float64  highest IoU with one of another class, crowds left out; NaN without any
    same_gt, other_gt  (N,) int64  that ground truth's row, of equals the first, a crowd last; -1 without any
    pair_detection, pair_gt, pair_iou  (P,)  the pairs of any class with an IoU of at least THRESHOLDS[0]
    """

    same_iou: np.ndarray
    same_gt: np.ndarray
    other_iou: np.ndarray
    other_gt: np.ndarray
    pair_detection: np.ndarray
    pair_gt: np.ndarray
    pair_iou: np.ndarray


def overlaps(truths: GroundTruths, results: DetectionColumns) -> Overlaps:
    """All of it, in parts of PAIRS_AT_ONCE."""
    same_iou, other_iou = (np.full(len(results), np.nan) for _ in range(2))
    same_gt, other_gt = (np.full(len(results), -1) for _ in range(2))
    fitting = []
    for detection, gt, iou in _pairs(truths, results):
        same = results.label[detection] == truths.label[gt]
        _keep_best(detection, gt, iou, same, same_iou, same_gt)
        _keep_best(detection, gt, iou, ~same & ~truths.iscrowd[gt], other_iou, other_gt)
        fits = iou >= THRESHOLDS[0]
        fitting.append((detection[fits], gt[fits], iou[fits]))
    pairs = [np.concatenate(part) for part in zip(*fitting, strict=True)] or [np.zeros(0, dtype=np.int64)] * 3
    return Overlaps(same_iou, same_gt, other_iou, other_gt, *pairs)


def _pairs(truths: GroundTruths, results: DetectionColumns) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Every (detection, ground truth) of one image with their IoU, in parts; by detection, then truth, crowds last."""
    by_image = np.lexsort((truths.iscrowd, truths.image_id))
    first, last = (np.searchsorted(truths.image_id[by_image], results.image_id, side) for side in ("left", "right"))
    counts = last - first
    parts = np.cumsum(counts) // PAIRS_AT_ONCE
    for rows in np.split(np.arange(len(results)), np.flatnonzero(np.diff(parts)) + 1):
        n = counts[rows]
        detection = np.repeat(rows, n)
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        gt = by_image[np.repeat(first[rows], n) + within]
        yield detection, gt, _iou(results.xywh[detection], truths.xywh[gt], truths.iscrowd[gt])


def _iou(detection: np.ndarray, gt: np.ndarray, iscrowd: np.ndarray) -> np.ndarray:
    """IoU of `xywh` boxes row by row, (P, 4) and (P, 4) to (P,), in float64 and step by step as pycocotools does.

    `boxes.iou` is float32, in which an IoU of exactly 0.5 or 0.1 can fall on the other side than in COCO's figures.
    Source: pycocotools `maskApi.c: bbIou`.
    """
    (dx, dy, dw, dh), (gx, gy, gw, gh) = detection.T, gt.T
    width = np.minimum(dx + dw, gx + gw) - np.maximum(dx, gx)
    height = np.minimum(dy + dh, gy + gh) - np.maximum(dy, gy)
    inter = width * height
    union = np.where(iscrowd, dw * dh, dw * dh + gw * gh - inter)
    return np.divide(inter, union, out=np.zeros(len(inter)), where=(width > 0) & (height > 0) & (union > 0))


def _keep_best(detection, gt, iou, rows, best_iou, best_gt) -> None:
    """Write the highest IoU of each detection among `rows` and whose it is, the first of equals; pairs sorted."""
    detection, gt, iou = detection[rows], gt[rows], iou[rows]
    if not len(detection):
        return
    starts = np.flatnonzero(np.diff(detection, prepend=-1))
    highest = np.maximum.reduceat(iou, starts)
    equal = np.flatnonzero(iou == np.repeat(highest, np.diff(starts, append=len(iou))))
    first = equal[np.diff(detection[equal], prepend=-1) > 0]
    best_iou[detection[starts]], best_gt[detection[starts]] = highest, gt[first]


def in_range(area: np.ndarray, name: str) -> np.ndarray:
    """Which areas (N,) in px² lie in an area range of COCO's, (N,) bool."""
    low, high = AREA_RANGES[name]
    return (area >= low) & (area <= high)


def match_same_class(
    found: Overlaps, truths: GroundTruths, results: DetectionColumns, ignored: np.ndarray
) -> np.ndarray:
    """Each detection's ground truth of its class at each of THRESHOLDS, (10, N) int64 rows; -1 without.

    ignored (G,) bool: ground truths that do not count in the area range in question, crowds among them.
    """
    same = results.label[found.pair_detection] == truths.label[found.pair_gt]
    detection, gt, iou = found.pair_detection[same], found.pair_gt[same], found.pair_iou[same]
    turn = _turns(detection, results.label, results.image_id)
    order = np.lexsort((-gt, -iou, ignored[gt], detection, turn))
    return _match(detection[order], gt[order], iou[order], turn[order], THRESHOLDS, truths.iscrowd, len(results))


def match_any_class(
    found: Overlaps, truths: GroundTruths, results: DetectionColumns, class_order: np.ndarray
) -> np.ndarray:
    """Each detection's ground truth at IoU 0.5 whatever the classes, crowds left out, (N,) int64 rows; -1 without.

    Among equal scores and equal IoUs `class_order` (labels to places) decides, as in hotcoco's confusion matrix.
    """
    rows = ~truths.iscrowd[found.pair_gt]
    detection, gt, iou = found.pair_detection[rows], found.pair_gt[rows], found.pair_iou[rows]
    place = np.empty(len(results), dtype=np.int64)
    place[np.lexsort((np.arange(len(results)), class_order[results.label], -results.score))] = np.arange(len(results))
    turn = _turns(place[detection], results.image_id[np.argsort(place)])
    by_class = np.argsort(np.lexsort((np.arange(len(truths.id)), class_order[truths.label])))
    order = np.lexsort((-by_class[gt], -iou, detection, turn))
    args = (detection[order], gt[order], iou[order], turn[order], THRESHOLDS[:1], truths.iscrowd, len(results))
    return _match(*args)[0]


def _turns(detection: np.ndarray, *groups: np.ndarray) -> np.ndarray:
    """In which round each pair's detection has its turn, from 0, (P,): its place among those of its group with pairs.

    `detection` counts by falling score; `groups` (N,) each say, together, who competes with whom.
    """
    there, back = np.unique(detection, return_inverse=True)
    return rank_within_group(*(group[there] for group in groups))[back]


def _match(detection, gt, iou, turn, thresholds, iscrowd, n: int) -> np.ndarray:
    """The matching itself: pairs sorted by turn, detection and preference; (thresholds, n) rows, -1 without."""
    match = np.full((len(thresholds), n), -1)
    used = np.zeros((len(thresholds), len(iscrowd)), dtype=bool)
    level, pair = np.nonzero(iou >= thresholds[:, None])  # every pair at every threshold that it reaches
    by_turn = np.argsort(turn[pair], kind="stable")  # within a turn by threshold, detection and preference
    level, pair = level[by_turn], pair[by_turn]
    detection, gt = detection[pair], gt[pair]
    for first, last in _spans(turn[pair]):
        rows = slice(first, last)
        free = ~used[level[rows], gt[rows]]
        t, d, g = level[rows][free], detection[rows][free], gt[rows][free]
        if not len(d):
            continue
        best = np.flatnonzero((np.diff(d, prepend=-1) != 0) | (np.diff(t, prepend=-1) != 0))
        t, d, g = t[best], d[best], g[best]
        match[t, d] = g
        lasting = ~iscrowd[g]
        used[t[lasting], g[lasting]] = True
    return match


def _spans(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last) of each stretch of equal values; `values` (P,) are sorted."""
    edges = np.flatnonzero(np.diff(values)) + 1
    return zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True)
