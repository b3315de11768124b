"""Where a data set keeps its annotations and pictures: the usual layouts of COCO folders, found by looking.

In: a folder. Out: `SplitLocation`, for each split its JSON file and picture folder.

    annotations/instances_train*.json   train*/…jpg   (or images/train*/, train/, images/train/, images/)   COCO
    annotations/instances_val*.json     val*/…jpg
    train/_annotations.coco.json        train/…jpg      and valid/ or val/ alike                            Roboflow
    annotations.json                    images/…jpg     any names: one JSON, to be split by seed            one file

Nothing is read but names, and of one JSON beside pictures its beginning.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import NamedTuple

from core import DataError
from core.datasets.coco_json import COCO_LISTS

SPLITS = ("train", "val")
ROBOFLOW = "_annotations.coco.json"
ROBOFLOW_FOLDERS = {"train": ("train",), "val": ("valid", "val")}
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
LOOKED_THROUGH = 1000  # entries of a folder, to tell whether it holds pictures


class SplitLocation(NamedTuple):
    """Where a split lies. Of a `shared` file, both splits are parts that are drawn when it is read."""

    json_path: Path
    image_dir: Path
    shared: bool = False


def list_datasets(data_dir) -> list[Path]:
    """The folders directly under `data_dir` that look like COCO data sets, by name; hidden ones are left out."""
    folders = sorted(path for path in Path(data_dir).glob("*") if path.is_dir() and not path.name.startswith("."))
    return [folder for folder in folders if is_dataset(folder)]


def is_dataset(folder) -> bool:
    """Whether a folder has annotation files of one of the layouts above; what is in them is not looked at."""
    folder = Path(folder)
    return any(_json_files(folder, split) or _roboflow(folder, split) for split in SPLITS) or bool(_single(folder))


def find_splits(folder) -> dict[str, SplitLocation]:
    """The splits of a data set and where each lies; at least one.

    Raises DataError that says what was looked for.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no data set folder {folder}.")
    for find in (_json_files, _roboflow):
        if splits := {name: _place(folder, name, find(folder, name)) for name in SPLITS if find(folder, name)}:
            return splits
    if single := _single(folder):
        if len(single) > 1:
            names = " and ".join(path.relative_to(folder).as_posix() for path in single[:3])
            raise DataError(f"{folder} holds {names}: name them instances_train.json and instances_val.json.")
        place = SplitLocation(single[0], _pictures_beside(folder, single[0]), shared=True)
        return dict.fromkeys(SPLITS, place)
    raise DataError(
        f"{folder} has no annotations/instances_train*.json and no annotations/instances_val*.json, no "
        f"train/{ROBOFLOW}, and no single annotation file in JSON."
    )


def annotation_files(folder) -> list[Path]:
    """Every file that the data set's annotations may be read from: when one changes, it is to be read again."""
    folder = Path(folder)
    roboflow = [f"{name}/{ROBOFLOW}" for names in ROBOFLOW_FOLDERS.values() for name in names]
    places = ("*.json", "annotations/*.json", *roboflow)
    return sorted(path for place in places for path in folder.glob(place))


def _json_files(folder: Path, split: str) -> list[Path]:
    """The annotation files that may be the split's: the plain name alone if it is there, else all with a suffix."""
    plain = folder / "annotations" / f"instances_{split}.json"
    return [plain] if plain.is_file() else sorted((folder / "annotations").glob(f"instances_{split}*.json"))


def _roboflow(folder: Path, split: str) -> list[Path]:
    files = [folder / name / ROBOFLOW for name in ROBOFLOW_FOLDERS[split]]
    return [path for path in files if path.is_file()][:1]


def _single(folder: Path) -> list[Path]:
    """The JSON files that may be a whole data set's, under annotations/ or in the folder itself."""
    places = (sorted(place.glob("*.json")) for place in (folder / "annotations", folder))
    found = ([path for path in files if path.is_file() and _looks_like_coco(path)] for files in places)
    return next(filter(None, found), [])


def _looks_like_coco(path: Path) -> bool:
    """By its beginning: a dict that names one of COCO's lists."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(BOM_UTF8).lstrip()
    except OSError:
        return False
    return start[:1] == b"{" and any(f'"{part}"'.encode() in start for part in (*COCO_LISTS, "info"))


def _place(folder: Path, split: str, files: list[Path]) -> SplitLocation:
    if len(files) > 1:
        names = " and ".join(path.name for path in files)
        raise DataError(f"{folder}/annotations holds {names}: keep one, so that the {split} split is clear.")
    if files[0].name == ROBOFLOW:
        return SplitLocation(files[0], files[0].parent)
    own = files[0].stem.removeprefix("instances_")  # "train2017"
    places = [folder / own, folder / "images" / own, folder / split, folder / "images" / split, folder / "images"]
    return SplitLocation(files[0], _first_folder(folder, files[0], places))


def _pictures_beside(folder: Path, json_path: Path) -> Path:
    """The folder of a single file's pictures: images/, one of its name, the only one with pictures, or the file's."""
    own = folder / json_path.stem.removeprefix("instances_")
    shown = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    others = [path for path in shown if _has_pictures(path)]
    places = [folder / "images", own, *(others if len(others) == 1 else [])]
    places += [folder] if _has_pictures(folder) else []
    return _first_folder(folder, json_path, places)


def _has_pictures(folder: Path) -> bool:
    try:
        names = (path.suffix.lower() for path, _ in zip(folder.iterdir(), range(LOOKED_THROUGH), strict=False))
        return any(name in SUFFIXES for name in names)
    except OSError:
        return False


def _first_folder(folder: Path, json_path: Path, places: list[Path]) -> Path:
    for place in places:
        if place.is_dir():
            return place
    tried = ", ".join(f"{place.relative_to(folder).as_posix()}/" for place in dict.fromkeys(places))
    raise DataError(f"{folder} has no picture folder for {json_path.name}; looked for {tried}.")
