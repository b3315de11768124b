"""What kind of error is each detection? TIDE's six types, and the detection table that holds them.

In: a COCO ground-truth dict, and detections as a COCO results list or as `Detections`. Out: the table of `table.py`.
Matching is COCO's at IoU 0.5, class by class and image by image; it needs no
score threshold, since a detection's match depends on higher scores only.

Source: Bolya et al., TIDE (ECCV 2020), arXiv 2008.08115; counts equal hotcoco's `tide_errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.boxes import Detections
from core.coco import SIZES, size_indices
from core.evaluate import Results, Truths, columns, places
from core.labels import LabelMap
from core.table import ERROR_TYPES, KINDS, SCHEMA, ErrorType

FOREGROUND = 0.5  # IoU from which a box fits an object
BACKGROUND = 0.1  # IoU up to which it has nothing to do with it
MOST = 100  # detections of one class that COCO looks at in an image
PAIRS_AT_ONCE = 1_000_000  # bounds the memory that the IoUs take


@dataclass(frozen=True)
class Overlaps:
    """How detections (N) and ground truths of the same image overlap.

    same_iou   (N,) float64  highest IoU with a ground truth of the same class, crowds included; NaN without any
    other_iou  (N,) float64  highest IoU with one of another class, crowds left out; NaN without any
    same_gt, other_gt  (N,) int64  that ground truth's row; -1 without any
    pair_detection, pair_gt, pair_iou  (P,)  the pairs of the same class that fit, crowds included
    """

    same_iou: np.ndarray
    same_gt: np.ndarray
    other_iou: np.ndarray
    other_gt: np.ndarray
    pair_detection: np.ndarray
    pair_gt: np.ndarray
    pair_iou: np.ndarray


def detection_table(gt: dict, results: list[dict] | Detections, label_map: LabelMap | None = None) -> pa.Table:
    """The detection table (`table.SCHEMA`) of `results` on `gt`, for the classes of `label_map` (default: all).

    Of each class the 100 highest scores in an image have a row; COCO's figures do not look at more.
    Raises DataError as `evaluate` does.
    """
    label_map, truths, results = columns(gt, results, label_map)
    results = _highest_scores(results)
    overlaps = _overlaps(truths, results)
    match, match_iou = _match(overlaps, truths, results)
    error = _cascade(overlaps, match)
    return _as_table(gt, label_map, truths, results, overlaps, match, match_iou, error)


def _highest_scores(results: Results) -> Results:
    """At most MOST detections per image and class, in falling order of score, equal scores in their own order."""
    by_score = results[np.argsort(-results.score, kind="stable")]
    groups = np.stack([by_score.image_id, by_score.label])
    return by_score[places(np.unique(groups, axis=1, return_inverse=True)[1].reshape(-1)) < MOST]


def _overlaps(truths: Truths, results: Results) -> Overlaps:
    same_iou, other_iou = (np.full(len(results), np.nan) for _ in range(2))
    same_gt, other_gt = (np.full(len(results), -1) for _ in range(2))
    fitting = []
    for detection, gt, iou in _pairs(truths, results):
        same = results.label[detection] == truths.label[gt]
        _keep_best(detection, gt, iou, same, same_iou, same_gt)
        _keep_best(detection, gt, iou, ~same & ~truths.iscrowd[gt], other_iou, other_gt)
        fits = same & (iou >= FOREGROUND)
        fitting.append((detection[fits], gt[fits], iou[fits]))
    pairs = [np.concatenate(part) for part in zip(*fitting, strict=True)] or [np.zeros(0, dtype=np.int64)] * 3
    return Overlaps(same_iou, same_gt, other_iou, other_gt, *pairs)


def _pairs(truths: Truths, results: Results) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Every (detection, ground truth) of the same image with their IoU, in parts, sorted by detection, then truth."""
    by_image = np.argsort(truths.image_id, kind="stable")
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


