"""What is known of the images of a run, read once until a file changes; their pictures are measured in the background.

In: the split that a run is evaluated on. Out: `ImageAttributes`, without waiting for anything. What is measured of the
pictures is among it once `start_measuring` has ended: it takes some milliseconds for each, once.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.attributes.attribute import NOTHING_KNOWN, ImageAttributes
from core.datasets.attributes.csv_files import csv_paths, table_folders
from core.datasets.attributes.measured import measure_pictures, read_measured
from core.datasets.attributes.sources import image_attributes
from core.datasets.split import CocoSplit
from core.evaluation.table import table_metadata
from core.runs.evaluated.attributes import measures_of
from core.runs.evaluated.tags import tag_files, with_tags
from core.runs.schema import Run
from core.system.priority import let_thread_give_way
from ui.server import cache, services
from ui.server.background import Task, background_tasks

NICENESS = 10  # of the thread that measures: whoever looks at a page comes first
Stamps = tuple[tuple[str, str], ...]


def attributes_of(run: Run, table: pa.Table) -> ImageAttributes:
    """Return what is known of the images that a run was evaluated on; nothing if they are gone."""
    try:
        attributes = attributes_of_split(cache.validation_images(run), table_metadata(table).classes)
    except LabError:
        return NOTHING_KNOWN
    files = tuple(tag_files(services.store(), run.id))
    stamps = tuple((str(path), services.file_stamp(path)) for path in files)
    return _with_tags(stamps, attributes.stamp, files, attributes) if files else attributes


def attributes_of_split(images: CocoSplit, classes: tuple[str, ...]) -> ImageAttributes:
    """Return what is known of a split's images; objects of these classes count."""
    folders = tuple((str(folder), _changed(folder)) for folder in table_folders(images))
    paths = [images.json_path, *_tables(folders, images), measures_of(services.store(), images)]
    stamps = tuple((str(path), services.file_stamp(path)) for path in paths)
    ids = np.fromiter((image["id"] for image in images.images), np.int64, len(images.images))  # of a subset, fewer
    return _attributes(stamps, f"{images.name}|{images.image_dir}|{crc32(ids.tobytes())}", classes, images)


def _changed(folder: Path) -> int:
    """Return a time that changes when a file is added to a folder or taken out."""
    try:
        return os.stat(folder).st_mtime_ns
    except (OSError, ValueError):
        return 0


@st.cache_data(show_spinner=False, max_entries=16)
def _tables(folders: tuple[tuple[str, int], ...], _images: CocoSplit) -> list[Path]:
    return csv_paths(_images)


@st.cache_resource(show_spinner=False, max_entries=8)
def _attributes(stamps: Stamps, part: str, classes: tuple[str, ...], _images: CocoSplit) -> ImageAttributes:
    return image_attributes(_images, classes, read_measured(_images, measures_of(services.store(), _images)))


@st.cache_resource(show_spinner=False, max_entries=8)
def _with_tags(stamps: Stamps, known: str, _files: tuple[Path, ...], _attributes: ImageAttributes) -> ImageAttributes:
    return with_tags(_attributes, _files)


def start_measuring(run: Run) -> Task | None:
    """Have the pictures of a run's images measured, once in the life of this server; return the task."""
    try:
        images = cache.validation_images(run)
    except LabError:
        return None
    path = measures_of(services.store(), images)
    name = f"measure {path}"
    known = background_tasks().find(name)
    return known or background_tasks().start(name, lambda: _measure(images, path), "The pictures cannot be measured")


def _measure(images: CocoSplit, path: Path) -> Generator[tuple[int, int], None, None]:
    let_thread_give_way(NICENESS)
    yield from measure_pictures(images, path)
