"""Marks: the label errors and images that a user has marked, kept with their run, and written as COCO JSON.

In: a LabelError (`findings/label_errors.py`), or a whole image. Marks lie in the run database, so they survive a reload
and are the same in every tab. Out: a COCO file of what to correct, which any annotation tool opens.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import RunError
from core.boxes import xyxy_to_xywh
from core.datasets.coco_json import examine_ground_truth
from core.datasets.split import CocoSplit
from core.evaluation.findings.label_errors import LabelError, LabelErrorKind
from core.evaluation.table import TableMetadata
from core.runs.damage import cells
from core.runs.store import RunStore


@dataclass(frozen=True)
class Mark:
    """A label error or an image that a user wants to look at again; a field that does not apply is None.

    kind        what may be wrong
    image_id    the image
    class_name  the class that the box should have
    box         (x1, y1, x2, y2) of the prediction, pixels of the original image
    gt_id       the annotation that may be wrong
    score       of the prediction
    created     seconds since 1970; None until the mark is stored
    """

    kind: LabelErrorKind
    image_id: int
    class_name: str | None = None
    box: tuple[float, float, float, float] | None = None
    gt_id: int | None = None
    score: float | None = None
    created: float | None = None

    @classmethod
    def of(cls, label_error: LabelError) -> Mark:
        """Return a mark on a label error."""
        return cls(
            label_error.kind, label_error.image_id, label_error.predicted, label_error.box, label_error.gt_id,
            label_error.score,
        )  # fmt: skip

    @property
    def key(self) -> str:
        """What tells the mark from every other one of its run.

        Of a missing label that is its place and class: another evaluation may predict the same box by another query.
        """
        if self.kind is LabelErrorKind.IMAGE:
            return f"image {self.image_id}"
        if self.kind is LabelErrorKind.WRONG:
            return f"annotation {self.gt_id}"
        if self.kind in (LabelErrorKind.PLACE, LabelErrorKind.DUPLICATE):
            return f"annotation {self.gt_id} {self.kind.value}"
        corners = " ".join(f"{side:.0f}" for side in self.box or ())
        return f"image {self.image_id} at {corners} {self.class_name}"


class Marks:
    """The marks of a store's runs; each change is one transaction, so that two tabs may change them at once."""

    def __init__(self, store: RunStore) -> None:
        self._database = store.database

    def all(self, run_id: str) -> list[Mark]:
        """Return the run's marks in the order in which they were made, but for damaged ones; none without a run."""
        with self._database.read() as db:
            rows = db.execute(
                "select marks.* from marks join runs on number = run where id = ? and deleted is null"
                " order by marks.created, marks.rowid",
                (run_id,),
            ).fetchall()
        return [mark for row in rows if (mark := _from_row(row))]

    def image_ids(self, run_id: str) -> list[int]:
        """Return the ids of the images that are marked as a whole, in the order in which they were marked."""
        return [mark.image_id for mark in self.all(run_id) if mark.kind is LabelErrorKind.IMAGE]

    def add(self, run_id: str, mark: Mark) -> None:
        """Store a mark in place of an older one with the same key; raise RunError if there is no such run."""
        self.add_all(run_id, [mark])

    def add_all(self, run_id: str, marks: Iterable[Mark]) -> None:
        """Store all of these marks as `add` does, or none if that fails."""
        now = time.time()
        rows = [
            (mark.key, mark.image_id, mark.kind.value, mark.class_name, *(mark.box or (None,) * 4), mark.gt_id,
             mark.score, now)
            for mark in marks
        ]  # fmt: skip
        with self._database.write() as db:
            run = db.execute("select number from runs where id = ? and deleted is null", (run_id,)).fetchone()
            if run is None:
                raise RunError(f"There is no run {run_id!r} any more.")
            db.executemany(
                "insert or replace into marks values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(run["number"], *row) for row in rows],
            )

    def remove(self, run_id: str, key: str) -> None:
        """Delete the mark with this key, if there is one."""
        self.remove_all(run_id, [key])

    def remove_all(self, run_id: str, keys: Iterable[str]) -> None:
        """Delete the marks with these keys, as far as there are any."""
        with self._database.write() as db:
            db.executemany(
                "delete from marks where key = ? and run = (select number from runs where id = ? and deleted is null)",
                [(key, run_id) for key in keys],
            )


