"""What counts at a score threshold: which detections there are, which objects are missed, how many errors of each type.

In: the detection table and a threshold. Out: masks and codes of its rows, counts, the rows to draw. A detection counts
from `score >= threshold` on; `is_missed` says which ground truths are missed then. All counts go through `error_codes`,
so no two can disagree. Apart from `selection.py`, whose filters come on top.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.evaluation.columns import Mask
from core.evaluation.table import ERROR_TYPES, ErrorType, flags, floats, indices, is_ground_truth


def visible(table: pa.Table, score_threshold: float = 0.0) -> Mask:
    """Check which rows there are at a threshold, (N,): every ground truth, and each detection at or above it."""
    return is_ground_truth(table) | reaches(table, "score", score_threshold)


def reaches(table: pa.Table, column: str, score_threshold: float) -> Mask:
    """Check which rows have a score of at least the threshold in this column, (N,)."""
    # Scores are float32: 0.7 as a double would lie above a score of 0.7.
    return floats(table, column) >= np.float32(score_threshold)


def is_object(table: pa.Table) -> Mask:
    """Check which rows are ground truths and no crowds, (N,)."""
    return is_ground_truth(table) & ~flags(table, "iscrowd")


def is_missed(table: pa.Table, score_threshold: float = 0.0) -> Mask:
    """Check which rows are missed objects at a threshold, (N,).

    An object is missed if no detection from the threshold on found it (`match_score`), and no localization or
    classification error from the threshold on points to it (`pointed_score`). A crowd is never missed.
    """
    is_found = reaches(table, "match_score", score_threshold)
    is_pointed_to = reaches(table, "pointed_score", score_threshold)
    return is_object(table) & ~is_found & ~is_pointed_to


def error_codes(table: pa.Table, score_threshold: float = 0.0) -> npt.NDArray[np.int8]:
    """Return each row's error type at a threshold as an index into ERROR_TYPES, (N,); -1 where there is none."""
    codes = np.where(reaches(table, "score", score_threshold), indices(table, "error", ERROR_TYPES), -1)
    missed = is_missed(table, score_threshold)
    return np.where(missed, ERROR_TYPES.index(ErrorType.MISSED), codes).astype(np.int8)


def count_errors(table: pa.Table, score_threshold: float = 0.0, rows: np.ndarray | None = None) -> dict[str, int]:
    """Count the errors of each type at a threshold among `rows` (default: all), by the type's value."""
    codes = error_codes(table, score_threshold)
    counts = np.bincount((codes if rows is None else codes[rows]) + 1, minlength=len(ERROR_TYPES) + 1)[1:]
    return {error_type.value: int(count) for error_type, count in zip(ERROR_TYPES, counts, strict=True)}


def worst_images(table: pa.Table, score_threshold: float = 0.0) -> list[tuple[int, int]]:
    """Return (image id, number of errors) of every image with a row, most errors first, then by id."""
    image_ids = table["image_id"].to_numpy()
    unique_ids = np.unique(image_ids)
    wrong = image_ids[error_codes(table, score_threshold) >= 0]
    n = np.bincount(np.searchsorted(unique_ids, wrong), minlength=len(unique_ids))
    order = np.lexsort((unique_ids, -n))
    return list(zip(unique_ids[order].tolist(), n[order].tolist(), strict=True))


def image_rows(table: pa.Table, image_id: int, score_threshold: float = 0.0) -> list[dict[str, Any]]:
    """Return the rows to draw on one image at a threshold: ground truths, then detections by falling score.

    Each row is a dict of the table's columns, `error` being "missed" on a missed ground truth.
    """
    first, last = np.searchsorted(table["image_id"].to_numpy(), [image_id, image_id + 1])  # rows are sorted by image
    part = table.slice(first, last - first)
    rows = zip(part.to_pylist(), error_codes(part, score_threshold), visible(part, score_threshold), strict=True)
    return [row | {"error": ERROR_TYPES[code].value if code >= 0 else None} for row, code, shown in rows if shown]
