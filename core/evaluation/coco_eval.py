"""COCO's figures for boxes: average precision and recall of detections against a ground truth.

In: a COCO ground-truth dict, and detections as a COCO results list or as `Detections`. Out: `CocoFigures`, equal to
pycocotools to the last digit. `GroundTruths` and `DetectionColumns`, the checked columns behind it, also feed
`tide.py`, so that figures and error types see the same boxes.

hotcoco does the counting. Three things are kept from it: image and annotation ids go in as running numbers, because
pycocotools (and so hotcoco) takes a match with annotation 0 for no match; the means are taken here, because its
summary prints; and an undefined figure is None, not -1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import hotcoco
import numpy as np

from core import DataError
from core.boxes import Detections, xyxy_to_xywh
from core.labels import LabelMap

LARGEST = 2**53  # ids and pixels from here on are no longer exact as float64


@dataclass(frozen=True)
class CocoFigures:
    """COCO's twelve figures, each in [0, 1] or None where no ground truth defines it, and AP by class name.

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

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class GroundTruths:
    """The annotations of the chosen classes, in the file's order, as columns; boxes as the file has them.

    id, image_id  (N,)   int64
    label         (N,)   int64    index into the LabelMap
    xywh          (N, 4) float64  pixels
    area          (N,)   float64  px², the annotation's own
    iscrowd       (N,)   bool
    """

    id: np.ndarray
    image_id: np.ndarray
    label: np.ndarray
    xywh: np.ndarray
    area: np.ndarray
    iscrowd: np.ndarray


@dataclass(frozen=True)
class DetectionColumns:
    """Detections of the chosen classes, in their own order, as columns.

    image_id  (N,)   int64
    query     (N,)   int64    the query, or the place among the image's detections in a results list
    label     (N,)   int64    index into the LabelMap
    xywh      (N, 4) float64  pixels
    score     (N,)   float64
    """

    image_id: np.ndarray
    query: np.ndarray
    label: np.ndarray
    xywh: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows) -> DetectionColumns:
        return DetectionColumns(**{name: values[rows] for name, values in vars(self).items()})


def evaluate(gt: dict, results: list[dict] | Detections, label_map: LabelMap | None = None) -> CocoFigures:
    """COCO's figures of `results` on every image of `gt`, for the classes of `label_map` (default: all of `gt`'s).

    Raises DataError for a broken row, an image or category id that `gt` does not list, or a class that `gt` knows
    under another id. Source: pycocotools `cocoeval.py: accumulate, summarize`.
    """
    label_map, truths, results = checked_columns(gt, results, label_map)
    image_ids = np.unique(_ids(gt["images"], "id", "image"))  # sorted: among equal scores the lower image id leads
    # Classes go in by category id, as in pycocotools: the order decides a mean's last digit.
    rank = np.argsort(np.argsort(label_map.category_ids))
    coco_gt = hotcoco.COCO.from_arrays(
        [{"id": i, "file_name": "", "width": 1, "height": 1} for i in range(1, len(image_ids) + 1)],
        [{"id": i, "name": str(i)} for i in range(1, len(label_map) + 1)],
        np.searchsorted(image_ids, truths.image_id) + 1,
        rank[truths.label] + 1,
        truths.xywh,
        area=truths.area,
        iscrowd=truths.iscrowd,
    )
    rows = (np.searchsorted(image_ids, results.image_id) + 1, results.xywh, results.score, rank[results.label] + 1)
    coco_dt = coco_gt.load_res(np.column_stack(rows).astype(np.float64))
    run = hotcoco.COCOeval(coco_gt, coco_dt, "bbox")
    run.evaluate()
    run.accumulate()
    precision = run.eval["precision"]  # (10 IoUs, 101 recalls, classes, 4 area ranges, 3 numbers of detections)
    recall = run.eval["recall"]  # (10 IoUs, classes, 4 area ranges, 3 numbers of detections)
    return CocoFigures(
        *(_mean(precision[ious, :, :, area, -1]) for ious, area in _PRECISIONS),
        *(_mean(recall[:, :, area, most]) for area, most in _RECALLS),
        per_class={name: _mean(precision[:, :, k, 0, -1]) for name, k in zip(label_map.names, rank, strict=True)},
    )


_ALL, _AT_50, _AT_75 = slice(None), slice(0, 1), slice(5, 6)  # of the ten IoUs
_PRECISIONS = ((_ALL, 0), (_AT_50, 0), (_AT_75, 0), (_ALL, 1), (_ALL, 2), (_ALL, 3))
_RECALLS = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (3, 2))


