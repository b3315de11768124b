"""Near duplicates among many pictures: `near_duplicates`.

In: paths by key. Out: groups of keys whose pictures are the same but for how they were saved: anew, smaller, brighter
or cut a little. Hashes pair the candidates, blocks of them at a time, and what is paired is compared.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from core.datasets.alike.look import Look, grey_square, likeness, look_at, windows

BITS = 10  # of 64 by which the hashes of near duplicates may differ
SAME = 0.93  # likeness from which two pictures are near duplicates
BLOCK = 2**22  # pairs of hashes that are compared at a time
MOST_COMPARED = 20_000  # pairs of pictures, those of the closest hashes first
PARTNERS = 8  # of a picture, where many look alike
KEPT = 256  # pictures whose windows are kept
AT_ONCE = 64  # pictures a thread looks at before it tells of them

Key = TypeVar("Key", bound=Hashable)
Pair = tuple[int, int]  # places of two pictures, the first before the second


def near_duplicates(
    pictures: Sequence[tuple[Key, Path]], workers: int | None = None
) -> Generator[int, None, list[list[Key]]]:
    """Find near duplicates, yielding how many pictures were looked at; return groups of at least two keys, in order.

    Pictures that cannot be read, or are nearly empty, are like no other. `workers` is the number of threads.
    """
    places: list[int] = []
    looks: list[Look] = []
    done = 0
    for batch in _looks([path for _, path in pictures], workers):
        for look in batch:
            if look is not None:
                places.append(done)
                looks.append(look)
            done += 1
        yield done
    groups = _Groups()
    compare = _Comparison([pictures[place][1] for place in places])
    left = MOST_COMPARED
    for one, other in candidates(looks):
        if left and groups.first(one) != groups.first(other):
            left -= 1
            if compare.are_near(one, other):
                groups.join(one, other)
    return [[pictures[places[i]][0] for i in group] for group in groups.lists()]


def _looks(paths: Sequence[Path], workers: int | None) -> Iterator[list[Look | None]]:
    """Yield how the pictures look, some at a time, in their order."""
    batches = iter(range(0, len(paths), AT_ONCE))
    pool = ThreadPoolExecutor(workers := workers or os.cpu_count() or 1)

    def look(first: int) -> list[Look | None]:
        return [look_at(path) for path in paths[first : first + AT_ONCE]]

    try:
        waiting = deque(pool.submit(look, first) for first in islice(batches, 2 * workers))
        while waiting:
            batch = waiting.popleft().result()
            waiting.extend(pool.submit(look, first) for first in islice(batches, 1))
            yield batch
    finally:
        pool.shutdown(cancel_futures=True)


def candidates(looks: Sequence[Look]) -> Iterable[Pair]:
    """Return the pairs whose hashes differ by at most BITS, whole to whole or whole to inner, the closest first.

    Of each picture the PARTNERS closest later ones, so that a film of one scene is no billion pairs.
    """
    whole, inner = (np.array([look[i] for look in looks], dtype=np.uint64) for i in range(2))
    parts: list[npt.NDArray[np.int64]] = []
    rows = max(1, BLOCK // max(1, len(looks)))
    for first in range(0, len(looks), rows):
        mine, mine_inner = whole[first : first + rows, None], inner[first : first + rows, None]
        others, others_inner = whole[None, first + 1 :], inner[None, first + 1 :]
        bits = np.bitwise_count(mine ^ others)
        np.minimum(bits, np.bitwise_count(mine ^ others_inner), out=bits)
        np.minimum(bits, np.bitwise_count(mine_inner ^ others), out=bits)
        one, other = np.nonzero(bits <= BITS)
        is_later = other >= one  # of `others`, which begin one later
        one, other = one[is_later], other[is_later]
        part = np.stack([bits[one, other].astype(np.int64), first + one, first + 1 + other])
        parts.append(_closest(part))
    pairs = np.concatenate(parts, axis=1) if parts else np.zeros((3, 0), dtype=np.int64)
    order = np.argsort(pairs[0], kind="stable")
    return zip(pairs[1, order].tolist(), pairs[2, order].tolist(), strict=True)


def _closest(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return of pairs (3, P), of bits and two places, at most PARTNERS for each first place, the closest."""
    pairs = pairs[:, np.lexsort((pairs[0], pairs[1]))]
    rank = np.arange(pairs.shape[1]) - np.searchsorted(pairs[1], pairs[1])
    return pairs[:, rank < PARTNERS]


class _Comparison:
    """Compares pictures, and keeps the windows of the last."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._windows: OrderedDict[int, npt.NDArray[np.float32] | None] = OrderedDict()

    def are_near(self, one: int, other: int) -> bool:
        """Check whether two pictures are near duplicates."""
        first, second = self._of(one), self._of(other)
        return first is not None and second is not None and likeness(first, second) >= SAME

    def _of(self, place: int) -> npt.NDArray[np.float32] | None:
        if place not in self._windows:
            square = grey_square(self.paths[place])
            self._windows[place] = None if square is None else windows(square)
            if len(self._windows) > KEPT:
                self._windows.popitem(last=False)
        self._windows.move_to_end(place)
        return self._windows[place]


class _Groups:
    """Joins pairs into groups: each member leads to an earlier one of its group, the first to itself."""

    def __init__(self) -> None:
        self._earlier: dict[int, int] = {}

    def first(self, one: int) -> int:
        """Return the first of its group."""
        while (earlier := self._earlier.get(one, one)) != one:
            self._earlier[one] = self._earlier.get(earlier, earlier)
            one = earlier
        return one

    def join(self, one: int, other: int) -> None:
        """Make one group of two."""
        low, high = sorted((self.first(one), self.first(other)))
        self._earlier[high] = low

    def lists(self) -> list[list[int]]:
        """Return the groups of at least two, members and groups ascending."""
        groups: dict[int, list[int]] = {}
        for one in sorted({*self._earlier, *self._earlier.values()}):
            groups.setdefault(self.first(one), []).append(one)
        return sorted(groups.values())
