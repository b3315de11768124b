"""What kind of error is each detection? TIDE's six types, and the detection table that holds them.

In: a COCO ground-truth dict, and detections as a COCO results list or as `Detections`. Out: the table of `table.py`.
Matching is COCO's (`matching.py`), class by class and image by image; it needs no score threshold, since a detection's
match depends on higher scores only.

Source: Bolya et al., TIDE (ECCV 2020), arXiv 2008.08115; counts equal hotcoco's `tide_errors`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from core.boxes import Detections
from core.datasets.split import SIZES, size_indices
from core.evaluation.columns import DetectionColumns, GroundTruths, checked_columns, rank_within_group
from core.evaluation.matching import THRESHOLDS, Overlaps, in_range, match_any_class, match_same_class, overlaps
from core.evaluation.table import ERROR_TYPES, KINDS, METADATA_KEY, RANGES, SCHEMA, ErrorType, ModelInput, TableMetadata
from core.labels import LabelMap

FOREGROUND = 0.5  # IoU from which a box fits an object
BACKGROUND = 0.1  # IoU up to which it has nothing to do with it
MOST = 100  # detections of one class that COCO looks at in an image


def detection_table(
    gt: dict,
    results: list[dict] | Detections,
    label_map: LabelMap | None = None,
    model_input: ModelInput | None = None,
) -> pa.Table:
    """The detection table (`table.SCHEMA`) of `results` on `gt`, for the classes of `label_map` (default: all).

    Of each class the 100 highest scores in an image have a row; COCO's figures do not look at more. `model_input` is
    how the model saw the images. Raises DataError as `evaluate` does.
    """
    label_map, truths, results = checked_columns(gt, results, label_map)
    results = _highest_scores(results)
    found = overlaps(truths, results)
    matches = {name: match_same_class(found, truths, results, _ignored(truths, name)) for name in RANGES}
    any_match = match_any_class(found, truths, results, np.argsort(np.argsort(label_map.category_ids)))
    error = _cascade(found, matches["all"][0])
    parts = (
        _shared_columns(truths, results),
        _detection_columns(truths, results, found, matches, any_match, error),
        _truth_columns(gt, truths, results, found, matches["all"][0], any_match, error),
    )
    sizes = {image["id"]: (image.get("width"), image.get("height")) for image in gt["images"]}
    image_ids = sorted({int(image_id) for image_id in sizes})
    sizes = {int(image_id): size for image_id, size in sizes.items()}
    about = TableMetadata(
        tuple(image_ids), tuple(sizes[i] if all(sizes[i]) else None for i in image_ids), label_map.names,
        label_map.category_ids, model_input,
    )  # fmt: skip
    return _as_table(*parts, truths, results, about)


def _highest_scores(results: DetectionColumns) -> DetectionColumns:
    """At most MOST detections per image and class, in falling order of score, equal scores in their own order."""
    by_score = results[np.argsort(-results.score, kind="stable")]
    return by_score[rank_within_group(by_score.label, by_score.image_id) < MOST]


def _ignored(truths: GroundTruths, name: str) -> np.ndarray:
    """Which ground truths do not count in an area range, (G,) bool."""
    return truths.iscrowd | ~in_range(truths.area, name)


def _cascade(found: Overlaps, match: np.ndarray) -> np.ndarray:
    """Each detection's error as an index into ERROR_TYPES, (N,) int8; -1 for what matched a ground truth or a crowd.

    A crowd of the detection's own class counts as an object it touches, one of another class does not (as in
    hotcoco). `missed` is not a detection's error: see `table.error_codes`.
    """
    same = np.nan_to_num(found.same_iou, nan=0.0)
    other = np.nan_to_num(found.other_iou, nan=0.0)
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


def _shared_columns(truths: GroundTruths, results: DetectionColumns) -> dict:
    """Name: (of the ground truths, of the detections)."""
    area = results.xywh[:, 2] * results.xywh[:, 3]
    return {
        "kind": (np.full(len(truths.id), 0), np.full(len(results), 1)),
        "image_id": (truths.image_id, results.image_id),
        "class_name": (truths.label, results.label),
        **{
            name: (_corner(truths.xywh, i), _corner(results.xywh, i)) for i, name in enumerate(("x1", "y1", "x2", "y2"))
        },
        "area": (truths.area, area),
        "size": (size_indices(truths.area), size_indices(area)),
    }


def _detection_columns(truths, results, found: Overlaps, matches: dict, any_match, error) -> dict:
    """Name: values of the detections."""
    match = matches["all"][0]
    crowd = np.append(truths.iscrowd, False)[match]  # row -1, "none", is the one appended
    is_found = (match >= 0) & ~crowd
    rank = np.empty(len(results), dtype=np.int64)
    # pycocotools' order: by falling score, among equals by image, then as within the image
    rank[np.lexsort((np.arange(len(results)), results.image_id, -results.score))] = np.arange(len(results))
    same_iou, other_iou = (np.ma.masked_invalid(iou) for iou in (found.same_iou, found.other_iou))
    return {
        "gt_id": _id_or_null(truths, np.where(is_found, match, -1)),
        "query": results.query,
        "score": results.score,
        "rank": rank,
        "error": np.ma.masked_where(error < 0, error),
        "crowd_only": crowd,
        "iou": np.ma.masked_where(~is_found, _iou_of(found, match, truths)),
        "best_same_iou": same_iou,
        "best_same_gt": _id_or_null(truths, found.same_gt),
        "best_other_iou": other_iou,
        "best_other_gt": _id_or_null(truths, found.other_gt),
        "any_gt": _id_or_null(truths, any_match),
        **_bits(truths, results, matches),
    }


def _iou_of(found: Overlaps, match: np.ndarray, truths: GroundTruths) -> np.ndarray:
    """The IoU of each detection with the ground truth `match` (N,) that it took; 0 without."""
    iou = np.zeros(len(match))
    rows = match[found.pair_detection] == found.pair_gt
    iou[found.pair_detection[rows]] = found.pair_iou[rows]
    return iou


def _bits(truths: GroundTruths, results: DetectionColumns, matches: dict) -> dict:
    """The columns hits_* and ignored_*: pycocotools' dtMatches and dtIgnore at its ten IoUs, one bit each."""
    area = results.xywh[:, 2] * results.xywh[:, 3]
    weights = (1 << np.arange(len(THRESHOLDS))).astype(np.uint16)
    answer = {}
    for name, match in matches.items():  # match (10, N)
        ignored_gt = np.append(_ignored(truths, name), False)[match]
        ignored = np.where(match >= 0, ignored_gt, ~in_range(area, name))
        answer[f"hits_{name}"] = weights @ ((match >= 0) & ~ignored_gt)
        answer[f"ignored_{name}"] = weights @ ignored
    return answer