def _from_row(row: sqlite3.Row) -> Mark | None:
    """Return a row of `marks`; None if a cell of it is damaged, or its kind is of another version."""
    measure = cells.optional(cells.number)
    try:
        kind, image_id = LabelErrorKind(row["kind"]), int(cells.whole(row["image_id"]))
        x1, y1, x2, y2 = (measure(row[side]) for side in ("x1", "y1", "x2", "y2"))
        box = None if None in (x1, y1, x2, y2) else (x1, y1, x2, y2)
        name, gt_id = cells.optional(cells.text)(row["class_name"]), cells.optional(cells.whole)(row["gt_id"])
        return Mark(kind, image_id, name, box, gt_id, measure(row["score"]), cells.seconds(row["created"]))
    except ValueError:
        return None


def marks_to_coco(marks: Sequence[Mark], split: CocoSplit, metadata: TableMetadata) -> dict[str, Any]:
    """Return the marks as a COCO ground truth of the images that they are on; `split` is what was evaluated.

    A missing label is a new annotation with the predicted box and class, its id above all of the data set's. Any other
    is the annotation itself: a wrong label with the predicted class, and the annotated one under "annotated"; a badly
    placed one with the predicted box, and the annotated one under "annotated_bbox"; a duplicate as it is. Each has the
    kind of label error under "mark", several with commas, and the prediction's "score"; an image that is marked as a
    whole has a "mark" too. Marks on images, annotations and classes that the evaluated data does not have any more are
    left out.
    """
    category_ids = dict(zip(metadata.classes, metadata.category_ids, strict=True))
    names = {category["id"]: category["name"] for category in split.categories}
    originals = {(annotation["image_id"], annotation["id"]): annotation for annotation in split.annotations}
    everything = examine_ground_truth(split.json_path)[0]["annotations"] if split.dropped else split.annotations
    new_id = max((annotation["id"] for annotation in everything), default=0)
    images: dict[int, dict[str, Any]] = {}
    annotations: dict[int, dict[str, Any]] = {}
    for mark in marks:
        image, original = split.image_by_id.get(mark.image_id), originals.get((mark.image_id, mark.gt_id))
        category_id = None if mark.class_name is None else category_ids.get(mark.class_name)
        if image is None or (category_id is None and mark.kind is not LabelErrorKind.IMAGE):
            continue
        if mark.gt_id is not None and original is None:
            continue
        entry = images.setdefault(mark.image_id, {name: image[name] for name in ("id", "file_name", "width", "height")})
        if mark.kind is LabelErrorKind.IMAGE:
            entry["mark"] = mark.kind.value
            continue
        if original is None:
            new_id += 1
            annotation = {"id": new_id, **_box_of(mark), "iscrowd": 0, "category_id": category_id}
        else:
            kept = {name: original[name] for name in ("id", "bbox", "area", "iscrowd", "category_id")}
            annotation = annotations.get(original["id"], kept)
        if mark.kind is LabelErrorKind.WRONG and original:
            annotation |= {"annotated": names[original["category_id"]], "category_id": category_id}
        if mark.kind is LabelErrorKind.PLACE and original:
            annotation |= {"annotated_bbox": original["bbox"], **_box_of(mark)}
        kinds = ", ".join(filter(None, (annotation.get("mark"), mark.kind.value)))
        annotations[annotation["id"]] = annotation | {"image_id": mark.image_id, "score": mark.score, "mark": kinds}
    categories = [{"id": category_id, "name": name} for name, category_id in category_ids.items()]
    return {"images": list(images.values()), "annotations": list(annotations.values()), "categories": categories}


def _box_of(mark: Mark) -> dict[str, Any]:
    bbox = xyxy_to_xywh(np.array([mark.box]))[0].astype(float).round(2).tolist()
    return {"bbox": bbox, "area": bbox[2] * bbox[3]}
