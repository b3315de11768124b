"""YOLO folders: a text file for every picture, a line per object; class names in data.yaml, classes.txt or obj.names.

    images/train/a.jpg   labels/train/a.txt         Ultralytics, CVAT, FiftyOne, Datumaro, Supervisely
    train/images/a.jpg   train/labels/a.txt         Roboflow, which calls validation "valid"
    obj_train_data/a.jpg, a.txt   train.txt         Darknet: CVAT, Datumaro
    a.jpg                a.txt                      pictures and labels in one folder

    line: class centre-x centre-y width height      shares of the upright picture
          class x1 y1 x2 y2 x3 y3 …                 a polygon, of which its bounding box is taken

An own reader, since those there are take damage for data: FiftyOne reads a class without a name as the class "7", NaN
as a number, every file as a picture and Roboflow's "../train/images" as an empty data set; globox reads no polygons
among boxes and pictures of one suffix only. Neither says which line is wrong.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

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
from core.datasets.convert.source import (
    MOST_PROBES,
    FolderFiles,
    LabelFileError,
    beginning,
    lines_of,
    read_text,
)
from core.datasets.convert.yolo_description import class_files, find_description, read_names
from core.datasets.convert.yolo_labels import match_labels
from core.datasets.convert.yolo_parts import pictures_by_split
from core.datasets.problems import ProblemKind

TITLE = "YOLO"
MOST_LETTERS = 10**6  # of a line; a polygon of 10,000 corners has a fifth of it
MOST_LINES = 100_000  # of a label file
FARTHEST = 2.0  # shares beyond which a number is none of the picture's width or height
OBJECT = re.compile(r"\s*-?\d+(\.0*)?(\s+-?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?){4,}\s*", re.IGNORECASE)


def looks_like(folder: Path) -> bool:
    """Check whether the folder has class names of a YOLO description, or lines as YOLO writes objects."""
    files = FolderFiles(folder, is_sample=True)
    description = find_description(files)
    if description.has_names and (files.pictures or description.has_parts or description.is_usual):
        return True
    named = class_files(files)
    labels, alone = match_labels(files, named)
    texts = [*labels.values(), *alone]
    lines = [line for name in texts[:MOST_PROBES] if (line := beginning(files.path(name)).lstrip().partition("\n")[0])]
    return any(OBJECT.fullmatch(line) for line in lines) or bool(texts and named and not lines)


def list_folder(folder: Path, problems: ProblemCounter) -> Listing:
    """Return the pictures, splits and class names of a resolved folder; raises DataError if there are none."""
    files = FolderFiles(folder, problems)
    if not files.pictures:
        raise DataError(f"{folder} holds no pictures where a YOLO folder has them, such as images/train: add them.")
    description = find_description(files)
    labels, alone = match_labels(files, [*class_files(files), *description.lists])
    names, lists = read_names(files, description, set(labels.values()), problems)
    splits, more = pictures_by_split(files, description, set(labels.values()), problems)
    lists += more
    items = [Item(picture, split, labels.get(picture)) for picture, split in splits]
    used = {path.relative_to(folder).as_posix() for path in lists}
    items += [Item("", "", name) for name in alone if name not in used]
    return Listing(folder, normalize_splits(items), names, lists, background=True, content=description.points)


def read(item: Item, listing: Listing, size: PictureSize, problems: ProblemCounter) -> Labels:
    """Return a picture's objects and its (width, height), upright as YOLO's trainers take it."""
    assert item.label is not None
    try:
        text = read_text(listing.folder / item.label)
        if (count := text.count("\n")) > MOST_LINES:
            raise LabelFileError(f"{count:,} lines, more than the {MOST_LINES:,} that are read")
    except LabelFileError as error:
        problems.add(ProblemKind.LABEL_FILE, f"{item.label}: {error}", item)
        return Labels([], None, 0)
    lines = [(number, line) for number, line in enumerate(lines_of(text), start=1) if line.strip()]
    objects = []
    for number, line in lines:
        try:
            objects.append(_object(line, item, number, listing, size.upright, problems))
        except _BadLine as error:
            problems.add(error.kind, f"{item.label}, line {number}: {error}", item)
    return Labels(objects, size.upright, len(lines))


def first_pixel(objects: list[LabelledObject]) -> int:
    """Return the number of the first pixel, always 0: coordinates are shares of the picture."""
    return 0


class _BadLine(Exception):
    """A line is no object; the text says why."""

    def __init__(self, reason: str, kind: ProblemKind = ProblemKind.LABEL_LINE) -> None:
        super().__init__(reason)
        self.kind = kind


def _object(
    line: str, item: Item, number: int, listing: Listing, size: tuple[int, int], problems: ProblemCounter
) -> LabelledObject:
    """Return the object of a line; raises _BadLine if it is none."""
    label, *values = _numbers(line)
    if listing.content and len(values) == 4 + listing.content:  # a box and the keypoints of a pose
        values = values[:4]
    if len(values) == 5:
        problems.add(ProblemKind.MORE_NUMBERS, f"{item.label}, line {number}: {values[4]:g}", item)
        values = values[:4]
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise _BadLine(f"has {len(values) + 1} numbers, but a box has 5 and a polygon 7, 9, 11 and so on")
    names = listing.names or {}
    if label not in names:
        raise _BadLine(f"has the class {label:g}, but the names are those of {_numbers_of(names)}", ProblemKind.NO_NAME)
    if min(values) < 1 - FARTHEST or max(values) > FARTHEST:
        raise _BadLine("has a number beyond 0 to 1, but each is a share of width or height")
    if len(values) == 4:
        x, y, w, h = values
        x1, y1, x2, y2 = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    else:
        xs, ys = values[::2], values[1::2]
        x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
    width, height = size
    return LabelledObject(names[int(label)], (x1 * width, y1 * height, x2 * width, y2 * height))


def _numbers(line: str) -> list[float]:
    if len(line) > MOST_LETTERS:
        raise _BadLine("is far too long for an object")
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        raise _BadLine("holds something else than numbers") from None
    if not all(map(math.isfinite, numbers)):
        raise _BadLine("holds a number that is not finite")
    return numbers


def _numbers_of(names: dict[int, str]) -> str:
    return f"{min(names)} to {max(names)}" if names else "no class"
