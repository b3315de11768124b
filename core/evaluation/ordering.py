"""What the gallery lists, and in which order: images, or single boxes with what lies around them.

In: the detection table, the filters (`selection.py`) and a `SortOrder`. Out: image ids, or `ObjectCrops`, which
computes the crops only of the page that is shown: half a million boxes are sorted in some tens of milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.boxes import context_box
from core.evaluation.columns import Floats, Ids
from core.evaluation.selection import Selection, associated_ground_truths, best_iou, select_images, selected_rows
from core.evaluation.table import (
    CORNERS,
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


class SortOrder(LabelledEnum):
    """In which order the gallery lists: the value is an address's; `label` and `description` are for the user."""

    WORST = (
        "worst",
        "Worst first",
        (
            "A missed object counts 1, a wrong prediction its score, a localization error score × (1 − IoU). "
            "An image counts the sum of its errors."
        ),
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

    crop  (x1, y1, x2, y2), pixels of the original image: the box and what it points to, with their surroundings
    lit   the box that lights up: ("truth", annotation id) or ("query", query)
    """

    image_id: int
    crop: tuple[int, int, int, int]
    lit: tuple[str, int]


@dataclass(frozen=True, eq=False)
class ObjectCrops(Sequence[ObjectCrop]):
    """Rows (M,) of a detection table in their order, each as an `ObjectCrop`, which is computed when it is read."""

    table: pa.Table
    rows: Ids

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> ObjectCrop: ...
    @overload
    def __getitem__(self, place: slice) -> list[ObjectCrop]: ...
    def __getitem__(self, place: int | slice) -> ObjectCrop | list[ObjectCrop]:
        """Compute one crop, or those of a slice."""
        if isinstance(place, slice):
            return self._crops(self.rows[place])
        return self._crops(self.rows[[place]])[0]

    @cached_property
    def image_ids(self) -> list[int]:
        """The images of the boxes, in the order in which they first come."""
        ids, first = np.unique(self.table["image_id"].to_numpy()[self.rows], return_index=True)
        return [int(image_id) for image_id in ids[np.argsort(first)]]

    def _crops(self, rows: Ids) -> list[ObjectCrop]:
        part = self.table.take(pa.array(rows))
        boxes, sizes = _boxes(part), self._sizes(part)
        ids, has_one = associated_ground_truths(part)
        known_ids, rows_by_id = self._ground_truths
        gt_rows = rows_by_id[np.searchsorted(known_ids, ids[has_one])]
        gt_boxes = _boxes(self.table.take(pa.array(gt_rows)))
        boxes[has_one, :2] = np.minimum(boxes[has_one, :2], gt_boxes[:, :2])
        boxes[has_one, 2:] = np.maximum(boxes[has_one, 2:], gt_boxes[:, 2:])
        of_ground_truths = is_ground_truth(part)
        kinds = np.where(of_ground_truths, "truth", "query").tolist()
        numbers = np.where(of_ground_truths, integers(part, "gt_id"), integers(part, "query")).tolist()
        image_ids = part["image_id"].to_pylist()
        return [
            ObjectCrop(image_id, whole_pixels(context_box(box, size), size), (kind, number))
            for image_id, box, size, kind, number in zip(image_ids, boxes.tolist(), sizes, kinds, numbers, strict=True)
        ]

    def _sizes(self, part: pa.Table) -> list[tuple[float, float]]:
        """Return the (width, height) of each row's image; infinite where it is unknown."""
        metadata = table_metadata(self.table)
        places = np.searchsorted(metadata.image_ids, part["image_id"].to_numpy())
        return [metadata.sizes[place] or (math.inf, math.inf) for place in places]

    @cached_property
    def _ground_truths(self) -> tuple[npt.NDArray[np.integer], Ids]:
        """The annotations' ids, ascending, and their rows."""
        rows = np.flatnonzero(is_ground_truth(self.table))
        ids = integers(self.table, "gt_id")[rows]
        order = np.argsort(ids)
        return ids[order], rows[order]


def sorted_images(
    table: pa.Table, selection: Selection, order: SortOrder, reverse: bool, names: Mapping[int, str]
) -> list[int]:
    """Return the ids of the selected images (`select_images`) among those in `names` (id to file name), sorted.

    An image stands where the first of its selected boxes would; by WORST it stands by the sum of their weights, then by
    their number. An image without such a value comes last, of equals the lower id first; `reverse` turns the others
    round. Raises DataError as `selected_rows`.
    """
    rows = selected_rows(table, selection)
    ids = np.array([i for i in select_images(table, selection, rows) if i in names], dtype=np.int64)
    descends = order.is_descending != reverse
    keys = _image_keys(table, ids, order, names) or _keys_of_boxes(table, selection, order, descends, rows, ids)
    keys = [-key if descends else key for key in keys]
    return [int(image_id) for image_id in ids[np.lexsort((ids, *reversed(keys)))]]


def _keys_of_boxes(
    table: pa.Table, selection: Selection, order: SortOrder, descends: bool, rows: np.ndarray, ids: Ids
) -> list[np.ndarray]:
    """Return what each of the images `ids` (ascending) is sorted by, from its selected boxes; NaN without a value."""
    image_ids, values = table["image_id"].to_numpy()[rows], _box_values(table, selection, order)[rows]
    is_listed = np.isin(image_ids, ids)
    image, values = np.searchsorted(ids, image_ids[is_listed]), values[is_listed]
    if order is SortOrder.WORST:
        # sums of equals may differ by a bit
        return [np.bincount(image, values, len(ids)).round(6), np.bincount(image, minlength=len(ids))]
    key = np.full(len(ids), np.nan)
    (np.fmax if descends else np.fmin).at(key, image, values)
    return [key]


def sorted_objects(
    table: pa.Table, selection: Selection, order: SortOrder, reverse: bool, names: Mapping[int, str]
) -> ObjectCrops:
    """Return the selected boxes on the images in `names` (id to file name), sorted; of a selection of no boxes, errors.

    Each object comes once: one that a selected detection found or points to has no entry of its own. A box without a
    value in this order comes last, equals as in the table; `reverse` turns the others round. Raises DataError as
    `selected_rows`.
    """
    rows = selected_rows(table, selection)
    if selection.selects_boxes:
        ids, has_one = associated_ground_truths(table)
        ground_truths = np.flatnonzero(rows & is_ground_truth(table))
        rows[ground_truths[np.isin(integers(table, "gt_id")[ground_truths], ids[rows & has_one])]] = False
    else:
        rows &= error_codes(table, selection.score) >= 0
    selected = np.flatnonzero(rows)
    image_ids, image = np.unique(table["image_id"].to_numpy()[selected], return_inverse=True)
    is_named = np.array([image_id in names for image_id in image_ids.tolist()], dtype=bool)[image]
    selected, image = selected[is_named], image[is_named]
    if keys := _image_keys(table, image_ids, order, names):
        values = keys[0][image]
    else:
        values = _box_values(table, selection, order)[selected]
    descends = order.is_descending != reverse
    return ObjectCrops(table, selected[np.argsort(-values if descends else values, kind="stable")])


def error_weights(table: pa.Table, score_threshold: float) -> Floats:
    """Return how bad each row is at a threshold, (N,), as `SortOrder.WORST` describes it; 0 where nothing is wrong."""
    codes, score = error_codes(table, score_threshold), floats(table, "score")
    weight = np.where(codes >= 0, score, 0).astype(np.float64)
    poor = codes == ERROR_TYPES.index(ErrorType.LOCALIZATION)
    weight[poor] *= 1 - floats(table, "best_same_iou")[poor]
    weight[codes == ERROR_TYPES.index(ErrorType.MISSED)] = 1
    return weight


def _box_values(table: pa.Table, selection: Selection, order: SortOrder) -> npt.NDArray[np.floating]:
    """Return what each row is sorted by, (N,); NaN where it has no such value."""
    if order is SortOrder.WORST:
        return error_weights(table, selection.score)
    if order is SortOrder.SCORE:
        return floats(table, "score")
    if order is SortOrder.SIZE:
        return floats(table, "area")
    return np.where(is_detection(table), np.nan_to_num(best_iou(table)), np.nan)


def _image_keys(table: pa.Table, ids: Ids, order: SortOrder, names: Mapping[int, str]) -> list[np.ndarray]:
    """Return what each of the images `ids` (ascending) is sorted by: its number of objects, or its file name's place.

    Nothing for the orders of boxes.
    """
    if order is SortOrder.OBJECTS:
        with_objects, n = np.unique(table["image_id"].to_numpy()[is_object(table)], return_counts=True)
        counts = dict(zip(with_objects.tolist(), n.tolist(), strict=True))
        return [np.array([counts.get(image_id, 0) for image_id in ids.tolist()], dtype=np.int64)]
    if order is SortOrder.NAME:
        image_names = [names.get(image_id) for image_id in ids.tolist()]
        places = {name: place for place, name in enumerate(sorted({name for name in image_names if name is not None}))}
        return [np.array([0 if name is None else places[name] for name in image_names], dtype=np.int64)]
    return []


def whole_pixels(box: Sequence[float], size: tuple[float, float]) -> tuple[int, int, int, int]:
    """Return all pixels that a box `xyxy` touches, `xyxy`, of an image of `size` (width, height)."""
    x1, y1 = (max(math.floor(low), 0) for low in box[:2])
    x2, y2 = (int(min(math.ceil(high), limit)) for high, limit in zip(box[2:], size, strict=True))
    return x1, y1, x2, y2


def _boxes(table: pa.Table) -> npt.NDArray[np.floating]:
    return np.column_stack([floats(table, name) for name in CORNERS])  # (N, 4)
