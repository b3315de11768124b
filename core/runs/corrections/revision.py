"""Revisions: a data set with all corrections of its labels, as a folder of its own beside the old one.

    data/<name>-r1/annotations/instances_train.json    and _val, _test: corrected, everything else as it was
                   images/train and val, test          links to the folders of the pictures
                   revision.json                       of which data, when, and every label that is another one

In: a data set's folder, or a COCO file with its pictures, and the journal's corrections of its files. Out: `Revision`.
It is an ordinary folder in COCO layout. Images, annotations and categories keep their ids, annotations that were not
corrected all their bytes. Files that state no ids of their own, or repeat them, get those that they are read with.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from core import DataError, RunError, lab_root
from core.datasets.coco.ids import to_id
from core.datasets.json_reader import decode
from core.datasets.layouts import TEST
from core.datasets.split import CocoSplit, examine_splits, read_split, require_usable
from core.datasets.subset import RawFile, write_lists
from core.disk import atomic_folder
from core.evaluation.findings.relabel import Label
from core.files import common_folder, read_bytes, real_path
from core.runs.corrections.corrected import box_of, corrected_split, entry_of, fitting
from core.runs.corrections.journal import Correction, Journal, label_file, net_corrections
from core.runs.evaluated.images import read_part
from core.runs.store import RunStore
from core.system.moves import link_folder
from core.system.names import same_name
from core.typed_json import decode as decode_text
from core.wording import short

FILE = "revision.json"
MOST_BYTES = 200_000_000  # of a revision.json
NUMBERED = re.compile(r"(.*)-r(\d{1,9})")


class LabelChange(msgspec.Struct):
    """A label that is another one in a revision; `before` None: it is new, `after` None: it is gone.

    Labels are {"class", "box" (xyxy, pixels of the original image), "crowd"}.
    """

    part: str
    image_id: int
    file_name: str
    label_id: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Revision(msgspec.Struct):
    """What a revision's revision.json says.

    of       the folder or COCO file that it is a revision of, as settings have it
    number   how many revisions lie between it and the data that was never corrected, itself included
    created  seconds since 1970
    changes  by part, in the order of the file
    """

    of: str
    number: int
    created: float
    changes: list[LabelChange]
    name: str = ""


def read_revision(folder: str | Path) -> Revision | None:
    """Return what a data set is a revision of; None if it is none, or nobody can tell."""
    with suppress(OSError, ValueError, msgspec.DecodeError):
        revision = decode_text(read_bytes(Path(folder) / FILE, MOST_BYTES), Revision)
        revision.name = Path(folder).name
        return revision
    return None


def save_revision(store: RunStore, data: str, images: str = "", name: str | None = None) -> tuple[Path, Revision]:
    """Write a data set's revision with all corrections that are done; return its folder under data/.

    data    a data set's folder, or a COCO file whose pictures lie in the folder `images`
    name    of the folder; None: the data's own, with the next number

    Raises RunError if no label was corrected or the name is taken, DataError if the data cannot be read or the revision
    not be written.
    """
    source = real_path(lab_root() / data)
    splits = _splits(source, images)
    journals = {split.json_path: Journal(store, label_file(store, split.json_path)).all() for split in splits.values()}
    parts = {part: _Part(split, journals[split.json_path]) for part, split in splits.items()}
    changes = [change for part in parts.values() for change in part.changes()]
    if not changes:
        raise RunError(f"No label of {short(data)} was corrected: there is nothing to save as a revision.")
    before = read_revision(source)
    folder = _folder(store.data_dir, source, name)
    root = real_path(store.root)
    of = source.relative_to(root).as_posix() if source.is_relative_to(root) else str(source)
    revision = Revision(of, (before.number if before else 0) + 1, time.time(), changes, folder.name)
    try:
        with atomic_folder(folder, durable=True) as partial:
            for inner in ("annotations", "images"):
                (partial / inner).mkdir()
            for name_of_part, part in parts.items():
                part.write(partial / "annotations" / f"instances_{name_of_part}.json", revision)
                part.link(partial / "images" / name_of_part)
            (partial / FILE).write_bytes(msgspec.json.encode(revision))
    except OSError as error:
        raise DataError(f"The revision {folder} cannot be written: {error.strerror or error}.") from error
    return folder, revision


def _splits(source: Path, images: str) -> dict[str, CocoSplit]:
    if not source.is_dir():
        return {"val": read_part(str(source), "val", images)}
    splits = {part: require_usable(split) for part, split in examine_splits(source).items()}
    with suppress(DataError):
        splits[TEST] = read_split(source, TEST)
    return splits


def _folder(data_dir: Path, source: Path, name: str | None) -> Path:
    """Return where the revision goes; raise RunError if the name cannot be a folder's, or is taken."""
    if name is not None:
        if Path(name).name != name or name.startswith(".") or not name.strip():
            raise RunError(f"{short(repr(name))} cannot be the name of a folder under data/.")
        if os.path.lexists(data_dir / name):
            raise RunError(f"data/{short(name)} is there already: choose another name.")
        return data_dir / name
    stem = source.name if source.is_dir() else source.stem
    if match := NUMBERED.fullmatch(stem):
        stem = match[1]
    taken = {same_name(path.name) for path in data_dir.glob("*")}
    names = (f"{stem}-r{n}" for n in range(1, len(taken) + 2))
    return data_dir / next(name for name in names if same_name(name) not in taken)


