"""What is known of the images that a run was evaluated on, with what was measured of their pictures.

runs/.measured/1a2b…-val.parquet    brightness and sharpness of each picture, for all runs on these images
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from core import LabError
from core.datasets.attributes.attribute import NOTHING_KNOWN, ImageAttributes
from core.datasets.attributes.measured import measured_path, read_measured
from core.datasets.attributes.sources import image_attributes
from core.datasets.split import CocoSplit
from core.evaluation.table import table_metadata
from core.runs.evaluated.images import evaluated_images
from core.runs.evaluated.tags import tag_files, with_tags
from core.runs.schema import Run
from core.runs.store import RunStore

MEASURED = ".measured"  # the folder of the measures, among those of the runs


def measures_of(store: RunStore, images: CocoSplit) -> Path:
    """Return where the measures of these images are kept."""
    return measured_path(store.runs_dir / MEASURED, images)


def attributes_of(store: RunStore, run: Run, table: pa.Table) -> ImageAttributes:
    """Return what is known of the images of a run today, with the measures that are kept; nothing if they are gone."""
    try:
        images = evaluated_images(run)
    except LabError:
        return NOTHING_KNOWN
    return with_tags(attributes_of_images(store, images, table), tag_files(store, run.id))


def attributes_of_images(store: RunStore, images: CocoSplit, table: pa.Table) -> ImageAttributes:
    """Return what is known of the images that a table is of, but for the tags of `tags.py`."""
    return image_attributes(images, table_metadata(table).classes, read_measured(images, measures_of(store, images)))
