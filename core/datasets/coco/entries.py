"""The images and categories of a COCO file, each with an id of its own, and what was wrong with them.

In: the two lists as a file has them, anything in them. Out: `Entries`, and `resolve`, by which annotations and results
refer to them. Whatever is wrong costs its own entry: it is repaired where only one thing can be meant, and left out
where that cannot be told, as with one id for two pictures.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from reprlib import repr as shortened
from typing import Any

from core.datasets.coco.ids import is_number, is_text_id, to_id, to_number
from core.datasets.names.name_index import spelling
from core.datasets.problems import Example, Problem, ProblemKind, problems_of
from core.wording import is_utf8

Entry = dict[str, Any]  # an image, an annotation or a category as the file has it

FILE_NAMES = ("file_name", "filename", "image_name", "file", "path", "image_path", "image")  # keys, COCO's own first


@dataclass
class Entries:
    """The images or the categories of a file.

    kept      those that can be used, in the file's order; each `id` is an int, the only one
    lost      ids of entries that are left out: what refers to them is lost, too
    same      other ids of kept entries, each with the one that stands for it
    problems  examples of what was wrong
    names     the ids by name, in lower case; None where several have it
    are_pictures  whether a name is that of a picture, which may lack its folder or its ending
    """

    kept: list[Entry] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    same: dict[int, int] = field(default_factory=dict)
    problems: defaultdict[ProblemKind, list[Example]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, int | None] = field(default_factory=dict)
    are_pictures: bool = False

    @property
    def ids(self) -> set[int]:
        """The ids of the kept entries."""
        return {entry["id"] for entry in self.kept}

    @cached_property
    def known(self) -> set[int]:
        """The ids of the kept and of the lost entries; to be asked for once all are there."""
        return self.ids | self.lost

    def listed(self, split: str) -> list[Problem]:
        """Return the problems of a split."""
        return [problem for kind, some in self.problems.items() for problem in problems_of(kind, split, some)]

    def by_name(self, value: object) -> int | None:
        """Return the id of the only entry with this name; None if there is none or several."""
        if not isinstance(value, str):
            return None
        names = _spellings(value.strip()) if self.are_pictures else [value.strip().lower()]
        return next((self.names[name] for name in names if name in self.names), None)


def resolve(value: object, entries: Entries) -> int | None:
    """Return the id of the entry, kept or lost, that a reference means by its id, else by its name; None for none."""
    number = to_id(value)
    if number is not None and number in entries.same:
        return entries.same[number]
    return number if number in entries.known else entries.by_name(value)


def clean_images(entries: list[Any]) -> Entries:
    """Return the images that have an id of their own.

    `width` and `height` are numbers above 0, or both None; `file_name` is "" where the file has none.
    """
    images, by_id = Entries(are_pictures=True), defaultdict(list)
    for place, entry in enumerate(entries):
        if (image := _with_id(images, entry, place, "image")) is not None:
            by_id[image["id"]].append(image)
    for image_id, same in by_id.items():
        if len(same) > 1 and len({_file_name(image) for image in same}) > 1:
            images.lost.add(image_id)
            names = " and ".join(shortened(_file_name(image)) for image in same[:2])
            images.problems[ProblemKind.SHARED_ID] += [Example(f"{names} both have the id {image_id}")] * len(same)
            continue
        images.problems[ProblemKind.IMAGE_AGAIN] += [Example(_file_name(one), image_id) for one in same[1:]]
        image = same[0]
        image["file_name"] = _file_name(image)
        _set_size(image, images)
        images.kept.append(image)
    return images


def add_names(images: Entries) -> None:
    """Fill in the names by which images may be referred to: their file names, with and without folder and ending."""
    images.names.clear()
    for image in images.kept:
        for name in set(_spellings(image["file_name"])):
            images.names[name] = None if name in images.names else image["id"]


def _spellings(file_name: str) -> list[str]:
    """Return the names of a picture, whatever their case or form: whole, without ending, and both without folders."""
    whole = spelling(file_name)
    last = posixpath.basename(whole)
    names = (whole, posixpath.splitext(whole)[0], last, posixpath.splitext(last)[0])
    return [name for name in names if name]


def clean_categories(entries: list[Any], used: Collection[Any]) -> Entries:
    """Return the categories, one for each name; of one that occurs twice the other ids are `same`.

    used: the category ids of all annotations.
    """
    categories, by_id = Entries(), defaultdict(list)
    for place, entry in enumerate(entries):
        if (category := _with_id(categories, entry, place, "category")) is not None:
            by_id[category["id"]].append(category)
    by_name: dict[str, Entry] = {}
    for category_id, same in by_id.items():
        if len({_class_name(category) for category in same}) > 1:
            categories.lost.add(category_id)
            names = " and ".join(shortened(_class_name(category)) for category in same[:2])
            categories.problems[ProblemKind.CATEGORY_ID] += [Example(f"{names}: both {category_id}")] * len(same)
            continue
        category = same[0]
        name = _class_name(category)
        if not name:
            name = _free_name(f"category {category_id}", entries)
            categories.problems[ProblemKind.CATEGORY_NAME].append(Example(name))
        category["name"] = name
        if name in by_name:
            _merge(categories, by_name, category, used)
        else:
            by_name[name] = category
    categories.kept = list(by_name.values())
    lower = Counter(name.lower() for name in by_name)
    categories.names = {name.lower(): c["id"] if lower[name.lower()] == 1 else None for name, c in by_name.items()}
    return categories


def _merge(categories: Entries, by_name: dict[str, Entry], category: Entry, used: Collection[Any]) -> None:
    """Let one of two categories of a name stand for both: not Roboflow's first row, which only repeats the name."""
    first = by_name[category["name"]]
    if is_root(first) and not is_root(category):
        by_name[category["name"]], category, first = category, first, category
        categories.same |= {other: first["id"] for other, kept in categories.same.items() if kept == category["id"]}
    categories.same[category["id"]] = first["id"]
    detail = f"{shortened(category['name'])}: {category['id']} is {first['id']}"
    is_placeholder = is_root(category) and category["id"] not in used
    kind = ProblemKind.PLACEHOLDER if is_placeholder else ProblemKind.CATEGORY_AGAIN
    categories.problems[kind].append(Example(detail))


