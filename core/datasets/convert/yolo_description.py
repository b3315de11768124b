"""What describes a YOLO folder: its yaml file or Darknet's obj.data, and the names of its classes.

In: the names of the folder's files. Out: a `Description`, of which each part may be missing; `read_names`, which needs
one source of names: the yaml file, classes.txt, obj.names or Label Studio's notes.json.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import DataError
from core.datasets.convert.format import ProblemCounter
from core.datasets.convert.source import (
    FolderFiles,
    LabelFileError,
    lines_of,
    read_list,
    read_text,
    read_yaml,
    to_class_name,
)
from core.datasets.names.name_index import NameIndex
from core.datasets.names.part_names import part_of
from core.datasets.problems import ProblemKind

YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "data_config.yaml")
CLASS_FILES = (
    "classes.txt", "obj.names", "_darknet.labels", "classes.names", "class_names.txt", "class.txt", "names.txt",
    "labels.txt", "label_list.txt", "predefined_classes.txt",
)  # fmt: skip
CLASS_FILE = re.compile(r"(.+[-_ ])?(classes|(class|obj)[-_ ]?names)\.txt|.*\.names")  # of whatever else is so called
NOTES = "notes.json"
DEEPEST = 2  # folders below the top in which a description is looked for
MOST_DESCRIPTIONS = 20  # files that may be one


@dataclass(frozen=True)
class Description:
    """What a folder's description says; paths in it are as they are written.

    name    the file, relative to the folder; None if there is none
    names   class names as a list, a dict by number, or the path of a file; None if it has none
    parts   the folders or lists of pictures by the part, "train", "val" or "test"
    root    the path that stands before these
    points  how many numbers of keypoints follow a box (YOLO poses)
    error   why the file that should be it cannot be read; "" if it can, or if there is none
    """

    name: str | None = None
    names: Any = None
    parts: dict[str, list[str]] = field(default_factory=dict)
    root: str = ""
    points: int = 0
    error: str = ""

    @property
    def has_names(self) -> bool:
        """Whether it has names of classes, of whatever kind."""
        return isinstance(self.names, (list, dict)) and bool(self.names)

    @property
    def has_parts(self) -> bool:
        """Whether it says where pictures are."""
        return bool(self.parts)

    @property
    def is_usual(self) -> bool:
        """Whether the file is called as YOLO's descriptions are."""
        return self.name is not None and not _is_other_name(self.name)

    @property
    def lists(self) -> list[str]:
        """The last parts of what it names: a file that is called so is no label file."""
        return [entry for entries in self.parts.values() for entry in entries]


def find_description(files: FolderFiles) -> Description:
    """Return the folder's description: of several the one with class names, the least deep and usually named one.

    Raises DataError if two of them, equally likely, name other classes.
    """
    paths = [name for name in files.ending(".yaml", ".yml", ".data") if name.count("/") <= DEEPEST]
    paths.sort(key=lambda name: (name.count("/"), _is_other_name(name), name))
    described = [_read_description(files, name) for name in paths[:MOST_DESCRIPTIONS]]
    named = [one for one in described if one.has_names]
    if len(named) > 1 and _rank(named[0]) == _rank(named[1]) and named[0].names != named[1].names:
        raise DataError(f"{files.folder} holds {named[0].name} and {named[1].name}, both with class names: keep one.")
    with_parts = [one for one in described if one.has_parts]
    usual = [one for one in described if one.error and not _is_other_name(one.name or "")]
    return next(iter([*named, *with_parts, *(one for one in described if one.names), *usual]), Description())


def _rank(description: Description) -> tuple[int, bool]:
    name = description.name or ""
    return name.count("/"), _is_other_name(name)


def _is_other_name(name: str) -> bool:
    return name.rpartition("/")[2].lower() not in YAML_NAMES


def _read_description(files: FolderFiles, name: str) -> Description:
    path = files.path(name)
    try:
        settings = _read_darknet(path) if name.lower().endswith(".data") else read_yaml(path)
    except LabelFileError as error:
        return Description(name, error=str(error))
    if not isinstance(settings, dict):
        return Description(name, error="it holds something else")
    parts: dict[str, list[str]] = {}
    for key, value in settings.items():
        entries = [value] if isinstance(value, str) else value
        split = part_of(key) if isinstance(key, str) and isinstance(entries, list) else None
        if split:
            parts.setdefault(split, []).extend(one for one in entries if isinstance(one, str) and one.strip())
    root = settings.get("path")
    return Description(
        name, settings.get("names") or None, {split: entries for split, entries in parts.items() if entries},
        root.replace("\0", "") if isinstance(root, str) else "", _keypoint_numbers(settings.get("kpt_shape")),
    )  # fmt: skip


