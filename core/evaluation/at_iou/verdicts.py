"""What each detection is at COCO's ten IoUs, not only at 0.5: what it takes there, and which error type it is.

In: rows of a detection table. Out: `Verdicts`. The boxes are matched anew at every IoU, since a higher one may change
who takes which object: a box that finds an object at 0.75 may have had another one at 0.5, which fits it less. Apart
from `tide.py`, whose table is at 0.5, because pages ask for a few images only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.evaluation.columns import DetectionColumns, Floats, GroundTruths, Ids
from core.evaluation.matching import THRESHOLDS, Overlaps, match_same_class, overlaps
from core.evaluation.table import (
    CORNERS,
    ERROR_TYPES,
    ErrorType,
    flags,
    floats,
    indices,
    integers,
    is_ground_truth,
    table_metadata,
)
from core.evaluation.tide import assign_error_types

CORRECT, IN_CROWD = len(ERROR_TYPES), len(ERROR_TYPES) + 1  # codes after those of the error types
_OF_OTHER = [ERROR_TYPES.index(kind) for kind in (ErrorType.CLASSIFICATION, ErrorType.BOTH)]


class Verdicts(NamedTuple):
    """What N detections are at each of the ten THRESHOLDS.

    code  (10, N) int8     index into ERROR_TYPES, CORRECT, or IN_CROWD: it fits a crowd and no free object
    gt    (10, N) int64    which of the rows' ground truths it found or, being an error, points to; -1 without
    iou   (10, N) float64  IoU with the object that it found, else the highest with any; NaN without
    """

    code: npt.NDArray[np.int8]
    gt: Ids
    iou: Floats


def verdicts(part: pa.Table, image: Ids) -> Verdicts:
    """Return what each detection among the rows is, in their order.

    part   rows of a table, image by image as it has them; detections below some score may be missing
    image  (R,) by which the rows are told apart; an image that comes twice has two numbers

    What a detection takes depends on higher scores only. Equal to `tide.detection_table` with that IoU as the
    foreground, but that boxes are what a table keeps of them, float32. The TIDE types go by the same IoU: at 0.75 a
    box of the right class with an IoU of 0.6 is a localization error.
    """
    ground_truths, detections = _columns(part, image)
    pairs = overlaps(ground_truths, detections)
    match = match_same_class(pairs, ground_truths, detections, ground_truths.iscrowd)
    crowd = np.append(ground_truths.iscrowd, False)  # the last is for -1
    code, gt, iou = [], [], []
    for taken, threshold in zip(match, THRESHOLDS.tolist(), strict=True):
        error = assign_error_types(pairs, taken, threshold)
        takes_crowd = crowd[taken]
        code.append(np.where(error >= 0, error, np.where(takes_crowd, IN_CROWD, CORRECT)).astype(np.int8))
        is_found = code[-1] == CORRECT
        gt.append(np.where(is_found, taken, _pointed(pairs, error)))
        iou.append(np.where(is_found, _iou_with(pairs, taken), np.fmax(pairs.same_iou, pairs.other_iou)))
    return Verdicts(np.stack(code), np.stack(gt), np.stack(iou))


def _pointed(pairs: Overlaps, error: npt.NDArray[np.int8]) -> Ids:
    """Return what a detection that found nothing points to, as `selection.associated_ground_truths` says, (N,)."""
    pointed = np.where(np.isin(error, _OF_OTHER), pairs.other_gt, pairs.same_gt)
    return np.where(error == ERROR_TYPES.index(ErrorType.BACKGROUND), -1, pointed)


def _iou_with(pairs: Overlaps, taken: Ids) -> Floats:
    """Return the IoU of each detection with what it takes, (N,); 0 without."""
    iou = np.zeros(len(taken))
    rows = taken[pairs.pair_detection] == pairs.pair_gt
    iou[pairs.pair_detection[rows]] = pairs.pair_iou[rows]
    return iou


def _columns(part: pa.Table, image: Ids) -> tuple[GroundTruths, DetectionColumns]:
    label = indices(part, "class_name", table_metadata(part).classes).astype(np.int64)
    left, top, right, bottom = (floats(part, side).astype(np.float64) for side in CORNERS)
    xywh = np.stack([left, top, right - left, bottom - top], axis=1)
    is_truth = is_ground_truth(part)
    truth, detection = np.flatnonzero(is_truth), np.flatnonzero(~is_truth)
    ground_truths = GroundTruths(
        id=integers(part, "gt_id")[truth].astype(np.int64), image_id=image[truth], label=label[truth],
        xywh=xywh[truth], area=np.zeros(len(truth)), iscrowd=flags(part, "iscrowd")[truth],
    )  # fmt: skip
    return ground_truths, DetectionColumns(
        image_id=image[detection], query=integers(part, "query")[detection].astype(np.int64), label=label[detection],
        xywh=xywh[detection], score=floats(part, "score")[detection].astype(np.float64),
    )  # fmt: skip
