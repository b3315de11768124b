"""Likely label errors: where a confident model and the annotations disagree, and the annotations may be wrong.

A missing label is a confident prediction where nothing, or hardly anything, is annotated; a wrong label is an object
that a confident prediction covers with another class while no confident one sees the annotated class in it. Both are
suspicions: each wants a look at its picture. `marks.py` keeps what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.boxes import iou
from core.evaluation.table import ErrorType, floats, integers, is_ground_truth, isin
from core.labelled_enum import LabelledEnum

COVERED = 0.7  # IoU from which a prediction covers an object
BESIDE = 0.3  # IoU up to which a prediction beside an object of another class may be an object of its own
SAME_PLACE = 0.5  # IoU from which two predictions are of one object
BATCH = 1000  # rows that are looked at together


class LabelErrorKind(LabelledEnum):
    """What may be wrong with the labels; `label` and `description` are for the user."""

    MISSING = "missing label", "Missing label", "A confident prediction where no object is annotated."
    WRONG = "wrong label", "Wrong label", "A confident prediction of another class covers this object."
    IMAGE = "image", "Whole image", "The labels of this image need a look."


@dataclass(frozen=True)
class LabelError:
    """One likely label error, as a prediction tells it.

    kind       MISSING or WRONG
    query      the prediction's place, as in the table
    gt_id      the annotation that may be wrong; None if one may be missing
    predicted, annotated  class names; `annotated` is None if a label may be missing
    score      the prediction's
    iou        with the annotation; None if a label may be missing
    box        (x1, y1, x2, y2) of the prediction, pixels of the original image
    """

    kind: LabelErrorKind
    image_id: int
    query: int
    gt_id: int | None
    predicted: str
    annotated: str | None
    score: float
    iou: float | None
    box: tuple[float, float, float, float]


def label_errors(table: pa.Table, score: float = 0.7, most: int = 200) -> list[LabelError]:
    """Return the likeliest label errors from a score, by score times IoU (1 for a missing label), at most `most`.

    Missing: the prediction's error is "background", or it is "both" and lies beside an object of another class with an
    IoU up to BESIDE, as neighbours do in a crowded scene; of several in one place the highest score. Wrong: its error
    is "classification", it covers the object (IoU from COVERED), and no prediction of the annotated class from this
    score has found the object; of several on one object the likeliest.
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
    return _distinct(_listed(part, annotated, order[rows[order]]), most)


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
            distinct.append(
                LabelError(
                    LabelErrorKind.WRONG, *detection, gt_id, row["class_name"], annotated, row["score"], overlap, box
                )
            )
        else:
            others = places.setdefault(row["image_id"], [])
            if others and iou([box], others).max() >= SAME_PLACE:
                continue
            others.append(box)
            distinct.append(
                LabelError(LabelErrorKind.MISSING, *detection, None, row["class_name"], None, row["score"], None, box)
            )
    return distinct