def _mean(values: np.ndarray) -> float | None:
    """The mean of what is defined, as pycocotools takes it; -1 marks what is not."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None


def to_results(detections: Detections, label_map: LabelMap) -> list[dict]:
    """Detections as a COCO results list: image_id, category_id, bbox (xywh, pixels), score."""
    rows = zip(
        detections.image_id.tolist(),
        label_map.to_category_ids(detections.label).tolist(),
        xyxy_to_xywh(detections.boxes).tolist(),
        detections.score.tolist(),
        strict=True,
    )
    return [{"image_id": i, "category_id": c, "bbox": b, "score": s} for i, c, b, s in rows]


def checked_columns(
    gt: dict, results: list[dict] | Detections, label_map: LabelMap | None
) -> tuple[LabelMap, GroundTruths, DetectionColumns]:
    """Both sides as checked columns, with only the classes of `label_map`, or with all of `gt`'s.

    Raises DataError as `evaluate` does.
    """
    if not all(isinstance(gt.get(part), list) for part in ("images", "annotations", "categories")):
        raise DataError("The ground truth must hold the lists images, annotations and categories, as a COCO file does.")
    known = LabelMap.from_categories(gt["categories"])
    if len(known) < len(gt["categories"]):
        raise DataError(
            "Two categories of the ground truth have the same name: each name may stand for one class only."
        )
    label_map = label_map or known
    by_name = dict(zip(known.names, known.category_ids, strict=True))
    for name, category_id in zip(label_map.names, label_map.category_ids, strict=True):
        if by_name.get(name) != category_id:
            theirs = f"lists it as category {by_name[name]}" if name in by_name else "does not have it"
            raise DataError(f"The class {name!r} is category {category_id} here, but the ground truth {theirs}.")
    image_ids = _ids(gt["images"], "id", "image")
    truths = _truths(gt["annotations"], image_ids, label_map)
    return label_map, truths, _results(results, image_ids, known, label_map)


def _truths(annotations: list[dict], image_ids: np.ndarray, label_map: LabelMap) -> GroundTruths:
    label = label_map.to_labels(_ids(annotations, "category_id", "annotation"))
    image_id = _ids(annotations, "image_id", "annotation")
    _refuse_unknown(image_id, image_ids, "An annotation is of image")
    xywh = _numbers([a.get("bbox") for a in annotations], (4,), "The bbox of annotation")
    own_area = xywh[:, 2] * xywh[:, 3]
    areas = [a.get("area", default) for a, default in zip(annotations, own_area, strict=True)]
    rows = label >= 0
    return GroundTruths(
        id=_ids(annotations, "id", "annotation")[rows],
        image_id=image_id[rows],
        label=label[rows],
        xywh=xywh[rows],
        area=_numbers(areas, (), "The area of annotation")[rows],
        iscrowd=np.array([bool(a.get("iscrowd", 0)) for a in annotations], dtype=bool)[rows],
    )


def _results(results, image_ids: np.ndarray, known: LabelMap, label_map: LabelMap) -> DetectionColumns:
    if isinstance(results, Detections):
        _refuse_unknown(results.image_id, image_ids, "A detection is of image")
        if len(results) and not 0 <= results.label.min() <= results.label.max() < len(label_map):
            raise DataError(f"A detection has a class index outside 0 to {len(label_map) - 1}.")
        image_id, query, label = results.image_id, results.query.astype(np.int64), results.label.astype(np.int64)
        xywh, score = xyxy_to_xywh(results.boxes).astype(np.float64), results.score.astype(np.float64)
    else:
        image_id, category_id = (_ids(results, key, "detection") for key in ("image_id", "category_id"))
        _refuse_unknown(image_id, image_ids, "A detection is of image")
        _refuse_unknown(category_id, np.array(known.category_ids), "A detection is of category")
        query, label = rank_within_group(image_id), label_map.to_labels(category_id)
        xywh, score = [r.get("bbox") for r in results], [r.get("score") for r in results]
    xywh, score = _numbers(xywh, (4,), "The bbox of detection"), _numbers(score, (), "The score of detection")
    rows = label >= 0
    return DetectionColumns(image_id[rows], query[rows], label[rows], xywh[rows], score[rows])


def rank_within_group(*groups: np.ndarray) -> np.ndarray:
    """For each row its place, from 0, among the rows of the same group; `groups` (N,) say together which that is.

    >>> rank_within_group(np.array([7, 3, 7, 7])).tolist()
    [0, 0, 1, 2]
    >>> rank_within_group(np.array([7, 3, 7, 7]), np.array([0, 0, 1, 0])).tolist()
    [0, 0, 0, 1]
    """
    order = np.lexsort(groups)  # stable, so rows of one group keep their order
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = np.any([np.diff(group[order]) != 0 for group in groups], axis=0)
    first = np.flatnonzero(is_first)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return place


def _ids(items: list[dict], key: str, what: str) -> np.ndarray:
    """One id of every item as int64, also where a tool wrote 7.0."""
    try:
        listed = [item[key] for item in items]
    except (KeyError, TypeError):
        place = next(i for i, item in enumerate(items) if not isinstance(item, dict) or key not in item)
        raise DataError(f"The {what} at place {place} has no {key}.") from None
    try:
        values = np.array(listed)
    except ValueError:  # some are lists
        values = np.array(None)
    if values.shape == (len(items),) and (values.dtype.kind == "i" or values.dtype.kind == "f" and _whole(values)):
        return values.astype(np.int64)
    raise DataError(f"The {key} of {what}s must be whole numbers, but not all are.")


def _whole(values: np.ndarray) -> bool:
    return bool(((abs(values) < LARGEST) & (values == np.round(values))).all())


def _numbers(values, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Values as float64, (N, *shape), none so large that an area would overflow the table's float32."""
    try:
        numbers = np.array(values, dtype=np.float64).reshape(len(values), *shape)
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or not (abs(numbers) < LARGEST).all():
        count = "four numbers" if shape else "a number"
        place = next(i for i, value in enumerate(values) if not _is_numeric(value, shape))
        raise DataError(f"{what} number {place} is {values[place]!r}, but must be {count}.")
    return numbers


def _is_numeric(value, shape: tuple[int, ...]) -> bool:
    try:
        number = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return number.shape == shape and bool((abs(number) < LARGEST).all())


def _refuse_unknown(ids: np.ndarray, known: np.ndarray, what: str) -> None:
    unknown = ~np.isin(ids, known)
    if unknown.any():
        raise DataError(f"{what} {ids[unknown][0]}, which the ground truth does not list.")
