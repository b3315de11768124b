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
from typing import Any

from core import DataError
from core.datasets.convert.source import (
    MOST_DAMAGE,
    Item,
    LabelledObject,
    Listing,
    PictureSize,
    files_in,
    is_inside,
    normalize_splits,
    pictures_in,
    read_list,
    read_text,
    read_yaml,
    to_class_name,
)
from core.datasets.folder.picture_index import is_picture
from core.files import real_path
from core.wording import short

YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
CLASS_FILES = ("classes.txt", "obj.names")
SPLIT_NAMES = {  # patterns of folder names
    "train": r"train(ing)?[-_]?\d*",
    "val": r"val(id|idation)?[-_]?\d*",
    "test": r"test(ing)?[-_]?\d*",
}
YAML_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
MOST_LETTERS = 10**6  # of a line; a polygon of 10,000 corners has a fifth of it
OVER = 0.01  # how far a rounded share may be beyond 0 and 1


def looks_like(folder: Path) -> bool:
    """Check whether the folder has YOLO's files."""
    if any((folder / name).is_file() for name in YAML_NAMES):
        return True
    labels = [folder / "labels", *folder.glob("*/labels"), *folder.glob("labels/*/")]
    if any(files_in(directory, ".txt") for directory in labels):
        return True
    named = any((folder / name).is_file() for name in CLASS_FILES)
    return named and any(_has_labels_beside(directory) for directory in (folder, *folder.glob("*/")))


def _has_labels_beside(directory: Path) -> bool:
    names = {path.stem for path in files_in(directory, ".txt")}
    return bool(names) and any(is_picture(path.name) and path.stem in names for path in directory.iterdir())


def list_folder(folder: Path) -> Listing:
    """Return the pictures, splits and class names of a resolved folder; raises DataError if there are none."""
    yaml_path, settings = _read_settings(folder)
    lists = [yaml_path] if yaml_path else []
    pictures, left_out = _pictures_by_split(folder, yaml_path, settings, lists)
    items = normalize_splits(
        [Item(path, split, _label(os.fspath(folder), path)) for split in ("train", "val") for path in pictures[split]]
    )
    if not items:
        raise DataError(f"{folder} holds no pictures where a YOLO folder has them, such as images/train: add them.")
    directories = sorted({folder / _label_name(item.picture).rpartition("/")[0] for item in items})
    names = _read_names(folder, yaml_path, settings, directories, lists)
    used = {folder / item.label for item in items if item.label} | set(lists)
    spare = [path for directory in directories for path in files_in(directory, ".txt") if path not in used]
    spare = [path for path in spare if not path.name.lower().startswith(("classes.", "readme"))]
    if spare:
        left_out["labels without a picture"] = len(spare)
    return Listing(folder, "yolo", items, names, lists, left_out, _keypoint_numbers(settings))


def read(
    item: Item, listing: Listing, size: PictureSize, damage: list[str]
) -> tuple[tuple[int, int], list[LabelledObject]]:
    """Return a picture's (width, height), upright as YOLO's trainers take it, and its objects."""
    path = None if item.label is None else listing.folder / item.label
    text = "" if path is None else read_text(path, damage)
    objects: list[LabelledObject] = []
    for number, line in enumerate((text or "").splitlines(), start=1):
        if len(damage) >= MOST_DAMAGE:
            break
        if line.strip():
            try:
                if len(line) > MOST_LETTERS:
                    raise ValueError("is far too long for an object")
                objects.append(_object(line.split(), listing, size.upright))
            except ValueError as error:
                damage.append(f"Line {number} of {path} {error}: correct or delete it")
    return size.upright, objects


def first_pixel(objects: list[LabelledObject]) -> int:
    """Return the number of the first pixel, always 0: coordinates are shares of the picture."""
    return 0


def _object(words: list[str], listing: Listing, size: tuple[int, int]) -> LabelledObject:
    """Return the object of a line; raises ValueError with what is wrong with it."""
    names = listing.names or {}
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
    if label not in names:
        raise ValueError(f"has the class {label:g}, but the names are those of {min(names)} to {max(names)}")
    if min(values) < -OVER or max(values) > 1 + OVER:
        raise ValueError("has a number beyond 0 to 1, but they are shares of the picture's width and height")
    if len(values) == 4:
        x, y, w, h = values
        x1, y1, x2, y2 = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    else:
        xs, ys = values[::2], values[1::2]
        x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
    width, height = size
    return LabelledObject(names[int(label)], (x1 * width, y1 * height, x2 * width, y2 * height))


