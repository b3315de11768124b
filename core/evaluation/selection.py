"""Which rows of the detection table count, and how many: every count and filter at a score threshold.

A threshold applies only here: detections with `score >= threshold` are there, and an object is missed if it is no crowd
and neither found nor pointed to by such a detection. All counts go through `error_codes`, so no two can disagree.
`Selection` is what a page filters by, and what a link to it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from core import DataError
from core.datasets.split import SIZES
from core.evaluation.table import (
    ERROR_TYPES,
    ErrorType,
    flags,
    floats,
    has_value,
    indices,
    integers,
    isin,
    table_metadata,
)

LOWEST_SCORE = 0.05  # from which boxes are shown at all, and so the lowest that a link to them names
BACKGROUND = ""  # in a `pair`: no object, or no prediction
NO_IMAGE = -(2**63)  # no file's id: `images` of it alone are none
POINTED = ("best_same_gt", "best_other_gt")
FLAGS = ("truncated", "crowd", "marked")  # of a Selection, as an address has them
_ID = re.compile(r"-?[0-9]{1,18}")  # an image id in an address: one that int64 holds


@dataclass(frozen=True)
class Selection:
    """Which boxes are asked for; empty, None, False or the whole range: no restriction.

    score      predictions from this score count, which decides on what is missed
    classes    of these classes, annotated or predicted
    error      of this error type
    sizes      of these sizes
    pair       of this cell of the confusion matrix: (annotated class, predicted class), BACKGROUND for none
    images     on these images
    score_to   predictions up to this score; with it, no objects
    iou        predictions whose `best_iou` lies in this range, (lowest, highest); with it, no objects
    truncated  objects that touch the picture's border, and predictions of such
    crowd      crowds, and predictions that found only one
    marked     on marked images; who knows the marks asks for these images with `among`
    """

    score: float = 0.5
    classes: tuple[str, ...] = ()
    error: str | None = None
    sizes: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    images: tuple[int, ...] = ()
    score_to: float = 1.0
    iou: tuple[float, float] = (0.0, 1.0)
    truncated: bool = False
    crowd: bool = False
    marked: bool = False

    @property
    def selects_boxes(self) -> bool:
        """Whether it asks for some boxes only, not for all of its images."""
        return replace(self, images=(), marked=False) != Selection(self.score)

    @property
    def restricts(self) -> bool:
        """Whether it asks for less than everything at its score."""
        return self != Selection(self.score)

    def on_images(self, image_ids: Iterable[int]) -> Selection:
        """The same, on these images only."""
        images = set(self.images or image_ids) & set(image_ids)
        return replace(self, images=tuple(sorted(images)) or (NO_IMAGE,))

    def to_query(self) -> dict[str, str | list[str]]:
        """For an address: the score, exact as float32, and what restricts."""
        lists = {"class": list(self.classes), "size": list(self.sizes), "image": [str(i) for i in self.images]}
        query = {"score": str(np.float32(self.score))} | {name: values for name, values in lists.items() if values}
        if self.error:
            query["error"] = str(self.error)
        if self.pair:
            query["true"], query["predicted"] = self.pair
        ends = {"score_to": (self.score_to, 1), "iou_from": (self.iou[0], 0), "iou_to": (self.iou[1], 1)}
        query |= {name: str(np.float32(value)) for name, (value, default) in ends.items() if value != default}
        return query | {name: "1" for name in FLAGS if getattr(self, name)}

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]], classes: Sequence[str]) -> Selection:
        """From an address, name to values; what makes no sense there is left out. `classes`: those of the table."""
        pair = tuple(query[name][0] if query.get(name) else None for name in ("true", "predicted"))
        known = all(name in (*classes, BACKGROUND) for name in pair) and pair != (BACKGROUND, BACKGROUND)
        errors = [name for name in query.get("error", ()) if name in set(ERROR_TYPES)]
        images = [int(i) for i in query.get("image", ()) if _ID.fullmatch(i)]
        score, score_to = _share(query, "score", cls.score), _share(query, "score_to", 1.0)
        iou = _share(query, "iou_from", 0.0), _share(query, "iou_to", 1.0)
        return cls(
            score,
            tuple(name for name in dict.fromkeys(query.get("class", ())) if name in classes),
            errors[0] if errors else None,
            tuple(name for name in dict.fromkeys(query.get("size", ())) if name in SIZES),
            pair if known else None,
            tuple(dict.fromkeys(images)),
            score_to if score_to >= score else 1.0,
            iou if iou[0] <= iou[1] else cls.iou,
            **{name: list(query.get(name, ()))[:1] == ["1"] for name in FLAGS},
        )


def _share(query: Mapping[str, Sequence[str]], name: str, default: float) -> float:
    try:
        value = float(query[name][0])
    except (KeyError, IndexError, ValueError):
        return default
    return value if 0 <= value <= 1 else default  # NaN neither


def error_codes(table: pa.Table, score_threshold: float = 0.0) -> np.ndarray:
    """Each row's error at a threshold as an index into ERROR_TYPES, (N,) int8; -1 where there is none."""
    threshold = np.float32(score_threshold)  # scores are float32: 0.7 as a double would lie above a score of 0.7
    codes = np.where(floats(table, "score") >= threshold, indices(table, "error", ERROR_TYPES), -1)
    reached = np.fmax(floats(table, "match_score"), floats(table, "pointed_score"))
    missed = is_object(table) & ~(reached >= threshold)
    return np.where(missed, ERROR_TYPES.index(ErrorType.MISSED), codes).astype(np.int8)


