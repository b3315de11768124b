"""How alike boxes are: the cosine of the states by which the model found them.

In: a detection table and its `KeptStates`. Out: the likeness of every row to one box, and the boxes most like it. An
object has the state of the detection that found it, or else of the nearest one. Half a million states take some tens
of milliseconds, a block of them in float32 at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core import DataError
from core.evaluation.alike.states import BLOCK, KeptStates, nearest_detections
from core.evaluation.columns import Ids
from core.evaluation.ordering import ObjectCrops
from core.evaluation.selection import Selection, associated_ground_truths, selected_rows
from core.evaluation.table import has_value, integers, is_detection
from core.evaluation.threshold import is_missed, is_object

QUERY, TRUTH = "query", "truth"
_BOX = re.compile(r"(?P<kind>query|truth):(?P<image>-?[0-9]{1,19}):(?P<number>-?[0-9]{1,19})")
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class BoxName:
    """A box as an address names it: "query:IMAGE:QUERY" for a detection, "truth:IMAGE:ANNOTATION" for an object."""

    kind: str
    image_id: int
    number: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.image_id}:{self.number}"

    @classmethod
    def from_text(cls, text: str) -> BoxName | None:
        """Make it from an address; None if that names no box.

        >>> BoxName.from_text("query:139:7")
        BoxName(kind='query', image_id=139, number=7)
        """
        match = _BOX.fullmatch(text)
        if match is None or max(abs(int(match[part])) for part in ("image", "number")) > _LARGEST:
            return None
        return cls(match["kind"], int(match["image"]), int(match["number"]))


@dataclass(frozen=True, eq=False)
class Likeness:
    """A detection table with the states of its rows."""

    table: pa.Table
    states: KeptStates

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
    likeness: Likeness, box: BoxName, selection: Selection, names: Mapping[int, str]
) -> tuple[ObjectCrops, npt.NDArray[np.float32]]:
    """Return the selected boxes that have a state, the most alike first, and how alike each is.

    The box itself leads them if it is selected. Raises DataError as `row_of` and `selected_rows`.
    """
    row = likeness.row_of(box)
    values = likeness.to_row(row)
    rows = listed_boxes(likeness.table, selection, names)
    rows = rows[~np.isnan(values[rows])]
    itself = rows == row
    rows = rows[np.lexsort((-values[rows], ~itself))]
    return ObjectCrops(likeness.table, rows), values[rows]


def boxes_among(
    likeness: Likeness, selected: npt.NDArray[np.bool_], selection: Selection, names: Mapping[int, str]
) -> Ids:
    """Return the rows of the selected boxes whose state is among those `selected` (S,), in the table's order."""
    rows = listed_boxes(likeness.table, selection, names)
    among: Ids = rows[np.append(selected, False)[likeness.places[rows]]]
    return among
