"""The detection table: one row per detection and per ground truth of an evaluated checkpoint, as Parquet.

`errors.py` computes it once, for all scores; here is what its columns mean, how it is written and read, and every
count and filter on it. A score threshold applies only when reading: detections with `score >= threshold` are there,
and an object is missed if it is no crowd and neither found nor pointed to by such a detection. All counts go through
`error_codes`, so no two can disagree. Apart from `errors.py` because pages only read, and reading needs no evaluator.

Rows are sorted by image; within one the ground truths lead, then come the detections by falling score.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core import DataError, RunError
from core.coco import SIZES

KINDS = ("ground_truth", "detection")


class ErrorType(StrEnum):
    """TIDE's six error types: the value is the table's; `label`, `short` (on pictures) and `description` are read."""

    CLASSIFICATION = ("classification", "Wrong class", "class", "The box fits an object of another class.")
    LOCALIZATION = ("localization", "Poor box", "box", "The class is right, but the box fits the object badly.")
    BOTH = ("both", "Wrong class and poor box", "class+box", "The class is wrong, and the box fits the object badly.")
    DUPLICATE = (
        "duplicate",
        "Duplicate",
        "duplicate",
        "The object was already found by a more confident prediction.",
    )
    BACKGROUND = ("background", "Background", "background", "There is no object here.")
    MISSED = ("missed", "Missed", "missed", "No prediction found this object, or came close to it.")

    label: str
    short: str
    description: str

    def __new__(cls, value: str, label: str, short: str, description: str):
        member = str.__new__(cls, value)
        member._value_, member.label, member.short, member.description = value, label, short, description
        return member


ERROR_TYPES = tuple(ErrorType)
_TEXT = pa.dictionary(pa.int32(), pa.string())
_BOTH, _DETECTION, _TRUTH = "both kinds", "detection", "ground truth"
COLUMNS = (  # name, type, the kind of row that has it, meaning; null wherever a row does not have it
    ("kind", _TEXT, _BOTH, "ground_truth or detection"),
    ("image_id", pa.int64(), _BOTH, "the data set's image id"),
    ("class_name", _TEXT, _BOTH, "the annotated or the predicted class"),
    ("x1", pa.float32(), _BOTH, "left, pixels of the original image"),
    ("y1", pa.float32(), _BOTH, "top, pixels"),
    ("x2", pa.float32(), _BOTH, "right, pixels"),
    ("y2", pa.float32(), _BOTH, "bottom, pixels"),
    ("area", pa.float32(), _BOTH, "px²: the annotation's own area, or the predicted box's width times height"),
    ("size", _TEXT, _BOTH, "small, medium or large, by area"),
    ("gt_id", pa.int64(), _BOTH, "the annotation's id; of a detection, the one it found, null if it found none"),
    ("query", pa.int32(), _DETECTION, "the object query, or the place among the image's detections in a results list"),
    ("score", pa.float32(), _DETECTION, "0 to 1"),
    ("error", _TEXT, _DETECTION, "error type; null if it found an object (gt_id) or only a crowd (crowd_only)"),
    ("crowd_only", pa.bool_(), _DETECTION, "it fits a crowd and no free object: ignored, neither right nor wrong"),
    ("iou", pa.float32(), _DETECTION, "IoU with the object that it found"),
    (
        "best_same_iou",
        pa.float32(),
        _DETECTION,
        "highest IoU with any object or crowd of its class, found by it or not",
    ),
    ("best_same_gt", pa.int64(), _DETECTION, "its annotation id; what a localization error points to"),
    ("best_other_iou", pa.float32(), _DETECTION, "highest IoU with any object of another class, no crowds"),
    ("best_other_gt", pa.int64(), _DETECTION, "its annotation id; what a classification error points to"),
    ("iscrowd", pa.bool_(), _TRUTH, "the annotation marks a crowd: it cannot be found or missed"),
    ("truncated", pa.bool_(), _TRUTH, "the box touches the picture's border; null if its size is unknown"),
    ("match_query", pa.int32(), _TRUTH, "query of the detection that found it, at any score"),
    ("match_score", pa.float32(), _TRUTH, "score of that detection"),
    ("pointed_score", pa.float32(), _TRUTH, "highest score of a localization or classification error pointing to it"),
)
SCHEMA = pa.schema([pa.field(name, kind) for name, kind, _, _ in COLUMNS])


def write_table(table: pa.Table, path) -> None:
    """Write the table as Parquet, whole or not at all; raises RunError if that fails."""
    path = Path(path)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, half, compression="zstd")
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise RunError(f"The detection table {path} cannot be written: {error.strerror or error}.") from None


def read_table(path, columns: list[str] | None = None) -> pa.Table:
    """A written table, or only some of its columns; raises RunError if it is missing, damaged or another version's."""
    path = Path(path)
    if not path.is_file():
        raise RunError(f"There is no detection table {path}: evaluate the checkpoint again.")
    try:
        file = pq.ParquetFile(path)
        if not file.schema_arrow.equals(SCHEMA):
            raise RunError(f"The detection table {path} has other columns than this version's: evaluate again.")
        return file.read(columns=columns).combine_chunks()
    except (pa.ArrowException, OSError):
        raise RunError(f"The detection table {path} is damaged: evaluate the checkpoint again.") from None


