"""Where a data set keeps its annotations and pictures: the usual layouts of COCO folders.

In: a folder. Out: for each split a `SplitLocation`, its JSON file and picture folder.

    annotations/instances_train*.json   train*/…jpg   (or images/train*/, train/, images/train/, images/)   COCO
    annotations/instances_val*.json     val*/…jpg
    train/_annotations.coco.json        train/…jpg      and valid/ or val/ alike                            Roboflow
    annotations.json                    images/…jpg     any names: one JSON, to be split by seed            one file

Only the names of files are read, and the beginning of a single JSON file.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from core import DataError
from core.datasets.coco_json import COCO_LISTS
from core.files import open_file
from core.wording import is_utf8, short

SPLITS = ("train", "val")
ROBOFLOW = "_annotations.coco.json"
ROBOFLOW_FOLDERS = {"train": ("train",), "val": ("valid", "val")}
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
MOST_ENTRIES = 1000  # of a folder that are looked at, to tell whether it holds pictures


class SplitLocation(NamedTuple):
    """Where a split lies. With `shared`, both splits are in one file and are drawn by seed when it is read."""

    json_path: Path
    image_dir: Path
    shared: bool = False


def list_datasets(data_dir: str | Path) -> list[Path]:
    """Return the folders directly under `data_dir` that look like COCO data sets, by name, without hidden ones.

    One whose name is not UTF-8 is left out: no setting could name it.
    """
    paths = (path for path in Path(data_dir).glob("*") if not path.name.startswith(".") and is_utf8(path.name))
    return [folder for folder in sorted(path for path in paths if os.path.isdir(path)) if is_dataset(folder)]


def is_dataset(folder: str | Path) -> bool:
    """Check whether a folder has annotation files of one of the layouts above, whatever is in them."""
    folder = Path(folder)
    try:
        return any(_json_files(folder, split) or _roboflow(folder, split) for split in SPLITS) or bool(_single(folder))
    except OSError:  # it must not be looked into
        return False


def find_splits(folder: str | Path) -> dict[str, SplitLocation]:
    """Return where each split of a data set lies, "train", "val" or both.

    Raises DataError that says what was looked for if there is none.
    """
    try:
        return _find_splits(Path(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}): give access to it.") from None


def _find_splits(folder: Path) -> dict[str, SplitLocation]:
    if not folder.is_dir():
        raise DataError(f"There is no data set folder {folder}.")
    for find in (_json_files, _roboflow):
        if splits := {name: _location(folder, name, find(folder, name)) for name in SPLITS if find(folder, name)}:
            return splits
    if single := _single(folder):
        if len(single) > 1:
            names = " and ".join(path.relative_to(folder).as_posix() for path in single[:3])
            raise DataError(f"{folder} holds {names}: name them instances_train.json and instances_val.json.")
        location = SplitLocation(single[0], _pictures_beside(folder, single[0]), shared=True)
        return dict.fromkeys(SPLITS, location)
    raise DataError(
        f"{folder} has no annotations/instances_train*.json and no annotations/instances_val*.json, no "
        f"train/{ROBOFLOW}, and no single annotation file in JSON."
    )


def annotation_files(folder: str | Path) -> list[Path]:
    """Return every file that the annotations may be read from: when one changes, the data set is to be read again."""
    folder = Path(folder)
    if not os.path.isdir(folder):  # also of a name that no folder can have
        return []
    roboflow = [f"{name}/{ROBOFLOW}" for names in ROBOFLOW_FOLDERS.values() for name in names]
    patterns = ("*.json", "annotations/*.json", *roboflow)
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def _json_files(folder: Path, split: str) -> list[Path]:
    """Return the annotation files that may be the split's: the plain name if it exists, else all with a suffix."""
    plain = folder / "annotations" / f"instances_{split}.json"
    return [plain] if plain.is_file() else sorted((folder / "annotations").glob(f"instances_{split}*.json"))


def _roboflow(folder: Path, split: str) -> list[Path]:
    files = [folder / name / ROBOFLOW for name in ROBOFLOW_FOLDERS[split]]
    return [path for path in files if path.is_file()][:1]


def _single(folder: Path) -> list[Path]:
    """Return the JSON files that may hold a whole data set: those under annotations/, else those in the folder."""
    for place in (folder / "annotations", folder):
        if files := [path for path in sorted(place.glob("*.json")) if path.is_file() and _looks_like_coco(path)]:
            return files
    return []


def _looks_like_coco(path: Path) -> bool:
    """Check whether a file begins as a COCO file does: with a dict that names one of the lists."""
    try:
        with open_file(path) as file:
            start = file.read(4096).removeprefix(BOM_UTF8).lstrip()
    except OSError:
        return False
    return start[:1] == b"{" and any(f'"{name}"'.encode() in start for name in (*COCO_LISTS, "info"))


def _location(folder: Path, split: str, files: list[Path]) -> SplitLocation:
    if len(files) > 1:
        names = " and ".join(path.name for path in files)
        raise DataError(f"{folder}/annotations holds {names}: keep one, so that the {split} split is clear.")
    if files[0].name == ROBOFLOW:
        return SplitLocation(files[0], files[0].parent)
    name = files[0].stem.removeprefix("instances_")  # "train2017"
    places = [folder / name, folder / "images" / name, folder / split, folder / "images" / split, folder / "images"]
    return SplitLocation(files[0], _first_folder(folder, files[0], places))


def _pictures_beside(folder: Path, json_path: Path) -> Path:
    """Return a single file's picture folder: images/, one of its name, the only one with pictures, or `folder`."""
    same_name = folder / json_path.stem.removeprefix("instances_")
    visible = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    with_pictures = [path for path in visible if _has_pictures(path)]
    places = [folder / "images", same_name, *(with_pictures if len(with_pictures) == 1 else [])]
    places += [folder] if _has_pictures(folder) else []
    return _first_folder(folder, json_path, places)


def _has_pictures(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in SUFFIXES for path in islice(folder.iterdir(), MOST_ENTRIES))
    except OSError:
        return False


def _first_folder(folder: Path, json_path: Path, places: list[Path]) -> Path:
    for place in places:
        if place.is_dir():
            return place
    tried = ", ".join(f"{place.relative_to(folder).as_posix()}/" for place in dict.fromkeys(places))
    raise DataError(f"{folder} has no picture folder for {json_path.name}; looked for {short(tried, 160)}.")
