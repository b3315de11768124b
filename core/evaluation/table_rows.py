"""The rows of the detection table, column by column, from boxes that are matched and typed.

In: `MatchedBoxes`. Out: the table of `table.py`, whose `COLUMNS` say what each column means. Nothing is decided here:
what is right and wrong is said by `matching.py` and `tide.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.datasets.split import SIZES, size_indices
from core.evaluation.columns import DetectionColumns, Floats, GroundTruths, Ids, Mask
from core.evaluation.matching import THRESHOLDS, Overlaps, in_range
from core.evaluation.table import ERROR_TYPES, KINDS, METADATA_KEY, RANGES, SCHEMA, TableMetadata


@dataclass(frozen=True)
class MatchedBoxes:
    """Ground truths (G,) and detections (N,) with what `matching.py` and `tide.py` found out about them.

    ignored        (G,) by area range: whether a ground truth does not count in it
    matches        (10, N) by area range: the row of the ground truth of its class that each detection takes at each
                   of THRESHOLDS; -1 without
    any_match      (N,) the same at IoU 0.5 where classes do not count
    error          (N,) index into ERROR_TYPES; -1 for none
    pointed_score  (G,) highest score of a localization or classification error that points to it; -inf without
    """

    ground_truths: GroundTruths
    detections: DetectionColumns
    overlaps: Overlaps
    ignored: dict[str, Mask]
    matches: dict[str, Ids]
    any_match: Ids
    error: npt.NDArray[np.int8]
    pointed_score: Floats

    @property
    def match(self) -> Ids:
        """The row of what each detection takes at IoU 0.5, whatever its area, (N,); -1 without."""
        match: Ids = self.matches["all"][0]
        return match

    @property
    def takes_crowd(self) -> Mask:
        """Whether what it takes is a crowd, (N,)."""
        return np.append(self.ground_truths.iscrowd, False)[self.match]  # the last is for -1

    @property
    def finds_object(self) -> Mask:
        """Whether what it takes is an object, (N,)."""
        return (self.match >= 0) & ~self.takes_crowd


class _Nullable(NamedTuple):
    """A column with nulls: values (N,), of any kind under a null, and where the nulls are (N,)."""

    values: np.ndarray
    is_null: Mask


_Columns = dict[str, np.ndarray | _Nullable]


def build_table(boxes: MatchedBoxes, truncated: tuple[Mask, Mask], metadata: TableMetadata) -> pa.Table:
    """Return the table; `truncated` says of each ground truth whether it is cut off, and whether that is unknown."""
    parts = _ground_truth_columns(boxes) | {"truncated": _Nullable(*truncated)}, _detection_columns(boxes)
    lengths = len(boxes.ground_truths), len(boxes.detections)
    # Sorted by image; the sort is stable and detections lie by falling score already.
    order = np.argsort(np.concatenate([boxes.ground_truths.image_id, boxes.detections.image_id]), kind="stable")
    words: dict[str, Sequence[str]] = {
        "kind": KINDS,
        "class_name": metadata.classes,
        "size": SIZES,
        "error": [error_type.value for error_type in ERROR_TYPES],
    }
    arrays = []
    for field in SCHEMA:
        of_ground_truths, of_detections = (part.get(field.name) for part in parts)
        column = _joined(of_ground_truths, of_detections, lengths)
        arrays.append(_as_array(column.values[order], column.is_null[order], field.type, words.get(field.name)))
    return pa.Table.from_arrays(arrays, schema=SCHEMA).replace_schema_metadata({METADATA_KEY: metadata.to_json()})


def _ground_truth_columns(boxes: MatchedBoxes) -> _Columns:
    ground_truths, detections = boxes.ground_truths, boxes.detections
    match_query, match_score, any_score = (np.full(len(ground_truths), np.nan) for _ in range(3))
    rows = boxes.finds_object
    match_query[boxes.match[rows]], match_score[boxes.match[rows]] = detections.query[rows], detections.score[rows]
    rows = boxes.any_match >= 0
    any_score[boxes.any_match[rows]] = detections.score[rows]
    ranges = [(~boxes.ignored[name]).astype(np.int64) << i for i, name in enumerate(RANGES)]
    return {
        "kind": np.full(len(ground_truths), KINDS.index("ground_truth")),
        "image_id": ground_truths.image_id,
        "class_name": ground_truths.label,
        **_box_columns(ground_truths.xywh, ground_truths.area),
        "gt_id": ground_truths.id,
        "iscrowd": ground_truths.iscrowd,
        "ranges": np.sum(ranges, axis=0),
        "match_query": _Nullable(match_query, np.isnan(match_query)),
        "match_score": _Nullable(match_score, np.isnan(match_score)),
        "pointed_score": _Nullable(boxes.pointed_score, np.isinf(boxes.pointed_score)),
        "any_score": _Nullable(any_score, np.isnan(any_score)),
    }


def _detection_columns(boxes: MatchedBoxes) -> _Columns:
    ground_truths, detections, overlaps = boxes.ground_truths, boxes.detections, boxes.overlaps
    # pycocotools' order: by falling score, among equals by image, then as within the image
    order = np.lexsort((np.arange(len(detections)), detections.image_id, -detections.score))
    rank = np.empty(len(detections), dtype=np.int64)
    rank[order] = np.arange(len(detections))
    return {
        "kind": np.full(len(detections), KINDS.index("detection")),
        "image_id": detections.image_id,
        "class_name": detections.label,
        **_box_columns(detections.xywh, detections.area),
        "gt_id": _ids(ground_truths, np.where(boxes.finds_object, boxes.match, -1)),
        "query": detections.query,
        "score": detections.score,
        "rank": rank,
        "error": _Nullable(boxes.error, boxes.error < 0),
        "crowd_only": boxes.takes_crowd,
        "iou": _Nullable(_match_iou(boxes), ~boxes.finds_object),
        "best_same_iou": _Nullable(overlaps.same_iou, np.isnan(overlaps.same_iou)),
        "best_same_gt": _ids(ground_truths, overlaps.same_gt),
        "best_other_iou": _Nullable(overlaps.other_iou, np.isnan(overlaps.other_iou)),
        "best_other_gt": _ids(ground_truths, overlaps.other_gt),
        "any_gt": _ids(ground_truths, boxes.any_match),
        **_hits_and_ignored(boxes),
    }


def _box_columns(xywh: Floats, area: Floats) -> _Columns:
    left, top, width, height = xywh.T
    corners = {"x1": left, "y1": top, "x2": left + width, "y2": top + height}
    return {**corners, "area": area, "size": size_indices(area)}


def _match_iou(boxes: MatchedBoxes) -> Floats:
    """Return the IoU of each detection with what it takes, (N,); 0 without."""
    overlaps, iou = boxes.overlaps, np.zeros(len(boxes.detections))
    rows = boxes.match[overlaps.pair_detection] == overlaps.pair_gt
    iou[overlaps.pair_detection[rows]] = overlaps.pair_iou[rows]
    return iou


def _hits_and_ignored(boxes: MatchedBoxes) -> _Columns:
    """Return the columns hits_* and ignored_*: pycocotools' dtMatches and dtIgnore at its ten IoUs, one bit each."""
    weights = (1 << np.arange(len(THRESHOLDS))).astype(np.uint16)
    columns: _Columns = {}
    for name, match in boxes.matches.items():  # match (10, N)
        takes_ignored = np.append(boxes.ignored[name], False)[match]
        ignored = np.where(match >= 0, takes_ignored, ~in_range(boxes.detections.area, name))
        columns[f"hits_{name}"] = weights @ ((match >= 0) & ~takes_ignored)
        columns[f"ignored_{name}"] = weights @ ignored
    return columns


