"""Which rows of the detection table count, and how many: every count and filter at a score threshold.

A threshold applies only here: detections with `score >= threshold` are there, and an object is missed if it is no crowd
and neither found nor pointed to by such a detection. All counts go through `error_codes`, so no two can disagree.
`Selection` is what a page filters by, and what a link to it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core import DataError
from core.coco import SIZES
from core.table import ERROR_TYPES, ErrorType, flags, floats, has, indices, integers, is_one_of

BACKGROUND = ""  # in a `pair`: no object, or no prediction


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

    def to_query(self) -> dict[str, str | list[str]]:
        """For an address: the score, and what restricts."""
        lists = {"class": list(self.classes), "size": list(self.sizes), "image": [str(i) for i in self.images]}
        query = {"score": f"{self.score:g}"} | {name: values for name, values in lists.items() if values}
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
        return cls(
            _share(query.get("score", ()), cls.score),
            tuple(name for name in query.get("class", ()) if name in classes),
            errors[0] if errors else None,
            tuple(name for name in query.get("size", ()) if name in SIZES),
            pair if known else None,
            tuple(int(i) for i in query.get("image", ()) if i.lstrip("-").isdecimal()),
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
    missed = _is_object(table) & ~(reached >= threshold)
    return np.where(missed, ERROR_TYPES.index(ErrorType.MISSED), codes).astype(np.int8)


def count_errors(table: pa.Table, score_threshold: float = 0.0) -> dict[str, int]:
    """How many errors of each of the six types there are at a threshold, by the type's value."""
    counts = np.bincount(error_codes(table, score_threshold) + 1, minlength=len(ERROR_TYPES) + 1)[1:]
    return {kind.value: int(count) for kind, count in zip(ERROR_TYPES, counts, strict=True)}


def worst_images(table: pa.Table, score_threshold: float = 0.0) -> list[tuple[int, int]]:
    """Every image of the table with its number of errors, (image id, n), worst first, then by id."""
    image_ids, n = _errors_by_image(table, error_codes(table, score_threshold) >= 0)
    order = np.lexsort((image_ids, -n))
    return list(zip(image_ids[order].tolist(), n[order].tolist(), strict=True))


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
    """The visible rows that make up a cell of the confusion matrix at a threshold, (N,) bool."""
    annotated, predicted = pair
    if predicted == BACKGROUND:
        found = floats(table, "any_score") >= np.float32(score)
        return _is_object(table) & is_one_of(table, "class_name", {annotated}) & ~found
    rows = is_one_of(table, "kind", {"detection"}) & is_one_of(table, "class_name", {predicted})
    taken = has(table, "any_gt")
    if annotated == BACKGROUND:
        return rows & ~taken
    ids = integers(table, "gt_id")[_is_object(table) & is_one_of(table, "class_name", {annotated})]
    return rows & taken & np.isin(integers(table, "any_gt"), ids)


def _is_object(table: pa.Table) -> np.ndarray:
    """Which rows are ground truths and no crowds, (N,) bool."""
    return is_one_of(table, "kind", {"ground_truth"}) & ~flags(table, "iscrowd")


def select_images(table: pa.Table, selection: Selection) -> list[int]:
    """Ids of the images to show, those with most matching errors first, then by id.

    An image needs a row that the selection asks for. Raises DataError as `selected_rows`.
    """
    rows = selected_rows(table, selection)
    if not (selection.classes or selection.error or selection.sizes or selection.pair or selection.images):
        rows[:] = True
    errors = rows & (error_codes(table, selection.score) >= 0)
    image_ids, n = _errors_by_image(table, errors, rows)
    return image_ids[np.lexsort((image_ids, -n))].tolist()


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


def _errors_by_image(table: pa.Table, errors: np.ndarray, rows: np.ndarray | None = None):
    """The images that have one of `rows` (default: all), and how many `errors` each has: (ids, counts), by id."""
    rows = slice(None) if rows is None else rows
    image_ids, place = np.unique(table["image_id"].to_numpy()[rows], return_inverse=True)
    return image_ids, np.bincount(place, weights=errors[rows], minlength=len(image_ids)).astype(np.int64)


def _known(chosen: Iterable[str], words, what: str) -> set[str]:
    chosen = set(chosen)
    unknown = sorted(chosen - set(words))
    if unknown:
        raise DataError(f"There is no {what} {unknown[0]!r}: choose from {', '.join(words)}.")
    return chosen
