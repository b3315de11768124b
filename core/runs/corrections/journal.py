"""The journal of corrections: what a user has changed of the labels of an annotation file, which itself stays as it is.

In: an annotation file, an image, and what a label of it was and is. Out: `Correction`s in the order in which they were
made, each a row that stays whatever becomes of it. Every change is one transaction of the run database: it is there
once the call returns, also for other tabs, and a kill loses nothing. Corrections belong to the file, not to a run: all
runs that were evaluated on it see the same.

Images do not depend on each other, so each has its own undo and redo, without end: what is undone can be done again
until something else is changed on the image.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core import RunError
from core.evaluation.findings.relabel import Label
from core.files import real_path
from core.labelled_enum import LabelledEnum
from core.runs.damage import cells
from core.runs.store import RunStore
from core.typed_json import decode
from core.wording import short

DONE, UNDONE, DROPPED = "done", "undone", "dropped"
LARGEST = 2**53  # pixels


class CorrectionKind(LabelledEnum):
    """What was done to a label; `label` and `description` are for the user."""

    ACCEPTED = "accepted", "Accepted", "A prediction became a label, or a label took its class or its box."
    DRAWN = "drawn", "Drawn", "A new label was drawn."
    DELETED = "deleted", "Deleted", "The label was deleted."
    CLASS = "class", "Class", "The label got another class."
    BOX = "box", "Box", "The label was moved or resized."
    CROWD = "crowd", "Crowd", "The label came to mark a crowd, or no crowd any more."


@dataclass(frozen=True)
class Correction:
    """One change of one label.

    number    its place in the journal
    label_id  the annotation's id; of a new label one above all others of its file
    before    None: there was none
    after     None: there is none any more
    state     "done"; "undone", which can be done again; or "dropped": undone, and something else was done since
    created   seconds since 1970
    file_name  of the image, by which it is known again in a file that was made anew; "": not known
    """

    number: int
    image_id: int
    label_id: int
    kind: CorrectionKind
    before: Label | None
    after: Label | None
    state: str
    created: float
    file_name: str = ""


NetCorrections = dict[int, dict[int, Label | None]]  # by image and label id what the label is now; None: deleted


def net_corrections(corrections: Iterable[Correction]) -> NetCorrections:
    """Return what is left of corrections in their order: of each label that is not as it was before the first."""
    first: dict[tuple[int, int], Label | None] = {}
    last: dict[tuple[int, int], Label | None] = {}
    for correction in corrections:
        if correction.state == DONE:
            key = correction.image_id, correction.label_id
            first.setdefault(key, correction.before)
            last[key] = correction.after
    net: NetCorrections = {}
    for (image_id, label_id), label in last.items():
        if label != first[image_id, label_id]:
            net.setdefault(image_id, {})[label_id] = label
    return net


def label_file(store: RunStore, path: Path) -> str:
    """Return by which name the journal knows an annotation file: relative to the store's root if it lies there."""
    path, root = real_path(path), real_path(store.root)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


class Journal:
    """The corrections of one annotation file, named as `label_file` says."""

    def __init__(self, store: RunStore, file: str) -> None:
        self._database = store.database
        self.file = file

    def all(self) -> list[Correction]:
        """Return every correction in the order in which they were made, but for damaged ones."""
        with self._database.read() as db:
            rows = db.execute("select * from corrections where file = ? order by number", (self.file,)).fetchall()
        return [correction for row in rows if (correction := _from_row(row))]

    def of_image(self, image_id: int) -> list[Correction]:
        """Return the corrections of an image."""
        return [one for one in self.all() if one.image_id == image_id]

    def state(self) -> str:
        """Return a text that is another one whenever other corrections are done."""
        with self._database.read() as db:
            rows = db.execute(
                "select number from corrections where file = ? and state = ? order by number", (self.file, DONE)
            ).fetchall()
        return hashlib.blake2b(str([row["number"] for row in rows]).encode(), digest_size=8).hexdigest() if rows else ""

    def add(
        self, image_id: int, label_id: int | None, kind: CorrectionKind, before: Label | None, after: Label | None,
        highest_id: int, file_name: str = "",
    ) -> Correction:  # fmt: skip
        """Write a correction; what is undone on the image cannot be done again from then on.

        label_id    None of a new label, which gets an id above all of the journal's and `highest_id`
        highest_id  the highest id of an annotation of the file
        file_name   of the image

        Raises RunError if nothing would change, or if it cannot be written.
        """
        if before == after:
            raise RunError("The label is like that already.")
        with self._database.write() as db:
            known = db.execute("select max(label_id) as id from corrections where file = ?", (self.file,)).fetchone()
            if label_id is None:
                label_id = max(highest_id, known["id"] or 0, 0) + 1
            db.execute(
                "update corrections set state = ? where file = ? and image_id = ? and state = ?",
                (DROPPED, self.file, image_id, UNDONE),
            )
            labels = _to_json(before), _to_json(after)
            values = (self.file, image_id, file_name, label_id, kind.value, *labels, DONE, time.time())
            number = db.execute(
                "insert into corrections"
                " (file, image_id, file_name, label_id, kind, label_before, label_after, state, created)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            ).lastrowid
        return Correction(number or 0, image_id, label_id, kind, before, after, DONE, values[-1], file_name)

    def undo(self, image_id: int) -> Correction | None:
        """Take the image's last correction back and return it; None if there is none."""
        return self._move(image_id, DONE, UNDONE, "desc")

    def redo(self, image_id: int) -> Correction | None:
        """Do again what was undone last on the image and return it; None if there is nothing."""
        return self._move(image_id, UNDONE, DONE, "asc")

    def _move(self, image_id: int, state: str, to: str, order: str) -> Correction | None:
        with self._database.write() as db:
            row = db.execute(
                "select * from corrections where file = ? and image_id = ? and state = ?"
                f" order by number {order} limit 1",
                (self.file, image_id, state),
            ).fetchone()
            if row is None:
                return None
            db.execute("update corrections set state = ? where number = ?", (to, row["number"]))
        return _from_row(row)


def _to_json(label: Label | None) -> str | None:
    if label is None:
        return None
    if not all(-LARGEST < side < LARGEST for side in label.box):
        raise RunError(f"The box {short(repr(label.box))} is no place in a picture.")
    return json.dumps({"class": label.class_name, "box": label.box, "area": label.area, "crowd": label.crowd})


class _StoredLabel(msgspec.Struct, rename={"class_name": "class"}):
    class_name: str
    box: tuple[float, float, float, float]
    area: float | None = None
    crowd: bool = False


def _from_json(text: str | None) -> Label | None:
    if text is None:
        return None
    stored = decode(text, _StoredLabel)
    return Label(stored.class_name, stored.box, stored.area, stored.crowd)


def _from_row(row: sqlite3.Row) -> Correction | None:
    """Return a row of `corrections`; None if a cell of it is damaged, or its kind is of another version."""
    optional = cells.optional(cells.text)
    try:
        if row["state"] not in (DONE, UNDONE, DROPPED):
            return None
        return Correction(
            cells.whole(row["number"]), cells.whole(row["image_id"]), cells.whole(row["label_id"]),
            CorrectionKind(row["kind"]), _from_json(optional(row["label_before"])),
            _from_json(optional(row["label_after"])), row["state"], cells.seconds(row["created"]),
            cells.text(row["file_name"]),
        )  # fmt: skip
    except (ValueError, msgspec.DecodeError):
        return None
