"""Which images a run was evaluated on, read as they are today: `evaluated_images`.

In: a run, or a ground truth and where its pictures lie. Out: a `CocoSplit`. A trained run was evaluated on the
validation images of its data set; an imported one on the ground truth that came with it; an evaluation of its own says
in its config which part of which data set, or which COCO JSON.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import DataError
from core.datasets.coco.areas import to_array
from core.datasets.coco.sizes import with_pictures
from core.datasets.coco_json import CocoFile
from core.datasets.folder.located import locate_pictures
from core.datasets.problems import Problem, ProblemKind
from core.datasets.split import CocoSplit, read_split
from core.evaluation.coco_files import read_truth
from core.evaluation.columns import checked_columns
from core.files import real_path
from core.runs.schema import Run
from core.wording import short

SPLIT_NAME = re.compile(r"(train|val|test)\d*")
LOOKED_FOR = 20  # pictures: if a folder has one of so many, it is taken for theirs


def onnx_file_of(run: Run) -> Path | None:
    """Return the path of the ONNX file that a run was made of; None of any other run."""
    path = run.config.get("imported", {}).get("onnx")
    return None if path is None else Path(path)


def why_no_model(run: Run) -> str:
    """Return why no model can be asked about a run's boxes, in a sentence; "" if one can."""
    if not run.is_imported:
        return ""
    settings = run.config.get("evaluation")
    if settings is None:
        return f"The run {run.name} was {run.origin}: only its results are here, no model that could be asked."
    if onnx_file_of(run) is not None:
        return "An ONNX file gives boxes, but not why: ask the checkpoint that it was made of."
    if settings.get("tiles", 1) > 1:
        return "Boxes of tiles are of several pictures, in each of which queries are others: ask the model itself."
    if len(settings.get("model", ())) != 1:
        return "An average of several models is not kept: ask one of these."
    return ""


def data_of(run: Run) -> str | None:
    """Return the folder of the data set of whose images a run was evaluated on a part; None of a COCO JSON's."""
    folder: str | None = run.config["imported"].get("data") if run.is_imported else run.config.get("data", "")
    return folder


def part_of(run: Run) -> str:
    """Return on which part of its data set a run was evaluated."""
    part: str = run.config["imported"].get("part", "val") if run.is_imported else "val"
    return part


def words_of_part(run: Run) -> str:
    """Return what the images are that a run was evaluated on, as "validation images"."""
    words = {"val": "validation images", "train": "training images", "test": "test images"}
    return words.get(part_of(run), "images") if data_of(run) is not None else "images"


def evaluated_images(run: Run) -> CocoSplit:
    """Return the images that the run was evaluated on; raise DataError if their files are gone."""
    if (folder := data_of(run)) is not None:
        return read_split(folder, part_of(run))
    imported = run.config["imported"]
    return read_imported_split(imported["gt"], imported["images"])


def read_part(data: str, part: str, images: str = "") -> CocoSplit:
    """Read a part of a data set's folder, or all images of a COCO JSON, whose pictures lie in the folder `images`.

    Without `images` they are looked for beside the JSON. Raises DataError, also where there are no pictures.
    """
    if os.path.isdir(data) or not os.path.exists(data):
        return read_split(data, part)
    gt = real_path(data)
    split = with_near_pictures(truth_split(gt, read_truth(gt)), images or None)
    if split.root is None:
        raise DataError(f"No folder near {gt} has its pictures: name the one that its file names start from.")
    return split


def read_imported_split(gt: str | Path, images: str | Path | None = None) -> CocoSplit:
    """Read an imported ground truth; boxes without extent are left out and counted, as in `read_split`.

    `images` is the folder of the pictures; without one it is the folder of the file. Raises DataError if the file is
    gone or broken.
    """
    gt = Path(gt)
    split = truth_split(gt, read_truth(gt))
    split = split if images is None else _with_pictures_of(split, Path(images))
    _fill_sizes(split)
    return split


