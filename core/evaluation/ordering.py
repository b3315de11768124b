"""What the gallery lists, and in which order: images, or single boxes with what lies around them.

In: the detection table and what a page asks for (`selection.py`). Out: image ids, or `Objects`, which makes its crops
for the one page that is shown: half a million boxes are listed in some tens of milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa

from core.boxes import context_box
from core.evaluation.selection import Selection, associated_ground_truths, best_iou, select_images, selected_rows
from core.evaluation.table import (
    ERROR_TYPES,
    ErrorType,
    floats,
    integers,
    is_detection,
    is_ground_truth,
    table_metadata,
)
from core.evaluation.threshold import error_codes, is_object
from core.labelled_enum import LabelledEnum

CORNERS = ("x1", "y1", "x2", "y2")


class SortOrder(LabelledEnum):
    """In which order the gallery lists: the value is an address's; `label` and `description` are for the user."""

    WORST = (
        "worst",
        "Worst first",
        "A missed object counts 1, a wrong prediction its score, a localization error score × (1 − IoU). "
        "An image counts the sum of its errors.",
    )
    SCORE = "score", "Highest score first", "By the score of the predictions; what has none comes last."
    IOU = (
        "iou",
        "Lowest IoU first",
        "By the IoU with the object that a prediction found, else the highest with any.",
    )
    SIZE = "box", "Smallest first", "By area in pixels of the original image."
    OBJECTS = "objects", "Most objects first", "By the number of annotated objects on the image."
    NAME = "name", "File name", "By the image's file name."

    @property
    def is_descending(self) -> bool:
        """Whether the highest value comes first."""
        return self in (SortOrder.WORST, SortOrder.SCORE, SortOrder.OBJECTS)


class ObjectCrop(NamedTuple):
    """One box of the object view.

    crop       (x1, y1, x2, y2), pixels of the original image: the box and what it points to, with their surroundings
    lit        what it is: ("truth", annotation id) or ("query", query)
    """

    image_id: int
    crop: tuple[int, int, int, int]
    lit: tuple[str, int]


@dataclass(frozen=True, eq=False)
class ObjectCrops(Sequence):
    """Rows (M,) of a detection table in their order, each as a `Found` once it is looked at."""

    table: pa.Table
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> ObjectCrop: ...
    @overload
    def __getitem__(self, place: slice) -> list[ObjectCrop]: ...
    def __getitem__(self, place):
        if isinstance(place, slice):
            return self._made(self.rows[place])
        return self._made(self.rows[[place]])[0]

    @cached_property
    def image_ids(self) -> list[int]:
        """The images that they are on, in the order in which they first come."""
        ids, first = np.unique(self.table["image_id"].to_numpy()[self.rows], return_index=True)
        return ids[np.argsort(first)].tolist()

    def _made(self, rows: np.ndarray) -> list[ObjectCrop]:
        part = self.table.take(pa.array(rows))
        boxes, sizes = _boxes(part), self._sizes(part)
        ids, there = associated_ground_truths(part)
        own, truths = self._truths
        place = np.searchsorted(own, ids[there])
        theirs = _boxes(self.table.take(pa.array(truths[place])))
        boxes[there, :2] = np.minimum(boxes[there, :2], theirs[:, :2])
        boxes[there, 2:] = np.maximum(boxes[there, 2:], theirs[:, 2:])
        is_truth = is_ground_truth(part)
        numbers = np.where(is_truth, integers(part, "gt_id"), integers(part, "query")).tolist()
        return [
            ObjectCrop(image_id, whole_pixels(context_box(box, size), size), ("truth" if truth else "query", number))
            for image_id, box, size, truth, number in zip(
                part["image_id"].to_pylist(), boxes.tolist(), sizes, is_truth, numbers, strict=True
            )
        ]

    def _sizes(self, part: pa.Table) -> list[tuple[float, float]]:
        """(width, height) of each row's image; endless where that is unknown."""
        evaluated = table_metadata(self.table)
        places = np.searchsorted(evaluated.image_ids, part["image_id"].to_numpy())
        return [evaluated.sizes[place] or (math.inf, math.inf) for place in places]

    @cached_property
    def _truths(self) -> tuple[np.ndarray, np.ndarray]:
        """The annotations' ids, ascending, and their rows."""
        rows = np.flatnonzero(is_ground_truth(self.table))
        ids = integers(self.table, "gt_id")[rows]
        order = np.argsort(ids)
        return ids[order], rows[order]


