"""Ground truths and results lists of any tool, brought together, so that they can be evaluated on.

In: the two files. Out: the ground truth with its problems, and rows whose `image_id` and `category_id` are the ground
truth's, and sentences that say how they were matched. Ultralytics names pictures by their stems, or counts classes from
0; mmdetection, detectron2 and torchvision write COCO's own ids. Only what can mean one thing is matched.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from core import DataError
from core.datasets.coco.annotations import all_crowd
from core.datasets.coco.areas import is_box, to_array
from core.datasets.coco.box_guess import box_format_problems, guess
from core.datasets.coco.entries import FILE_NAMES, Entries, Entry, add_names, clean_categories, clean_images, resolve
from core.datasets.coco.ids import to_id
from core.datasets.coco_json import CocoDict, CocoFile, read_coco
from core.datasets.json_reader import decode, decode_with_python
from core.datasets.problems import Example, Problem, ProblemKind, problems_of

LISTS = ("annotations", "predictions", "detections", "results")  # keys under which a dict may have its rows
CLASS_NAMES = ("category_name", "category", "class_name", "class", "label")  # keys of a row without category_id

Match = Callable[[Any], int | None]  # the id of the ground truth that a value means


@dataclass(frozen=True)
class Results:
    """A results list whose ids are those of a ground truth, and sentences on how they were matched."""

    rows: list[Entry]
    notes: list[str]


def read_truth(path: str | Path) -> CocoFile:
    """Read a ground truth to evaluate on: pictures and their sizes are not needed, every annotation has a box.

    Raises DataError if the file is broken, or if its boxes are not COCO's.
    """
    file = read_coco(path)
    size = _sizes(file.images, file.annotations)
    boxes = box_format_problems(to_array(file.annotations), size, file.info, "")
    for problem in boxes:
        if problem.kind is ProblemKind.BOX_FORMAT:
            raise DataError(f"The boxes of {path} are not x, y, width, height in pixels: {problem.examples[0].detail}: "
                            f"{problem.kind.advice}.")  # fmt: skip
    without = [a for a in file.annotations if not is_box(a["bbox"])]
    examples = [Example(f"annotation {a['id']}: {shortened(a['bbox'])}", a["image_id"], (a["id"],)) for a in without]
    annotations = [a for a in file.annotations if is_box(a["bbox"])] if without else file.annotations
    problems = [*file.problems, *boxes, *problems_of(ProblemKind.NO_NUMBERS, "", examples)]
    return replace(file, annotations=annotations, problems=[*problems, *all_crowd(annotations, "")])


def read_ground_truth(path: str | Path) -> CocoDict:
    """Read a ground truth as `read_truth` does; return its COCO_LISTS."""
    return read_truth(path).to_dict()


def truth_notes(problems: list[Problem], path: str | Path) -> list[str]:
    """Return a sentence on each problem of a ground truth, with an example."""
    return [
        f"{Path(path).name}: {problem.sentence}" + (f", as {problem.examples[0].detail}" if problem.examples else "")
        for problem in problems
    ]


def read_results(path: str | Path) -> list[Entry]:
    """Read a COCO results file: its list, or the `annotations` of a dict. Its rows are checked on evaluation.

    Raises DataError if the file is missing, truncated or something else.
    """
    return _read(path)[0]


def _read(path: str | Path) -> tuple[list[Entry], list[Any], list[Any]]:
    """Return the rows of a results file, and its own lists of images and of categories, as far as it has them."""
    try:
        data = decode(path, Any)
    except msgspec.ValidationError:
        data = decode_with_python(Path(path))
    lists = [data.get(key) if isinstance(data, dict) else None for key in ("images", "categories")]
    images, categories = (one if isinstance(one, list) else [] for one in lists)
    rows = next((data[key] for key in LISTS if key in data), None) if isinstance(data, dict) else data
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise DataError(f"{path} is not a COCO results file: it should hold a list of detections.")
    return rows, images, categories


def read_matched(path: str | Path, truth: CocoFile) -> Results:
    """Read a results file, and give its rows the ids of the ground truth; rows on what that has lost are left out.

    Images and categories are matched by the names that the file itself gives them, else by id; images then by the
    number that is the name of a file, categories by place where they count from 0. Raises DataError that names the
    first value that fits in no way.
    """
    rows, images, categories = _read(path)
    if not rows:
        return Results(rows, [f"{Path(path).name}: it holds no detections"])
    notes: list[str] = []
    if images or categories or not _fits(rows, truth):
        rows, notes = _matched(rows, images, categories, truth, Path(path))
    doubted = guess(to_array([{"bbox": row.get("bbox")} for row in rows]), _sizes(truth.images, rows))
    if doubted and doubted.is_certain:
        raise DataError(f"The boxes of {path} are not x, y, width, height in pixels: {doubted.reason}: write them so.")
    if doubted:
        notes.append(f"{Path(path).name}: its boxes may not be x, y, width, height in pixels: {doubted.reason}")
    return Results(rows, notes)


def _sizes(images: Entries, rows: list[Entry]) -> npt.NDArray[np.float64]:
    """Return width and height of the image of each row, (N, 2), pixels; NaN where they are not known."""
    sizes = {image["id"]: (image["width"] or np.nan, image["height"] or np.nan) for image in images.kept}
    return np.array([sizes[row["image_id"]] for row in rows], dtype=np.float64).reshape(-1, 2)


def _matched(
    rows: list[Entry], images: list[Any], categories: list[Any], truth: CocoFile, path: Path
) -> tuple[list[Entry], list[str]]:
    """Return the rows with the ids of the ground truth, and sentences on how they were matched."""
    add_names(truth.images)
    image_ids, note = _image_ids(rows, images, truth.images, path)
    category_ids, other_note = _category_ids(rows, categories, truth.categories, path)
    matched, lost = [], 0
    for row, image_id, category_id in zip(rows, image_ids, category_ids, strict=True):
        if image_id in truth.images.lost or category_id in truth.categories.lost:
            lost += 1
        else:
            matched.append(row | {"image_id": image_id, "category_id": category_id})
    notes = [f"{path.name}: {one}" for one in (note, other_note) if one]
    if lost:
        notes.append(f"{path.name}: {lost:,} detections of images or categories that are left out (left out)")
    return matched, notes


def _fits(rows: list[Entry], truth: CocoFile) -> bool:
    """Check whether all ids are the ground truth's as they are, and nothing else could be meant."""
    try:
        listed = [{row["image_id"] for row in rows}, {row["category_id"] for row in rows}]
    except (KeyError, TypeError):
        return False
    known = truth.images.ids, truth.categories.ids
    plain = all(type(value) is int for values in listed for value in values)
    named = any(key in row for row in rows for key in (*FILE_NAMES, *CLASS_NAMES))
    return plain and not named and all(map(set.issubset, listed, known))


