"""Which pictures of a YOLO folder are for training, validation and testing.

In: the folder's files and its `Description`. Out: each picture with its part. What the description names counts; where
it is not there, or there is no description, lists such as train.txt and the names of the folders do. A picture that
any of these names for testing is never trained on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from core import DataError
from core.datasets.convert.format import TEST, UNLISTED, USED, ProblemCounter
from core.datasets.convert.source import (
    FolderFiles,
    beginning,
    is_inside,
    lines_of,
    nearest_to,
    read_list,
    splits_by_folder,
)
from core.datasets.convert.yolo_description import Description
from core.datasets.names.name_index import NameIndex, spelling, without_ending
from core.datasets.names.part_names import part_of
from core.datasets.problems import ProblemKind
from core.files import LONGEST_PATH
from core.wording import short

PARTS = (*USED, TEST)


def pictures_by_split(
    files: FolderFiles, description: Description, labels: Collection[str], problems: ProblemCounter
) -> tuple[list[tuple[str, str]], list[Path]]:
    """Return (picture, part) in any order, a picture in both parts twice, and the lists that say so."""
    parts = _Parts(files, problems)
    for split in PARTS:
        for entry in description.parts.get(split, ()):
            parts.add_entry(split, entry, description)
    lists = _lists(files, labels)
    for name, split in lists.items():  # a list for testing counts although no description names it
        if name not in parts.lists and (split == TEST or not parts.pictures[split]):
            parts.add_list(split, name)
    parts.add_rest()
    return parts.items(), [files.path(name) for name in parts.lists]


class _Parts:
    """The pictures of each part, as they become known."""

    def __init__(self, files: FolderFiles, problems: ProblemCounter) -> None:
        self.files, self.problems = files, problems
        self.pictures: dict[str, set[str]] = {split: set() for split in PARTS}
        self.lists: list[str] = []
        self._added: set[tuple[str, str | None, str | None]] = set()  # part, folder, list
        self._index = NameIndex(files.pictures)
        self._folders = {spelling(folder): folder for folder in _folders_of(files.names)}
        self._texts = {spelling(name): name for name in files.ending(".txt")}

    def add_entry(self, split: str, entry: str, description: Description) -> None:
        """Add the pictures of a folder or list that the description names."""
        folder, text = self._resolve(entry, description)
        if (split, folder, text) in self._added:  # an entry may stand there a thousand times
            return
        if text is not None or folder is not None:
            self._added.add((split, folder, text))
        if text is not None:
            self.add_list(split, text)
        elif folder is not None:
            self._add_folder(split, folder)
        else:
            self.problems.add(ProblemKind.NO_FOLDER, f"{split}: {entry!r} in {description.name}")

    def _add_folder(self, split: str, folder: str) -> None:
        """Add the pictures in a folder; folders in it that are named like another part belong to that one."""
        prefix = f"{folder}/" if folder else ""
        inside = [name for name in self.files.pictures if name.startswith(prefix)]
        inner = {name[len(prefix) :]: name for name in inside}
        other = {inner[short_name]: part for short_name, part in _inner_splits(inner).items()}
        for name in inside:
            self.pictures[other.get(name, split)].add(name)

    def add_list(self, split: str, name: str) -> None:
        """Add the pictures that a list names."""
        self.lists.append(name)
        for number, line in enumerate(lines_of(read_list(self.files.path(name))), start=1):
            if not (written := line.strip()) or written.startswith("#"):
                continue
            pictures = nearest_to(name, self._index.find(written))
            self.pictures[split].update(pictures if split == TEST else pictures[:1])
            if not pictures:
                near = self._index.nearest(written)
                hint = f"; {near} is there" if near else ""
                self.problems.add(ProblemKind.LISTED_MISSING, f"{name}, line {number}: {written!r}{hint}")

    def add_rest(self) -> None:
        """Give the pictures that nothing named to the part that their folders name, or to training if it has none."""
        rest = set(self.files.pictures).difference(*self.pictures.values())
        by_folder = splits_by_folder(self.files.pictures)
        was_empty = {split for split in PARTS if not self.pictures[split]}
        for name in rest:
            split = by_folder.get(name)
            if split == TEST or split in was_empty:
                self.pictures[split].add(name)
        if not self.pictures["train"] - self.pictures[TEST]:
            self.pictures["train"] |= rest.difference(*self.pictures.values())

    def items(self) -> list[tuple[str, str]]:
        """Return every picture with its part; UNLISTED where there is none."""
        named = [(name, split) for split in PARTS for name in self.pictures[split]]
        rest = set(self.files.pictures).difference(*self.pictures.values())
        return [*named, *((name, UNLISTED) for name in rest)]

    def _resolve(self, entry: str, description: Description) -> tuple[str | None, str | None]:
        """Return the folder or the list that an entry means; neither if it is not there.

        Raises DataError if it is there, but outside of the folder. A description is often moved without its paths:
        what the folder holds under the last parts of an entry is meant then.
        """
        written = entry.replace("\\", "/").replace("\0", "")
        if len(written) > LONGEST_PATH:
            return None, None
        if "*" in written:  # all pictures of a folder
            written = written.rpartition("/")[0]
        above = (description.name or "").rpartition("/")[0]
        for place in (f"{description.root}/{written}", written, f"{above}/{written}", *_ends(written)):
            key = spelling(place)
            if key in self._texts:
                return None, self._texts[key]
            if key in self._folders and (key or _is_here(written)):
                return self._folders[key], None
        root = self.files.folder
        if any(
            os.path.exists(place) and not is_inside(place, root)
            for place in (root / description.root / written, root / written)
        ):
            raise DataError(
                f"{root / (description.name or '')} names {short(repr(entry))}, which leads out of the folder: put the "
                "pictures into it."
            )
        return None, None


def _is_here(written: str) -> bool:
    return all(part in (".", "") for part in written.split("/")) and not written.startswith("/")


def _inner_splits(inner: Collection[str]) -> dict[str, str]:
    """Return the parts that folders within a part's folder name, at its top alone."""
    return {name: split for name in inner if "/" in name and (split := part_of(name.split("/")[0]))}


def _ends(written: str) -> list[str]:
    """Return the last parts of a path, the longest first; each keeps the name of its part."""
    parts = [part for part in PurePosixPath(written).parts if part not in ("..", "/", ".")]
    named = [number for number, part in enumerate(parts) if part_of(without_ending(part))]
    return ["/".join(parts[start:]) for start in range(named[-1] + 1 if named else len(parts))]


def _folders_of(names: Collection[str]) -> set[str]:
    """Return every folder that holds one of the files, also through others; "" is the top."""
    folders = {name.rpartition("/")[0] for name in names}
    for folder in list(folders):
        while folder:
            folder = folder.rpartition("/")[0]
            folders.add(folder)
    return folders | {""}


def _lists(files: FolderFiles, labels: Collection[str]) -> dict[str, str]:
    """Return the text files that are named like a part and list pictures, with that part."""
    lists = {}
    for name in files.ending(".txt"):
        stem = name.rpartition("/")[2].rpartition(".")[0]
        split = part_of(stem) or part_of(re.split(r"[-_. ]", stem)[-1])
        if split and name not in labels and _lists_pictures(files, name):
            lists[name] = split
    return lists


def _lists_pictures(files: FolderFiles, name: str) -> bool:
    first = beginning(files.path(name)).strip().partition("\n")[0].strip()
    return bool(first) and (without_ending(first) != first or bool(NameIndex(files.pictures).find(first)))