def count_errors(table: pa.Table, score_threshold: float = 0.0, rows: np.ndarray | None = None) -> dict[str, int]:
    """How many errors of each of the six types there are at a threshold among `rows` (default: all), by its value."""
    codes = error_codes(table, score_threshold)
    counts = np.bincount((codes if rows is None else codes[rows]) + 1, minlength=len(ERROR_TYPES) + 1)[1:]
    return {kind.value: int(count) for kind, count in zip(ERROR_TYPES, counts, strict=True)}


def worst_images(table: pa.Table, score_threshold: float = 0.0) -> list[tuple[int, int]]:
    """Every image of the table with its number of errors, (image id, n), worst first, then by id."""
    image_ids = table["image_id"].to_numpy()
    there = np.unique(image_ids)
    wrong = image_ids[error_codes(table, score_threshold) >= 0]
    n = np.bincount(np.searchsorted(there, wrong), minlength=len(there))
    order = np.lexsort((there, -n))
    return list(zip(there[order].tolist(), n[order].tolist(), strict=True))


def selected_rows(table: pa.Table, selection: Selection) -> np.ndarray:
    """Which rows the selection asks for, (N,) bool: with `error` such errors, with `pair` that cell's boxes.

    A cell off the background is its predictions; (class, BACKGROUND) is the objects that no prediction found.
    Raises DataError for an unknown error type or size; a class or image that the table does not have matches nothing.
    """
    rows = visible(table, selection.score)
    if selection.classes:
        rows &= isin(table, "class_name", set(selection.classes))
    if selection.sizes:
        rows &= isin(table, "size", _known(selection.sizes, SIZES, "size"))
    if selection.error:
        _known([selection.error], [kind.value for kind in ERROR_TYPES], "error type")
        rows &= error_codes(table, selection.score) == ERROR_TYPES.index(selection.error)
    if selection.pair:
        rows &= _in_cell(table, selection.pair, selection.score)
    if selection.images:
        rows &= np.isin(table["image_id"].to_numpy(), selection.images)
    if selection.score_to < 1:
        rows &= floats(table, "score") <= np.float32(selection.score_to)  # of an object it is NaN
    if selection.iou != (0, 1):
        low, high = np.float32(selection.iou)
        iou = np.nan_to_num(best_iou(table))
        rows &= isin(table, "kind", {"detection"}) & (low <= iou) & (iou <= high)
    if selection.truncated:
        rows &= _of_truths(table, flags(table, "truncated"))
    if selection.crowd:
        rows &= flags(table, "iscrowd") | flags(table, "crowd_only")
    return rows


def best_iou(table: pa.Table) -> np.ndarray:
    """IoU of each prediction with the object that it found, else the highest with any, (N,) float32; NaN without."""
    own, same, other = (floats(table, name) for name in ("iou", "best_same_iou", "best_other_iou"))
    return np.where(np.isnan(own), np.fmax(same, other), own)