def _read_darknet(path: Path) -> dict[str, str]:
    """Return the settings of a file of lines "name = value"."""
    pairs = [line.partition("=") for line in lines_of(read_text(path)) if "=" in line]
    return {key.strip(): value.strip() for key, _, value in pairs}


def _keypoint_numbers(shape: Any) -> int:
    try:
        numbers = [int(n) for n in shape] if isinstance(shape, list) else []
    except (TypeError, ValueError):
        return 0
    return math.prod(numbers) if numbers and all(0 < n < 10**4 for n in numbers) else 0


def class_files(files: FolderFiles) -> list[str]:
    """Return the files that may list class names, a line each, the likeliest first."""
    ranked = []
    for name in files.ending(".txt", ".names", ".labels"):
        base = name.rpartition("/")[2].lower()
        if base in CLASS_FILES or CLASS_FILE.fullmatch(base):
            order = CLASS_FILES.index(base) if base in CLASS_FILES else len(CLASS_FILES)
            ranked.append((name.count("/"), order, name))
    return [name for _, _, name in sorted(ranked)]


def read_names(
    files: FolderFiles, description: Description, labels: set[str], problems: ProblemCounter
) -> tuple[dict[int, str], list[Path]]:
    """Return class number to name, in the order of the numbers, and the files that say so.

    labels: label files of pictures, none of which lists classes
    Raises DataError if there are no names.
    """
    lists = [files.path(description.name)] if description.name else []
    names, source = description.names, description.name
    if not description.has_names:
        names, source = _other_names(files, description, labels)
        lists.append(files.path(source))
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        numbered = {int(number): to_class_name(name) for number, name in names.items()}
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise DataError(
            f"The names in {files.path(source or '')} are not a list of class names: correct them."
        ) from None
    result: dict[int, str] = {}
    for number, name in sorted(numbered.items()):
        if name in result.values():
            problems.add(ProblemKind.SAME_NAME, f"{source}: class {number} is {name!r}, too")
        if name is not None:  # a label of a class without one is told
            result[number] = name
    if not result:
        raise DataError(f"The names in {files.path(source or '')} are none: give every class a name.")
    return result, lists


def _other_names(files: FolderFiles, description: Description, labels: set[str]) -> tuple[Any, str]:
    """Return the names that a file of its own lists, and that file."""
    places = [name for name in class_files(files) if name not in labels]
    if isinstance(description.names, str):  # Darknet's, as data/obj.names
        places = [*NameIndex(files.ending(".names", ".txt")).find(description.names), *places]
    if places:
        return _listed_names(files, places), places[0]
    for name in (name for name in files.ending(".json") if name.rpartition("/")[2].lower() == NOTES):
        if names := _names_of_notes(files.path(name)):
            return names, name
    if description.error:
        path = files.path(description.name or "")
        raise DataError(
            f"{path} is not a YOLO description in YAML ({description.error}): correct it or export the folder again."
        )
    if isinstance(description.names, str):
        raise DataError(
            f"The names in {files.path(description.name or '')} are not a list of class names: correct them."
        )
    has = f"{files.path(description.name)} has no names" if description.name else ""
    missing = has or f"{files.folder} has neither data.yaml nor classes.txt"
    raise DataError(f"{missing}, so its classes are only numbers: add the list of class names.")


def _listed_names(files: FolderFiles, places: list[str]) -> list[str]:
    """Return the names of the first file; raises DataError if one of the same name beside other labels differs."""
    base = places[0].rpartition("/")[2]
    alike = [name for name in places if name.rpartition("/")[2] == base]
    read = {name: [line.strip() for line in lines_of(read_list(files.path(name)).rstrip())] for name in alike}
    longest = max(read.values(), key=len)
    for name, names in read.items():
        if names != longest[: len(names)]:
            raise DataError(f"{files.path(places[0])} and {files.path(name)} number the classes otherwise: keep one.")
    return longest


def _names_of_notes(path: Path) -> dict[int, str]:
    """Return the names in Label Studio's notes.json; {} if it holds none."""
    try:
        categories = json.loads(read_text(path))["categories"]
        return {int(one["id"]): str(one["name"]) for one in categories}
    except (LabelFileError, ValueError, KeyError, TypeError, RecursionError):
        return {}
