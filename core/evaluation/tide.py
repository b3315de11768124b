"""TIDE's error types: which of the six each detection is, and the detection table that holds them.

In: a COCO ground-truth dict, and detections as a COCO results list or as `Detections`. Out: the table of `table.py`.

    checked_columns -> overlaps -> match_same_class (COCO's matches) -> assign_error_types -> the table's rows

No score threshold is needed: a detection's match depends on higher scores only, so its error type is the same at every
threshold. Whether a ground truth is missed is not: `threshold.is_missed` decides it at a threshold from two columns of
the table, `match_score` and `pointed_score`.

Source: Bolya et al., TIDE (ECCV 2020), arXiv 2008.08115. Without crowds the counts equal those of TIDE's own tool,
`tidecv`, and of hotcoco's `tide_errors`; with crowds hotcoco's. The difference is a detection that lies in a crowd of
its class by a tenth to half: hotcoco takes the crowd for an object, so it is a localization error, where `tidecv`,
which knows crowds only as what excuses a detection, says background, classification or both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.boxes import Detections
from core.evaluation.columns import DetectionColumns, GroundTruths, Ids, Mask, checked_columns, rank_within_group
from core.evaluation.matching import Overlaps, in_range, match_any_class, match_same_class, overlaps
from core.evaluation.model_input import ModelInput
from core.evaluation.table import ERROR_TYPES, RANGES, ErrorType, TableMetadata
from core.evaluation.table_rows import MatchedBoxes, build_table
from core.labels import LabelMap

FOREGROUND = 0.5  # IoU from which a box fits an object
BACKGROUND = 0.1  # IoU up to which it has nothing to do with it
MOST_DETECTIONS = 100  # of one class in an image: COCO looks at no more


def detection_table(
    gt: dict[str, Any],
    results: list[dict[str, Any]] | Detections,
    label_map: LabelMap | None = None,
    model_input: ModelInput | None = None,
) -> pa.Table:
    """Make the detection table (`table.SCHEMA`) of `results` on `gt`, for the classes of `label_map` (default: all).

    Of each class the 100 highest scores in an image have a row, as in COCO's metrics. `model_input` is how the model
    saw the images. Raises DataError as `evaluate` does.
    """
    label_map, ground_truths, detections = checked_columns(gt, results, label_map)
    detections = _highest_scores(detections)
    pairs = overlaps(ground_truths, detections)
    ignored = {name: ground_truths.iscrowd | ~in_range(ground_truths.area, name) for name in RANGES}
    matches = {name: match_same_class(pairs, ground_truths, detections, ignored[name]) for name in RANGES}
    class_order = np.argsort(np.argsort(label_map.category_ids))
    any_match = match_any_class(pairs, ground_truths, detections, class_order)
    error = assign_error_types(pairs, matches["all"][0])
    pointed_score = _pointed_scores(ground_truths, detections, pairs, error)
    boxes = MatchedBoxes(ground_truths, detections, pairs, ignored, matches, any_match, error, pointed_score)
    return build_table(boxes, _truncated(gt, ground_truths), _metadata(gt, label_map, model_input))


def _highest_scores(detections: DetectionColumns) -> DetectionColumns:
    """Return at most MOST_DETECTIONS per image and class, by falling score, equal scores in their own order."""
    by_score = detections[np.argsort(-detections.score, kind="stable")]
    return by_score[rank_within_group(by_score.label, by_score.image_id) < MOST_DETECTIONS]


def assign_error_types(overlaps: Overlaps, match: Ids, foreground: float = FOREGROUND) -> npt.NDArray[np.int8]:
    """Return each detection's error type as an index into ERROR_TYPES, (N,); -1 for none.

    match       (N,) the row of the ground truth or the crowd that each detection took at that IoU; -1 without
    foreground  IoU from which a box fits an object

    The first test that holds decides, in TIDE's order. A crowd of the detection's own class counts as an object that
    it overlaps, one of another class does not (as in hotcoco).
    """
    same = np.nan_to_num(overlaps.same_iou, nan=0.0)  # highest IoU with an object of the detection's class
    other = np.nan_to_num(overlaps.other_iou, nan=0.0)  # highest IoU with an object of another class
    cascade: tuple[tuple[Mask, ErrorType | None], ...] = (
        # It found an object, or only a crowd, which counts neither way.
        (match >= 0, None),
        # The class is right and the box overlaps such an object, but too little (at just that IoU another took it).
        ((same >= BACKGROUND) & (same <= foreground), ErrorType.LOCALIZATION),
        # The box fits an object of another class.
        (other >= foreground, ErrorType.CLASSIFICATION),
        # Class and box are right, so a higher score has taken the object: else this one would have.
        (same >= foreground, ErrorType.DUPLICATE),
        # It overlaps nothing, perhaps because the picture is empty.
        (np.maximum(same, other) <= BACKGROUND, ErrorType.BACKGROUND),
        # What is left overlaps an object of another class, but too little.
        (np.ones(len(match), dtype=bool), ErrorType.BOTH),
    )
    codes = [-1 if error_type is None else ERROR_TYPES.index(error_type) for _, error_type in cascade]
    return np.select([test for test, _ in cascade], codes).astype(np.int8)


def _pointed_scores(
    ground_truths: GroundTruths, detections: DetectionColumns, overlaps: Overlaps, error: npt.NDArray[np.int8]
) -> npt.NDArray[np.float64]:
    """Return the highest score of an error that points to each ground truth, (G,); -inf without one.

    A localization error points to the object of its class, a classification error to the object of another class that
    it overlaps most. TIDE does not count such an object as missed.
    """
    highest = np.full(len(ground_truths), -np.inf)
    points_to = ((ErrorType.LOCALIZATION, overlaps.same_gt), (ErrorType.CLASSIFICATION, overlaps.other_gt))
    for error_type, gt in points_to:
        rows = error == ERROR_TYPES.index(error_type)
        np.maximum.at(highest, gt[rows], detections.score[rows])
    return highest


def _truncated(gt: dict[str, Any], ground_truths: GroundTruths) -> tuple[Mask, Mask]:
    """Return whether each ground truth comes within a pixel of its picture's border, and whether that is unknown."""
    sizes = {image["id"]: (image.get("width") or np.nan, image.get("height") or np.nan) for image in gt["images"]}
    limits = np.array([sizes[i] for i in ground_truths.image_id.tolist()]).reshape(-1, 2)
    low, high = ground_truths.xywh[:, :2], ground_truths.xywh[:, :2] + ground_truths.xywh[:, 2:]
    truncated = np.any((low < 1) | (high > limits - 1), axis=1)
    return truncated, np.any(np.isnan(limits), axis=1)


def _metadata(gt: dict[str, Any], label_map: LabelMap, model_input: ModelInput | None) -> TableMetadata:
    sides = {int(image["id"]): (image.get("width"), image.get("height")) for image in gt["images"]}
    image_ids = sorted(sides)
    # some tools write whole numbers as 640.0, and damaged files anything
    known_sizes = tuple((max(1, int(w)), max(1, int(h))) if w and h else None for w, h in (sides[i] for i in image_ids))
    return TableMetadata(tuple(image_ids), known_sizes, label_map.names, label_map.category_ids, model_input)
