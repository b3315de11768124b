"""Where a data set keeps its annotations and pictures.

In: a folder. Out: for each split a `SplitLocation`, its JSON file and picture folder.

    annotations/instances_train*.json   train*/…jpg   (or images/train*/, images/, …)      COCO, CVAT, Datumaro
    train/_annotations.coco.json        train/…jpg      and valid/ alike                   Roboflow
    result.json                         images/…jpg     one JSON, to be split by seed      Label Studio, labelme

Which JSON files are COCO's is decided by what is in them (`folder/annotation_files.py`), the part of each by its name.
A picture folder here is the first place to look at; `folder/located.py` looks up what is not there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from core import DataError
from core.datasets.folder.annotation_files import (
    MOST_FOLDERS,
    AnnotationFile,
    coco_files,
    is_annotation_folder,
    json_paths,
    usual_coco_files,
)
from core.datasets.folder.conversion_record import conversion_of
from core.datasets.folder.testing import ForTesting
from core.datasets.names.name_index import is_picture
from core.datasets.names.part_names import part_of
from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind
from core.wording import is_utf8, short

SPLITS = ("train", "val")
TEST = "test"  # the part that no training uses
T = TypeVar("T")
MOST_BELOW = 6  # folders in folders in which pictures are looked for
MOST_ENTRIES = 1000  # of a folder that are looked at, to tell whether it holds pictures


class SplitLocation(NamedTuple):
    """Where a split lies. With `shared`, both splits are in one file and are drawn by seed when it is read.

    bases     further folders that a picture's name may start from
    root      the data set's folder, in which pictures are looked up that are at none of these places
    testing   annotation files of a part for testing, which is told with this split
    problems  what else of the folder is not used
    """

    json_path: Path
    image_dir: Path
    shared: bool = False
    bases: tuple[Path, ...] = ()
    root: Path | None = None
    testing: tuple[ForTesting, ...] = ()
    problems: tuple[Problem, ...] = ()


def list_datasets(data_dir: str | Path) -> list[Path]:
    """Return the folders directly under `data_dir` that are COCO data sets, by name, without hidden ones.

    One whose name is not UTF-8 is left out: no setting could name it.
    """
    paths = (path for path in Path(data_dir).glob("*") if not path.name.startswith(".") and is_utf8(path.name))
    return [folder for folder in sorted(path for path in paths if os.path.isdir(path)) if is_dataset(folder)]


def is_dataset(folder: str | Path) -> bool:
    """Check whether a folder has a COCO file in one of the layouts above, by what its files begin with."""
    try:
        return bool(coco_files(Path(folder)))
    except OSError:  # it must not be looked into
        return False


def is_coco_first(folder: str | Path) -> bool:
    """Check whether a folder's COCO files are to be read although it may hold labels in another format, too.

    If one is for training, or is that of the whole folder; not if they are for validation or lie far below, as samples.
    """
    folder = Path(folder)
    files = usual_coco_files(folder)
    return any(file.part == "train" or (file.part is None and _beside(file.path) == folder) for file in files)


def find_splits(folder: str | Path) -> dict[str, SplitLocation]:
    """Return where each split of a data set lies, "train", "val" or both.

    A file that says no part, and one for training without any for validation, is that of both, to be drawn.
    Raises DataError that says what was looked for if there is none, or which files are one too many.
    """
    return _with_files(Path(folder), _locations)


def find_test_file(folder: str | Path) -> SplitLocation | None:
    """Return where the part for testing lies; None where no file is of it alone. Raises DataError as `find_splits`."""
    return _with_files(Path(folder), _test_location)


def _with_files(folder: Path, locate: Callable[[Path, list[AnnotationFile]], T]) -> T:
    try:
        if not folder.is_dir():
            raise DataError(f"There is no data set folder {folder}.")
        files = coco_files(folder)
        if not files:
            raise DataError(
                f"{folder} has no COCO annotation file: none of its JSON files, such as annotations/"
                "instances_train.json, holds the lists images and annotations. Choose the folder of an "
                "export as COCO, or one as YOLO, Pascal VOC or of another tool that python -m core convert takes."
            )
        return locate(folder, files)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}): give access to it.") from None


def annotation_files(folder: str | Path) -> list[Path]:
    """Return every file that the annotations may be read from: when one changes, the data set is to be read again."""
    try:
        return json_paths(Path(folder))
    except (OSError, ValueError):  # no folder, or none that can be read
        return []


def _locations(folder: Path, files: list[AnnotationFile]) -> dict[str, SplitLocation]:
    paths = {part: [file.path for file in files if file.part == part] for part in (*SPLITS, TEST, None)}
    unused: list[Path] = []
    if paths["train"] or paths["val"]:
        unused = paths[None]
        chosen = {part: _only(folder, paths[part], part) for part in SPLITS if paths[part]}
    elif paths[None]:
        chosen = {"train": _only(folder, paths[None], None)}
    else:
        names = _names(folder, paths[TEST])
        raise DataError(f"{folder} holds only {names}, for testing: name it instances_train.json to train on it.")
    shared = "val" not in chosen
    locations = {}
    for split, path in chosen.items():
        pictures = _picture_folder(folder, path, None if paths[None] == [path] else split)
        locations[split] = SplitLocation(path, pictures, shared, _bases(folder, path), folder)
    first = next(iter(chosen))
    tested = [path for path in paths[TEST] if conversion_of(path) is None]  # which has told of it
    testing = tuple(ForTesting(p, (_picture_folder(folder, p, TEST), *_bases(folder, p))) for p in tested)
    locations[first] = locations[first]._replace(testing=testing, problems=_unused(folder, first, unused))
    return dict.fromkeys(SPLITS, locations["train"]) if shared else locations


def _test_location(folder: Path, files: list[AnnotationFile]) -> SplitLocation | None:
    if not (paths := [file.path for file in files if file.part == TEST]):
        return None
    path = _only(folder, paths, TEST)
    return SplitLocation(path, _picture_folder(folder, path, TEST), False, _bases(folder, path), folder)


def _unused(folder: Path, split: str, paths: list[Path]) -> tuple[Problem, ...]:
    """Return the problem of annotation files of no part, to be told with a split's."""
    examples = tuple(Example(path.relative_to(folder).as_posix()) for path in paths)
    return (Problem(ProblemKind.UNUSED_FILE, split, len(paths), examples[:MOST_EXAMPLES]),) if paths else ()


