"""Decoder states beside the detection table: what is kept of them, in how few numbers, and their file.

In: `QueryStates` of an evaluation, and its detection table. Out: `KeptStates`, one Parquet file beside the table: of
every detection from LOWEST_SCORE on, or that found an object, and of the nearest one to each object that none found.

Their mean is taken away and their main directions are kept (PCA): the states of a model have much in common, which
says nothing of what sets boxes apart.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from core import RunError
from core.boxes import iou
from core.detr.states.query_states import QueryStates
from core.disk import atomic_file
from core.evaluation.alike.path import states_path
from core.evaluation.columns import Ids, Mask
from core.evaluation.selection import LOWEST_SCORE
from core.evaluation.table import CORNERS, floats, has_value, integers, is_detection
from core.evaluation.threshold import is_object
from core.files import open_file

MOST_NUMBERS = 64  # of a state that are kept
SAMPLE = 20_000  # states by which the main directions are found
BLOCK = 65_536  # states that are worked on at a time
LARGEST = 2**30  # bytes of a file
VALUES = "values"


@dataclass(frozen=True)
class KeptStates:
    """The states of S detections, each once, by image and query.

    image_id  (S,)         int64
    query     (S,)         int32
    values    (S, numbers) float16  of length 1, by falling spread; a state like no other may be 0
    """

    image_id: npt.NDArray[np.int64]
    query: npt.NDArray[np.int32]
    values: npt.NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.query)

    def places(self, image_id: Ids, query: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Return the rows of these queries, (N,); -1 where none is kept."""
        if not len(self):
            return np.full(len(query), -1)
        ids = np.unique(self.image_id)
        image = np.searchsorted(ids, image_id)
        is_known = ids[np.minimum(image, len(ids) - 1)] == image_id
        span = int(max(self.query.max(), query.max(initial=0))) + 1
        keys = np.searchsorted(ids, self.image_id) * span + self.query  # ascending, as the rows are
        wanted = np.where(is_known & (query >= 0), image * span + query, -1)
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[places] == wanted, places, -1)


def keep_states(states: QueryStates, table: pa.Table) -> KeptStates:
    """Return of an evaluation's states those of the detections that the docstring above names, in few numbers."""
    order = np.lexsort((states.query, states.image_id))
    whole = KeptStates(states.image_id[order], states.query[order], states.values[order])
    rows = np.flatnonzero(_counts(table) | _is_nearest(table))
    places = np.unique(whole.places(table["image_id"].to_numpy()[rows], integers(table, "query")[rows]))
    places = places[places >= 0]
    return KeptStates(whole.image_id[places], whole.query[places], reduced(whole.values[places]))


def _counts(table: pa.Table) -> Mask:
    """Check which rows are detections that are shown at some score, or found an object."""
    shown = np.nan_to_num(floats(table, "score")) >= np.float32(LOWEST_SCORE)
    counts: Mask = is_detection(table) & (shown | has_value(table, "gt_id"))
    return counts


def _is_nearest(table: pa.Table) -> Mask:
    nearest = nearest_detections(table)
    rows = np.zeros(len(nearest), dtype=bool)
    rows[nearest[nearest >= 0]] = True
    return rows


