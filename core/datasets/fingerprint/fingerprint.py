"""The fingerprint of the data that a run uses: its classes, and of every image its boxes and its picture.

In: the splits as they are used: cleaned, and with the chosen classes only. Out: a `Fingerprint`, a few bytes for each
image, and the file that keeps it. `changes.py` compares two of them and says what changed. Where the folder lies does
not count, and neither do the times of files, so a copy is the same data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from core import DataError, RunError
from core.datasets.coco.entries import Entry
from core.datasets.fingerprint.pictures import Column, PictureColumns, take_pictures
from core.datasets.split import CocoSplit
from core.disk import atomic_file
from core.files import read_bytes
from core.keep_result import KeepResult
from core.labels import LabelMap
from core.typed_json import decode

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 200_000_000  # of a file; of COCO 2017 it has 5,000,000
METADATA_KEY = b"detr_lab"
COLUMNS = ("image_id", "boxes", "size", "digest", "stamp")  # int64; then the text file_name


@dataclass(frozen=True, eq=False)
class SplitPrint:
    """The N images of a split in their order.

    image_ids   (N,) int64
    boxes       (N,) int64, a digest of each image's annotations, in whichever order they are
    order       a digest of all annotations in their order
    file_names  of the pictures
    left_out    ids of images that the file lists and that were not used, as their pictures could not be
    """

    image_ids: Column
    boxes: Column
    pictures: PictureColumns
    order: str
    file_names: Sequence[str]
    left_out: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The classes of a run, in the model's order, and its images by split: "train" and "val", or only "val"."""

    classes: LabelMap
    splits: Mapping[str, SplitPrint] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """The name of this content: the same for every copy of the data."""
        state = hashlib.blake2b(json.dumps(self.classes.to_dict()).encode(), digest_size=8)
        for name, part in sorted(self.splits.items()):
            state.update(f"{name} {len(part.image_ids)} {part.order}".encode())
            for column in (part.image_ids, part.boxes, part.pictures.size, part.pictures.digest):
                state.update(column.astype("<i8").tobytes())
        return state.hexdigest()


def take_fingerprint(
    classes: LabelMap, splits: Sequence[CocoSplit], left_out: Mapping[str, frozenset[int]] | None = None
) -> Generator[tuple[int, int], None, Fingerprint]:
    """Look at each picture of the splits, yielding (pictures done, in all); return the fingerprint.

    left_out  by the split's name, see `SplitPrint`
    """
    total, before, prints = sum(len(split.images) for split in splits), 0, {}
    for split in splits:
        boxes, order = box_digests(split, classes.category_ids)
        pictures = KeepResult(take_pictures(picture_paths(split, split.images)))
        for done in pictures:
            yield before + done, total
        names = [str(image["file_name"]) for image in split.images]
        ids = np.fromiter((image["id"] for image in split.images), dtype=np.int64, count=len(names))
        unused = (left_out or {}).get(split.name, frozenset())
        prints[split.name] = SplitPrint(ids, boxes, pictures.result, order, names, unused)
        before += len(names)
    return Fingerprint(classes, prints)


def picture_paths(split: CocoSplit, images: Sequence[Entry]) -> list[Path | None]:
    """Return the path of each image's picture; None where its name leads out of the folder."""
    paths: list[Path | None] = []
    for image in images:
        try:
            paths.append(split.image_path(image))
        except (DataError, OSError):
            paths.append(None)
    return paths


def box_digests(split: CocoSplit, category_ids: Sequence[int]) -> tuple[Column, str]:
    """Return a digest of each image's annotations of these categories, (N,), and one of all in their order.

    An annotation counts with its category, box, area and iscrowd, the numbers as float32, with which everything here
    computes; its id does not count.
    """
    c = split.columns
    ids = np.fromiter((category["id"] for category in split.categories), np.int64, len(split.categories))
    category = ids[c.category] if len(ids) else np.zeros(0, np.int64)
    chosen = np.isin(category, np.asarray(category_ids, dtype=np.int64))
    numbers = np.column_stack([c.xywh, c.area]).astype(np.float32) + np.float32(0)  # 0 for -0
    parts = [category, c.crowd.astype(np.int64), *numbers.T.copy().view(np.int32).astype(np.int64)]
    rows = np.zeros(int(chosen.sum()), np.uint64)
    for part in parts:
        rows = _mixed(rows ^ part[chosen].astype(np.uint64))
    images = c.image[chosen]
    digests = np.zeros(len(split.images), np.uint64)
    np.add.at(digests, images, rows)  # a sum does not depend on the order
    order = hashlib.blake2b(images.astype("<i8").tobytes() + rows.astype("<u8").tobytes(), digest_size=8)
    return digests.view(np.int64), order.hexdigest()


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return other numbers for these, uint64 (N,), as far apart as can be (splitmix64, Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


# Its file


def write_fingerprint(fingerprint: Fingerprint, path: Path) -> None:
    """Write it whole or not at all; raises OSError."""
    import pyarrow.parquet as pq  # here, as short commands import this file

    with atomic_file(path, durable=True) as partial:
        pq.write_table(_to_table(fingerprint), partial, compression="zstd")


def _to_table(fingerprint: Fingerprint) -> pa.Table:
    import pyarrow as pa

    parts = {
        name: {"rows": len(part.image_ids), "order": part.order, "left_out": sorted(part.left_out)}
        for name, part in fingerprint.splits.items()
    }
    metadata = json.dumps({"classes": fingerprint.classes.to_dict(), "splits": parts})
    columns: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, "file_name")}
    for part in fingerprint.splits.values():
        values = (part.image_ids, part.boxes, part.pictures.size, part.pictures.digest, part.pictures.stamp)
        for name, value in zip(COLUMNS, values, strict=True):
            columns[name].append(pa.array(value))
        columns["file_name"].append(pa.array(part.file_names, pa.string()))
    kinds = [pa.field(name, pa.int64()) for name in COLUMNS] + [pa.field("file_name", pa.string())]
    schema = pa.schema(kinds, metadata={METADATA_KEY: metadata})
    chunked = [pa.chunked_array(column, f.type) for column, f in zip(columns.values(), kinds, strict=True)]
    return pa.table(chunked, schema=schema)


class _PartInfo(msgspec.Struct):
    rows: int
    order: str
    left_out: list[int]


class _Info(msgspec.Struct):
    classes: dict[str, list[Any]]
    splits: dict[str, _PartInfo]


def read_fingerprint(path: Path) -> Fingerprint | None:
    """Return what was written; None if there is no such file. Raises RunError if it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(read_bytes(path, MOST_BYTES)))
        info = decode((table.schema.metadata or {})[METADATA_KEY], _Info)
        arrays = [table[name].combine_chunks().to_numpy(zero_copy_only=False) for name in COLUMNS]
        names = table["file_name"].to_pylist()
        if any(array.dtype != np.int64 for array in arrays) or sum(i.rows for i in info.splits.values()) != len(names):
            raise ValueError("other columns")
        prints, start = {}, 0
        for name, part in info.splits.items():
            rows = slice(start, start := start + part.rows)
            ids, boxes, *of_pictures = (array[rows] for array in arrays)
            pictures = PictureColumns(*of_pictures)
            prints[name] = SplitPrint(ids, boxes, pictures, part.order, names[rows], frozenset(part.left_out))
        return Fingerprint(LabelMap.from_dict(info.classes), prints)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, msgspec.DecodeError, DataError) as error:
        raise RunError(f"{path}, which says what data the run has used, is damaged: delete it to go on.") from error
