"""COCO's metrics for boxes: average precision and recall of detections against a ground truth.

In: a COCO ground-truth dict, and detections as a COCO results list or as `Detections`. Out: `CocoFigures`, equal to
pycocotools to the last digit.

hotcoco does the counting. Three things are kept from it: image and annotation ids go in as running numbers, because
pycocotools (and so hotcoco) takes a match with annotation 0 for no match; the means are taken here, because its
summary prints; and an undefined metric is None, not -1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import hotcoco
import numpy as np

from core.boxes import Detections, xyxy_to_xywh
from core.evaluation.columns import checked_columns, checked_ids
from core.labels import LabelMap

IOUS, AT_50, AT_75 = slice(None), slice(0, 1), slice(5, 6)  # of the ten IoUs
ALL, SMALL, MEDIUM, LARGE = range(4)  # COCO's area ranges
AT_1, AT_10, AT_100 = range(3)  # COCO's numbers of detections per image and class


@dataclass(frozen=True)
class CocoFigures:
    """COCO's twelve metrics, each in [0, 1] or None where no ground truth defines it, and AP by class name.

    AP is the mean over IoU 0.50:0.05:0.95, AP50 and AP75 are at one IoU; s, m, l are the sizes by area (32², 96² px²).
    AR1, AR10, AR100 are the mean recall with that many detections per image and class.
    """

    AP: float | None
    AP50: float | None
    AP75: float | None
    APs: float | None
    APm: float | None
    APl: float | None
    AR1: float | None
    AR10: float | None
    AR100: float | None
    ARs: float | None
    ARm: float | None
    ARl: float | None
    per_class: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


FIGURES = tuple(field.name for field in fields(CocoFigures) if field.name != "per_class")


def evaluate(
    gt: dict[str, Any], results: list[dict[str, Any]] | Detections, label_map: LabelMap | None = None
) -> CocoFigures:
    """Compute COCO's metrics of `results` on every image of `gt`, for the classes of `label_map` (default: all).

    Raises DataError for a broken row, an image or category id that `gt` does not list, or a class that `gt` knows
    under another id. Source: pycocotools `cocoeval.py: accumulate, summarize`.
    """
    label_map, ground_truths, detections = checked_columns(gt, results, label_map)
    image_ids = np.unique(checked_ids(gt["images"], "id", "image"))  # sorted: of equal scores the lower id ranks first
    # Classes go in by category id, as in pycocotools: the order decides a mean's last digit.
    class_rank = np.argsort(np.argsort(label_map.category_ids))
    coco_gt = hotcoco.COCO.from_arrays(
        [{"id": i, "file_name": "", "width": 1, "height": 1} for i in range(1, len(image_ids) + 1)],
        [{"id": i, "name": str(i)} for i in range(1, len(label_map) + 1)],
        np.searchsorted(image_ids, ground_truths.image_id) + 1,
        class_rank[ground_truths.label] + 1,
        ground_truths.xywh,
        area=ground_truths.area,
        iscrowd=ground_truths.iscrowd,
    )
    image = np.searchsorted(image_ids, detections.image_id) + 1
    rows = (image, detections.xywh, detections.score, class_rank[detections.label] + 1)
    coco_dt = coco_gt.load_res(np.column_stack(rows).astype(np.float64))
    run = hotcoco.COCOeval(coco_gt, coco_dt, "bbox")
    run.evaluate()
    run.accumulate()
    accumulated: dict[str, Any] = run.eval or {}
    precision = accumulated["precision"]  # (10 IoUs, 101 recalls, classes, 4 area ranges, 3 numbers of detections)
    recall = accumulated["recall"]  # (10 IoUs, classes, 4 area ranges, 3 numbers of detections)
    return CocoFigures(
        AP=_mean(precision[IOUS, :, :, ALL, AT_100]),
        AP50=_mean(precision[AT_50, :, :, ALL, AT_100]),
        AP75=_mean(precision[AT_75, :, :, ALL, AT_100]),
        APs=_mean(precision[IOUS, :, :, SMALL, AT_100]),
        APm=_mean(precision[IOUS, :, :, MEDIUM, AT_100]),
        APl=_mean(precision[IOUS, :, :, LARGE, AT_100]),
        AR1=_mean(recall[:, :, ALL, AT_1]),
        AR10=_mean(recall[:, :, ALL, AT_10]),
        AR100=_mean(recall[:, :, ALL, AT_100]),
        ARs=_mean(recall[:, :, SMALL, AT_100]),
        ARm=_mean(recall[:, :, MEDIUM, AT_100]),
        ARl=_mean(recall[:, :, LARGE, AT_100]),
        per_class={
            name: _mean(precision[IOUS, :, k, ALL, AT_100]) for name, k in zip(label_map.names, class_rank, strict=True)
        },
    )


def _mean(values: np.ndarray) -> float | None:
    """Return the mean of the defined values, as pycocotools takes it; -1 marks an undefined one."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None


def to_results(detections: Detections, label_map: LabelMap) -> list[dict[str, Any]]:
    """Convert detections to a COCO results list: image_id, category_id, bbox (xywh, pixels), score."""
    rows = zip(
        detections.image_id.tolist(),
        label_map.to_category_ids(detections.label).tolist(),
        xyxy_to_xywh(detections.boxes).tolist(),
        detections.score.tolist(),
        strict=True,
    )
    return [{"image_id": i, "category_id": c, "bbox": b, "score": s} for i, c, b, s in rows]
