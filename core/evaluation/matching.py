"""Which detection takes which ground truth: COCO's greedy matching, at all its thresholds and sizes at once.

In: the checked columns of `columns.py`. Out: `Overlaps`, the IoUs of the boxes of each image, and from it the matches,
as arrays. `tide.py` makes the detection table of them.

The rule (pycocotools, `cocoeval.py: evaluateImg`): by falling score each detection takes the free ground truth of its
class that has the highest IoU, of equals the last in the file; a ground truth to be ignored only if there is no other.
A crowd is never used up. Whose turn it is depends on the detections of the same image and class only, so all images and
classes go in step: in the first round the highest score of each, in the second the next. A round is a few array
operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.evaluation.columns import DetectionColumns, Floats, GroundTruths, Ids, Mask, rank_within_group

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

    same_iou: Floats
    same_gt: Ids
    other_iou: Floats
    other_gt: Ids
    pair_detection: Ids
    pair_gt: Ids
    pair_iou: Floats


def overlaps(ground_truths: GroundTruths, detections: DetectionColumns) -> Overlaps:
    """Compute the overlaps of all images, PAIRS_AT_ONCE pairs of boxes at a time."""
    same_iou, other_iou = (np.full(len(detections), np.nan) for _ in range(2))
    same_gt, other_gt = (np.full(len(detections), -1) for _ in range(2))
    fitting = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))]
    for detection, gt, iou in _pairs(ground_truths, detections):
        same_class = detections.label[detection] == ground_truths.label[gt]
        other_class = ~same_class & ~ground_truths.iscrowd[gt]
        _keep_best(detection[same_class], gt[same_class], iou[same_class], same_iou, same_gt)
        _keep_best(detection[other_class], gt[other_class], iou[other_class], other_iou, other_gt)
        fits = iou >= THRESHOLDS[0]
        fitting.append((detection[fits], gt[fits], iou[fits]))
    pair_detection, pair_gt, pair_iou = (np.concatenate(parts) for parts in zip(*fitting, strict=True))
    return Overlaps(same_iou, same_gt, other_iou, other_gt, pair_detection, pair_gt, pair_iou)


def _pairs(ground_truths: GroundTruths, detections: DetectionColumns) -> Iterator[tuple[Ids, Ids, Floats]]:
    """Yield every (detection, ground truth) of one image with their IoU, in parts of (P,) each.

    They are sorted by detection, then by ground truth, crowds last.
    """
    by_image = np.lexsort((ground_truths.iscrowd, ground_truths.image_id))
    image_of_gt = ground_truths.image_id[by_image]
    first, last = (np.searchsorted(image_of_gt, detections.image_id, side) for side in ("left", "right"))
    counts = last - first
    parts = np.cumsum(counts) // PAIRS_AT_ONCE
    for rows in np.split(np.arange(len(detections)), np.flatnonzero(np.diff(parts)) + 1):
        n = counts[rows]
        detection = np.repeat(rows, n)
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        gt = by_image[np.repeat(first[rows], n) + within]
        yield detection, gt, _iou(detections.xywh[detection], ground_truths.xywh[gt], ground_truths.iscrowd[gt])


def _iou(detection: Floats, gt: Floats, iscrowd: Mask) -> Floats:
    """Compute the IoU of `xywh` boxes row by row, (P, 4) and (P, 4) to (P,), in float64 and in pycocotools' steps.

    `boxes.iou` is float32, in which an IoU of exactly 0.5 or 0.1 can fall on the other side than in COCO's metrics.
    Source: pycocotools `maskApi.c: bbIou`.
    """
    (dx, dy, dw, dh), (gx, gy, gw, gh) = detection.T, gt.T
    width = np.minimum(dx + dw, gx + gw) - np.maximum(dx, gx)
    height = np.minimum(dy + dh, gy + gh) - np.maximum(dy, gy)
    intersection = width * height
    union = np.where(iscrowd, dw * dh, dw * dh + gw * gh - intersection)
    overlaps = (width > 0) & (height > 0) & (union > 0)
    iou: Floats = np.divide(intersection, union, out=np.zeros(len(intersection)), where=overlaps)
    return iou


def _keep_best(detection: Ids, gt: Ids, iou: Floats, best_iou: Floats, best_gt: Ids) -> None:
    """Write each detection's highest IoU and the ground truth that has it, the first of equals; pairs are sorted."""
    if not len(detection):
        return
    starts = np.flatnonzero(np.diff(detection, prepend=-1))
    highest = np.maximum.reduceat(iou, starts)
    equal = np.flatnonzero(iou == np.repeat(highest, np.diff(starts, append=len(iou))))
    first = equal[np.diff(detection[equal], prepend=-1) > 0]
    best_iou[detection[starts]], best_gt[detection[starts]] = highest, gt[first]


