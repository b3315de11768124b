"""How alike boxes are: the cosine of the states by which the model found them.

In: a detection table and its `KeptStates`. Out: the likeness of every row to one box, and the boxes most like it. An
object has the state of the detection that found it, or else of the nearest one. Half a million states take some tens
of milliseconds, a block of them in float32 at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core import DataError
from core.evaluation.alike.box_name import QUERY, TRUTH, BoxName
from core.evaluation.alike.states import BLOCK, KeptStates, nearest_detections
from core.evaluation.columns import Ids
from core.evaluation.ordering import ObjectCrops
from core.evaluation.selection import Selection, associated_ground_truths, selected_rows
from core.evaluation.table import has_value, integers, is_detection
from core.evaluation.threshold import is_missed, is_object


@dataclass(frozen=True, eq=False)
class Likeness:
    """A detection table with the states of its rows."""

    table: pa.Table
    states: KeptStates

    def names_of(self, rows: Ids) -> list[BoxName]:
        """Return the boxes of some rows by their names."""
        part = self.table.select(["kind", "image_id", "query", "gt_id"]).take(pa.array(rows))
        kinds = is_detection(part)
        numbers = np.where(kinds, integers(part, "query"), integers(part, "gt_id")).tolist()
        images = part["image_id"].to_pylist()
        return [
            BoxName(QUERY if is_query else TRUTH, image_id, number)
            for is_query, image_id, number in zip(kinds.tolist(), images, numbers, strict=True)
        ]

    @cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """Each row's place in `states`, (N,); -1 where the row has none."""
        table, image_id = self.table, self.table["image_id"].to_numpy()
        query = np.where(is_detection(table), integers(table, "query"), integers(table, "match_query"))
        nearest = nearest_detections(table)
        query = np.where(nearest >= 0, query[nearest], query)
        return self.states.places(image_id, query)

    def row_of(self, box: BoxName) -> int:
        """Return the row of a box, of a query's several classes that of the highest score.

        Raises DataError, saying what to do, if there is none or no state is kept of it.
        """
        of_kind = is_detection(self.table) if box.kind == QUERY else is_object(self.table)
        numbers = integers(self.table, "query" if box.kind == QUERY else "gt_id")
        image_id = self.table["image_id"].to_numpy()
        rows = np.flatnonzero(of_kind & (numbers == box.number) & (image_id == box.image_id))
        if not len(rows):
            raise DataError("The box of the link is not among this model's: choose another one with s.")
        row = int(rows[0])
        if self.places[row] >= 0:
            return row
        if box.kind == TRUTH and not has_value(self.table, "match_query")[row]:
            raise DataError("No prediction overlaps this object, so the model has no state of it: choose another box.")
        raise DataError("The state of this box is not kept, as its score is too low: choose another box.")

    def to_row(self, row: int) -> npt.NDArray[np.float32]:
        """Return the likeness of every row to one that has a state, (N,), from -1 to 1; NaN where a row has none."""
        state = self.states.values[self.places[row]].astype(np.float32)
        cosines = np.empty(len(self.states) + 1, dtype=np.float32)
        for first in range(0, len(self.states), BLOCK):
            part = self.states.values[first : first + BLOCK].astype(np.float32)
            cosines[first : first + len(part)] = part @ state
        cosines[-1] = np.nan  # for -1
        return cosines[self.places]


@dataclass(frozen=True, eq=False)
class LikeBoxes:
    """Boxes in their order, and how alike each is to the one that was asked for, (M,); None where none was."""

    boxes: ObjectCrops
    likeness: npt.NDArray[np.float32] | None


def listed_boxes(table: pa.Table, selection: Selection, names: Mapping[int, str]) -> Ids:
    """Return the rows of the selected boxes on the images in `names`, in the table's order.

    Of an object that a selected detection found or points to, that alone, unless the object is missed. Raises DataError
    as `selected_rows`.
    """
    rows = selected_rows(table, selection)
    ids, has_one = associated_ground_truths(table)
    truths = np.flatnonzero(rows & ~is_detection(table) & ~is_missed(table, selection.score))
    rows[truths[np.isin(integers(table, "gt_id")[truths], ids[rows & has_one])]] = False
    return np.flatnonzero(rows & np.isin(table["image_id"].to_numpy(), list(names)))


def boxes_like(
    likeness: Likeness, box: BoxName, selection: Selection, names: Mapping[int, str],
    among: Collection[BoxName] = (),
) -> LikeBoxes:  # fmt: skip
    """Return the selected boxes that have a state, the most alike first; only those `among`, if there are any.

    The box itself leads them if it is selected. Raises DataError as `row_of` and `selected_rows`.
    """
    row = likeness.row_of(box)
    values = likeness.to_row(row)
    rows = _among(likeness, listed_boxes(likeness.table, selection, names), among)
    rows = rows[~np.isnan(values[rows])]
    rows = rows[np.lexsort((-values[rows], rows != row))]
    return LikeBoxes(ObjectCrops(likeness.table, rows), values[rows])


def boxes_among(
    likeness: Likeness, among: Collection[BoxName], selection: Selection, names: Mapping[int, str]
) -> LikeBoxes:
    """Return those of these boxes that are selected, those beside each other that are alike.

    Raises DataError as `selected_rows`.
    """
    rows = _among(likeness, listed_boxes(likeness.table, selection, names), among)
    values = likeness.states.values[np.maximum(likeness.places[rows], 0)]
    return LikeBoxes(ObjectCrops(likeness.table, rows[_chain(values.astype(np.float32))]), None)


def _among(likeness: Likeness, rows: Ids, among: Collection[BoxName]) -> Ids:
    """Return those of the rows that are among these boxes; all, if there are none."""
    if not among:
        return rows
    rows = rows[np.isin(likeness.table["image_id"].to_numpy()[rows], [box.image_id for box in among])]
    wanted = set(among)
    kept: Ids = rows[np.array([name in wanted for name in likeness.names_of(rows)], dtype=bool)]
    return kept


def _chain(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return an order of states (N, numbers), N some hundreds, in which each is followed by the most alike one left."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    cosines = values @ values.T
    place = int(cosines.sum(axis=1).argmax())  # the most usual one first
    order = [place]
    cosines[:, place] = -np.inf
    while len(order) < len(values):
        place = int(cosines[place].argmax())
        order.append(place)
        cosines[:, place] = -np.inf
    return np.array(order)