def with_near_pictures(split: CocoSplit, images: str | Path | None = None) -> CocoSplit:
    """Return the split with its pictures in a folder: that one, or one near its file; `root` is None where none has.

    Raises DataError if the folder that is named has none of the pictures.
    """
    folder = _picture_folder(split) if images is None else _checked_folder(split, Path(images))
    split = split if folder is None else _with_pictures_of(split, folder)
    _fill_sizes(split)
    return split


def _fill_sizes(split: CocoSplit) -> None:
    """Give each image without a size that of its picture, or else one that holds its boxes: pages draw them on it."""
    with_pictures(split.images, split.annotations, split.path_of, "val")
    for image in split.images:
        if image["width"] is None:
            boxes = to_array(split.annotations_by_image[image["id"]])
            right, bottom = np.append(boxes[:, :2] + boxes[:, 2:], [[1, 1]], axis=0).max(axis=0).tolist()
            image["width"], image["height"] = math.ceil(right), math.ceil(bottom)


def truth_split(gt: Path, truth: CocoFile) -> CocoSplit:
    """Return a ground truth as a split, whose pictures are taken to lie beside its file; raises DataError."""
    data = truth.to_dict()
    for part in ("images", "categories"):
        if not data[part]:
            raise DataError(f"{gt} lists no {part}: it is no ground truth to evaluate on.")
    try:
        _, ground_truths, _ = checked_columns(data, [], None)
    except DataError as error:
        raise DataError(f"{gt} cannot be evaluated on: {error}") from None
    annotations = data["annotations"]
    kept = [annotations[i] for i in np.flatnonzero((ground_truths.xywh[:, 2:] > 0).all(axis=1))]
    left_out = len(annotations) - len(kept)
    problems = (Problem(ProblemKind.NO_EXTENT, "val", left_out),) if left_out else ()
    return CocoSplit("val", gt, gt.parent, data["images"], kept, data["categories"], problems)


def _picture_folder(split: CocoSplit) -> Path | None:
    """Return the folder near the file that has its pictures, in COCO's layout or all in one; None if none has."""
    stem = split.json_path.stem.removeprefix("instances_")
    match = SPLIT_NAME.search(stem)  # instances_val2014_100.json: val2014_100, val2014, val
    names = dict.fromkeys([stem, match[0], match[1]] if match else [stem])
    bases = (split.json_path.parent.parent, split.json_path.parent)
    folders = [base / folder for base in bases for name in names for folder in (name, f"images/{name}")]
    folders += [base / folder for base in bases for folder in ("images", ".")]
    first = replace(split, images=split.images[:LOOKED_FOR])
    return next((real_path(folder) for folder in folders if _has_pictures(replace(first, image_dir=folder))), None)


def _with_pictures_of(split: CocoSplit, folder: Path) -> CocoSplit:
    """Return the split with its pictures in a folder, where they are looked up if they are not as they are named."""
    located = locate_pictures(split.images, real_path(folder), (), folder, None, "val")
    return replace(split, image_dir=folder, located=located, root=folder, problems=split.problems + located.problems)


def _checked_folder(split: CocoSplit, folder: Path) -> Path:
    """Return the folder that the user names, if it has at least one of the pictures; else raise DataError."""
    if not os.path.isdir(folder):
        raise DataError(f"There is no picture folder {folder}.")
    if not _has_pictures(_with_pictures_of(split, folder)):
        raise DataError(
            f"{folder} has none of the pictures that {split.json_path} lists, such as "
            f"{short(split.images[0]['file_name'])}: name the folder that its file names start from."
        )
    return real_path(folder)


def _has_pictures(split: CocoSplit) -> bool:
    """Check whether one of the pictures is there."""
    for image in split.images:
        with suppress(DataError, OSError):  # its name leads out of the folder, or cannot be a file's
            if split.image_path(image).is_file():
                return True
    return False
