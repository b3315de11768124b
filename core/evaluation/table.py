"""The detection table: one row per detection and per ground truth of an evaluated checkpoint, as Parquet.

In: a table that `tide.py` computed once, for all scores, or a path. Out: the table written or read, its columns as
arrays, and what it says besides its rows (`TableMetadata`). Here is what each column means; `selection.py` counts and
filters the rows at a score threshold. Apart from `tide.py` because pages only read, and reading needs no evaluator.

Rows are sorted by image; within one the ground truths lead, then come the detections by falling score.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from core import RunError
from core.disk import atomic_file
from core.evaluation.model_input import ModelInput
from core.files import open_file
from core.labelled_enum import LabelledEnum
from core.labels import LabelMap
from core.typed_json import decode
from core.wording import cell

if TYPE_CHECKING:
    import pyarrow.compute as pc

KINDS = ("ground_truth", "detection")
METADATA_KEY = b"detr_lab"  # the key of `TableMetadata` in the table's metadata
CORNERS = ("x1", "y1", "x2", "y2")  # the columns of a box
ROW_BYTES = 130  # of a row in memory
ROW_GROUP = 65_536  # rows; a filter on images reads only the groups that hold them


class ErrorType(LabelledEnum):
    """TIDE's six error types: the value is the table's; `label`, `short` and `description` are for the user."""

    CLASSIFICATION = "classification", "Classification error", "Wrong class: the box fits an object of another class."
    LOCALIZATION = (
        "localization",
        "Localization error",
        "Poor box: the class is right, but the box fits the object badly (IoU 0.1 to 0.5).",
    )
    BOTH = (
        "both",
        "Classification and localization error",
        "Wrong class and poor box: the class is wrong, and the box fits the object badly.",
    )
    DUPLICATE = "duplicate", "Duplicate", "The object was already found by a more confident prediction."
    BACKGROUND = "background", "Background", "There is no object here."
    MISSED = "missed", "Missed", "No prediction found this object, or came close to it."

    @property
    def short(self) -> str:
        """The words on a picture, where there is little room: TIDE's own abbreviations of the first three."""
        return {"classification": "cls", "localization": "loc", "both": "cls+loc"}.get(self.value, self.value)


ERROR_TYPES = tuple(ErrorType)
RANGES = ("all", "small", "medium", "large")  # COCO's area ranges, whose borders belong to both sides
_TEXT = pa.dictionary(pa.int32(), pa.string())
_BOTH, _DETECTION, _TRUTH = "both kinds", "detection", "ground truth"
_HITS = "bit i: it found an object of that area range at IoU 0.50 + 0.05 i"
_IGNORED = "bit i: there it counts neither way: it took a crowd or an object outside the range, or none from outside"
COLUMNS = (  # name, type, the kind of row that has it, meaning; null wherever a row does not have it
    ("kind", _TEXT, _BOTH, "ground_truth or detection"),
    ("image_id", pa.int64(), _BOTH, "the data set's image id"),
    ("class_name", _TEXT, _BOTH, "the annotated or the predicted class"),
    ("x1", pa.float32(), _BOTH, "left, pixels of the original image"),
    ("y1", pa.float32(), _BOTH, "top, pixels"),
    ("x2", pa.float32(), _BOTH, "right, pixels"),
    ("y2", pa.float32(), _BOTH, "bottom, pixels"),
    ("area", pa.float32(), _BOTH, "px²: the annotation's own area, or the predicted box's width times height"),
    ("size", _TEXT, _BOTH, "small, medium or large, by area"),
    ("gt_id", pa.int64(), _BOTH, "the annotation's id; of a detection, the one it found, null if it found none"),
    ("query", pa.int32(), _DETECTION, "the object query, or the rank among the image's detections in a results list"),
    ("score", pa.float32(), _DETECTION, "0 to 1"),
    ("rank", pa.int32(), _DETECTION, "place among all detections by falling score, equal scores in COCO's order"),
    ("error", _TEXT, _DETECTION, "error type; null if it found an object (gt_id) or only a crowd (crowd_only)"),
    ("crowd_only", pa.bool_(), _DETECTION, "it fits a crowd and no free object: neither right nor wrong"),
    ("iou", pa.float32(), _DETECTION, "IoU with the object that it found"),
    ("best_same_iou", pa.float32(), _DETECTION, "highest IoU with any object or crowd of its class"),
    ("best_same_gt", pa.int64(), _DETECTION, "its annotation id; what a localization error points to"),
    ("best_other_iou", pa.float32(), _DETECTION, "highest IoU with any object of another class, no crowds"),
    ("best_other_gt", pa.int64(), _DETECTION, "its annotation id; what a classification error points to"),
    ("any_gt", pa.int64(), _DETECTION, "annotation id of the object it finds where classes do not count"),
    *((f"hits_{name}", pa.uint16(), _DETECTION, _HITS) for name in RANGES),
    *((f"ignored_{name}", pa.uint16(), _DETECTION, _IGNORED) for name in RANGES),
    ("iscrowd", pa.bool_(), _TRUTH, "the annotation marks a crowd: it cannot be found or missed"),
    ("truncated", pa.bool_(), _TRUTH, "the box touches the picture's border; null if its size is unknown"),
    ("ranges", pa.uint8(), _TRUTH, "bit i: it counts in the i-th of the area ranges all, small, medium, large"),
    ("match_query", pa.int32(), _TRUTH, "query of the detection that found it, at any score"),
    ("match_score", pa.float32(), _TRUTH, "score of that detection"),
    ("pointed_score", pa.float32(), _TRUTH, "highest score of a localization or classification error pointing to it"),
    ("any_score", pa.float32(), _TRUTH, "score of the detection that finds it where classes do not count"),
)
SCHEMA = pa.schema([pa.field(name, kind) for name, kind, _, _ in COLUMNS])