def in_range(area: Floats, name: str) -> Mask:
    """Check which areas (N,) in px² lie in the area range of this name, (N,)."""
    low, high = AREA_RANGES[name]
    return (area >= low) & (area <= high)


def match_same_class(
    overlaps: Overlaps, ground_truths: GroundTruths, detections: DetectionColumns, ignored: Mask
) -> Ids:
    """Return the row of the ground truth of its class that each detection takes at each of THRESHOLDS.

    (10, N) int64, -1 without one. ignored (G,) says which ground truths do not count in the area range in question,
    crowds among them.
    """
    same_class = detections.label[overlaps.pair_detection] == ground_truths.label[overlaps.pair_gt]
    detection, gt = overlaps.pair_detection[same_class], overlaps.pair_gt[same_class]
    iou = overlaps.pair_iou[same_class]
    turn = _turns(detection, detections.label, detections.image_id)
    # A detection prefers what counts to what is ignored, then the highest IoU, then the last in the file.
    order = np.lexsort((-gt, -iou, ignored[gt], detection, turn))
    pairs = detection[order], gt[order], iou[order], turn[order]
    return _match_greedily(*pairs, THRESHOLDS, ground_truths.iscrowd, len(detections))


def match_any_class(
    overlaps: Overlaps, ground_truths: GroundTruths, detections: DetectionColumns, class_order: Ids
) -> Ids:
    """Return the row of the ground truth of whatever class that each detection takes at IoU 0.5, crowds left out.

    (N,) int64, -1 without one. Of equal scores and of equal IoUs the place of the class in `class_order` (by label)
    decides, as in hotcoco's confusion matrix.
    """
    is_object = ~ground_truths.iscrowd[overlaps.pair_gt]
    detection, gt = overlaps.pair_detection[is_object], overlaps.pair_gt[is_object]
    iou = overlaps.pair_iou[is_object]
    by_score = np.lexsort((np.arange(len(detections)), class_order[detections.label], -detections.score))
    place = np.empty(len(detections), dtype=np.int64)
    place[by_score] = np.arange(len(detections))
    turn = _turns(place[detection], detections.image_id[by_score])
    by_class = np.argsort(np.lexsort((np.arange(len(ground_truths)), class_order[ground_truths.label])))
    order = np.lexsort((-by_class[gt], -iou, detection, turn))
    pairs = detection[order], gt[order], iou[order], turn[order]
    match: Ids = _match_greedily(*pairs, THRESHOLDS[:1], ground_truths.iscrowd, len(detections))[0]
    return match


def _turns(detection: Ids, *groups: np.ndarray) -> Ids:
    """Return in which round the detection of each pair has its turn, from 0, (P,).

    detection  (P,) counts by falling score
    groups     (N,) each; detections that are equal in all of them compete with each other
    """
    with_pairs, pair = np.unique(detection, return_inverse=True)
    return rank_within_group(*(group[with_pairs] for group in groups))[pair]


def _match_greedily(detection: Ids, gt: Ids, iou: Floats, turn: Ids, thresholds: Floats, iscrowd: Mask, n: int) -> Ids:
    """Return what each of `n` detections takes at each threshold, (thresholds, n) rows of ground truths, -1 without.

    The pairs (P,) are sorted by turn, detection and the detection's preference.
    """
    match = np.full((len(thresholds), n), -1)
    taken = np.zeros((len(thresholds), len(iscrowd)), dtype=bool)
    level, pair = np.nonzero(iou >= thresholds[:, None])  # every pair at every threshold that it reaches
    by_turn = np.argsort(turn[pair], kind="stable")  # within a turn by threshold, detection and preference
    level, pair = level[by_turn], pair[by_turn]
    detection, gt = detection[pair], gt[pair]
    for first, last in _spans(turn[pair]):
        rows = slice(first, last)
        is_free = ~taken[level[rows], gt[rows]]
        t, d, g = level[rows][is_free], detection[rows][is_free], gt[rows][is_free]
        if not len(d):
            continue
        preferred = np.flatnonzero((np.diff(d, prepend=-1) != 0) | (np.diff(t, prepend=-1) != 0))
        t, d, g = t[preferred], d[preferred], g[preferred]
        match[t, d] = g
        is_used_up = ~iscrowd[g]
        taken[t[is_used_up], g[is_used_up]] = True
    return match


def _spans(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of each stretch of equal values; `values` (P,) are sorted."""
    edges = np.flatnonzero(np.diff(values)) + 1
    yield from zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True)
