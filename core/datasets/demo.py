"""The built-in data sets: drawn street scenes in COCO layout, the same files for the same settings, without a network.

    out/annotations/instances_train.json, instances_val.json
    out/train/000000000001.jpg …          out/val/000000000601.jpg …

In: a folder and the settings. Out: progress, and at the end the folder. Apart from `drawing/`, which makes each scene's
files and entries.

The folder appears under its name only when it is whole: it is drawn under another name beside it and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from core import DataError
from core.datasets.drawing.processes import draw_scenes, usable_cores
from core.datasets.drawing.scene_files import CATEGORY_IDS
from core.datasets.json_reader import decode
from core.datasets.layouts import SPLITS
from core.datasets.street.classes import check_extra
from core.datasets.street.scenery import LOOKS
from core.disk import atomic_folder
from core.files import real_path
from core.labels import COCO_TEN

DEMO_CLASSES = tuple(COCO_TEN)
DESCRIPTION = "DETR Lab demo: drawn street scenes"
SUPERCATEGORIES = {
    "person": "person", "bicycle": "vehicle", "car": "vehicle", "bus": "vehicle", "truck": "vehicle",
    "traffic light": "outdoor", "stop sign": "outdoor", "cat": "animal", "dog": "animal", "chair": "furniture",
    "scooter": "vehicle",
}  # fmt: skip
LIMITS = {
    "train": (1, 10**6), "val": (1, 10**6), "seed": (0, 2**63 - 1), "size": (64, 2048), "processes": (1, 256)
}  # fmt: skip
LEAST_SHARE = 50  # scenes for which a process of their own is worth its start
DRAWING = 1  # raise it whenever the pictures change: data sets drawn before are then drawn anew


@dataclass(frozen=True)
class BuiltInDataset:
    """A data set that comes with the project.

    folder            its name under data/
    title, sentence   for the user
    look, extra       what is drawn, see `draw_dataset`
    train, val        number of images
    """

    folder: str
    title: str
    sentence: str
    look: str
    extra: tuple[str, ...] = ()
    train: int = 600
    val: int = 100

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its classes, known before it is drawn."""
        return (*COCO_TEN, *self.extra)


BUILT_IN = (
    BuiltInDataset("street", "Street at dusk", "A light that the starter model has never seen.", "dusk"),
    BuiltInDataset(
        "scooters",
        "Street with scooters",
        "A class that the starter model has never seen, by day.",
        "day",
        ("scooter",),
    ),
    BuiltInDataset(
        "street-by-day", "Street by day, 4,000 scenes", "Enough for a detector that starts from nothing.", "day",
        train=4000, val=200,
    ),
)  # fmt: skip


def folder_of(dataset: BuiltInDataset, data_dir: Path) -> Path:
    """Return the data set's folder under `data_dir`: another one where a user has a data set of that name."""
    folder = data_dir / dataset.folder
    is_free = not os.path.lexists(folder) or _may_be_replaced(folder) or _has_tables_beside(folder)
    return folder if is_free else folder.with_name(f"{dataset.folder}-built-in")


def draw_built_in(dataset: BuiltInDataset, data_dir: Path) -> Generator[tuple[int, int], None, None]:
    """Draw a built-in data set into its folder under `data_dir` on all cores, like `draw_dataset`."""
    shares = (dataset.train + dataset.val) // LEAST_SHARE
    return draw_dataset(
        folder_of(dataset, data_dir), dataset.look, dataset.train, dataset.val, extra=dataset.extra,
        processes=max(1, min(usable_cores(), shares)),
    )  # fmt: skip


class _Picture(TypedDict):
    file_name: str


class _Drawn(TypedDict):
    """What is read of an annotation file that was drawn."""

    info: dict[str, Any]
    images: list[_Picture]


def draw_dataset(
    out: str | Path,
    look: str = "dusk",
    train: int = 600,
    val: int = 100,
    seed: int = 0,
    size: int = 256,
    processes: int = 1,
    extra: tuple[str, ...] = (),
) -> Generator[tuple[int, int], None, None]:
    """Draw a demo data set into the folder `out`, yielding (images done, images in all) after every image.

    `size` is the longest side in pixels; pictures are 4:3; `extra` are classes of `street.classes.EXTRAS` beside the
    ten. A scene depends on seed, look, extra, split, its number and size alone, so a larger data set begins with the
    pictures of the smaller one, however many `processes` draw. An existing demo data set is kept if it is whole and
    has the same settings, and replaced otherwise.

    Raises DataError if a setting is out of range, if `out` holds anything but a demo data set, or if it cannot be
    written; the last one while drawing.
    """
    settings: dict[str, Any] = {
        "look": look,
        "train": train,
        "val": val,
        "seed": seed,
        "size": size,
        "drawing": DRAWING,
    }
    if extra:  # only then, so that data sets drawn by earlier versions count as the same
        settings["extra"] = list(extra)
    _check({**settings, "processes": processes})
    out = real_path(out)
    if os.path.lexists(out) and not _may_be_replaced(out):
        raise DataError(f"{out} holds something else than a demo data set: choose another folder.")
    return _draw(out, settings, processes)