def _only(folder: Path, paths: list[Path], part: str | None) -> Path:
    """Return the one path; raises DataError that says what to do if there are several."""
    if len(paths) == 1:
        return paths[0]
    if part:
        raise DataError(f"{folder} holds {_names(folder, paths)}: keep one, so that the {part} split is clear.")
    raise DataError(
        f"{folder} holds {_names(folder, paths)}: name them instances_train.json and instances_val.json, or keep one."
    )


def _names(folder: Path, paths: list[Path]) -> str:
    return " and ".join(path.relative_to(folder).as_posix() for path in paths[:3])


def _beside(path: Path) -> Path:
    """Return the folder beside whose pictures an annotation file lies."""
    return path.parent.parent if is_annotation_folder(path.parent) else path.parent


def _bases(folder: Path, path: Path) -> tuple[Path, ...]:
    """Return the folders, besides that of the pictures, from which an annotation file may name them."""
    base = _beside(path)
    return tuple(dict.fromkeys((base, path.parent, folder, base / "images", folder / "images")))


def _picture_folder(folder: Path, path: Path, part: str | None) -> Path:
    """Return where an annotation file's pictures are first looked for: the likeliest folder by name that is there.

    Without one it is the data set's folder, in which they are looked up. Raises DataError if no picture is near.
    """
    for base in dict.fromkeys((_beside(path), folder)):
        if place := next((place for place in _usual_places(base, path, part) if place.is_dir()), None):
            return place
        # a folder of another part is none of its pictures'
        fits = [place for place in _folders(base) if part is None or part_of(place.name) in (None, part)]
        with_pictures = [place for place in fits if _has_pictures(place)]
        if len(with_pictures) == 1:
            return with_pictures[0]
        if _has_pictures(base):
            return base
    if any(map(_has_pictures, _folders_below(folder))):
        return folder
    places = dict.fromkeys(_usual_places(folder, path, part))
    tried = ", ".join(f"{place.relative_to(folder).as_posix()}/" for place in places)
    raise DataError(f"{folder} has no picture folder for {path.name}; looked for {short(tried, 160)}.")


def _usual_places(base: Path, path: Path, part: str | None) -> list[Path]:
    """Return the folders in which tools put the pictures of an annotation file, whether they are there or not."""
    name = path.stem.removeprefix("instances_")  # "train2017"
    if part is None:
        return [base / "images" / name, base / "images", base / name]
    alike = [place for place in (*_folders(base), *_folders(base / "images")) if part_of(place.name) == part]
    return [base / name, base / "images" / name, base / part, base / "images" / part, *alike, base / "images"]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir())
    except OSError:
        return []


def _folders_below(folder: Path) -> Iterator[Path]:
    """Yield the folders in a folder and in those in it, the least deep first."""
    folders = _folders(folder)
    for _ in range(MOST_BELOW):
        yield from folders
        folders = [deeper for inner in folders[:MOST_FOLDERS] for deeper in _folders(inner)]


def _has_pictures(folder: Path) -> bool:
    try:
        return any(is_picture(path.name) for path in islice(folder.iterdir(), MOST_ENTRIES))
    except OSError:
        return False
