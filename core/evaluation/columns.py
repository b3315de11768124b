"""A COCO ground truth and detections as checked columns: `GroundTruths` and `DetectionColumns`, arrays of one length.

In: a COCO ground-truth dict, and detections as a COCO results list or as `Detections`. Out: the annotations and the
detections of the chosen classes, every id and number checked. Apart from `coco_eval.py` because the metrics and the
error types (`tide.py`) both begin here, and so see the same boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core import DataError
from core.boxes import Detections, xyxy_to_xywh
from core.labels import LabelMap
from core.wording import short

LARGEST = 2**53  # ids and pixels from here on are no longer exact as float64

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GroundTruths:
    """The annotations of the chosen classes, in the file's order, as columns; boxes as the file has them.

    id, image_id  (N,)   int64
    label         (N,)   int64    index into the LabelMap
    xywh          (N, 4) float64  pixels
    area          (N,)   float64  px², the annotation's own
    iscrowd       (N,)   bool
    """

    id: Ids
    image_id: Ids
    label: Ids
    xywh: Floats
    area: Floats
    iscrowd: Mask

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class DetectionColumns:
    """Detections of the chosen classes, in their own order, as columns.

    image_id  (N,)   int64
    query     (N,)   int64    the object query, or in a results list the rank among the image's detections
    label     (N,)   int64    index into the LabelMap
    xywh      (N, 4) float64  pixels
    score     (N,)   float64
    """

    image_id: Ids
    query: Ids
    label: Ids
    xywh: Floats
    score: Floats

    @property
    def area(self) -> Floats:
        """Width times height of each box, (N,), px²."""
        areas: Floats = self.xywh[:, 2] * self.xywh[:, 3]
        return areas

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: np.ndarray) -> DetectionColumns:
        """Return the rows chosen by a mask or an index array."""
        return DetectionColumns(**{name: values[rows] for name, values in vars(self).items()})


def checked_columns(
    gt: dict[str, Any], results: list[dict[str, Any]] | Detections, label_map: LabelMap | None
) -> tuple[LabelMap, GroundTruths, DetectionColumns]:
    """Return the ground truths and the detections as columns, with the classes of `label_map`, or with all of `gt`'s.

    Raises DataError for a broken row, an image or category id that `gt` does not list, or a class that `gt` knows
    under another id.
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
            raise DataError(
                f"The class {short(repr(name))} is category {category_id} here, but the ground truth {theirs}."
            )
    image_ids = checked_ids(gt["images"], "id", "image")
    ground_truths = _ground_truths(gt["annotations"], image_ids, label_map)
    if isinstance(results, Detections):
        detections = _from_detections(results, image_ids, label_map)
    else:
        detections = _from_results(results, image_ids, known, label_map)
    return label_map, ground_truths, detections


def _ground_truths(annotations: list[dict[str, Any]], image_ids: Ids, label_map: LabelMap) -> GroundTruths:
    label = label_map.to_labels(checked_ids(annotations, "category_id", "annotation"))
    image_id = checked_ids(annotations, "image_id", "annotation")
    _refuse_unknown(image_id, image_ids, "An annotation is of image")
    xywh = _checked_numbers([a.get("bbox") for a in annotations], (4,), "The bbox of annotation")
    box_area = xywh[:, 2] * xywh[:, 3]
    areas = [a.get("area", default) for a, default in zip(annotations, box_area, strict=True)]
    rows = label >= 0
    return GroundTruths(
        id=checked_ids(annotations, "id", "annotation")[rows],
        image_id=image_id[rows],
        label=label[rows],
        xywh=xywh[rows],
        area=_checked_numbers(areas, (), "The area of annotation")[rows],
        iscrowd=np.array([bool(a.get("iscrowd", 0)) for a in annotations], dtype=bool)[rows],
    )


