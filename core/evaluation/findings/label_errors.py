"""Likely label errors: where a confident model and the annotations disagree, and the annotations may be wrong.

A missing label is a confident prediction where nothing, or hardly anything, is annotated; a wrong label is an object
that a confident prediction covers with another class while no confident one sees the annotated class in it; a badly
placed one is an object that confident predictions of its class fit far less than they fit others of its size; and a
duplicate is one of two labels on an object of which the model sees only the other. All are suspicions: each wants a
look at its picture. `marks.py` keeps what came of it.

The first three are what cleanlab calls overlooked, swapped and badly located (Tkachenko, Thyagarajan and Mueller,
"ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection Data", 2023, arXiv 2309.00832).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.boxes import area, iou
from core.datasets.split import FEW, SIZES
from core.evaluation.ordering import ObjectCrops
from core.evaluation.table import (
    CORNERS,
    ErrorType,
    flags,
    floats,
    has_value,
    indices,
    integers,
    is_detection,
    is_ground_truth,
    isin,
)
from core.evaluation.tide import BACKGROUND, FOREGROUND
from core.labelled_enum import LabelledEnum

COVERED = 0.7  # IoU from which a prediction covers an object
BESIDE = 0.3  # IoU up to which a prediction beside an object of another class may be an object of its own
SAME_PLACE = 0.5  # IoU from which two predictions are of one object
ONE_OBJECT = 0.8  # IoU from which two labels are on one object
PLACED = 0.75  # of the usual IoU of objects of a size: a label that is fitted less is badly placed
BATCH = 1000  # rows that are looked at together


class LabelErrorKind(LabelledEnum):
    """What may be wrong with the labels; `label` and `description` are for the user."""

    MISSING = "missing label", "Missing label", "A confident prediction where no object is annotated."
    WRONG = "wrong label", "Wrong label", "A confident prediction of another class covers this object."
    PLACE = "badly placed", "Badly placed", "A confident prediction of its class fits this box far less than usual."
    DUPLICATE = "duplicate label", "Duplicate label", "Another label is on the same object, and the model sees one."
    IMAGE = "image", "Whole image", "The labels of this image need a look."


@dataclass(frozen=True)
class LabelError:
    """One likely label error, as a prediction tells it; a duplicate as two labels do.

    kind       any but IMAGE
    query      the prediction's place, as in the table; None of a duplicate
    gt_id      the annotation that may be wrong; None if one may be missing
    predicted, annotated  class names; `annotated` is None if a label may be missing; `predicted` of a duplicate is the
               class of the other label
    score      the prediction's; None of a duplicate
    iou        with the annotation, of a duplicate with the other one; None if a label may be missing
    box        (x1, y1, x2, y2) of the prediction, of a duplicate its own, pixels of the original image
    likelihood  from 0 to 1, to order them
    """

    kind: LabelErrorKind
    image_id: int
    query: int | None
    gt_id: int | None
    predicted: str
    annotated: str | None
    score: float | None
    iou: float | None
    box: tuple[float, float, float, float]
    likelihood: float


def label_errors(table: pa.Table, score: float = 0.7, most: int = 200) -> list[LabelError]:
    """Return the likeliest label errors from a score, at most `most`, the likeliest first.

    A missing label is as likely as its prediction's score, a wrong one as score times IoU, a badly placed one as score
    times the share of the usual IoU that it lacks, a duplicate as its IoU with the other label times what the model's
    score of it lacks to 1.

    Missing: the prediction's error is "background", or it is "both" and lies beside an object of another class with an
    IoU up to BESIDE, as neighbours do in a crowded scene; of several in one place the highest score. Wrong: its error
    is "classification", it covers the object (IoU from COVERED), and no prediction of the annotated class from this
    score has found the object; of several on one object the likeliest. Badly placed: of all predictions of its class
    from this score that overlap the object, the best has an IoU below PLACED times the median of its size. Duplicate:
    two labels overlap by ONE_OBJECT, and no prediction from this score has found this one.
    """
    confident = floats(table, "score") >= np.float32(score)
    part = table.select(_COLUMNS).filter(pa.array(confident & isin(table, "error", _SUSPICIOUS)))
    overlap = floats(part, "best_other_iou")
    is_wrong = isin(part, "error", {ErrorType.CLASSIFICATION})
    touches = isin(part, "error", {ErrorType.BOTH}) & (overlap > BESIDE)
    annotated, match_score = _objects_of(table, part)
    rows = np.where(is_wrong, (overlap >= COVERED) & ~(match_score >= np.float32(score)), ~touches)
    rows &= (floats(part, "x2") > floats(part, "x1")) & (floats(part, "y2") > floats(part, "y1"))
    likelihood = floats(part, "score").astype(np.float64) * np.where(is_wrong, overlap, 1.0)
    order = np.lexsort((integers(part, "query"), integers(part, "image_id"), -likelihood))
    by_prediction = _distinct(_listed(part, annotated, order[rows[order]]), most)
    everything = [*by_prediction, *_badly_placed(table, score), *_duplicates(table, score)]
    return sorted(everything, key=lambda one: -one.likelihood)[:most]


def error_crops(table: pa.Table, errors: Sequence[LabelError]) -> ObjectCrops:
    """Return the boxes of label errors of a table, in their order: the prediction's, of a duplicate the label's."""
    detections, truths = is_detection(table), is_ground_truth(table)
    image_ids, queries, gt_ids = table["image_id"].to_numpy(), integers(table, "query"), integers(table, "gt_id")
    rows = []
    for error in errors:
        first, last = np.searchsorted(image_ids, [error.image_id, error.image_id + 1])
        part = slice(first, last)
        is_it = truths[part] & (gt_ids[part] == error.gt_id) if error.query is None else (
            detections[part] & (queries[part] == error.query) & isin(table.slice(first, last - first), "class_name",
                                                                     {error.predicted})
        )  # fmt: skip
        rows += [int(first) + int(place) for place in np.flatnonzero(is_it)[:1]]
    return ObjectCrops(table, np.array(rows, dtype=np.int64))


_SUSPICIOUS = {ErrorType.BACKGROUND, ErrorType.BOTH, ErrorType.CLASSIFICATION}
_COLUMNS = [
    "image_id", "query", "class_name", "score", "error", "best_other_iou", "best_other_gt", "x1", "y1", "x2", "y2",
]  # fmt: skip


def _objects_of(table: pa.Table, part: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the object of another class that each detection of `part` (N) overlaps most: its class and match score.

    (N,) str and float32; what they are where there is none means nothing.
    """
    columns = table.select(["gt_id", "class_name", "match_score"])
    truths = columns.filter(pa.array(is_ground_truth(table)))
    if not len(truths):
        return np.full(len(part), ""), np.full(len(part), np.nan, np.float32)
    ids = integers(truths, "gt_id")
    by_id = np.argsort(ids)
    rows = by_id[np.searchsorted(ids[by_id], integers(part, "best_other_gt")).clip(max=len(ids) - 1)]
    return np.array(truths["class_name"].to_pylist())[rows], floats(truths, "match_score")[rows]


