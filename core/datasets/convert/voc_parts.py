"""Which pictures of a Pascal VOC folder are for training, validation and testing.

    ImageSets/Main/train.txt, val.txt, trainval.txt, test.txt    whatever their case: CVAT writes Train.txt, default.txt
    ImageSets/Main/car_train.txt                                 of one class, "name  1" or "name -1" in each line;
                                                                 others have the numbers of classes there
    train/, valid/, test/                                        folders

A list counts before a folder, one of pictures before those of a class. What any list or folder names for testing is
never trained on. Where nothing is for training by name, what is left is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from core.datasets.convert.format import TEST, UNLISTED, ProblemCounter
from core.datasets.convert.source import FolderFiles, lines_of, nearest_to, read_list, splits_by_folder
from core.datasets.names.name_index import NameIndex
from core.datasets.names.part_names import part_of
from core.datasets.problems import ProblemKind
from core.wording import short

TRAINVAL = "trainval"
SETS = "imagesets"
FLAG = re.compile(r"-?\d+")


class _List(NamedTuple):
    """A list of pictures: its file, its part ("" if its name says none), and for each line the pictures it names."""

    name: str
    split: str
    is_of_class: bool
    pictures: set[str]
    missing: list[str]


def splits_of_pictures(
    files: FolderFiles, pictures: Sequence[str], labels: Mapping[str, str], problems: ProblemCounter
) -> tuple[list[tuple[str, str]], list[Path]]:
    """Return (picture, part) in any order, a picture in both parts twice, and the lists that say so.

    labels: the label file of each picture that has one
    """
    lists = _read_lists(files, pictures, labels)
    for one in lists:
        if not one.is_of_class:
            for detail in one.missing:
                problems.add(ProblemKind.LISTED_MISSING, detail)
    parts: defaultdict[str, set[str]] = defaultdict(set)
    for split in sorted({one.split for one in lists}):
        alike = [one for one in lists if one.split == split]
        plain = [one for one in alike if not one.is_of_class]
        for one in alike if split == TEST else plain or alike:
            parts[split] |= one.pictures
    _add_by_folder(parts, pictures, labels)
    _add_trainval(parts)
    rest = set(pictures).difference(*parts.values())
    if not parts["train"] - parts[TEST]:  # what nothing names is for training, if nothing else is
        others = parts.pop("", set())
        parts["train"] |= (others or rest) - parts["val"] - parts[TEST]
    parts.pop("", None)
    named = [(name, split) for split, some in parts.items() for name in some]
    rest = set(pictures).difference(*parts.values())
    return [*named, *((name, UNLISTED) for name in rest)], [files.path(one.name) for one in lists]


def _add_by_folder(parts: dict[str, set[str]], pictures: Sequence[str], labels: Mapping[str, str]) -> None:
    """Give pictures that no list names to the part of their folder, or of their label file's folder."""
    rest = set(pictures).difference(*parts.values())
    of_labels = splits_by_folder(list(labels.values()))
    by_folder = {**{p: of_labels[x] for p, x in labels.items() if x in of_labels}, **splits_by_folder(pictures)}
    was_empty = {split for split in ("train", "val") if not parts[split]} if not parts[TRAINVAL] else set()
    for name in rest:
        if (split := by_folder.get(name)) and (split == TEST or split in was_empty):
            parts[split].add(name)


def _add_trainval(parts: dict[str, set[str]]) -> None:
    """Give the pictures for both training and validation to the part that has none of its own, else to training."""
    both = parts.pop(TRAINVAL, set())
    if not parts["train"]:
        parts["train"] |= both - parts["val"]
    elif not parts["val"]:
        parts["val"] |= both - parts["train"]


def _read_lists(files: FolderFiles, pictures: Sequence[str], labels: Mapping[str, str]) -> list[_List]:
    """Return the lists of pictures: those of ImageSets/Main, else of ImageSets, else those named like a part."""
    paths = files.ending(".txt")
    folded = {name: f"/{name.lower()}" for name in paths}
    in_main = [name for name in paths if f"/{SETS}/main/" in folded[name]]
    in_sets = [name for name in paths if re.search(rf"/{SETS}/[^/]*$", folded[name])]
    others = [name for name in paths if f"/{SETS}/" not in folded[name] and _split_of_list(name)]
    index = NameIndex([*pictures, *labels.values()])
    of_label = {label: picture for picture, label in labels.items()}
    chosen = in_main or in_sets or others
    for_testing = [name for name in [*in_sets, *others] if name not in chosen and _split_of_list(name) == TEST]
    lists = [_read_list(files, name, index, of_label) for name in [*chosen, *for_testing]]
    return [one for one in lists if one.pictures or (one.missing and one.name in in_main)]


def _split_of_list(name: str) -> str:
    """Return what a list is for by its name: a part, or both of training and validation; "" for neither."""
    stem = name.rpartition("/")[2].rpartition(".")[0].lower()
    last = re.split(r"[-_. ]", stem)[-1]
    if TRAINVAL in (re.sub(r"\W|_|\d", "", stem), last):
        return TRAINVAL
    return part_of(stem) or part_of(last) or ""


def _read_list(files: FolderFiles, name: str, index: NameIndex, of_label: Mapping[str, str]) -> _List:
    pictures: set[str] = set()
    missing = []
    split, flagged = _split_of_list(name), 0
    lines = [(number, line) for number, line in enumerate(lines_of(read_list(files.path(name))), 1) if line.strip()]
    for number, line in lines:
        matches = index.find(line)
        if not matches and (flagless := _without_flags(line)):
            matches, flagged = index.find(flagless), flagged + 1
        alike = {of_label.get(match, match) for match in matches}
        named = nearest_to(name, alike.intersection(of_label.values()) or alike)
        pictures.update(named if split == TEST else named[:1])
        if not named:
            near = index.nearest(line.strip())
            hint = f"; {near} is there" if near else ""
            missing.append(f"{name}, line {number}: {short(line.strip())!r}{hint}")
    return _List(name, split, flagged == len(lines) > 0, pictures, missing)


def _without_flags(line: str) -> str:
    """Return what stands before the numbers at the end of a line; "" if there are none."""
    _, *rest = line.split()
    flags = sum(1 for _ in takewhile(FLAG.fullmatch, reversed(rest)))
    return line.strip().rsplit(None, flags)[0] if flags else ""
