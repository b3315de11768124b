"""Results of any detector as an evaluated run, so that every page and command treats them like a trained model's.

In: a COCO ground truth and a results list, both files. Out: a finished run with one evaluation, of epoch 0, and its
detection table (`Run.is_imported`). The run keeps only paths: ground truth and pictures are read where they are.

    config = {"imported": {"gt": path, "dt": path, "images": folder, or None where no pictures were found,
                           "notes": sentences on what was left out, repaired or matched by another key than its id}}

An ONNX file that was evaluated here (`core.inference.evaluate_onnx`) is such a run, too, with its path as "dt" and as
"onnx", and as "data" the folder of the data set, whose validation images are then read as a training's.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core import DataError, RunError
from core.datasets.coco.areas import to_array
from core.datasets.coco.sizes import with_pictures
from core.datasets.coco_json import CocoFile
from core.datasets.fingerprint.fingerprint import take_fingerprint
from core.datasets.folder.located import locate_pictures
from core.datasets.problems import Problem, ProblemKind
from core.datasets.split import CocoSplit, read_split
from core.disk import hidden_path
from core.evaluation.coco_eval import CocoFigures
from core.evaluation.coco_files import read_truth
from core.evaluation.columns import checked_columns
from core.evaluation.of_files import FileEvaluation, evaluate_results
from core.evaluation.table import METADATA_KEY, table_metadata, write_table
from core.files import real_path
from core.keep_result import KeepResult
from core.runs.paths import table_name
from core.runs.provenance.code import note_code
from core.runs.provenance.data import keep_fingerprint
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import short

SPLIT_NAME = re.compile(r"(train|val|test)\d*")
LOOKED_FOR = 20  # pictures: if a folder has one of so many, it is taken for theirs


def import_results(
    store: RunStore, gt: str | Path, dt: str | Path, images: str | Path | None = None, name: str | None = None
) -> Run:
    """Make a run from the results `dt` on the ground truth `gt`, with the pictures in the folder `images`.

    Without `images` they are looked for beside `gt`, and may be missing. All categories of `gt` are evaluated.
    Raises DataError if a file is broken, if the two do not fit, or if the pictures are not in `images`, and RunError if
    the run cannot be written; then no run is left.
    """
    gt, dt = real_path(gt), real_path(dt)
    truth = read_truth(gt)
    split = _split(gt, truth, gt.parent)
    evaluated = _evaluated(gt, truth, dt)
    folder = _picture_folder(split) if images is None else _checked_folder(split, Path(images))
    imported = {"gt": str(gt), "dt": str(dt), "images": folder and str(folder), "notes": evaluated.notes}
    used = split if folder is None else _with_pictures_of(split, folder)
    _fill_sizes(used)
    return add_evaluated(store, {"imported": imported}, name, evaluated.figures, evaluated.table, used)


def onnx_file_of(run: Run) -> Path | None:
    """Return the path of the ONNX file that a run was made of; None of any other run."""
    path = run.config.get("imported", {}).get("onnx")
    return None if path is None else Path(path)


def data_of(run: Run) -> str | None:
    """Return the folder of the data set whose validation images a run was evaluated on; None of imported results."""
    folder: str | None = run.config["imported"].get("data") if run.is_imported else run.config.get("data", "")
    return folder


def evaluated_images(run: Run) -> CocoSplit:
    """Return the images that the run was evaluated on; raise DataError if their files are gone."""
    if (folder := data_of(run)) is not None:
        return read_split(folder, "val")
    imported = run.config["imported"]
    return read_imported_split(imported["gt"], imported["images"])


def read_imported_split(gt: str | Path, images: str | Path | None = None) -> CocoSplit:
    """Read an imported ground truth; boxes without extent are left out and counted, as in `read_split`.

    `images` is the folder of the pictures; without one it is the folder of the file. Raises DataError if the file is
    gone or broken.
    """
    gt = Path(gt)
    split = _split(gt, read_truth(gt), gt.parent)
    split = split if images is None else _with_pictures_of(split, Path(images))
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


def _split(gt: Path, truth: CocoFile, folder: Path) -> CocoSplit:
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
    return CocoSplit("val", gt, folder, data["images"], kept, data["categories"], problems)


def _evaluated(gt: Path, truth: CocoFile, dt: Path) -> FileEvaluation:
    evaluated = evaluate_results(truth, gt, dt)
    if not evaluated.has_probabilities:
        low, high = evaluated.scores
        raise DataError(
            f"The scores in {dt} lie between {low:g} and {high:g}, but must lie between 0 and 1: "
            "export them as probabilities, or divide them by the highest possible one."
        )
    return evaluated


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


def add_evaluated(
    store: RunStore, config: dict[str, Any], name: str | None, figures: CocoFigures, table: pa.Table, split: CocoSplit
) -> Run:
    """Create a finished run of a model that was evaluated on a split, whole or not at all; raises RunError."""
    label_map = table_metadata(table).label_map
    fingerprint = KeepResult(take_fingerprint(label_map, [split]))
    deque(fingerprint, maxlen=0)
    metadata = replace(table_metadata(table), data=fingerprint.result.digest)
    table = table.replace_schema_metadata({METADATA_KEY: metadata.to_json()})
    state = {"label_map": label_map.to_dict(), "epoch": 0, "epochs": 0, "step": 0, "steps": 0}
    try:
        with hidden_path(store.runs_dir / "import") as folder, ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)  # unless it has become the run's
            write_table(table, folder / table_name(0))
            keep_fingerprint(folder, fingerprint.result)
            note_code(folder)
            return store.create_finished(config, name, state, figures.to_dict(), folder)
    except OSError as error:
        raise RunError(f"The run cannot be written under {store.runs_dir}: {error.strerror or error}.") from error
