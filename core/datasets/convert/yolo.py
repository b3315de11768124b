"""YOLO folders: a text file beside every picture, a line per object; class names in data.yaml or classes.txt.

    images/train/a.jpg   labels/train/a.txt         Ultralytics
    train/images/a.jpg   train/labels/a.txt         Roboflow, which calls validation "valid"
    a.jpg                a.txt                      pictures and labels in one folder

    line: class centre-x centre-y width height      shares of the upright picture
          class x1 y1 x2 y2 x3 y3 …                 a polygon, of which its bounding box is taken

An own reader, since those there are take damage for data: FiftyOne reads a class without a name as the class "7", NaN
as a number, every file as a picture and Roboflow's "../train/images" as an empty data set; globox reads no polygons
among boxes and pictures of one suffix only. Neither says which line is wrong.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

from core import DataError
from core.datasets.convert.source import (
    Item,
    Labelled,
    Listing,
    Size,
    class_name,
    files_in,
    is_inside,
    is_picture,
    list_text,
    parts_or_one,
    pictures_in,
    text_of,
)

YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
CLASS_FILES = ("classes.txt", "obj.names")
PARTS = {
    "train": r"train(ing)?[-_]?\d*",
    "val": r"val(id|idation)?[-_]?\d*",
    "test": r"test(ing)?[-_]?\d*",
}
YAML_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
OVER = 0.01  # how far a rounded share may be beyond 0 and 1


def looks_like(folder: Path) -> bool:
    """Whether the folder has YOLO's files."""
    if any((folder / name).is_file() for name in YAML_NAMES):
        return True
    labels = [folder / "labels", *folder.glob("*/labels"), *folder.glob("labels/*/")]
    if any(files_in(place, ".txt") for place in labels):
        return True
    named = any((folder / name).is_file() for name in CLASS_FILES)
    return named and any(_has_labels_beside(place) for place in (folder, *folder.glob("*/")))


def _has_labels_beside(place: Path) -> bool:
    names = {path.stem for path in files_in(place, ".txt")}
    return bool(names) and any(is_picture(path.name) and path.stem in names for path in place.iterdir())


def list_folder(folder: Path) -> Listing:
    """The pictures, parts and class names of a resolved folder; raises DataError if there are none."""
    yaml_path, settings = _settings(folder)
    lists = [yaml_path] if yaml_path else []
    found, left_out = _pictures(folder, yaml_path, settings, lists)
    items = parts_or_one(
        [Item(p, part, _label(os.fspath(folder), p)) for part in ("train", "val") for p in found[part]]
    )
    if not items:
        raise DataError(f"{folder} holds no pictures where a YOLO folder has them, such as images/train: add them.")
    places = sorted({folder / _label_name(item.picture).rpartition("/")[0] for item in items})
    names = _names(folder, yaml_path, settings, places, lists)
    used = {folder / item.label for item in items if item.label} | set(lists)
    spare = [path for place in places for path in files_in(place, ".txt") if path not in used]
    spare = [path for path in spare if not path.name.lower().startswith(("classes.", "readme"))]
    if spare:
        left_out["labels without a picture"] = len(spare)
    return Listing(folder, "yolo", items, names, lists, left_out, _points(settings))


def read(item: Item, listing: Listing, size: Size, damage: list[str]) -> tuple[tuple[int, int], list[Labelled]]:
    """A picture's (width, height), upright as YOLO's trainers take it, and its objects."""
    path = None if item.label is None else listing.folder / item.label
    text = "" if path is None else text_of(path, damage)
    objects = []
    for number, line in enumerate((text or "").splitlines(), start=1):
        if line.strip():
            try:
                objects.append(_object(line.split(), listing, size.upright))
            except ValueError as error:
                damage.append(f"Line {number} of {path} {error}: correct or delete it")
    return size.upright, objects


def first_pixel(objects: list[Labelled]) -> int:
    """The number of the first pixel: shares begin at 0."""
    return 0


def _object(words: list[str], listing: Listing, size: tuple[int, int]) -> Labelled:
    """Raises ValueError saying what is wrong with the line."""
    try:
        label, *values = (float(word) for word in words)
    except ValueError:
        raise ValueError("holds something else than numbers") from None
    if not all(math.isfinite(value) for value in (label, *values)):
        raise ValueError("holds a number that is not finite")
    if listing.points and len(values) == 4 + listing.points:
        values = values[:4]
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise ValueError(f"has {len(words)} numbers, but a box has 5 and a polygon 7, 9, 11 and so on")
    if label not in listing.names:
        raise ValueError(f"has the class {label:g}, but the names are those of {min(listing.names)} to "
                         f"{max(listing.names)}")  # fmt: skip
    if min(values) < -OVER or max(values) > 1 + OVER:
        raise ValueError("has a number beyond 0 to 1, but they are shares of the picture's width and height")
    if len(values) == 4:
        x, y, w, h = values
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    else:
        xs, ys = values[::2], values[1::2]
        corners = (min(xs), min(ys), max(xs), max(ys))
    return Labelled(listing.names[int(label)], tuple(share * size[i % 2] for i, share in enumerate(corners)))


def _settings(folder: Path) -> tuple[Path | None, dict]:
    """The yaml file and what it says; of one with another name only if no other has class names."""
    paths = [folder / name for name in YAML_NAMES if (folder / name).is_file()][:1]
    if not paths:
        paths = [p for p in (*files_in(folder, ".yaml"), *files_in(folder, ".yml")) if "names:" in list_text(p)]
    if not paths:
        return None, {}
    if len(paths) > 1:
        raise DataError(f"{folder} holds {paths[0].name} and {paths[1].name}, both with class names: keep one.")
    try:
        settings = yaml.safe_load(list_text(paths[0]))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):  # ValueError: the 31st of February
        settings = None
    if not isinstance(settings, dict):
        raise DataError(f"{paths[0]} is not a YOLO description in YAML: correct it or export the folder again.")
    return paths[0], settings