def _image_ids(rows: list[Entry], images: list[Any], truth: Entries, path: Path) -> tuple[list[int | None], str | None]:
    """Return each row's image in the ground truth, and a note if it is not the one of its `image_id`."""
    listed: dict[int | None, str] = {image["id"]: image["file_name"] for image in clean_images(images).kept}
    names = [_first(row, FILE_NAMES) or listed.get(to_id(row.get("image_id"))) for row in rows]
    stated = [row.get("image_id") for row in rows]
    by_id = _mapped(stated, lambda value: resolve(value, truth))
    by_name = _by_own_names(names, by_id, truth, f"{path} names the picture", "no single picture of the ground truth")
    if by_name:
        return by_name, "the images are matched by the names of their pictures, as their ids are others"
    if None not in by_id:
        texts = any(isinstance(value, str) and to_id(value) not in truth.known for value in stated)
        return by_id, "the images are matched by the names of their pictures" if texts else None
    by_number = _mapped(stated, _by_number(truth))
    if None not in by_number:
        return by_number, "the images are matched by the numbers that are the names of their pictures"
    raise DataError(_refusal(path, rows, by_id, "image_id", truth, "file_name of its picture"))


def _by_own_names(
    names: list[str | None], by_id: list[int | None], truth: Entries, named: str, fault: str
) -> list[int | None] | None:
    """Return what each row means by its name, if that is something else than by its id; None if ids are as good.

    Raises DataError if a name contradicts an id, and another one means nothing.
    """
    by_name = _mapped(names, truth.by_name)
    if all(one in (None, other) for one, other in zip(by_name, by_id, strict=True)):
        return by_name if None in by_id and None not in by_name else None
    if None in by_name:
        place = by_name.index(None)
        raise DataError(
            f"{named} {shortened(names[place])} of detection {place + 1:,}, which is {fault}, while others are there "
            f"under other ids than in the ground truth: take these {by_name.count(None):,} of {len(names):,} "
            "detections out, or name them as it does."
        )
    return by_name