class _Part:
    """One part of a data set with its corrections, as it is written."""

    def __init__(self, split: CocoSplit, corrections: Iterable[Correction]) -> None:
        self._split = split
        self._corrections = fitting(split, corrections)
        self._corrected = corrected_split(split, self._corrections)
        paths = {image["id"]: path for image in split.images if (path := split.path_of(image))}
        are_inside = all(path.is_relative_to(split.resolved_dir) for path in paths.values())
        self.pictures = split.resolved_dir if are_inside else common_folder(paths.values())
        self._names = {image_id: path.relative_to(self.pictures).as_posix() for image_id, path in paths.items()}

    def link(self, link: Path) -> None:
        """Let `link` show the pictures."""
        link_folder(self.pictures, link, self._names.values())

    def _net(self) -> dict[int, Label | None]:
        """Return what each corrected label is now, but for those whose correction is lost."""
        net = {i: label for of_image in net_corrections(self._corrections).values() for i, label in of_image.items()}
        return {label_id: label for label_id, label in net.items() if label_id not in self._corrected.lost}

    def changes(self) -> list[LabelChange]:
        """Return what is another one, by image and label."""
        now, names = self._net(), {category["id"]: category["name"] for category in self._split.categories}
        image_of = {one.label_id: self._split.image_by_id[one.image_id] for one in self._corrections}
        before = {
            a["id"]: Label(names[a["category_id"]], box_of(a), None, bool(a["iscrowd"]))
            for a in self._split.annotations if a["id"] in now
        }  # fmt: skip
        return [
            LabelChange(
                self._split.name, image_of[label_id]["id"], image_of[label_id]["file_name"], label_id,
                _in_words(before.get(label_id)), _in_words(now[label_id]),
            )
            for label_id in sorted(now, key=lambda i: (image_of[i]["id"], i))
        ]  # fmt: skip

    def write(self, target: Path, revision: Revision) -> None:
        """Write the part's file; raises OSError."""
        images = [
            msgspec.json.encode(image | {"file_name": self._names.get(image["id"], image["file_name"])})
            for image in self._split.images
        ]
        raw = self._raw()
        annotations = [msgspec.json.encode(one) for one in self._corrected.split.annotations] if raw is None else (
            self._kept_and_new(raw)
        )  # fmt: skip
        categories: list[Any] = (
            [msgspec.json.encode(one) for one in self._split.categories] if raw is None else raw.categories
        )
        info = _info(raw)
        description = {"revision": revision.number, "of": revision.of}
        lists = {"images": images, "annotations": annotations, "categories": categories}
        write_lists(target, lists, info | {"detr_lab": description}, bytes(raw.licenses) if raw else b"[]")

    def _raw(self) -> RawFile | None:
        """Return the file's own entries; None where its annotations are not known by their own ids."""
        try:
            raw = decode(self._split.json_path, RawFile)
        except msgspec.MsgspecError:
            return None
        stated = {ids[0]: ids for ids in map(_ids, raw.annotations)}
        read = [tuple(a[name] for name in ("id", "image_id", "category_id")) for a in self._split.annotations]
        are_kept = len(stated) == len(raw.annotations) and all(stated.get(ids[0]) == ids for ids in read)
        return raw if are_kept else None

    def _kept_and_new(self, raw: RawFile) -> list[Any]:
        net, categories = self._net(), {category["name"]: category["id"] for category in self._split.categories}
        cleaned = {annotation["id"]: annotation for annotation in self._split.annotations if annotation["id"] in net}
        entries: list[Any] = []
        for one in raw.annotations:
            label_id, image_id, _ = _ids(one)
            if image_id not in self._split.image_by_id:
                continue
            if label_id not in net:
                entries.append(one)
            elif label := net[label_id]:
                entry = msgspec.json.decode(one) | entry_of(label, categories[label.class_name], cleaned[label_id])
                if box_of(cleaned[label_id]) != label.box:
                    entry.pop("segmentation", None)  # of another outline
                entries.append(msgspec.json.encode(entry))
        return entries + [
            msgspec.json.encode(annotation)
            for annotation in self._corrected.split.annotations
            if annotation["id"] in net and annotation["id"] not in cleaned
        ]


class _Reference(msgspec.Struct, gc=False):
    id: Any = None
    image_id: Any = None
    category_id: Any = None


def _ids(raw: msgspec.Raw) -> tuple[int | None, ...]:
    """Return the ids of an annotation, its image and its category, as far as they are numbers."""
    try:
        reference = decode_text(bytes(raw), _Reference)
    except msgspec.MsgspecError:
        return None, None, None
    return to_id(reference.id), to_id(reference.image_id), to_id(reference.category_id)


def _info(raw: RawFile | None) -> dict[str, Any]:
    info = json.loads(bytes(raw.info)) if raw else {}
    return info if isinstance(info, dict) else {}


def _in_words(label: Label | None) -> dict[str, Any] | None:
    if label is None:
        return None
    return {"class": label.class_name, "box": [round(float(s), 2) for s in label.box], "crowd": label.crowd}


def newer_of(root: Path, one: str | None, other: str | None) -> str | None:
    """Return which of two data sets is a revision of the other, over any number of steps; None if neither is."""
    if not one or not other:
        return None
    for newer, older in ((one, other), (other, one)):
        folder, seen = real_path(root / newer), set[Path]()
        while folder not in seen and (revision := read_revision(folder)):
            seen.add(folder)
            folder = real_path(root / revision.of)
            if folder == real_path(root / older):
                return newer
    return None