def sorted_images(
    table: pa.Table, selection: Selection, order: SortOrder, reverse: bool, names: Mapping[int, str]
) -> list[int]:
    """Ids of the images that the selection asks for (`select_images`), of those in `names` (id to file name).

    An image stands where the first of its boxes would that the selection asks for, in the order WORST by the sum of
    what they cost, then by their number. What has no such value comes last, of equals the lower id first; `reverse`
    turns the rest round. Raises DataError as `selected_rows`.
    """
    rows = selected_rows(table, selection)
    ids = np.array(select_images(table, selection, rows), dtype=np.int64)
    ids = ids[[image_id in names for image_id in ids.tolist()]] if len(ids) else ids
    is_falling = order.is_descending != reverse
    if order in (SortOrder.OBJECTS, SortOrder.NAME):
        keys = [_of_images(table, ids, order, names)]
    else:
        asked = np.flatnonzero(rows)
        image_ids = table["image_id"].to_numpy()[asked]
        place = np.searchsorted(ids, image_ids)
        there = np.isin(image_ids, ids)
        place, values = place[there], _values(table, selection, order)[asked[there]]
        if order is SortOrder.WORST:
            n = np.bincount(place, minlength=len(ids))
            keys = [np.bincount(place, values, minlength=len(ids)).round(6), n]  # sums of equals may differ by a bit
        else:
            keys = [np.full(len(ids), np.nan)]
            (np.fmax if is_falling else np.fmin).at(keys[0], place, values)
    keys = [-key if is_falling else key for key in keys]
    return ids[np.lexsort((ids, *reversed(keys)))].tolist()


def sorted_objects(
    table: pa.Table, selection: Selection, order: SortOrder, reverse: bool, names: Mapping[int, str]
) -> ObjectCrops:
    """The boxes that the selection asks for, on the images in `names` (id to file name); if it names none, all errors.

    Each thing comes once: an object that one of these predictions found or points to has no entry of its own. What
    has no value in this order comes last, equals as in the table; `reverse` turns the rest round. Raises DataError as
    `selected_rows`.
    """
    rows = selected_rows(table, selection)
    if selection.selects_boxes:
        ids, there = associated_ground_truths(table)
        truths = np.flatnonzero(rows & is_ground_truth(table))
        rows[truths[np.isin(integers(table, "gt_id")[truths], ids[rows & there])]] = False
    else:
        rows &= error_codes(table, selection.score) >= 0
    asked = np.flatnonzero(rows)
    ids, image = np.unique(table["image_id"].to_numpy()[asked], return_inverse=True)
    known = np.array([image_id in names for image_id in ids.tolist()], dtype=bool)[image]
    asked, image = asked[known], image[known]
    if order in (SortOrder.OBJECTS, SortOrder.NAME):
        values = _of_images(table, ids, order, names)[image]
    else:
        values = _values(table, selection, order)[asked]
    is_falling = order.is_descending != reverse
    return ObjectCrops(table, asked[np.argsort(-values if is_falling else values, kind="stable")])


def error_weights(table: pa.Table, score_threshold: float) -> np.ndarray:
    """What each row costs at a threshold, (N,) float64, as `Order.WORST` describes it; 0 where nothing is wrong."""
    codes, score = error_codes(table, score_threshold), floats(table, "score")
    code = {kind: i for i, kind in enumerate(ERROR_TYPES)}
    cost = np.where(codes >= 0, score, 0).astype(np.float64)
    poor = codes == code[ErrorType.LOCALIZATION]
    cost[poor] *= 1 - floats(table, "best_same_iou")[poor]
    cost[codes == code[ErrorType.MISSED]] = 1
    return cost


def _values(table: pa.Table, selection: Selection, order: SortOrder) -> np.ndarray:
    """What each row stands by in an order, (N,) float; NaN where it has no such value."""
    if order is SortOrder.WORST:
        return error_weights(table, selection.score)
    if order is SortOrder.SCORE:
        return floats(table, "score")
    if order is SortOrder.SIZE:
        return floats(table, "area")
    return np.where(is_detection(table), np.nan_to_num(best_iou(table)), np.nan)


def _of_images(table: pa.Table, ids: np.ndarray, order: SortOrder, names: Mapping[int, str]) -> np.ndarray:
    """What each of the images `ids` (ascending) stands by: its number of objects, or its place by file name."""
    if order is SortOrder.OBJECTS:
        there, n = np.unique(table["image_id"].to_numpy()[is_object(table)], return_counts=True)
        counts = dict(zip(there.tolist(), n.tolist(), strict=True))
        return np.array([counts.get(image_id, 0) for image_id in ids.tolist()], dtype=np.int64)
    places = {name: place for place, name in enumerate(sorted({names[i] for i in ids.tolist() if i in names}))}
    return np.array([places.get(names.get(image_id), 0) for image_id in ids.tolist()], dtype=np.int64)


def whole_pixels(box: Sequence[float], size: tuple[float, float]) -> tuple[int, int, int, int]:
    """All pixels that a box `xyxy` touches, of an image of `size` (width, height)."""
    x1, y1 = (max(math.floor(low), 0) for low in box[:2])
    x2, y2 = (int(min(math.ceil(high), limit)) for high, limit in zip(box[2:], size, strict=True))
    return x1, y1, x2, y2


def _boxes(table: pa.Table) -> np.ndarray:
    return np.column_stack([floats(table, name) for name in CORNERS])  # (N, 4)
