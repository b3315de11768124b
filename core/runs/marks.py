"""Marks on boxes and images whose labels someone doubts, kept with their run, and given out as COCO JSON.

In: suspects (`findings/suspects.py`) or whole images that a user marks. They lie in the run database, so they survive
a reload and are the same in every tab. Out: a COCO file of what to correct, which any annotation tool opens.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core import RunError
from core.boxes import xyxy_to_xywh
from core.datasets.coco_json import read
from core.datasets.split import CocoSplit
from core.evaluation.findings.label_errors import Doubt, Suspect
from core.evaluation.table import About
from core.runs.store import RunStore


@dataclass(frozen=True)
class Mark:
    """One thing to look at again; what does not apply is None.

    kind        what is doubted
    image_id    where
    class_name  the class that it should have
    box         (x1, y1, x2, y2) of the prediction, pixels of the original image
    gt_id       the annotation whose label is doubted
    score       the prediction's
    created     seconds since 1970; None until it is kept
    """

    kind: Doubt
    image_id: int
    class_name: str | None = None
    box: tuple[float, float, float, float] | None = None
    gt_id: int | None = None
    score: float | None = None
    created: float | None = None

    @classmethod
    def of(cls, suspect: Suspect) -> Mark:
        return cls(suspect.kind, suspect.image_id, suspect.predicted, suspect.box, suspect.gt_id, suspect.score)

    @property
    def key(self) -> str:
        """What is marked, one of its kind in a run; a missing label by its place, which a query's number is not."""
        if self.kind is Doubt.IMAGE:
            return f"image {self.image_id}"
        if self.kind is Doubt.WRONG:
            return f"annotation {self.gt_id}"
        place = " ".join(f"{side:.0f}" for side in self.box)
        return f"image {self.image_id} at {place} {self.class_name}"


class Marks:
    """The marks of a store's runs; each change is one transaction, so that two tabs get along."""

    def __init__(self, store: RunStore):
        self._database = store.database

    def all(self, run_id: str) -> list[Mark]:
        """The run's marks, in the order in which they were made; none if there is no such run."""
        with self._database.read() as db:
            rows = db.execute(
                "select marks.* from marks join runs on number = run where id = ? order by marks.created, marks.rowid",
                (run_id,),
            ).fetchall()
        return [_from_row(row) for row in rows]

    def image_ids(self, run_id: str) -> list[int]:
        """The images that are marked themselves, in the order in which they were."""
        return [mark.image_id for mark in self.all(run_id) if mark.kind is Doubt.IMAGE]

    def add(self, run_id: str, mark: Mark) -> None:
        """Keep a mark; an older one with the same key gives way. Raises RunError if there is no such run."""
        self.add_all(run_id, [mark])

    def add_all(self, run_id: str, marks: Iterable[Mark]) -> None:
        """Keep all of these or, if that fails, none, as `add` does."""
        now = time.time()
        rows = [
            (mark.key, mark.image_id, mark.kind.value, mark.class_name, *(mark.box or (None,) * 4), mark.gt_id,
             mark.score, now)
            for mark in marks
        ]  # fmt: skip
        with self._database.write() as db:
            found = db.execute("select number from runs where id = ?", (run_id,)).fetchone()
            if found is None:
                raise RunError(f"There is no run {run_id!r} any more.")
            db.executemany(
                "insert or replace into marks values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(found["number"], *row) for row in rows],
            )

    def remove(self, run_id: str, key: str) -> None:
        """Forget the mark with this key, if it is there."""
        self.remove_all(run_id, [key])

    def remove_all(self, run_id: str, keys: Iterable[str]) -> None:
        """Forget the marks with these keys, as far as they are there."""
        with self._database.write() as db:
            db.executemany(
                "delete from marks where key = ? and run = (select number from runs where id = ?)",
                [(key, run_id) for key in keys],
            )


def _from_row(row: sqlite3.Row) -> Mark:
    box = tuple(row[side] for side in ("x1", "y1", "x2", "y2"))
    return Mark(
        Doubt(row["kind"]), row["image_id"], row["class_name"], None if None in box else box, row["gt_id"],
        row["score"], row["created"],
    )  # fmt: skip


def marks_to_coco(marks: Sequence[Mark], split: CocoSplit, about: About) -> dict:
    """The marks as a COCO ground truth of the images that they are on; `split` is what was evaluated.

    A missing label is a new annotation with the predicted box and class, its id above all of the data set's; a wrong
    one is the annotation itself with the class that was predicted, and its own under "annotated". Both say what they
    are under "mark" and have the prediction's "score"; an image that is marked itself has a "mark" too. What left the
    data set since it was marked is left out, so is a class that was not evaluated.
    """
    category_ids = dict(zip(about.classes, about.category_ids, strict=True))
    names = {category["id"]: category["name"] for category in split.categories}
    originals = {(annotation["image_id"], annotation["id"]): annotation for annotation in split.annotations}
    everything = read(split.json_path)[0]["annotations"] if split.dropped else split.annotations
    new_id = max((annotation["id"] for annotation in everything), default=0)
    images: dict[int, dict] = {}
    annotations = []
    for mark in marks:
        image, original = split.image_by_id.get(mark.image_id), originals.get((mark.image_id, mark.gt_id))
        is_box = mark.kind is not Doubt.IMAGE
        if not image or (mark.kind is Doubt.WRONG and not original) or (is_box and mark.class_name not in category_ids):
            continue
        shown = images.setdefault(mark.image_id, {name: image[name] for name in ("id", "file_name", "width", "height")})
        if not is_box:
            shown["mark"] = mark.kind.value
            continue
        if mark.kind is Doubt.MISSING:
            new_id += 1
            bbox = xyxy_to_xywh([mark.box])[0].astype(float).round(2).tolist()
            annotation = {"id": new_id, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}
        else:
            annotation = {name: original[name] for name in ("id", "bbox", "area", "iscrowd")}
            annotation["annotated"] = names[original["category_id"]]
        annotation |= {"image_id": mark.image_id, "category_id": category_ids[mark.class_name]}
        annotations.append(annotation | {"score": mark.score, "mark": mark.kind.value})
    categories = [{"id": category_id, "name": name} for name, category_id in category_ids.items()]
    return {"images": list(images.values()), "annotations": annotations, "categories": categories}