def _ids(ground_truths: GroundTruths, rows: Ids) -> _Nullable:
    """Return the annotation ids of some rows; null where the row is -1."""
    return _Nullable(np.append(ground_truths.id, 0)[rows], rows < 0)


def _joined(
    of_ground_truths: np.ndarray | _Nullable | None, of_detections: np.ndarray | _Nullable | None,
    lengths: tuple[int, int],
) -> _Nullable:  # fmt: skip
    """Return a column of both kinds of rows; None, of one of them at most, makes its rows null."""
    parts: list[_Nullable] = []
    for column, length in zip((of_ground_truths, of_detections), lengths, strict=True):
        if column is None:
            parts.append(_Nullable(np.zeros(length, dtype=np.uint8), np.ones(length, dtype=bool)))
        elif isinstance(column, _Nullable):
            parts.append(column)
        else:
            parts.append(_Nullable(column, np.zeros(length, dtype=bool)))
    values, is_null = zip(*parts, strict=True)
    return _Nullable(np.concatenate(values), np.concatenate(is_null))


def _as_array(values: np.ndarray, is_null: Mask, kind: pa.DataType, words: Sequence[str] | None) -> pa.Array:
    numbers = np.where(is_null, 0, values)  # what lies under a null may not survive a cast
    if words is None:
        return pa.array(numbers.astype(kind.to_pandas_dtype()), mask=is_null)
    codes = pa.array(numbers.astype(np.int32), mask=is_null)
    return pa.DictionaryArray.from_arrays(codes, pa.array(words, pa.string()))
