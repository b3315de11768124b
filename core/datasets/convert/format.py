"""What a format of foreign folders gives to the conversion: `Format`, which each module here that reads one fulfils.

    list_folder(folder)    → a `Listing`: every picture and label file in the folder, and which part each belongs to
    read(item, …)          → the `Labels` of one of them, when its picture's size is known

A format only says what lies in the folder. What is then left out, and how it is told, is decided once for all formats
by `conversion.py`: pictures in no list, label files without a picture. Damage to one file or line costs that
file or line and is given to the `ProblemCounter`; what makes the folder useless as a whole is a DataError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind

USED = ("train", "val")  # the parts of a training
TEST, UNLISTED = "test", ""


@dataclass(frozen=True)
class Item:
    """A picture with its label file, or one without the other; paths are relative to the folder, with "/".

    picture  "" for a label file without a picture
    split    "train", "val", "test", or "" where there are lists of the parts and none names the picture
    label    None for a picture without a label file
    """

    picture: str
    split: str
    label: str | None = None


@dataclass(frozen=True)
class LabelledObject:
    """One object as its label file has it; corners (x1, y1, x2, y2) in pixels of the upright picture."""

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool = False


@dataclass(frozen=True)
class PictureSize:
    """(width, height) in pixels, as stored and as shown: an EXIF orientation (2 to 8) may turn a picture."""

    stored: tuple[int, int]
    upright: tuple[int, int]
    orientation: int = 1


@dataclass(frozen=True)
class Labels:
    """What a label file says of its picture.

    objects  those that can be read
    size     (width, height) of the picture that the corners refer to; None if the picture cannot be used
    count    how many objects the file has, also those that cannot be read
    """

    objects: list[LabelledObject]
    size: tuple[int, int] | None
    count: int


@dataclass(frozen=True)
class Listing:
    """What a folder holds, by the names of its files and by its lists.

    folder      resolved
    items       every picture and label file, in the order of their paths; a split occurs twice at most for a picture
    names       the classes by their number in the label files; None if the label files alone name them
    lists       files besides labels that decide what is read: class names, parts
    background  whether a picture without a label file is one without objects; else it is left out
    content     whatever else the format needs to read labels, in a form of its own
    """

    folder: Path
    items: list[Item]
    names: dict[int, str] | None
    lists: list[Path]
    background: bool = False
    content: Any = None

    @property
    def used(self) -> int:
        """How many pictures are of a part, as far as the lists tell."""
        return sum(item.split != UNLISTED and bool(item.picture) for item in self.items)


class ProblemCounter:
    """Problems of single files and lines, counted by kind and split, with their first examples."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[ProblemKind, str]] = Counter()
        self._examples: dict[tuple[ProblemKind, str], list[tuple[str, str]]] = {}

    def add(self, kind: ProblemKind, detail: str, item: Item | None = None, count: int = 1) -> None:
        """Count a problem. `detail` says which file and value; `item` is the picture that has it, if it is one's.

        `count` is how many there are, all alike; of 0 there is none.
        """
        if not count:
            return
        key = kind, item.split if item and item.split in (*USED, TEST) else ""
        self._counts[key] += count
        examples = self._examples.setdefault(key, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append((detail, item.picture if item else ""))

    def count(self, *kinds: ProblemKind) -> int:
        """Return how many problems there are of these kinds."""
        return sum(n for (kind, _), n in self._counts.items() if kind in kinds)

    def first(self, *kinds: ProblemKind) -> str:
        """Return the detail of the first problem of these kinds, "" without any."""
        return next((some[0][0] for (kind, _), some in self._examples.items() if kind in kinds), "")

    def to_list(self, ids: Mapping[tuple[str, str], int] | None = None) -> list[Problem]:
        """Return the problems; `ids` are the images' by split and picture."""
        ids = ids or {}
        return [
            Problem(kind, split, count, tuple(
                Example(detail, ids.get((split, picture))) for detail, picture in self._examples[kind, split]
            ))
            for (kind, split), count in self._counts.items()
        ]  # fmt: skip


class Format(Protocol):
    """A module that reads one format; `FORMATS` of to_coco.py has them by their key, in the order of asking."""

    TITLE: str  # as the user reads it

    def looks_like(self, folder: Path) -> bool:
        """Check by what the files hold, a bounded number of them, whether the folder has this format."""

    def list_folder(self, folder: Path, problems: ProblemCounter) -> Listing:
        """Return what a resolved folder holds; raises DataError if nothing of it can be used."""

    def read(self, item: Item, listing: Listing, size: PictureSize, problems: ProblemCounter) -> Labels:
        """Return what the label file of an item says; `size` is that of the item's picture."""

    def first_pixel(self, objects: list[LabelledObject]) -> int:
        """Return the number, 0 or 1, that the format's corners give to the first pixel."""


def normalize_splits(items: list[Item]) -> list[Item]:
    """Return each picture of each split once, by path; all are "train" unless both splits hold pictures and differ.

    A picture that is named for testing is in no other part.
    """
    test = {item.picture for item in items if item.split == TEST and item.picture}
    items = [item for item in items if item.split != "train" or item.picture not in test]
    train, val = ({item.picture for item in items if item.split == split} for split in USED)
    if train:
        items = [item for item in items if item.split != TEST or item.picture not in val]
    else:  # what is for validation becomes the training part
        items = [item for item in items if item.split != "val" or item.picture not in test]
    if train and val and train != val:
        return _sorted(items)
    return _sorted(Item(i.picture, "train" if i.split in USED else i.split, i.label) for i in items)


def _sorted(items: Iterable[Item]) -> list[Item]:
    return sorted(set(items), key=lambda item: (item.picture, item.split, item.label or ""))