def _listed(part: pa.Table, annotated: np.ndarray, order: np.ndarray) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each row of `order` with the class of the object it overlaps most, reading a few at a time."""
    for first in range(0, len(order), BATCH):
        rows = order[first : first + BATCH]
        yield from zip(part.take(rows).to_pylist(), annotated[rows].tolist(), strict=True)


def _distinct(listed: Iterable[tuple[dict[str, Any], str]], most: int) -> list[LabelError]:
    """Return the first `most` of (row, class of the object below it), one of each object and each place."""
    distinct: list[LabelError] = []
    objects: set[int] = set()  # that have one already
    places: dict[int, list[tuple[Any, ...]]] = {}  # image id to boxes where a label may be missing
    for row, annotated in listed:
        if len(distinct) == most:
            break
        box = tuple(row[side] for side in ("x1", "y1", "x2", "y2"))
        detection = row["image_id"], row["query"]
        if row["error"] == ErrorType.CLASSIFICATION:
            gt_id, overlap = row["best_other_gt"], row["best_other_iou"]
            if gt_id in objects:
                continue
            objects.add(gt_id)
            likelihood = row["score"] * overlap
            distinct.append(
                LabelError(
                    LabelErrorKind.WRONG, *detection, gt_id, row["class_name"], annotated, row["score"], overlap, box,
                    likelihood,
                )
            )  # fmt: skip
        else:
            others = places.setdefault(row["image_id"], [])
            if others and iou([box], others).max() >= SAME_PLACE:
                continue
            others.append(box)
            distinct.append(
                LabelError(
                    LabelErrorKind.MISSING, *detection, None, row["class_name"], None, row["score"], None, box,
                    row["score"],
                )
            )  # fmt: skip
    return distinct


@dataclass(frozen=True)
class _Objects:
    """The objects of a table, crowds left out, in its order: N ids, images, sizes, match scores (0 without), boxes."""

    rows: pa.Table
    ids: np.ndarray
    images: np.ndarray
    sizes: np.ndarray
    match_score: np.ndarray
    boxes: np.ndarray

    @classmethod
    def of(cls, table: pa.Table) -> _Objects:
        columns = ["image_id", "gt_id", "class_name", "size", "match_score", *CORNERS]
        rows = table.select(columns).filter(pa.array(is_ground_truth(table) & ~flags(table, "iscrowd")))
        boxes = np.stack([floats(rows, side) for side in CORNERS], axis=1)
        sizes = indices(rows, "size", SIZES)
        score = np.nan_to_num(floats(rows, "match_score"), nan=0.0)
        return cls(rows, integers(rows, "gt_id"), integers(rows, "image_id"), sizes, score, boxes)


def _badly_placed(table: pa.Table, score: float) -> list[LabelError]:
    """Return the objects that the best of the confident predictions of their class fits far less than usual."""
    objects = _Objects.of(table)
    confident = (floats(table, "score") >= np.float32(score)) & has_value(table, "best_same_gt")
    part = table.select([*_COLUMNS, "gt_id", "iou", "best_same_gt", "best_same_iou"]).filter(pa.array(confident))
    if not len(objects.ids) or not len(part):
        return []
    took = has_value(part, "gt_id")
    ids = np.where(took, integers(part, "gt_id"), integers(part, "best_same_gt"))
    overlap = np.where(took, floats(part, "iou"), floats(part, "best_same_iou")).astype(np.float64)
    by_id = np.argsort(objects.ids)
    place = by_id[np.searchsorted(objects.ids[by_id], ids).clip(max=len(by_id) - 1)]
    near = np.flatnonzero((objects.ids[place] == ids) & (overlap >= BACKGROUND))
    near = near[np.lexsort((-overlap[near], place[near]))]
    best = near[np.diff(place[near], prepend=-1) != 0]  # of each object the prediction that fits it best
    usual = _usual_overlaps(objects.sizes[place[best]], overlap[best])[objects.sizes[place[best]]]
    lacks = 1 - overlap[best] / usual
    kept = np.flatnonzero(lacks > 1 - PLACED)
    rows = zip(part.take(best[kept]).to_pylist(), place[best[kept]].tolist(), lacks[kept].tolist(), strict=True)
    return [
        LabelError(
            LabelErrorKind.PLACE, row["image_id"], row["query"], int(objects.ids[at]), row["class_name"],
            row["class_name"], row["score"], float(overlap[best[kept[i]]]), tuple(row[side] for side in CORNERS),
            row["score"] * share,
        )
        for i, (row, at, share) in enumerate(rows)
    ]  # fmt: skip


def _usual_overlaps(sizes: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """Return the median IoU of found objects of each size, (3,); of too few of a size that of all, of too few NaN."""
    fits = overlap >= FOREGROUND
    whole = np.median(overlap[fits]) if fits.sum() >= FEW else np.nan
    of_size = [overlap[fits & (sizes == size)] for size in range(len(SIZES))]
    return np.array([np.median(one) if len(one) >= FEW else whole for one in of_size])


def _duplicates(table: pa.Table, score: float) -> list[LabelError]:
    """Return the objects whose label overlaps another one that is surer, as the model does not see both."""
    objects = _Objects.of(table)
    first, second = _pairs_within(objects.images)
    overlap = _iou_of_pairs(objects.boxes[first], objects.boxes[second])
    near = overlap >= ONE_OBJECT
    first, second, overlap = first[near], second[near], overlap[near]
    is_first = objects.match_score[first] < objects.match_score[second]
    spare, other = np.where(is_first, first, second), np.where(is_first, second, first)
    unseen = objects.match_score[spare] < np.float32(score)
    names = objects.rows["class_name"].to_pylist()
    return [
        LabelError(
            LabelErrorKind.DUPLICATE, int(objects.images[s]), None, int(objects.ids[s]), names[o], names[s], None,
            float(iou), tuple(objects.boxes[s].tolist()), float(iou * (1 - objects.match_score[s])),
        )
        for s, o, iou in zip(spare[unseen], other[unseen], overlap[unseen], strict=True)
    ]  # fmt: skip


def _pairs_within(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each pair of rows of one group once, the first row before the second; the groups (N,) are sorted."""
    ends = np.searchsorted(groups, groups, side="right")
    counts = ends - np.arange(len(groups)) - 1
    first = np.repeat(np.arange(len(groups)), counts)
    within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, first + 1 + within


def _iou_of_pairs(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU of `xyxy` boxes (P, 4) with others (P, 4), row by row; 0 where the union is empty."""
    low, high = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=1)
    union = area(boxes) + area(others) - intersection
    overlap: np.ndarray = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return overlap
