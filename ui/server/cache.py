"""What is read once for the whole server: data sets, the paths of pictures, detection tables.

In: the folders and runs that pages name. Out: what their files hold, read again when a file has changed.
"""

from __future__ import annotations

import gc
import hashlib
import os
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core import DataError, RunError, lab_root
from core.datasets.layouts import TEST, annotation_files
from core.datasets.split import CocoSplit, examine_splits, read_split, require_usable
from core.evaluation.alike.likeness import Likeness
from core.evaluation.table import read_table
from core.runs.evaluated.images import data_of, part_of, read_imported_split
from core.runs.evaluated.states import states_of
from core.runs.schema import Evaluation, Run
from ui.server import services

Stamps = tuple[tuple[str, str], ...]  # of files: path, and what changes with the file


def images_of(folder: str | Path, name: str) -> CocoSplit:
    """Return a part of a data set, read once until one of its files changes; raises DataError."""
    if name == TEST:
        return _test_part(lab_root() / folder, data_stamps(lab_root() / folder))
    splits = splits_of(folder)
    if name not in splits:
        raise DataError(f"The data set {folder} has no {name} split; it has: {', '.join(splits)}.")
    return require_usable(splits[name])


def splits_of(folder: str | Path) -> dict[str, CocoSplit]:
    """Return all splits of a data set as far as they can be read, with their problems, until a file changes.

    Raises DataError if there is no data set, or a file is not COCO's at all.
    """
    folder = lab_root() / folder
    return _splits(folder, data_stamps(folder))


def data_stamps(folder: Path) -> Stamps:
    """Return the names of a data set's annotation files, and stamps that change with them."""
    return tuple((str(path), services.file_stamp(path)) for path in annotation_files(folder))


@st.cache_resource(show_spinner=False, max_entries=3)
def _splits(folder: Path, stamps: Stamps) -> dict[str, CocoSplit]:
    splits = examine_splits(folder)
    for split in splits.values():
        _ = split.is_broken or split.columns  # made now, not at the first look
    gc.collect()
    gc.freeze()  # a full collection takes half a second among a million annotations, and all of them are in use
    return splits


@st.cache_resource(show_spinner=False, max_entries=2)
def _test_part(folder: Path, stamps: Stamps) -> CocoSplit:
    return read_split(folder, TEST)


def data_key(folder: str | Path) -> str:
    """Return the key by which the browser asks for the pictures of a data set: never a path."""
    folder = lab_root() / folder
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    _shown_folders()[key] = folder
    return key


@st.cache_resource(show_spinner=False)
def _shown_folders() -> dict[str, Path]:
    return {}


def data_image(key: str, split: str, image_id: int) -> tuple[Path, tuple[int, int]]:
    """Return the path of a picture of a shown data set and its stated size (width, height).

    Raises DataError if there is no such picture.
    """
    splits = splits_of(_shown_folders()[key]) if key in _shown_folders() else {}
    if split not in splits or splits[split].is_broken or image_id not in splits[split].image_by_id:
        raise DataError("There is no such picture.")
    image = splits[split].image_by_id[image_id]
    return splits[split].image_path(image), (int(image["width"]), int(image["height"]))


def validation_images(run: Run) -> CocoSplit:
    """Return the split that the run is evaluated on; raises DataError if it is gone."""
    if (folder := data_of(run)) is not None:
        return images_of(folder, part_of(run))
    imported = run.config["imported"]
    return _imported(imported["gt"], imported["images"], services.file_stamp(Path(imported["gt"])))


@st.cache_resource(show_spinner=False, max_entries=4)
def _imported(gt: str, images: str | None, stamp: str) -> CocoSplit:
    return read_imported_split(gt, images)


def validation_image(run: Run, image_id: int) -> tuple[Path, tuple[int, int]]:
    """Return the path of a picture, inside the folder of the pictures, and its stated size (width, height).

    Raises DataError if there is no such image.
    """
    images = validation_images(run)
    if image_id not in images.image_by_id:
        raise DataError(f"{images.json_path} has no image {image_id}.")
    image = images.image_by_id[image_id]
    return images.image_path(image), (int(image["width"]), int(image["height"]))


def table_of(evaluation: Evaluation) -> pa.Table:
    """Return an evaluation's detection table; raises RunError if it is gone."""
    return _table(table_path(evaluation), evaluation.created)


def table_path(evaluation: Evaluation) -> Path:
    """Return where the detection table is; raises RunError if it is not kept."""
    if evaluation.table is None:
        raise RunError(f"The detection table of epoch {evaluation.epoch} is not kept.")
    return evaluation.table


@st.cache_resource(show_spinner=False, max_entries=4)
def _table(path: Path, created: float) -> pa.Table:
    return read_table(path)


def likeness_of(key: tuple[object, ...], run: Run, evaluation: Evaluation, table: pa.Table) -> Likeness:
    """Return which boxes of an evaluated model are alike; raises RunError that says why that is not known.

    table  the evaluation's, or one made of it, as on corrected labels; `key` names it
    """
    return _likeness(key, run, evaluation, table)


@st.cache_resource(show_spinner=False, max_entries=2)
def _likeness(key: tuple[object, ...], _run: Run, _evaluation: Evaluation, _table: pa.Table) -> Likeness:
    return Likeness(_table, states_of(_run, _evaluation))