@dataclass(frozen=True)
class TableMetadata:
    """What a table says besides its rows.

    image_ids  every evaluated image, ascending, also those without a row
    sizes      (width, height) of each in pixels, None where unknown
    classes    every class that was evaluated, in the order of the LabelMap
    category_ids  their ids in the data set
    input      how the model saw the images; None for results of another tool
    data       the digest of the data's Fingerprint, "" where none was taken
    """

    image_ids: tuple[int, ...]
    sizes: tuple[tuple[int, int] | None, ...]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    input: ModelInput | None = None
    data: str = ""

    @property
    def label_map(self) -> LabelMap:
        """The evaluated classes with their category ids."""
        return LabelMap(self.classes, self.category_ids)

    def input_scales(self) -> npt.NDArray[np.float64]:
        """Return the pixels that the model saw per pixel of each image's sides, (I,); NaN where that is unknown."""
        if self.input is None:
            return np.full(len(self.image_ids), np.nan)
        return np.array([self.input.scale(size) if size else np.nan for size in self.sizes])

    def to_json(self) -> str:
        """Return it as JSON; `from_json` reads it back."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> TableMetadata:
        """Make it from what `to_json` returned; raises msgspec.DecodeError for anything else."""
        metadata = decode(text, cls)
        if len(metadata.sizes) != len(metadata.image_ids) or len(metadata.classes) != len(metadata.category_ids):
            raise msgspec.ValidationError("lists of different lengths")
        return metadata


def table_metadata(table: pa.Table) -> TableMetadata:
    """Return what the table, or any part of it, says besides its rows."""
    return _parsed(table.schema.metadata[METADATA_KEY])


@lru_cache(maxsize=8)
def _parsed(text: bytes) -> TableMetadata:
    return TableMetadata.from_json(text)


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write the table whole or not at all: as CSV if that is the path's ending, else as Parquet.

    Raises RunError if that fails. A CSV has the rows only, not `TableMetadata`.
    """
    path = Path(path)
    try:
        with atomic_file(path) as partial:
            if path.suffix.lower() == ".csv":
                pyarrow.csv.write_csv(_for_spreadsheets(table), partial)
            else:
                # read in half the time that zstd takes; a dictionary of numbers would only make the file larger
                texts = [field.name for field in SCHEMA if field.type == _TEXT]
                pq.write_table(table, partial, compression="lz4", use_dictionary=texts, row_group_size=ROW_GROUP,
                               write_page_checksum=True)  # fmt: skip
    except OSError as error:
        raise RunError(f"The detection table {path} cannot be written: {error.strerror or error}.") from None