def associated_ground_truths(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """The annotation that each prediction found or, being wrong, points to: (ids (N,) int64, is there one (N,) bool).

    A wrong class points to an object of another class, every other error to one of its own, background to none; what
    fits only a crowd to that crowd, or an object of its class that it covers even better.
    """
    error = indices(table, "error", ERROR_TYPES)
    of_other = np.isin(error, [ERROR_TYPES.index(kind) for kind in (ErrorType.CLASSIFICATION, ErrorType.BOTH)])
    found, same, other = ((integers(table, name), has_value(table, name)) for name in ("gt_id", *POINTED))
    ids, there = (np.where(of_other, theirs, own) for own, theirs in zip(same, other, strict=True))
    there &= error != ERROR_TYPES.index(ErrorType.BACKGROUND)
    is_detection = isin(table, "kind", {"detection"})
    return np.where(found[1], found[0], ids), is_detection & (found[1] | there)


def _of_truths(table: pa.Table, chosen: np.ndarray) -> np.ndarray:
    """Some ground truths' rows (N,) bool with those of the predictions that found or point to one of them."""
    ids, there = associated_ground_truths(table)
    return chosen | (there & np.isin(ids, integers(table, "gt_id")[chosen]))


def _in_cell(table: pa.Table, pair: tuple[str, str], score: float) -> np.ndarray:
    """The rows that make up a cell of the confusion matrix at a threshold, (N,) bool; predictions at every score."""
    annotated, predicted = pair
    if predicted == BACKGROUND:
        found = floats(table, "any_score") >= np.float32(score)
        return is_object(table) & isin(table, "class_name", {annotated}) & ~found
    rows = isin(table, "kind", {"detection"}) & isin(table, "class_name", {predicted})
    taken = has_value(table, "any_gt")
    if annotated == BACKGROUND:
        return rows & ~taken
    ids = integers(table, "gt_id")[is_object(table) & isin(table, "class_name", {annotated})]
    return rows & taken & np.isin(integers(table, "any_gt"), ids)


def cell_boxes(table: pa.Table, pair: tuple[str, str], score_threshold: float = 0.0) -> np.ndarray:
    """All boxes that tell of a cell of the confusion matrix, (N,) bool: those in it and the objects they found.

    Predictions are there at every score, so that a picture can show them at any; they have an object or none whatever
    the threshold is. The table may be a part of one, with all rows of its images.
    """
    rows = _in_cell(table, pair, score_threshold)
    there = rows & (floats(table, "score") >= np.float32(score_threshold)) & has_value(table, "any_gt")
    found = np.isin(integers(table, "gt_id"), integers(table, "any_gt")[there])
    return rows | (is_object(table) & found)


def is_object(table: pa.Table) -> np.ndarray:
    """Which rows are ground truths and no crowds, (N,) bool."""
    return isin(table, "kind", {"ground_truth"}) & ~flags(table, "iscrowd")


def select_images(table: pa.Table, selection: Selection, rows: np.ndarray | None = None) -> list[int]:
    """Ids of the images to show, ascending; `browse.py` orders them. `rows`: the `selected_rows`, if they are known.

    An image needs a row that the selection asks for; if it asks for no boxes in particular, every evaluated image is
    there, or each of `images`. Raises DataError as `selected_rows`.
    """
    rows = selected_rows(table, selection) if rows is None else rows
    there = np.unique(table["image_id"].to_numpy()[rows])
    if not selection.selects_boxes:
        evaluated = np.array(table_metadata(table).image_ids, dtype=np.int64)
        there = np.union1d(there, evaluated[np.isin(evaluated, selection.images)] if selection.images else evaluated)
    return there.tolist()


def visible(table: pa.Table, score_threshold: float = 0.0) -> np.ndarray:
    """Which rows there are at a threshold, (N,) bool: every ground truth, and each detection at or above it."""
    return isin(table, "kind", {"ground_truth"}) | (floats(table, "score") >= np.float32(score_threshold))


def image_rows(table: pa.Table, image_id: int, score_threshold: float = 0.0) -> list[dict]:
    """What there is to draw on one image at a threshold: ground truths, then detections by falling score.

    Each row is a dict of the table's columns, `error` being "missed" on a missed ground truth.
    """
    first, last = np.searchsorted(table["image_id"].to_numpy(), [image_id, image_id + 1])  # rows are sorted by image
    part = table.slice(first, last - first)
    rows = zip(part.to_pylist(), error_codes(part, score_threshold), visible(part, score_threshold), strict=True)
    return [row | {"error": ERROR_TYPES[code].value if code >= 0 else None} for row, code, shown in rows if shown]


def _known(chosen: Iterable[str], words, what: str) -> set[str]:
    chosen = set(chosen)
    unknown = sorted(chosen - set(words))
    if unknown:
        raise DataError(f"There is no {what} {unknown[0]!r}: choose from {', '.join(words)}.")
    return chosen