def is_root(category: Entry) -> bool:
    """Check whether it may be the row 0 that Roboflow writes above the classes."""
    return category["id"] == 0 and category.get("supercategory") in (None, "", "none")


def _with_id(entries: Entries, entry: Any, place: int, noun: str) -> Entry | None:
    """Return the entry with an int as id; None, and an example of what is wrong, if it has none."""
    if not isinstance(entry, dict):
        entries.problems[ProblemKind.NO_ENTRY].append(Example(f"{noun} number {place + 1}: {shortened(entry)}"))
        return None
    stated = entry.get("id")
    number = to_id(stated)
    if number is None:
        kind = ProblemKind.IMAGE_ID if noun == "image" else ProblemKind.CATEGORY_ID
        name = _file_name(entry) if noun == "image" else _class_name(entry)
        entries.problems[kind].append(Example(f"{noun} {shortened(name)}: the id {shortened(stated)}"))
        return None
    if is_text_id(stated):
        entries.problems[ProblemKind.TEXT_ID].append(Example(f"{noun} {shortened(stated)}: {number}"))
    elif isinstance(stated, str):
        entries.problems[ProblemKind.TEXT_NUMBER].append(Example(f"{noun}: the id {shortened(stated)}"))
    entry["id"] = number
    return entry


def _file_name(image: Entry) -> str:
    return next((name for key in FILE_NAMES if isinstance(name := image.get(key), str) and name), "")


def _class_name(category: Entry) -> str:
    """Return its name, also where it is a number; "" for none."""
    name = category.get("name")
    if isinstance(name, str):
        return name if name.strip() and is_utf8(name) else ""
    return str(name) if is_number(name) else ""


def _free_name(name: str, entries: list[Any]) -> str:
    taken = {entry.get("name") for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)}
    while name in taken:
        name += "_"
    return name


def _set_size(image: Entry, images: Entries) -> None:
    sides = {side: to_number(image.get(side)) for side in ("width", "height")}
    if all(side is not None and side > 0 for side in sides.values()):
        if any(isinstance(image[side], str) for side in sides):
            images.problems[ProblemKind.TEXT_NUMBER].append(Example(f"image {image['id']}: its size", image["id"]))
    else:
        sides = dict.fromkeys(sides)
    image |= sides