def _read_settings(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the yaml file and its content; a file with another name counts if it alone has class names."""
    paths = [folder / name for name in YAML_NAMES if (folder / name).is_file()][:1]
    if not paths:
        others = (*files_in(folder, ".yaml"), *files_in(folder, ".yml"))
        paths = [path for path in others if "names:" in (read_text(path, []) or "")]
    if not paths:
        return None, {}
    if len(paths) > 1:
        raise DataError(f"{folder} holds {paths[0].name} and {paths[1].name}, both with class names: keep one.")
    settings = read_yaml(paths[0])
    if not isinstance(settings, dict):
        raise DataError(f"{paths[0]} is not a YOLO description in YAML: correct it or export the folder again.")
    return paths[0], settings


def _read_names(
    folder: Path, yaml_path: Path | None, settings: dict[str, Any], directories: list[Path], lists: list[Path]
) -> dict[int, str]:
    """Return class number to name, in the order of the numbers; raises DataError if a class has no name of its own."""
    names, source = settings.get("names"), yaml_path
    if not names:
        places = [place / name for place in (folder, folder / "labels", *directories) for name in CLASS_FILES]
        source = next((path for path in places if path.is_file()), None)
        if source is None:
            missing = f"{yaml_path} has no names" if yaml_path else f"{folder} has neither data.yaml nor classes.txt"
            raise DataError(f"{missing}, so its classes are only numbers: add the list of class names.")
        lists.append(source)
        names = read_list(source).rstrip().splitlines()
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        numbered = {int(number): to_class_name(name) for number, name in names.items()}
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise DataError(f"The names in {source} are not a list of class names: correct them.") from None
    result: dict[int, str] = {}
    for number, name in numbered.items():
        if name is None:
            raise DataError(f"The name of class {number} in {source} is empty or no text: write it in quotes.")
        result[number] = name
    if not result or len(set(result.values())) < len(result):
        raise DataError(f"The names in {source} are none, or one occurs twice: give every class a name of its own.")
    return dict(sorted(result.items()))


def _keypoint_numbers(settings: dict[str, Any]) -> int:
    shape = settings.get("kpt_shape")
    whole = isinstance(shape, list) and all(isinstance(n, int) and 0 < n < 10**4 for n in shape)
    return math.prod(shape) if whole and shape else 0


def _pictures_by_split(
    folder: Path, yaml_path: Path | None, settings: dict[str, Any], lists: list[Path]
) -> tuple[dict[str, set[str]], dict[str, int]]:
    """Return the pictures of each split, and what is left out."""
    pictures: dict[str, set[str]] = {split: set() for split in SPLIT_NAMES}
    left_out: dict[str, int] = {}
    for split, keys in YAML_KEYS.items():
        entries: Any = next((settings[key] for key in keys if settings.get(key)), [])
        for entry in entries if isinstance(entries, list) else [entries]:
            path = _resolve_entry(folder, yaml_path, settings, entry)
            if path is None and split == "train":
                raise DataError(f"{yaml_path} names {short(repr(entry))} for training, which is not there: correct it.")
            if path is None:  # Roboflow names every split, also those without a picture
                left_out[f"{split} folders that are not there"] = 1
            elif path.suffix == ".txt" and path.is_file():
                pictures[split].update(_listed_pictures(folder, path, left_out))
                lists.append(path)
            else:
                pictures[split].update(pictures_in(path, folder))
    if not pictures["train"] and not pictures["val"]:
        for split, path in _usual_folders(folder):
            pictures[split].update(pictures_in(path, folder, deep=path != folder))
    if pictures["test"]:
        left_out["pictures of a test part"] = len(pictures["test"])
    return pictures, left_out


def _usual_folders(folder: Path) -> list[tuple[str, Path]]:
    """Return each split's picture folder by its name; the one picture folder as "train" if there are no splits."""
    paths = sorted((*folder.glob("images/*/"), *folder.glob("*/")))
    by_split = [(split, _with_images(path)) for path in paths if (split := _split_of(path.name))]
    return by_split or [("train", _with_images(folder))]


def _with_images(path: Path) -> Path:
    return path / "images" if (path / "images").is_dir() else path


def _split_of(name: str) -> str | None:
    """Return the split that a folder's name means."""
    return next((split for split, pattern in SPLIT_NAMES.items() if re.fullmatch(pattern, name.lower())), None)


def _resolve_entry(folder: Path, yaml_path: Path | None, settings: dict[str, Any], entry: object) -> Path | None:
    """Return the folder or list that an entry of the yaml file means; None if there is none.

    Raises DataError if it is outside the folder. A yaml file is often moved without its paths: what the folder holds
    under the last parts of an entry is meant then.
    """
    if not isinstance(entry, str) or "\0" in entry:
        raise DataError(f"{yaml_path} names something else than a folder for its pictures: correct it.")
    above = settings.get("path")
    above = above.replace("\0", "") if isinstance(above, str) else ""
    parts = [part for part in PurePosixPath(entry.replace("\\", "/")).parts if part not in ("..", "/")]
    named = [number for number, part in enumerate(parts) if _split_of(part)]  # an end keeps the name of its split
    ends = [folder.joinpath(*parts[start:]) for start in range(named[-1] + 1 if named else len(parts))]
    candidates = [folder / above / entry, folder / entry, *ends]
    existing = [path for path in candidates if path.exists()]
    inside = [real_path(path) for path in existing if is_inside(path, folder)]
    if existing and not inside:
        raise DataError(
            f"{yaml_path} names {short(repr(entry))}, which leads out of the folder: put the pictures into it."
        )
    return inside[0] if inside else None


def _listed_pictures(folder: Path, path: Path, left_out: dict[str, int]) -> Iterator[str]:
    """Yield the pictures that a list names, relative to itself or to the folder."""
    for number, line in enumerate(read_list(path).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        candidates = [] if "\0" in name else [path.parent / name, folder / name]
        existing = [one for one in candidates if one.is_file()]
        inside = [real_path(one) for one in existing if is_inside(one, folder)]
        if inside:
            yield inside[0].relative_to(folder).as_posix()
        elif existing or not all(is_inside(one, folder) for one in candidates):
            raise DataError(f"Line {number} of {path} leads out of the folder: name pictures inside {folder}.")
        else:
            left_out["listed pictures that are missing"] = left_out.get("listed pictures that are missing", 0) + 1


def _label_name(picture: str) -> str:
    """Return where a picture's label file is: under labels/ instead of the last images/, or beside it."""
    *parts, name = picture.split("/")
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return "/".join([*parts, f"{name.rpartition('.')[0]}.txt"])


def _label(folder: str, picture: str) -> str | None:
    name = _label_name(picture)
    return name if os.path.lexists(f"{folder}/{name}") else None  # what is no file is told when it is read