def is_complete(folder: str | Path) -> bool:
    """Check whether the folder holds a whole demo data set: both annotation files and every picture they name."""
    folder = Path(folder)
    for split in SPLITS:
        data = _read(folder, split)
        if data is None:
            return False
        drawn = {path.name for path in (folder / split).glob("*.jpg")}
        if not all(image["file_name"] in drawn for image in data["images"]):
            return False
    return True


def _check(settings: dict[str, Any]) -> None:
    if settings["look"] not in LOOKS:
        raise DataError(f"There is no look {settings['look']!r}: choose one of {', '.join(LOOKS)}.")
    check_extra(settings.get("extra", ()))
    for name, (low, high) in LIMITS.items():
        if not low <= settings[name] <= high:
            raise DataError(f"The demo's {name} is {settings[name]}: give a number from {low} to {high}.")


def _draw(out: Path, settings: dict[str, Any], processes: int) -> Generator[tuple[int, int], None, None]:
    total = settings["train"] + settings["val"]
    if is_complete(out) and all(_settings_of(_read(out, split)) == settings for split in SPLITS):
        yield total, total
        return
    files, ids = {split: _empty_coco(settings) for split in SPLITS}, count(1)
    try:
        with atomic_folder(out, replace=True) as unfinished:
            for name in ("annotations", *SPLITS):
                (unfinished / name).mkdir()
            with closing(draw_scenes(unfinished, settings, processes)) as scenes:
                for done, (split, image, annotations) in enumerate(scenes, 1):
                    files[split]["images"].append(image)
                    files[split]["annotations"] += [{"id": next(ids), **annotation} for annotation in annotations]
                    if done < total:
                        yield done, total
            for split, data in files.items():
                text = json.dumps(data, separators=(",", ":"))
                (unfinished / "annotations" / f"instances_{split}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"The demo data set cannot be written to {out}: {error.strerror or error}.") from error
    yield total, total


def _may_be_replaced(folder: Path) -> bool:
    """Check whether the folder is empty, or holds a demo data set and nothing else."""
    try:
        names = set(os.listdir(folder))
    except OSError:  # a file, or a folder that must not be looked into
        return False
    is_demo = any(_read(folder, split) is not None for split in SPLITS)
    return not names or (is_demo and names <= {"annotations", *SPLITS})


def _has_tables_beside(folder: Path) -> bool:
    """Check whether the folder holds a whole demo data set, and nothing else but tables of what is known of images."""
    try:
        names = set(os.listdir(folder)) - {"annotations", *SPLITS}
    except OSError:
        return False
    return all(name.lower().endswith((".csv", ".tsv")) for name in names) and is_complete(folder)


def _read(folder: Path, split: str) -> _Drawn | None:
    """Return a demo data set's annotations; None if they are missing, broken or of another data set."""
    try:
        data = decode(folder / "annotations" / f"instances_{split}.json", _Drawn)
        return data if data["info"].get("description") == DESCRIPTION else None
    except (DataError, msgspec.ValidationError):
        return None


def _settings_of(data: _Drawn | None) -> dict[str, Any] | None:
    """Return the settings with which a demo data set was drawn, if it states them."""
    return data["info"].get("settings") if data else None


def _empty_coco(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an annotation file without images."""
    return {
        # No time of writing: the same settings give the same bytes.
        "info": {"description": DESCRIPTION, "version": "1", "year": 2026, "contributor": "DETR Lab", "url": "",
                 "date_created": "2026/01/01", "settings": settings},
        "licenses": [{"id": 1, "name": "Drawn by code; free of rights", "url": ""}],
        "images": [],
        "annotations": [],
        "categories": [
            {"id": CATEGORY_IDS[name], "name": name, "supercategory": SUPERCATEGORIES[name]}
            for name in (*COCO_TEN, *settings.get("extra", ()))
        ],
    }  # fmt: skip