def _names(folder: Path, yaml_path: Path | None, settings: dict, places: list[Path], lists: list[Path]):
    """Class number to name, in the order of the list."""
    names, source = settings.get("names"), yaml_path
    if not names:
        where = [place / name for place in (folder, folder / "labels", *places) for name in CLASS_FILES]
        source = next((path for path in where if path.is_file()), None)
        if source is None:
            missing = f"{yaml_path} has no names" if yaml_path else f"{folder} has neither data.yaml nor classes.txt"
            raise DataError(f"{missing}, so its classes are only numbers: add the list of class names.")
        lists.append(source)
        names = list_text(source).rstrip().splitlines()
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        result = {int(number): class_name(name) for number, name in names.items()}
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise DataError(f"The names in {source} are not a list of class names: correct them.") from None
    for number, name in result.items():
        if name is None:
            raise DataError(f"The name of class {number} in {source} is empty or no text: write it in quotes.")
    if not result or len(set(result.values())) < len(result):
        raise DataError(f"The names in {source} are none, or one occurs twice: give every class a name of its own.")
    return dict(sorted(result.items()))


def _points(settings: dict) -> int:
    shape = settings.get("kpt_shape")
    whole = isinstance(shape, list) and all(isinstance(n, int) and 0 < n < 10**4 for n in shape)
    return math.prod(shape) if whole and shape else 0


def _pictures(folder: Path, yaml_path: Path | None, settings: dict, lists: list[Path]):
    """The pictures of each part, and what is left out."""
    found: dict[str, set[str]] = {part: set() for part in PARTS}
    left_out: dict[str, int] = {}
    for part, keys in YAML_KEYS.items():
        entries = next((settings[key] for key in keys if settings.get(key)), [])
        for entry in entries if isinstance(entries, list) else [entries]:
            place = _place(folder, yaml_path, settings, entry)
            if place is None and part == "train":
                raise DataError(f"{yaml_path} names {str(entry)[:100]!r} for training, which is not there: correct it.")
            if place is None:  # Roboflow names every part, also those without a picture
                left_out[f"{part} folders that are not there"] = 1
            elif place.suffix == ".txt" and place.is_file():
                found[part].update(_listed(folder, place, left_out))
                lists.append(place)
            else:
                found[part].update(pictures_in(place, folder))
    if not found["train"] and not found["val"]:
        for part, place in _usual_places(folder):
            found[part].update(pictures_in(place, folder, deep=place != folder))
    if found["test"]:
        left_out["pictures of a test part"] = len(found["test"])
    return found, left_out


def _usual_places(folder: Path) -> list[tuple[str, Path]]:
    """Each part's picture folder by its name; the one picture folder as "train" if there are no parts."""
    places = []
    for path in sorted((*folder.glob("images/*/"), *folder.glob("*/"))):
        if part := _part(path.name):
            places.append((part, path / "images" if (path / "images").is_dir() else path))
    return places or [("train", folder / "images" if (folder / "images").is_dir() else folder)]


def _part(name: str) -> str | None:
    """The part that a folder's name means."""
    return next((part for part, pattern in PARTS.items() if re.fullmatch(pattern, name.lower())), None)


def _place(folder: Path, yaml_path: Path, settings: dict, entry) -> Path | None:
    """The folder or list that an entry means; None if there is none. Raises DataError if it is outside the folder.

    A yaml file is often moved without its paths: what the folder holds under the last parts of an entry is meant then.
    """
    if not isinstance(entry, str) or "\0" in entry:
        raise DataError(f"{yaml_path} names something else than a folder for its pictures: correct it.")
    above = settings.get("path") if isinstance(settings.get("path"), str) else ""
    parts = [part for part in PurePosixPath(entry.replace("\\", "/")).parts if part not in ("..", "/")]
    named = [number for number, part in enumerate(parts) if _part(part)]  # an end keeps the name of its part
    ends = [folder.joinpath(*parts[start:]) for start in range(named[-1] + 1 if named else len(parts))]
    tries = [folder / above.replace("\0", "") / entry, folder / entry, *ends]
    there = [path for path in tries if path.exists()]
    inside = [path.resolve() for path in there if is_inside(path, folder)]
    if there and not inside:
        raise DataError(f"{yaml_path} names {entry[:100]!r}, which leads out of the folder: put the pictures into it.")
    return inside[0] if inside else None


def _listed(folder: Path, path: Path, left_out: dict[str, int]) -> Iterator[str]:
    """The pictures that a list names, relative to itself or to the folder."""
    for number, line in enumerate(list_text(path).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        tries = [] if "\0" in name else [path.parent / name, folder / name]
        there = [one for one in tries if one.is_file()]
        inside = [one.resolve() for one in there if is_inside(one, folder)]
        if inside:
            yield inside[0].relative_to(folder).as_posix()
        elif there or not all(is_inside(one, folder) for one in tries):
            raise DataError(f"Line {number} of {path} leads out of the folder: name pictures inside {folder}.")
        else:
            left_out["listed pictures that are missing"] = left_out.get("listed pictures that are missing", 0) + 1


def _label_name(picture: str) -> str:
    """Where a picture's label file is: under labels/ instead of the last images/, or beside it."""
    *parts, name = picture.split("/")
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return "/".join([*parts, f"{name.rpartition('.')[0]}.txt"])


def _label(folder: str, picture: str) -> str | None:
    name = _label_name(picture)
    return name if os.path.isfile(f"{folder}/{name}") else None
