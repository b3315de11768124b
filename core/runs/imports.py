"""Results of any detector as an evaluated run, so that every page and command serves them as a trained model's.

In: a COCO ground truth and a results list, both files. Out: a finished run with one evaluation, of epoch 0, and its
detection table (`Run.is_imported`). It keeps the paths only: ground truth and pictures are read where they are.

    config = {"imported": {"gt": path, "dt": path, "images": folder, or None where no pictures were found}}
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import DataError, LabError
from core.datasets.coco_json import read_json, read_results
from core.datasets.problems import Kind, Problem
from core.datasets.split import CocoSplit, read_split
from core.evaluation.coco_eval import CocoFigures, columns, evaluate
from core.evaluation.table import about, write_table
from core.evaluation.tide import detection_table
from core.runs.process import this_process
from core.runs.schema import Run, Status
from core.runs.store import RunStore

SPLIT_NAME = re.compile(r"(train|val|test)\d*")
LOOKED_FOR = 20  # pictures, to tell whether a folder may be theirs
ROUNDING = 1e-6  # by which a probability may exceed 1


def import_results(store: RunStore, gt, dt, images=None, name: str | None = None) -> Run:
    """A new run of the results `dt` on the ground truth `gt`, with its pictures in the folder `images`.

    Without `images` they are looked for beside `gt`, and may be missing. All categories of `gt` are evaluated.
    Raises DataError if a file is broken, if the two do not fit, or if the pictures are not in `images`; no run is left
    then, nor if it cannot be written (RunError).
    """
    gt, dt = Path(gt).resolve(), Path(dt).resolve()
    truths = read_json(gt)
    split = _split(gt, truths, gt.parent)
    figures, table = _evaluated(gt, truths, dt)
    folder = _folder_of(split) if images is None else _named(split, Path(images))
    imported = {"gt": str(gt), "dt": str(dt), "images": folder and str(folder)}
    return _add(store, {"imported": imported}, name, figures, table)


def evaluated_images(run: Run) -> CocoSplit:
    """The images that the run was evaluated on, imported or of its data set; raises DataError if they are gone."""
    if not run.is_imported:
        return read_split(run.config["data"], "val")
    imported = run.config["imported"]
    return read_imported_split(imported["gt"], imported["images"])


def read_imported_split(gt, images=None) -> CocoSplit:
    """An imported ground truth with its picture folder, boxes without extent left out and counted as in `read_split`.

    Raises DataError if the file is gone or broken. Where there are no pictures, the folder is the file's own.
    """
    gt = Path(gt)
    return _split(gt, read_json(gt), gt.parent if images is None else Path(images))


def _split(gt: Path, data: dict, folder: Path) -> CocoSplit:
    for part in ("images", "categories"):
        if not data[part]:
            raise DataError(f"{gt} lists no {part}: it is no ground truth to evaluate on.")
    try:
        _, truths, _ = columns(data, [], None)
    except DataError as error:
        raise DataError(f"{gt} cannot be evaluated on: {error}") from None
    solid = (truths.xywh[:, 2:] > 0).all(axis=1)
    kept = [data["annotations"][i] for i in np.flatnonzero(solid)]
    without = (Problem(Kind.NO_EXTENT, "val", int((~solid).sum())),) if len(kept) < len(solid) else ()
    return CocoSplit("val", gt, folder, data["images"], kept, data["categories"], without)


def _evaluated(gt: Path, truths: dict, dt: Path) -> tuple[CocoFigures, pa.Table]:
    results = read_results(dt)
    try:
        figures, table = evaluate(truths, results), detection_table(truths, results)
    except DataError as error:
        raise DataError(f"{dt} cannot be evaluated on {gt}: {error}") from None
    scores = pc.min_max(table["score"]).as_py()  # None without detections
    low, high = scores["min"] or 0, scores["max"] or 0
    if low < 0 or high > 1 + ROUNDING:
        raise DataError(
            f"The scores in {dt} lie between {low:g} and {high:g}, but must lie between 0 and 1: "
            "export them as probabilities, or divide them by the highest possible one."
        )
    return figures, table


def _folder_of(split: CocoSplit) -> Path | None:
    """The folder beside the file that has its pictures, as COCO lays them out or in one folder; None if none has."""
    own = split.json_path.stem.removeprefix("instances_")
    found = SPLIT_NAME.search(own)  # instances_val2014_100.json: val2014_100, val2014, val
    names = dict.fromkeys([own, found[0], found[1]] if found else [own])
    bases = (split.json_path.parent.parent, split.json_path.parent)
    places = [base / place for base in bases for name in names for place in (name, f"images/{name}")]
    places += [base / place for base in bases for place in ("images", ".")]
    return next((place.resolve() for place in places if _has_pictures(split, place, LOOKED_FOR)), None)


def _named(split: CocoSplit, folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"There is no picture folder {folder}.")
    if not _has_pictures(split, folder, len(split.images)):
        raise DataError(
            f"{folder} has none of the pictures that {split.json_path} lists, such as "
            f"{split.images[0]['file_name']}: name the folder that its file names start from."
        )
    return folder.resolve()


def _has_pictures(split: CocoSplit, folder: Path, most: int) -> bool:
    """Whether one of the first `most` pictures lies in the folder."""
    here = replace(split, image_dir=folder)
    for image in split.images[:most]:
        with suppress(DataError, OSError):  # its name leads elsewhere, or can be no file's
            if here.image_path(image).is_file():
                return True
    return False


def _add(store: RunStore, config: dict, name: str | None, figures: CocoFigures, table: pa.Table) -> Run:
    """The run, whole or not at all: until its last line it belongs to this process, so that no queue begins it."""
    run = store.create(config, name, process=this_process())
    try:
        write_table(table, store.table_path(run.id, 0))
        store.add_evaluation(run.id, 0, 0, figures.to_dict(), is_best=True, has_table=True)
        store.update(
            run.id, status=Status.FINISHED, label_map=about(table).label_map.to_dict(), epoch=0, epochs=0, step=0,
            steps=0, started=run.created, ended=time.time(),
        )  # fmt: skip
    except BaseException:  # Ctrl-C too
        with suppress(LabError):  # what went wrong first is what to tell
            store.update(run.id, status=Status.FAILED)
            store.delete(run.id)
        raise
    return store.get(run.id)