def nearest_detections(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return for each object that no detection found at any score the row of the nearest one, (N,); -1 for the others.

    That is the one of the highest IoU with it, whatever its class and score; none if none overlaps it.
    """
    nearest = np.full(len(table), -1)
    image_ids, detection = table["image_id"].to_numpy(), is_detection(table)
    boxes = np.column_stack([floats(table, name) for name in CORNERS])
    lost = np.flatnonzero(is_object(table) & ~has_value(table, "match_query"))
    for row in lost.tolist():
        first, last = np.searchsorted(image_ids, [image_ids[row], image_ids[row] + 1])  # rows are sorted by image
        rows = first + np.flatnonzero(detection[first:last])
        if len(rows):
            overlap = iou(boxes[rows], boxes[row])[:, 0]
            if overlap.max() > 0:
                nearest[row] = rows[overlap.argmax()]
    return nearest


def reduced(values: npt.NDArray[np.float16], numbers: int = MOST_NUMBERS) -> npt.NDArray[np.float16]:
    """Return states (S, width) in at most so many numbers each, (S, numbers): along their main directions, length 1."""
    if not len(values):
        return values[:, :numbers]
    sample = values[:: max(1, len(values) // SAMPLE)].astype(np.float32)
    mean = sample.mean(axis=0)
    sample -= mean
    _, directions = np.linalg.eigh(sample.T @ sample)  # of the smallest spread first
    directions = directions[:, ::-1][:, :numbers]
    directions *= np.where(directions.sum(axis=0) < 0, -1, 1)  # the same on every machine
    parts = []
    for first in range(0, len(values), BLOCK):
        part = (values[first : first + BLOCK].astype(np.float32) - mean) @ directions
        length = np.linalg.norm(part, axis=1, keepdims=True)
        parts.append(np.divide(part, length, out=np.zeros_like(part), where=length > 1e-6).astype(np.float16))
    return np.concatenate(parts)


def record_states(states: QueryStates | None, table: pa.Table, path: Path) -> None:
    """Write beside a table, which is to be at `path`, what is kept of its states; without any, nothing is left there.

    Raises RunError if that fails.
    """
    if states is not None:
        write_states(keep_states(states, table), path)
    else:
        with suppress(OSError):
            states_path(path).unlink(missing_ok=True)


def write_states(states: KeptStates, table: Path) -> None:
    """Write the states beside their table, whole or not at all; raises RunError if that fails."""
    path, width = states_path(table), states.values.shape[1]
    flat = pa.py_buffer(np.ascontiguousarray(states.values).tobytes())
    values = pa.FixedSizeBinaryArray.from_buffers(pa.binary(2 * width), len(states), [None, flat])
    columns = pa.table({"image_id": states.image_id, "query": states.query, VALUES: values})
    try:
        with atomic_file(path) as partial:
            pq.write_table(columns, partial, compression="lz4", use_dictionary=["image_id"], write_page_checksum=True)
    except OSError as error:
        raise RunError(f"The decoder states {path} cannot be written: {error.strerror or error}.") from error


def read_states(table: Path) -> KeptStates | None:
    """Read the states of a detection table; None if none are kept. Raises RunError if the file is damaged."""
    path = states_path(table)
    try:
        open_file(path, LARGEST).close()  # pyarrow would wait for a pipe
        file = pq.ParquetFile(path, page_checksum_verification=True)
        schema, count = file.schema_arrow, file.metadata.num_rows
        kind = schema.field(VALUES).type
        expected = pa.schema({"image_id": pa.int64(), "query": pa.int32(), VALUES: kind})
        if not pa.types.is_fixed_size_binary(kind) or not 0 < kind.byte_width <= 2 * MOST_NUMBERS:
            raise ValueError("values are no half floats")
        if not schema.remove_metadata().equals(expected):
            raise ValueError("other columns")
        if count * (kind.byte_width + 64) > psutil.virtual_memory().available:
            raise RunError(f"The decoder states {path} of {count:,} detections are more than fit into memory.")
        columns = file.read().combine_chunks()
        if any(column.null_count for column in columns):
            raise ValueError("a value that is missing")
        values = np.frombuffer(b"".join(columns[VALUES].to_pylist()), dtype=np.float16)
        values = values.reshape(count, kind.byte_width // 2)
        states = KeptStates(columns["image_id"].to_numpy(), columns["query"].to_numpy(), values)
        _check_sound(states)
        return states
    except FileNotFoundError:
        return None
    except (pa.ArrowException, KeyError, OSError, ValueError):
        raise RunError(f"The decoder states {path} are damaged: evaluate the checkpoint again.") from None


def _check_sound(states: KeptStates) -> None:
    """Raise ValueError if rows are not in their order, or a value is no finite number within a state of length 1."""
    order = np.lexsort((states.query, states.image_id))
    if (states.query < 0).any() or (order != np.arange(len(states))).any():
        raise ValueError("rows without an order")
    for first in range(0, len(states), BLOCK):
        part = states.values[first : first + BLOCK]
        if not (np.abs(part) <= 1.01).all():  # NaN neither
            raise ValueError("no directions")
