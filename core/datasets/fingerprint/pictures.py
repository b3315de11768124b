"""Whether picture files are still the same, without reading them whole.

In: paths. Out: of each its size, a digest of three of its parts, and a stamp of its times. Size and digest say whether
it is the same picture; the stamp only whether that has to be looked up: a copy has another one, and the same content.

The parts are the first, the middle and the last BLOCK; a file of up to three of them is read whole. Pictures that are
compressed differ in all three. What stays unseen is a change of an uncompressed file, of the same size, elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.files import open_file

BLOCK = 4096  # bytes
MISSING = -1  # the size of a picture that is not there, or cannot be read
AT_ONCE = 256  # pictures of a thread's turn
Column = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PictureColumns:
    """N pictures, int64 (N,): `size` in bytes (MISSING without one), `digest` of parts, `stamp` of their times."""

    size: Column
    digest: Column
    stamp: Column


def status_of(path: Path | None) -> tuple[int, int]:
    """Return a picture's size in bytes and the stamp of its times; (MISSING, 0) where it is not there."""
    try:
        status = os.stat(path) if path else None
    except (OSError, ValueError):
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        return MISSING, 0
    # a time of change cannot be set by hand, as one of modification can
    return status.st_size, (31 * status.st_mtime_ns + status.st_ctime_ns) & (2**63 - 1)


def digest_of(path: Path) -> int:
    """Return the digest of a picture's size and parts; raises OSError if it cannot be read."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        state = hashlib.blake2b(str(size).encode(), digest_size=8)
        if size <= 3 * BLOCK:
            state.update(file.read())
        else:
            for place in (0, size // 2, size - BLOCK):
                file.seek(place)
                state.update(file.read(BLOCK))
    return int.from_bytes(state.digest(), "big", signed=True)


def take_pictures(paths: Sequence[Path | None]) -> Generator[int, None, PictureColumns]:
    """Look at pictures, yielding how many are done; return their columns."""
    rows: list[tuple[int, int, int]] = []
    with ThreadPoolExecutor(2) as pool:  # the second fills the waits for the disk
        batches = [paths[i : i + AT_ONCE] for i in range(0, len(paths), AT_ONCE)]
        for batch in pool.map(_look_at, batches):
            rows += batch
            yield len(rows)
    return _columns(rows)


def _look_at(paths: Iterable[Path | None]) -> list[tuple[int, int, int]]:
    rows = []
    for path in paths:
        size, stamp = status_of(path)
        try:
            rows.append((size, digest_of(path) if path and size != MISSING else 0, stamp))
        except OSError:
            rows.append((MISSING, 0, 0))
    return rows


def look_again(
    before: PictureColumns, paths: Sequence[Path | None], known: dict[tuple[int, int, Path], int]
) -> PictureColumns:
    """Return the columns of today: only a file whose size is the same and whose stamp is another one is opened.

    paths  of the pictures of `before`
    known  digests by (size, stamp, path), which is added to: what was opened once is not opened again
    """
    rows = []
    for path, size_before, digest, stamp_before in zip(
        paths, before.size.tolist(), before.digest.tolist(), before.stamp.tolist(), strict=True
    ):
        size, stamp = status_of(path)
        if size == MISSING or path is None:
            digest = 0
        elif size != size_before:
            digest = ~digest  # another one, whichever
        elif stamp != stamp_before:
            key = size, stamp, path
            try:
                digest = known[key] if key in known else known.setdefault(key, digest_of(path))
            except OSError:
                size, digest, stamp = MISSING, 0, 0
        rows.append((size, digest, stamp))
    return _columns(rows)


def _columns(rows: Sequence[tuple[int, int, int]]) -> PictureColumns:
    array = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return PictureColumns(*(np.ascontiguousarray(array[:, i]) for i in range(3)))