def _for_spreadsheets(table: pa.Table) -> pa.Table:
    """Return the table with plain texts, none of which is a formula; numbers stay as they are."""
    import pyarrow.compute as pc

    plain = [pa.field(f.name, pa.string() if f.type == _TEXT else f.type) for f in table.schema]
    table = table.cast(pa.schema(plain))
    for place, field in enumerate(plain):
        if field.type == pa.string():
            texts = pc.unique(table[field.name])
            cells = pa.array([text if text is None else cell(text) for text in texts.to_pylist()], pa.string())
            table = table.set_column(place, field, cells.take(pc.index_in(table[field.name], texts)))
    return table


def read_table(path: str | Path, columns: list[str] | None = None, where: pc.Expression | None = None) -> pa.Table:
    """Read a written table, or only some of its columns, and only the rows that fulfil `where`.

    Raises RunError if it is missing, damaged or another version's.
    """
    path = Path(path)
    try:
        open_file(path).close()  # pyarrow would wait for a pipe
        file = pq.ParquetFile(path, page_checksum_verification=True)
        metadata = file.schema_arrow.metadata or {}
        if not file.schema_arrow.equals(SCHEMA) or METADATA_KEY not in metadata:
            raise RunError(
                f"The detection table {path} has other columns than this version's: train or import again to see it."
            )
        _parsed(metadata[METADATA_KEY])
        share = len(columns or SCHEMA.names) / len(SCHEMA.names)
        if file.metadata.num_rows * ROW_BYTES * share > psutil.virtual_memory().available:
            raise RunError(
                f"The detection table {path} has {file.metadata.num_rows:,} rows, more than fit into memory."
            )
        table = (
            file.read(columns=columns)
            if where is None
            else pq.read_table(path, columns=columns, filters=where, page_checksum_verification=True)
        )
        return table.combine_chunks().replace_schema_metadata({METADATA_KEY: metadata[METADATA_KEY]})
    except FileNotFoundError:
        raise RunError(f"There is no detection table {path}: evaluate the checkpoint again.") from None
    except (pa.ArrowException, msgspec.DecodeError, OSError, ValueError):
        raise RunError(f"The detection table {path} is damaged: evaluate the checkpoint again.") from None


# Columns as arrays


def floats(table: pa.Table, column: str) -> npt.NDArray[np.floating]:
    """Return a float column, (N,); NaN where it is null."""
    values: npt.NDArray[np.floating] = table[column].to_numpy()
    return values


def flags(table: pa.Table, column: str) -> npt.NDArray[np.bool_]:
    """Return a boolean column, (N,); False where it is null."""
    values: npt.NDArray[np.bool_] = table[column].fill_null(False).to_numpy()
    return values


def integers(table: pa.Table, column: str, null: int = -1) -> npt.NDArray[np.integer]:
    """Return an integer column, (N,) of its own type; `null` where it is null.

    Ids may be negative: ask `has_value` which rows have one.
    """
    values: npt.NDArray[np.integer] = table[column].fill_null(null).to_numpy()
    return values


def has_value(table: pa.Table, column: str) -> npt.NDArray[np.bool_]:
    """Check which rows have a value in this column, (N,)."""
    values: npt.NDArray[np.bool_] = table[column].is_valid().to_numpy()
    return values


def indices(table: pa.Table, column: str, words: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return a text column as indices into `words`, (N,); -1 where it is null or none of them."""
    codes, dictionary = _dictionary(table, column)
    index = {word: i for i, word in enumerate(words)}
    return np.array([*(index.get(word, -1) for word in dictionary), -1], dtype=np.int32)[codes]


def isin(table: pa.Table, column: str, words: Collection[str]) -> npt.NDArray[np.bool_]:
    """Check which rows have one of the words in a text column, (N,)."""
    codes, dictionary = _dictionary(table, column)
    return np.array([*(word in words for word in dictionary), False])[codes]


def is_ground_truth(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Check which rows are ground truths, crowds among them, (N,)."""
    return isin(table, "kind", {"ground_truth"})


def is_detection(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Check which rows are detections, of any score, (N,)."""
    return isin(table, "kind", {"detection"})


def _dictionary(table: pa.Table, column: str) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return a text column as (index of each row's word (N,), words).

    The index is -1 where it is null: a list with one item more than there are words serves all rows.
    """
    array = table[column].combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of a table without rows
        array = array.unify_dictionaries().combine_chunks() if array.num_chunks else pa.array([], _TEXT)
    return array.indices.fill_null(-1).to_numpy(zero_copy_only=False), array.dictionary.to_pylist()