def _by_number(truth: Entries) -> Match:
    """Return a match of whole numbers with pictures whose name is this number, as 139 with 000000000139.jpg."""
    numbers: dict[int, int | None] = {}
    for name, image_id in truth.names.items():
        if name.isdecimal() and name.isascii():
            numbers[int(name)] = None if int(name) in numbers else image_id
    return lambda value: None if (number := to_id(value)) is None else numbers.get(number)


def _category_ids(
    rows: list[Entry], categories: list[Any], truth: Entries, path: Path
) -> tuple[list[int | None], str | None]:
    """Return each row's category in the ground truth, and a note if it is not the one of its `category_id`."""
    kept = clean_categories(categories, ()).kept
    listed_names: dict[int | None, str] = {category["id"]: category["name"] for category in kept}
    names = [_first(row, CLASS_NAMES) or listed_names.get(to_id(row.get("category_id"))) for row in rows]
    stated = [row["category_id"] if "category_id" in row else _first(row, CLASS_NAMES) for row in rows]
    by_id = _mapped(stated, lambda value: resolve(value, truth))
    if by_name := _by_own_names(
        names, by_id, truth, f"{path} names the category", "no single category of the ground truth"
    ):
        return by_name, "the categories are matched by their names, as their ids are others"
    if None not in by_id:
        named = any(isinstance(value, str) and to_id(value) not in truth.known for value in stated)
        return by_id, "the categories are matched by their names" if named else None
    numbers = [to_id(value) for value in stated]
    listed = [category["id"] for category in truth.kept]
    if (
        0 not in truth.known
        and listed == sorted(listed)
        and all(n is not None and 0 <= n < len(listed) for n in numbers)
    ):
        first = f"0 is {truth.kept[0]['name']}"
        return [listed[n] for n in numbers if n is not None], f"category ids are taken to count from 0: {first}"
    raise DataError(_refusal(path, rows, by_id, "category_id", truth, "name of its category"))


def _mapped(values: list[Any], match: Match) -> list[int | None]:
    """Return what each value means, asking once for each."""
    known: dict[Hashable, int | None] = {}
    matched: list[int | None] = []
    for value in values:
        if not isinstance(value, (int, float, str)) or isinstance(value, bool):
            matched.append(None)
            continue
        if value not in known:
            known[value] = match(value)
        matched.append(known[value])
    return matched


def _first(row: Entry, keys: tuple[str, ...]) -> str | None:
    return next((value for key in keys if isinstance(value := row.get(key), str) and value), None)


def _refusal(path: Path, rows: list[Entry], matched: list[int | None], key: str, truth: Entries, other: str) -> str:
    """Return a sentence that names the first row whose value means nothing in the ground truth."""
    place = matched.index(None)
    noun = "image" if key == "image_id" else "category"
    if key not in rows[place]:
        return f"Detection {place + 1:,} in {path} has no {key}: give it that of the ground truth."
    ids = sorted(truth.ids)
    range_ = f"{ids[0]} to {ids[-1]}" if len(ids) > 1 else f"{ids[0]} alone" if ids else "none"
    unmatched = matched.count(None)
    return (
        f"Detection {place + 1:,} in {path} has the {key} {shortened(rows[place][key])}, which is no {noun} of the "
        f"ground truth (ids {range_}); so have {unmatched:,} of {len(rows):,}. Give each the ground truth's id, or the "
        f"{other}."
    )
