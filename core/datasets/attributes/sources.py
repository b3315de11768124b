"""All that is known of a split's images: `SOURCES`, and `image_attributes`, which reads every one of them.

In: a split, the evaluated classes, and what was measured of its pictures. Out: `ImageAttributes`, which the pages'
filters, Results, the report and the command line show. Nothing here opens a picture.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.datasets.attributes.attribute import Attribute, ImageAttributes, Known
from core.datasets.attributes.csv_files import read_tables
from core.datasets.attributes.grouping import MOST_VALUES, to_attribute
from core.datasets.attributes.image_fields import read_fields
from core.datasets.attributes.measures import MEASURES
from core.datasets.pictures import size_text
from core.datasets.split import CocoSplit

MEASURED = "measured"
MOST = 60  # attributes


@dataclass(frozen=True)
class Images:
    """What the sources read.

    classes   those whose objects count; None for all
    measured  of the pictures, (N,) by the measure's name; empty before they are measured
    """

    split: CocoSplit
    classes: Collection[str] | None
    measured: Mapping[str, npt.NDArray[np.float64]]


Source = Callable[[Images], tuple[list[Known], list[str]]]


def tables(images: Images) -> tuple[list[Known], list[str]]:
    """Read the CSV files beside the data."""
    return read_tables(images.split)


def fields(images: Images) -> tuple[list[Known], list[str]]:
    """Read the annotation file's own fields of its images."""
    return read_fields(images.split), []


def folder(images: Images) -> tuple[list[Known], list[str]]:
    """Return the folder of each picture, as the annotation file names it."""
    names = (str(image["file_name"]).replace("\\", "/") for image in images.split.images)
    return [Known("folder", "file names", [posixpath.dirname(name) or "." for name in names])], []


def measures(images: Images) -> tuple[list[Known], list[str]]:
    """Return what was measured from the pixels."""
    known = [
        Known(measure.name, MEASURED, images.measured[measure.name].tolist())
        for measure in MEASURES
        if measure.name in images.measured
    ]
    return known, []


def objects(images: Images) -> tuple[list[Known], list[str]]:
    """Count each image's objects of the classes, crowds left out."""
    columns = images.split.columns
    names = [str(category["name"]) for category in images.split.categories]
    is_chosen = np.array([images.classes is None or name in images.classes for name in names], dtype=bool)
    rows = ~columns.crowd & is_chosen[columns.category] if len(names) else np.zeros(0, dtype=bool)
    counts = np.bincount(columns.image[rows], minlength=len(images.split.images))
    return [Known("objects", "annotations", [float(count) for count in counts.tolist()])], []


def picture_size(images: Images) -> tuple[list[Known], list[str]]:
    """Return the pictures' width and height where there are few sizes, else their megapixels."""
    sizes = [(image["width"], image["height"]) for image in images.split.images]
    if len(set(sizes)) <= MOST_VALUES:
        texts = [size_text(size) if all(size) else None for size in sizes]
        return [Known("picture size", "annotations", texts)], []
    pixels = [w * h / 1e6 if w and h else None for w, h in sizes]
    return [Known("megapixels", "annotations", pixels)], []


SOURCES: tuple[Source, ...] = (tables, fields, folder, measures, objects, picture_size)


def image_attributes(
    split: CocoSplit,
    classes: Collection[str] | None = None,
    measured: Mapping[str, npt.NDArray[np.float64]] | None = None,
) -> ImageAttributes:
    """Return the slices of a split's images by everything that is known of them, at most MOST attributes.

    Of two of the same name the later one is called with its source: "weather (val.json)".
    """
    images = Images(split, classes, measured or {})
    attributes: dict[str, Attribute] = {}
    notes: list[str] = []
    for source in SOURCES:
        known, more = source(images)
        notes += more
        for one in known:
            name = one.name if one.name not in attributes else f"{one.name} ({one.source})"
            attribute = to_attribute(Known(name, one.source, one.values))
            if attribute and attribute.name not in attributes:
                attributes[attribute.name] = attribute
    if len(attributes) > MOST:
        notes.append(f"{len(attributes):,} things are known of the images: the first {MOST} are looked at.")
    ids = np.array([image["id"] for image in split.images], dtype=np.int64)
    return ImageAttributes(ids, tuple(attributes.values())[:MOST], tuple(notes))
