"""The measures of a split's pictures, kept on disk: `measure_pictures` takes them, `read_measured` returns them.

In: a split and the path of a Parquet file. Out: a number of each picture for each of MEASURES. A picture is measured
once: again only if its size or its times on disk are others.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.datasets.attributes.measures import MEASURES, SIDE, measure_picture
from core.datasets.fingerprint.fingerprint import picture_paths
from core.datasets.fingerprint.pictures import MISSING, status_of
from core.datasets.split import CocoSplit
from core.disk import atomic_file, clear_leftovers
from core.files import read_bytes

MOST_BYTES = 500_000_000  # of a file; of 118,000 pictures it has 4,000,000
AT_ONCE = 16  # pictures of a thread's turn
KEPT_AFTER = 10.0  # seconds, after which what is measured so far is written
NAMES = [measure.name for measure in MEASURES]
WAY = f"{SIDE} {' '.join(NAMES)} 1".encode()  # raise the number when a measure is computed otherwise
METADATA_KEY = b"detr_lab"


class Status(NamedTuple):
    """A picture's size in bytes and the stamp of its times."""

    size: int
    stamp: int


Numbers = tuple[float, ...]  # of a picture, one for each of MEASURES; NaN where it could not be read
Measured = dict[int, tuple[Status, Numbers]]  # by image id


def measured_path(folder: Path, split: CocoSplit) -> Path:
    """Return where the measures of a split are kept, in a folder of such files."""
    key = hashlib.sha256(os.fsencode(os.path.realpath(split.json_path)) + b"\0" + os.fsencode(split.resolved_dir))
    return folder / f"{key.hexdigest()[:16]}-{split.name}.parquet"


def measure_pictures(split: CocoSplit, path: Path) -> Generator[tuple[int, int], None, Measured]:
    """Measure the pictures that are new or have changed, yielding (done, in all); return all, and keep them.

    The disk may be full: then they are measured again next time.
    """
    before = _read(path)
    paths = picture_paths(split, split.images)
    statuses = [Status(*status_of(one)) for one in paths]
    kept: Measured = {}
    wanted: list[int] = []
    for row, image in enumerate(split.images):
        known = before.get(image["id"])
        if known and known[0] == statuses[row]:
            kept[image["id"]] = known
        elif statuses[row].size != MISSING:
            wanted.append(row)
    total, written = len(wanted), time.monotonic()
    yield 0, total
    with ThreadPoolExecutor(2) as pool:  # the second fills the waits for the disk
        batches = [wanted[i : i + AT_ONCE] for i in range(0, total, AT_ONCE)]
        answers = pool.map(lambda rows: [measure_picture(one) for row in rows if (one := paths[row])], batches)
        try:
            for done, (rows, numbers) in enumerate(zip(batches, answers, strict=True), start=1):
                for row, of_picture in zip(rows, numbers, strict=True):
                    unread = (float("nan"),) * len(NAMES)
                    kept[split.images[row]["id"]] = statuses[row], of_picture or unread
                if time.monotonic() - written > KEPT_AFTER:
                    _write(kept, path)
                    written = time.monotonic()
                yield min(done * AT_ONCE, total), total
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if wanted:
                _write(kept, path)
    return kept


def read_measured(split: CocoSplit, path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Return what is kept of the split's images, (N,) by the measure's name; NaN where nothing is; {} without any."""
    measured = _read(path)
    nothing = Status(0, 0), (float("nan"),) * len(NAMES)
    rows = [measured.get(image["id"], nothing)[1] for image in split.images]
    if not any(value == value for row in rows for value in row):  # NaN is not itself
        return {}
    return dict(zip(NAMES, np.array(rows, dtype=np.float64).T, strict=True))


def _write(measured: Measured, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "image_id": pa.array(list(measured), pa.int64()),
        "size": pa.array([status.size for status, _ in measured.values()], pa.int64()),
        "stamp": pa.array([status.stamp for status, _ in measured.values()], pa.int64()),
    }
    for place, name in enumerate(NAMES):
        columns[name] = pa.array([numbers[place] for _, numbers in measured.values()], pa.float32())
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: WAY})
    clear_leftovers(path.parent)  # of processes that were killed meanwhile
    try:
        with atomic_file(path) as partial:
            pq.write_table(table, partial, compression="zstd")
    except OSError:
        return


def _read(path: Path) -> Measured:
    """Return what is kept; nothing if there is no such file, it is damaged, or its measures were computed otherwise."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(read_bytes(path, MOST_BYTES)))
        if (table.schema.metadata or {}).get(METADATA_KEY) != WAY:
            return {}
        ids, sizes, stamps = (table[name].to_pylist() for name in ("image_id", "size", "stamp"))
        numbers = zip(*(table[name].to_pylist() for name in NAMES), strict=True)
        rows = zip(ids, sizes, stamps, numbers, strict=True)
        return {int(i): (Status(int(size), int(stamp)), tuple(map(float, some))) for i, size, stamp, some in rows}
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return {}