def error_codes(table: pa.Table, score_threshold: float = 0.0) -> np.ndarray:
    """Each row's error at a threshold as an index into ERROR_TYPES, (N,) int8; -1 where there is none."""
    threshold = np.float32(score_threshold)  # scores are float32: 0.7 as a double would lie above a score of 0.7
    codes = np.where(_floats(table, "score") >= threshold, _indices(table, "error", ERROR_TYPES), -1)
    reached = np.fmax(_floats(table, "match_score"), _floats(table, "pointed_score"))
    missed = _is_one_of(table, "kind", {"ground_truth"}) & ~_flags(table, "iscrowd") & ~(reached >= threshold)
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


def select_images(
    table: pa.Table,
    score_threshold: float = 0.0,
    classes: Iterable[str] | None = None,
    error_types: Iterable[str] | None = None,
    sizes: Iterable[str] | None = None,
) -> list[int]:
    """Ids of the images to show, those with most matching errors first, then by id; None does not restrict.

    With `error_types` an image needs such an error, of the classes and sizes given. Without, it needs a ground truth
    or a detection at the threshold of these classes and sizes; without any restriction every image is there.
    Raises DataError for an unknown error type or size; a class that the table does not have matches nothing.
    """
    codes = error_codes(table, score_threshold)
    rows = np.ones(len(codes), dtype=bool)
    if classes is not None or sizes is not None:
        rows = visible(table, score_threshold)
    if classes is not None:
        rows &= _is_one_of(table, "class_name", set(classes))
    if sizes is not None:
        rows &= _is_one_of(table, "size", _known(sizes, SIZES, "size"))
    if error_types is not None:
        wanted = _known(error_types, [kind.value for kind in ERROR_TYPES], "error type")
        rows &= np.isin(codes, [i for i, kind in enumerate(ERROR_TYPES) if kind.value in wanted])
    image_ids, n = _errors_by_image(table, rows & (codes >= 0), rows)
    return image_ids[np.lexsort((image_ids, -n))].tolist()


def visible(table: pa.Table, score_threshold: float = 0.0) -> np.ndarray:
    """Which rows there are at a threshold, (N,) bool: every ground truth, and each detection at or above it."""
    return _is_one_of(table, "kind", {"ground_truth"}) | (_floats(table, "score") >= np.float32(score_threshold))


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


def _dictionary(table: pa.Table, column: str) -> tuple[np.ndarray, list[str]]:
    """A text column as (indices (N,), words); -1 where it is null, so that a list with one item more serves all."""
    array = table[column].combine_chunks()
    return array.indices.fill_null(-1).to_numpy(zero_copy_only=False), array.dictionary.to_pylist()


def _indices(table: pa.Table, column: str, words) -> np.ndarray:
    """A text column as indices into `words`, (N,); -1 where it is null."""
    indices, own = _dictionary(table, column)
    return np.array([words.index(word) for word in own] + [-1], dtype=np.int8)[indices]


def _is_one_of(table: pa.Table, column: str, words: set[str]) -> np.ndarray:
    indices, own = _dictionary(table, column)
    return np.array([word in words for word in own] + [False])[indices]


def _floats(table: pa.Table, column: str) -> np.ndarray:
    """A float column, (N,); NaN where it is null."""
    return table[column].to_numpy()


def _flags(table: pa.Table, column: str) -> np.ndarray:
    """A boolean column, (N,); False where it is null."""
    return table[column].fill_null(False).to_numpy()
