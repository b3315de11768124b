"""Formats whose files name the pictures that they describe: one for each picture, or one for many. `Documents`.

In: a function that reads such a file. Out: a `Format`; which picture is meant, which part it belongs to, what is
damaged or left over is decided here once for all of them. One damaged file costs that file, one object that object.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from core import DataError
from core.datasets.convert.format import (
    Item,
    LabelledObject,
    Labels,
    Listing,
    PictureSize,
    ProblemCounter,
    normalize_splits,
)
from core.datasets.convert.meant_size import meant_size
from core.datasets.convert.source import (
    MOST_PROBES,
    FolderFiles,
    LabelFileError,
    beginning,
    nearest_to,
    read_bytes,
    splits_by_folder,
    strays,
)
from core.datasets.names.name_index import NameIndex, without_ending
from core.datasets.names.part_names import part_of, part_of_folders
from core.datasets.problems import ProblemKind
from core.typed_json import decode
from core.wording import short

MOST_BYTES = 64 * 2**20  # of one file; labelme's may hold the picture, others the labels of a hundred thousand
MOST_LETTERS = 120  # of a picture's name in a message
UPLOADED = re.compile(r"^.*?[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an upload
MOST_WRONG = 20  # reasons that are kept of a picture; the rest is counted


class BadObject(ValueError):
    """An object of a file is none that has a box; the text says why."""


@dataclass
class Entry:
    """What a file says of one picture.

    picture  its name as it is written
    objects  corners in pixels, or in shares of `whole`
    wrong    why others are no objects with a box, of the first of them
    more     how many others there are beyond these
    whole    (width, height) that a corner of 1 or 100 stands for; None for pixels
    stated   (width, height) of the picture as the file has it, or None
    part     in any spelling, "" for none
    """

    picture: str
    objects: list[LabelledObject] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    more: int = 0
    whole: float | None = None
    stated: tuple[float, float] | None = None
    part: str = ""

    def add(self, values: Iterable[Any], to_object: Callable[[Any], LabelledObject | None]) -> Entry:
        """Take the objects of some values, None for what is none on purpose; what cannot be read is counted."""
        for number, value in enumerate(values, start=1):
            try:
                one = to_object(value)
            except (BadObject, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
                if len(self.wrong) >= MOST_WRONG:
                    self.more += 1
                    continue
                reason = str(error) if isinstance(error, BadObject) else "is not written as this format has it"
                self.wrong.append(f"object {number} {reason}")
            else:
                self.objects += [one] if one is not None else []
        return self


@dataclass(frozen=True)
class Source:
    """A file that may be read: its path in the folder, and the folder's other files."""

    name: str
    files: FolderFiles

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.files.path(self.name)

    def bytes(self) -> bytes:
        """Return what it holds; raises LabelFileError."""
        return read_bytes(self.path, MOST_BYTES)

    def json(self, type_: Any = Any) -> Any:
        """Return what it holds as JSON, fields that `type_` does not name left out; raises LabelFileError."""
        try:
            return decode(self.bytes().removeprefix(b"\xef\xbb\xbf"), type_)
        except msgspec.ValidationError:
            raise LabelFileError("not what this format has at its top") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise LabelFileError("not valid JSON") from None

    def beside(self, name: str) -> Source:
        """Return another file by its path from this one's folder; raises LabelFileError if the folder holds none."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.name), name))
        if path not in self.files.names:  # links out of the folder are none of its files
            raise LabelFileError(f"{name} is not beside it")
        return replace(self, name=path)


@dataclass(eq=False)
class Documents:
    """A `Format` of such files.

    TITLE    as the user reads it
    endings  of the files
    signs    what the beginning of a file holds, all of them, so that it is one
    parse    reads a file; raises LabelFileError
    name     of the file, if only one name is possible
    each     whether each picture has a file of its own, named as the picture is
    """

    TITLE: str
    endings: tuple[str, ...]
    signs: tuple[str, ...]
    parse: Callable[[Source], Iterable[Entry]]
    name: str = ".*"
    each: bool = False

    def looks_like(self, folder: Path) -> bool:
        """Check whether one of a bounded number of files begins as this format's do."""
        files = FolderFiles(folder, is_sample=True)
        return any(self._is_one(files, name) for name in self._candidates(files)[:MOST_PROBES])

    def _candidates(self, files: FolderFiles) -> list[str]:
        return [name for name in files.ending(*self.endings) if re.fullmatch(self.name, posixpath.basename(name))]

    def _is_one(self, files: FolderFiles, name: str) -> bool:
        text = beginning(files.path(name))
        return all(re.search(sign, text, re.DOTALL) for sign in self.signs)

    def list_folder(self, folder: Path, problems: ProblemCounter) -> Listing:
        """Return the pictures that the files of a resolved folder name; raises DataError if they name none."""
        files = FolderFiles(folder, problems)
        index, labels, items = NameIndex(files.pictures), dict[str, Entry](), list[Item]()
        taken: dict[str, str] = {}  # the file of each picture
        lists, by_folder = [], splits_by_folder(files.pictures)
        used = self._used(files)
        parts = splits_by_folder([*files.pictures, *used])
        for name in used:
            lists.append(files.path(name))
            for entry in self._entries(Source(name, files), problems):
                label = _label(name, entry, labels)
                labels[label] = entry
                is_told = part_of_folders(entry.picture.replace("\\", "/")) is not None
                meant = None if is_told else parts.get(name)  # another part's picture is none of this file's
                alike = [p for p in self._pictures(index, name, entry) if meant in (None, by_folder.get(p, meant))]
                picture = next((one for one in nearest_to(name, alike) if one not in taken), None)
                part = part_of(entry.part) or by_folder.get(picture or "") or _part_of_file(name) or ""
                items.append(Item(picture or "", part, label))
                if picture:
                    taken[picture] = name
        if not taken:
            first = problems.first(ProblemKind.LABEL_FILE)
            reason = f" ({first})" if first else ""
            raise DataError(f"{folder} holds no picture that its {self.TITLE} files name{reason}: put them there.")
        for lost in strays(taken) if self.each else ():
            del taken[lost]
        items = [item if item.picture in taken else replace(item, picture="") for item in items]
        items += [Item(name, by_folder.get(name, ""), None) for name in files.pictures if name not in taken]
        if not any(item.split for item in items):
            items = [replace(item, split="train") for item in items]
        return Listing(folder, normalize_splits(items), None, lists, content=labels)

    def _used(self, files: FolderFiles) -> list[str]:
        """Return the files of this format; with one for each picture, also those that are damaged from their start."""
        pictures = [name.rpartition("/")[2].lower() for name in files.pictures] if self.each else []
        stems = {*pictures, *map(without_ending, pictures)}  # a.jpg.json or a.json

        def is_named(name: str) -> bool:
            return bool(stems) and name.rpartition("/")[2].lower().rpartition(".")[0] in stems

        return [name for name in self._candidates(files) if is_named(name) or self._is_one(files, name)]

    def _pictures(self, index: NameIndex, name: str, entry: Entry) -> list[str]:
        """Return the pictures that an entry may mean: those whose names are most like the written one."""
        written = entry.picture.replace("\\", "/")
        names = [written, UPLOADED.sub("", written.rpartition("/")[2])]
        names += [name.rpartition("/")[2].rpartition(".")[0]] if self.each else []
        for one in dict.fromkeys(filter(None, names)):
            if matches := index.find(posixpath.normpath(posixpath.join(posixpath.dirname(name), one))):
                return matches
        return []

    def _entries(self, source: Source, problems: ProblemCounter) -> Sequence[Entry]:
        try:
            return list(self.parse(source))
        except LabelFileError as error:
            problems.add(ProblemKind.LABEL_FILE, f"{source.name}: {error}")
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
            problems.add(ProblemKind.LABEL_FILE, f"{source.name}: not written as {self.TITLE} has it")
        return ()

    def read(self, item: Item, listing: Listing, size: PictureSize, problems: ProblemCounter) -> Labels:
        """Return a picture's objects in pixels, and the size that they refer to."""
        entry: Entry = listing.content[item.label]
        for reason in entry.wrong:
            problems.add(ProblemKind.LABEL_LINE, f"{item.label}, {reason}", item)
        problems.add(ProblemKind.LABEL_LINE, f"{item.label}, more", item, entry.more)
        count = len(entry.objects) + len(entry.wrong) + entry.more
        if entry.whole is not None:
            sides = [side / entry.whole for side in size.upright]
            objects = [_scaled(one, sides[0], sides[1]) for one in entry.objects]
            return Labels(objects, size.upright, count)
        meant = meant_size(entry.stated, item, size, entry.objects, problems) if entry.stated else size.upright
        return Labels(entry.objects, meant, count)

    def first_pixel(self, objects: list[LabelledObject]) -> int:
        """Return the number of the first pixel, always 0: corners are borders."""
        return 0


def _scaled(one: LabelledObject, width: float, height: float) -> LabelledObject:
    x1, y1, x2, y2 = one.corners
    return replace(one, corners=(x1 * width, y1 * height, x2 * width, y2 * height))


def _label(name: str, entry: Entry, labels: dict[str, Entry]) -> str:
    """Return a label that no other picture has: the file, and where it describes several the picture as it names it."""
    label = f"{name}: {short(entry.picture, MOST_LETTERS)}"
    return label if label not in labels else f"{label} ({len(labels) + 1})"


def _part_of_file(name: str) -> str | None:
    return part_of(without_ending(name.rpartition("/")[2])) or part_of_folders(name)