def _truth_columns(gt, truths, results, found: Overlaps, match, any_match, error) -> dict:
    """Name: values of the ground truths; `match` and `any_match` (N,) are the detections'."""
    is_found = (match >= 0) & ~np.append(truths.iscrowd, False)[match]
    match_query, match_score, any_score = (_absent(len(truths.id), t) for t in (np.int32, np.float32, np.float32))
    match_query[match[is_found]], match_score[match[is_found]] = results.query[is_found], results.score[is_found]
    any_score[any_match[any_match >= 0]] = results.score[any_match >= 0]
    ranges = sum((~_ignored(truths, name)).astype(np.int64) << i for i, name in enumerate(RANGES))
    return {
        "gt_id": truths.id,
        "iscrowd": truths.iscrowd,
        "truncated": _truncated(gt, truths),
        "ranges": ranges,
        "match_query": match_query,
        "match_score": match_score,
        "pointed_score": _pointed_score(truths, results, found, error),
        "any_score": any_score,
    }


def _as_table(shared, of_detections, of_truths, truths, results, about: TableMetadata) -> pa.Table:
    words = {"kind": KINDS, "class_name": about.classes, "size": SIZES, "error": [kind.value for kind in ERROR_TYPES]}
    # Sorted by image; the sort is stable and detections lie by falling score already.
    order = np.argsort(np.concatenate([truths.image_id, results.image_id]), kind="stable")
    arrays = []
    for field in SCHEMA:
        left = of_truths.get(field.name, shared.get(field.name, (None, None))[0])
        right = of_detections.get(field.name, shared.get(field.name, (None, None))[1])
        left = _absent(len(truths.id)) if left is None else left
        right = _absent(len(results)) if right is None else right
        values = np.ma.concatenate([left, right])[order]
        arrays.append(_as_array(values, field.type, words.get(field.name)))
    return pa.Table.from_arrays(arrays, schema=SCHEMA).replace_schema_metadata({METADATA_KEY: about.to_json()})


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


def _id_or_null(truths: GroundTruths, rows: np.ndarray) -> np.ma.MaskedArray:
    """The annotation ids of some rows; masked where the row is -1."""
    return np.ma.masked_where(rows < 0, np.append(truths.id, 0)[rows])


def _pointed_score(
    truths: GroundTruths, results: DetectionColumns, found: Overlaps, error: np.ndarray
) -> np.ma.MaskedArray:
    """The highest score of a localization or classification error that points to each ground truth, else masked."""
    highest = np.full(len(truths.id), -np.inf)
    for kind, gt in ((ErrorType.LOCALIZATION, found.same_gt), (ErrorType.CLASSIFICATION, found.other_gt)):
        rows = error == ERROR_TYPES.index(kind)
        np.maximum.at(highest, gt[rows], results.score[rows])
    return np.ma.masked_invalid(highest)


def _truncated(gt: dict, truths: GroundTruths) -> np.ma.MaskedArray:
    """Whether each ground truth comes within a pixel of its picture's border; masked where its size is unknown."""
    sizes = {image["id"]: (image.get("width") or np.nan, image.get("height") or np.nan) for image in gt["images"]}
    limits = np.array([sizes[i] for i in truths.image_id.tolist()]).reshape(-1, 2)
    touches = (truths.xywh[:, :2] < 1).any(axis=1) | (truths.xywh[:, :2] + truths.xywh[:, 2:] > limits - 1).any(axis=1)
    return np.ma.masked_where(np.isnan(limits).any(axis=1), touches)