def _from_detections(detections: Detections, image_ids: Ids, label_map: LabelMap) -> DetectionColumns:
    _refuse_unknown(detections.image_id, image_ids, "A detection is of image")
    label = detections.label.astype(np.int64)
    if len(detections) and not 0 <= label.min() <= label.max() < len(label_map):
        raise DataError(f"A detection has a class index outside 0 to {len(label_map) - 1}.")
    xywh = _checked_numbers(xyxy_to_xywh(detections.boxes), (4,), "The bbox of detection")
    score = _checked_numbers(detections.score, (), "The score of detection")
    return DetectionColumns(detections.image_id, detections.query.astype(np.int64), label, xywh, score)


def _from_results(
    results: list[dict[str, Any]], image_ids: Ids, known: LabelMap, label_map: LabelMap
) -> DetectionColumns:
    """Return the results of the classes of `label_map`; `known` has all of the ground truth's."""
    image_id, category_id = (checked_ids(results, key, "detection") for key in ("image_id", "category_id"))
    _refuse_unknown(image_id, image_ids, "A detection is of image")
    _refuse_unknown(category_id, np.array(known.category_ids), "A detection is of category")
    query, label = rank_within_group(image_id), label_map.to_labels(category_id)
    xywh = _checked_numbers([row.get("bbox") for row in results], (4,), "The bbox of detection")
    score = _checked_numbers([row.get("score") for row in results], (), "The score of detection")
    rows = label >= 0
    return DetectionColumns(image_id[rows], query[rows], label[rows], xywh[rows], score[rows])


def rank_within_group(*groups: np.ndarray) -> Ids:
    """Return each row's rank, from 0, among the rows of its group, (N,).

    groups  (N,) each; rows that are equal in all of them are one group

    >>> rank_within_group(np.array([7, 3, 7, 7])).tolist()
    [0, 0, 1, 2]
    >>> rank_within_group(np.array([7, 3, 7, 7]), np.array([0, 0, 1, 0])).tolist()
    [0, 0, 0, 1]
    """
    order = np.lexsort(groups)  # stable, so rows of one group keep their order
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = np.any([np.diff(group[order]) != 0 for group in groups], axis=0)
    first = np.flatnonzero(is_first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    return rank


def checked_ids(items: Sequence[Any], key: str, noun: str) -> Ids:
    """Return the id under `key` of every item as int64, also where a tool wrote 7.0; `noun` names an item in errors.

    Raises DataError where one is missing or not a whole number.
    """
    try:
        listed = [item[key] for item in items]
    except (KeyError, TypeError):
        place = next(i for i, item in enumerate(items) if not isinstance(item, dict) or key not in item)
        raise DataError(f"The {noun} number {place + 1:,} has no {key}.") from None
    try:
        values = np.array(listed)
    except ValueError:  # some are lists
        values = np.array(None)
    is_integer, is_float = (np.issubdtype(values.dtype, kind) for kind in (np.signedinteger, np.floating))
    if values.shape == (len(items),) and (is_integer or (is_float and _are_whole(values))):
        return values.astype(np.int64)
    raise DataError(f"The {key} of {noun}s must be whole numbers, but not all are.")


def _are_whole(values: np.ndarray) -> bool:
    return bool(((abs(values) < LARGEST) & (values == np.round(values))).all())


def _checked_numbers(values: Sequence[Any] | np.ndarray, shape: tuple[int, ...], subject: str) -> Floats:
    """Return the values as float64, (N, *shape), none so large that an area would overflow the table's float32."""
    try:
        numbers = np.array(values, dtype=np.float64).reshape(len(values), *shape)
        if (abs(numbers) < LARGEST).all():
            return numbers
    except (TypeError, ValueError, OverflowError):
        pass
    count = "four numbers" if shape else "a number"
    place = next(i for i, value in enumerate(values) if not _is_numeric(value, shape))
    value = "missing" if values[place] is None else short(repr(values[place]))
    raise DataError(f"{subject} number {place + 1:,} is {value}, but must be {count}.")


def _is_numeric(value: object, shape: tuple[int, ...]) -> bool:
    try:
        number = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return number.shape == shape and bool((abs(number) < LARGEST).all())


def _refuse_unknown(ids: Ids, known: np.ndarray, subject: str) -> None:
    unknown = ~np.isin(ids, known)
    if unknown.any():
        raise DataError(f"{subject} {ids[unknown][0]}, which the ground truth does not list.")
