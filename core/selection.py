"""Which rows of the detection table count, and how many: every count and filter at a score threshold.

A threshold applies only here: detections with `score >= threshold` are there, and an object is missed if it is no crowd
and neither found nor pointed to by such a detection. All counts go through `error_codes`, so no two can disagree.
`Selection` is what a page filters by, and what a link to it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core import DataError
from core.coco import SIZES
from core.table import ERROR_TYPES, ErrorType, about, flags, floats, has, indices, integers, is_one_of

LOWEST_SCORE = 0.05  # from which boxes are shown at all, and so the lowest that a link to them names
BACKGROUND = ""  # in a `pair`: no object, or no prediction
_ID = re.compile(r"-?[0-9]{1,18}")  # an image id in an address: one that int64 holds


@dataclass(frozen=True)
class Selection:
    """Which boxes are asked for; empty or None: no restriction.

    score    predictions from this score
    classes  of these classes, annotated or predicted
    error    of this error type
    sizes    of these sizes
    pair     of this cell of the confusion matrix: (annotated class, predicted class), BACKGROUND for none
    images   on these images
    """

    score: float = 0.5
    classes: tuple[str, ...] = ()
    error: str | None = None
    sizes: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    images: tuple[int, ...] = ()

    @property
    def is_about_boxes(self) -> bool:
        """Whether it asks for some boxes only, not for all of its images."""
        return bool(self.classes or self.error or self.sizes or self.pair)

    def to_query(self) -> dict[str, str | list[str]]:
        """For an address: the score, exact as float32, and what restricts."""
        lists = {"class": list(self.classes), "size": list(self.sizes), "image": [str(i) for i in self.images]}
        query = {"score": str(np.float32(self.score))} | {name: values for name, values in lists.items() if values}
        if self.error:
            query["error"] = str(self.error)
        if self.pair:
            query["true"], query["predicted"] = self.pair
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]], classes: Sequence[str]) -> Selection:
        """From an address, name to values; what makes no sense there is left out. `classes`: those of the table."""
        pair = tuple(query[name][0] if query.get(name) else None for name in ("true", "predicted"))
        known = all(name in (*classes, BACKGROUND) for name in pair) and pair != (BACKGROUND, BACKGROUND)
        errors = [name for name in query.get("error", ()) if name in set(ERROR_TYPES)]
        images = [int(i) for i in query.get("image", ()) if _ID.fullmatch(i)]
        return cls(
            _share(query.get("score", ()), cls.score),
            tuple(name for name in dict.fromkeys(query.get("class", ())) if name in classes),
            errors[0] if errors else None,
            tuple(name for name in dict.fromkeys(query.get("size", ())) if name in SIZES),
            pair if known else None,
            tuple(dict.fromkeys(images)),
        )


def _share(values: Sequence[str], default: float) -> float:
    try:
        value = float(values[0])
    except (IndexError, ValueError):
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
    return _by_number(np.unique(image_ids), image_ids[error_codes(table, score_threshold) >= 0])


def _by_number(there: np.ndarray, counted: np.ndarray) -> list[tuple[int, int]]:
    """Each image of `there` (ids, ascending) with how often it is in `counted`, the most first, then by id."""
    n = np.bincount(np.searchsorted(there, counted), minlength=len(there))
    order = np.lexsort((there, -n))
    return list(zip(there[order].tolist(), n[order].tolist(), strict=True))


def selected_rows(table: pa.Table, selection: Selection) -> np.ndarray:
    """Which rows the selection asks for, (N,) bool: with `error` such errors, with `pair` that cell's boxes.

    A cell off the background is its predictions; (class, BACKGROUND) is the objects that no prediction found.
    Raises DataError for an unknown error type or size; a class or image that the table does not have matches nothing.
    """
    rows = visible(table, selection.score)
    if selection.classes:
        rows &= is_one_of(table, "class_name", set(selection.classes))
    if selection.sizes:
        rows &= is_one_of(table, "size", _known(selection.sizes, SIZES, "size"))
    if selection.error:
        _known([selection.error], [kind.value for kind in ERROR_TYPES], "error type")
        rows &= error_codes(table, selection.score) == ERROR_TYPES.index(selection.error)
    if selection.pair:
        rows &= _in_cell(table, selection.pair, selection.score)
    if selection.images:
        rows &= np.isin(table["image_id"].to_numpy(), selection.images)
    return rows


def _in_cell(table: pa.Table, pair: tuple[str, str], score: float) -> np.ndarray:
    """The rows that make up a cell of the confusion matrix at a threshold, (N,) bool; predictions at every score."""
    annotated, predicted = pair
    if predicted == BACKGROUND:
        found = floats(table, "any_score") >= np.float32(score)
        return is_object(table) & is_one_of(table, "class_name", {annotated}) & ~found
    rows = is_one_of(table, "kind", {"detection"}) & is_one_of(table, "class_name", {predicted})
    taken = has(table, "any_gt")
    if annotated == BACKGROUND:
        return rows & ~taken
    ids = integers(table, "gt_id")[is_object(table) & is_one_of(table, "class_name", {annotated})]
    return rows & taken & np.isin(integers(table, "any_gt"), ids)


def cell_boxes(table: pa.Table, pair: tuple[str, str], score_threshold: float = 0.0) -> np.ndarray:
    """All boxes that tell of a cell of the confusion matrix, (N,) bool: those in it and the objects they found.

    Predictions are there at every score, so that a picture can show them at any; they have an object or none whatever
    the threshold is. The table may be a part of one, with all rows of its images.
    """
    rows = _in_cell(table, pair, score_threshold)
    there = rows & (floats(table, "score") >= np.float32(score_threshold)) & has(table, "any_gt")
    found = np.isin(integers(table, "gt_id"), integers(table, "any_gt")[there])
    return rows | (is_object(table) & found)


def is_object(table: pa.Table) -> np.ndarray:
    """Which rows are ground truths and no crowds, (N,) bool."""
    return is_one_of(table, "kind", {"ground_truth"}) & ~flags(table, "iscrowd")


def select_images(table: pa.Table, selection: Selection) -> list[int]:
    """Ids of the images to show, those with most matching errors first, then by id; of a `pair`, with most boxes.

    An image needs a row that the selection asks for; if it asks for no boxes in particular, every evaluated image is
    there, or each of `images`. Raises DataError as `selected_rows`.
    """
    rows = selected_rows(table, selection)
    counted = rows if selection.pair else rows & (error_codes(table, selection.score) >= 0)
    image_ids = table["image_id"].to_numpy()
    there = np.unique(image_ids[rows])
    if not selection.is_about_boxes:
        evaluated = np.array(about(table).image_ids, dtype=np.int64)
        there = np.union1d(there, evaluated[np.isin(evaluated, selection.images)] if selection.images else evaluated)
    return [image_id for image_id, _ in _by_number(there, image_ids[counted])]


def visible(table: pa.Table, score_threshold: float = 0.0) -> np.ndarray:
    """Which rows there are at a threshold, (N,) bool: every ground truth, and each detection at or above it."""
    return is_one_of(table, "kind", {"ground_truth"}) | (floats(table, "score") >= np.float32(score_threshold))


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