def _match(overlaps: Overlaps, truths: Truths, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """COCO's greedy matching: each detection's ground truth, -1 without, and their IoU (NaN without), (N,) and (N,).

    By falling score each detection takes the free ground truth of highest IoU, of equals the last in the file; a
    crowd only if there is none, and a crowd is never used up. Source: pycocotools `cocoeval.py: evaluateImg`.
    """
    match, match_iou = np.full(len(results), -1), np.full(len(results), np.nan)
    detection, gt, iou = overlaps.pair_detection, overlaps.pair_gt, overlaps.pair_iou
    order = np.lexsort((-gt, -iou, truths.iscrowd[gt], detection))  # detections are sorted by score already
    used, crowds = set(), set(np.flatnonzero(truths.iscrowd).tolist())
    matched = -1
    for d, g, overlap in zip(detection[order].tolist(), gt[order].tolist(), iou[order].tolist(), strict=True):
        if d == matched or g in used:
            continue
        match[d], match_iou[d], matched = g, overlap, d
        if g not in crowds:
            used.add(g)
    return match, match_iou


def _cascade(overlaps: Overlaps, match: np.ndarray) -> np.ndarray:
    """Each detection's error as an index into ERROR_TYPES, (N,) int8; -1 for what matched a ground truth or a crowd.

    A crowd of the detection's own class counts as an object it touches, one of another class does not (as in
    hotcoco). `missed` is not a detection's error: see `table.error_codes`.
    """
    same = np.nan_to_num(overlaps.same_iou, nan=0.0)
    other = np.nan_to_num(overlaps.other_iou, nan=0.0)
    tests = (
        # It found an object, or only a crowd, which counts neither way.
        (match >= 0, None),
        # The class is right and it touches such an object, but not well enough (at exactly 0.5 another has taken it).
        ((same >= BACKGROUND) & (same <= FOREGROUND), ErrorType.LOCALIZATION),
        # The box is right for an object of another class.
        (other >= FOREGROUND, ErrorType.CLASSIFICATION),
        # Class and box are right, so a higher score has taken the object: else this one would have.
        (same >= FOREGROUND, ErrorType.DUPLICATE),
        # It touches nothing, perhaps because the picture is empty.
        (np.maximum(same, other) <= BACKGROUND, ErrorType.BACKGROUND),
        # What is left touches an object of another class, and not well enough.
        (np.ones(len(match), dtype=bool), ErrorType.BOTH),
    )
    codes = [-1 if kind is None else ERROR_TYPES.index(kind) for _, kind in tests]
    return np.select([test for test, _ in tests], codes).astype(np.int8)


def _as_table(gt, label_map, truths, results, overlaps, match, match_iou, error) -> pa.Table:
    crowd = np.append(truths.iscrowd, False)[match]  # row -1, "none", is the one appended
    found = (match >= 0) & ~crowd
    match_query, match_score = (_absent(len(truths.id), t) for t in (np.int32, np.float32))
    match_query[match[found]], match_score[match[found]] = results.query[found], results.score[found]
    area = results.xywh[:, 2] * results.xywh[:, 3]
    columns_of = {  # name: (of the ground truths, of the detections); None where a kind of row does not have it
        "kind": (np.full(len(truths.id), 0), np.full(len(results), 1)),
        "image_id": (truths.image_id, results.image_id),
        "class_name": (truths.label, results.label),
        **{
            name: (_corner(truths.xywh, i), _corner(results.xywh, i)) for i, name in enumerate(("x1", "y1", "x2", "y2"))
        },
        "area": (truths.area, area),
        "size": (size_indices(truths.area), size_indices(area)),
        "gt_id": (truths.id, _id_or_null(truths, np.where(found, match, -1))),
        "query": (None, results.query),
        "score": (None, results.score),
        "error": (None, np.ma.masked_less(error, 0)),
        "crowd_only": (None, crowd),
        "iou": (None, np.ma.masked_where(~found, match_iou)),
        "best_same_iou": (None, np.ma.masked_invalid(overlaps.same_iou)),
        "best_same_gt": (None, _id_or_null(truths, overlaps.same_gt)),
        "best_other_iou": (None, np.ma.masked_invalid(overlaps.other_iou)),
        "best_other_gt": (None, _id_or_null(truths, overlaps.other_gt)),
        "iscrowd": (truths.iscrowd, None),
        "truncated": (_truncated(gt, truths), None),
        "match_query": (match_query, None),
        "match_score": (match_score, None),
        "pointed_score": (_pointed_score(truths, results, overlaps, error), None),
    }
    words = {"kind": KINDS, "class_name": label_map.names, "size": SIZES, "error": [kind.value for kind in ERROR_TYPES]}
    # Sorted by image; the sort is stable and detections lie by falling score already.
    order = np.argsort(np.concatenate([truths.image_id, results.image_id]), kind="stable")
    arrays = []
    for field in SCHEMA:
        of_truths, of_detections = columns_of[field.name]
        of_truths = _absent(len(truths.id)) if of_truths is None else of_truths
        of_detections = _absent(len(results)) if of_detections is None else of_detections
        values = np.ma.concatenate([of_truths, of_detections])[order]
        arrays.append(_as_array(values, field.type, words.get(field.name)))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _absent(length: int, dtype=np.float64) -> np.ma.MaskedArray:
    """A column without any value; zeros under the mask, because whatever lay in memory may not survive a cast."""
    return np.ma.masked_array(np.zeros(length, dtype), mask=True)


def _as_array(values: np.ma.MaskedArray, kind: pa.DataType, words) -> pa.Array:
    mask = np.ma.getmaskarray(values)
    numbers = np.where(mask, 0, values.data)
    if words is None:
        return pa.array(numbers.astype(kind.to_pandas_dtype()), mask=mask)
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32), mask=mask), pa.array(words, pa.string()))


def _corner(xywh: np.ndarray, i: int) -> np.ndarray:
    """x1, y1, x2 or y2 (i = 0 to 3) of `xywh` boxes (N, 4)."""
    return xywh[:, i] if i < 2 else xywh[:, i - 2] + xywh[:, i]


def _id_or_null(truths: Truths, rows: np.ndarray) -> np.ma.MaskedArray:
    """The annotation ids of some rows; masked where the row is -1."""
    return np.ma.masked_where(rows < 0, np.append(truths.id, 0)[rows])


def _pointed_score(truths: Truths, results: Results, overlaps: Overlaps, error: np.ndarray) -> np.ma.MaskedArray:
    """The highest score of a localization or classification error that points to each ground truth, else masked."""
    highest = np.full(len(truths.id), -np.inf)
    for kind, gt in ((ErrorType.LOCALIZATION, overlaps.same_gt), (ErrorType.CLASSIFICATION, overlaps.other_gt)):
        rows = error == ERROR_TYPES.index(kind)
        np.maximum.at(highest, gt[rows], results.score[rows])
    return np.ma.masked_invalid(highest)


def _truncated(gt: dict, truths: Truths) -> np.ma.MaskedArray:
    """Whether each ground truth comes within a pixel of its picture's border; masked where its size is unknown."""
    sizes = {image["id"]: (image.get("width") or np.nan, image.get("height") or np.nan) for image in gt["images"]}
    limits = np.array([sizes[i] for i in truths.image_id.tolist()]).reshape(-1, 2)
    touches = (truths.xywh[:, :2] < 1).any(axis=1) | (truths.xywh[:, :2] + truths.xywh[:, 2:] > limits - 1).any(axis=1)
    return np.ma.masked_where(np.isnan(limits).any(axis=1), touches)
