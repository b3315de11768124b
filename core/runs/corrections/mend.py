"""Mending labels: what a user does to the labels of a split, as corrections in the journal.

In: a split as its file has it, and what is to be done: accept a prediction, draw, delete, another class, another box,
crowd or not, undo, redo. Out: the `Correction`. What cannot be is refused before anything is written.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core import DataError
from core.datasets.split import CocoSplit
from core.evaluation.findings.label_errors import LabelError, LabelErrorKind
from core.evaluation.findings.relabel import Label
from core.evaluation.table import CORNERS, ErrorType
from core.runs.corrections.corrected import fitting, highest_id, label_of
from core.runs.corrections.journal import Correction, CorrectionKind, Journal, label_file
from core.runs.store import RunStore
from core.wording import short

LEAST = 1.0  # pixels of a side of a label
DIGITS = 2  # of a pixel that a corrected box keeps
_at_work = threading.Lock()  # what a label was is read and written in one go


def label_to_mend(row: Mapping[str, Any]) -> int | None:
    """Return the label that a prediction, a row of the detection table, contradicts; None if it is one of its own.

    A classification error means that the label has another class, a localization error that it lies elsewhere.
    """
    if row["error"] == ErrorType.CLASSIFICATION:
        label_id: int | None = row["best_other_gt"]
        return label_id
    return row["best_same_gt"] if row["error"] == ErrorType.LOCALIZATION else None


class Mender:
    """The labels of a split, with their journal."""

    def __init__(self, store: RunStore, split: CocoSplit) -> None:
        self.split = split
        self.journal = Journal(store, label_file(store, split.json_path))
        self._classes = [category["name"] for category in split.categories]

    def draw(
        self, image_id: int, class_name: str, box: Sequence[float], kind: CorrectionKind = CorrectionKind.DRAWN
    ) -> Correction:
        """Add a label; raise DataError if the class is none of the split's, or the box has no extent on the picture."""
        label = Label(self._known(class_name), self._on_picture(image_id, box))
        with _at_work:
            return self.journal.add(image_id, None, kind, None, label, highest_id(self.split), self._name(image_id))

    def accept(self, image_id: int, row: Mapping[str, Any], as_own: bool = False) -> Correction:
        """Make the labels agree with a prediction, a row of the detection table.

        The label that it contradicts gets its class or its box (`label_to_mend`); if there is none, or with `as_own`,
        it becomes a label of its own. Raises DataError as `draw`, or if that label is gone.
        """
        box = [row[side] for side in CORNERS]
        label_id = None if as_own else label_to_mend(row)
        if label_id is None:
            return self.draw(image_id, row["class_name"], box, CorrectionKind.ACCEPTED)
        if row["error"] == ErrorType.CLASSIFICATION:
            return self.change(image_id, label_id, CorrectionKind.ACCEPTED, class_name=row["class_name"])
        return self.change(image_id, label_id, CorrectionKind.ACCEPTED, box=box)

    def mend(self, error: LabelError) -> Correction:
        """Correct a likely label error as the model suggests; raises DataError as `draw`, or if the label is gone."""
        accepted = CorrectionKind.ACCEPTED
        if error.kind is LabelErrorKind.MISSING or error.gt_id is None:
            return self.draw(error.image_id, error.predicted, error.box, accepted)
        if error.kind is LabelErrorKind.WRONG:
            return self.change(error.image_id, error.gt_id, accepted, class_name=error.predicted)
        if error.kind is LabelErrorKind.PLACE:
            return self.change(error.image_id, error.gt_id, accepted, box=error.box)
        return self.delete(error.image_id, error.gt_id)

    def delete(self, image_id: int, label_id: int) -> Correction:
        """Delete a label; raise DataError if it is gone."""
        with _at_work:
            before = self.label(image_id, label_id)
            return self.journal.add(image_id, label_id, CorrectionKind.DELETED, before, None, 0, self._name(image_id))

    def change(
        self, image_id: int, label_id: int, kind: CorrectionKind, class_name: str | None = None,
        box: Sequence[float] | None = None, crowd: bool | None = None,
    ) -> Correction:  # fmt: skip
        """Change what is given of a label; raise DataError as `draw`, or if the label is gone.

        A label that moves has the area of its box from then on: an outline of the object would be of the old place.
        """
        with _at_work:
            before = after = self.label(image_id, label_id)
            if class_name is not None:
                after = replace(after, class_name=self._known(class_name))
            if crowd is not None:
                after = replace(after, crowd=crowd)
            if box is not None:
                after = replace(after, box=self._on_picture(image_id, box), area=None)
            return self.journal.add(image_id, label_id, kind, before, after, 0, self._name(image_id))

    def label(self, image_id: int, label_id: int) -> Label:
        """Return a label as it is now; raise DataError if there is none."""
        return label_of(self.split, self.corrections_of(image_id), image_id, label_id)

    def corrections(self) -> list[Correction]:
        """Return the corrections that the split's file still fits, undone ones too."""
        return fitting(self.split, self.journal.all())

    def corrections_of(self, image_id: int) -> list[Correction]:
        """Return those of an image."""
        return [one for one in self.corrections() if one.image_id == image_id]

    def _name(self, image_id: int) -> str:
        return str(self.split.image_by_id[image_id]["file_name"])

    def _known(self, class_name: str) -> str:
        if class_name not in self._classes:
            raise DataError(f"{self.split.json_path} has no class {short(repr(class_name))}.")
        return class_name

    def _on_picture(self, image_id: int, box: Sequence[float]) -> tuple[float, float, float, float]:
        """Return the part of a box that lies on its picture."""
        if image_id not in self.split.image_by_id:
            raise DataError(f"{self.split.json_path} has no image {image_id}.")
        image = self.split.image_by_id[image_id]
        limits = (image["width"], image["height"]) * 2
        if any(side != side for side in box):  # NaN
            raise DataError("The box has a side that is no number.")
        x1, y1, x2, y2 = (
            round(min(max(float(side), 0.0), float(limit)), DIGITS) for side, limit in zip(box, limits, strict=True)
        )
        if x2 - x1 < LEAST or y2 - y1 < LEAST:
            raise DataError("The box is smaller than a pixel of the picture, or lies beside it.")
        return x1, y1, x2, y2
