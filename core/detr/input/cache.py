"""Decoded pictures that are kept in memory, so that a training decodes each once instead of once an epoch.

In: the sizes of a data set's pictures, and how much memory they may take. Out: a `PictureCache`, which the processes
that read images share: what one has read, all have.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import torch

from core.datasets.pixels.upright import Size

SHARE = 0.25  # of the memory that is free when a training begins; `TrainConfig.cache` tells it
CGROUP = Path("/sys/fs/cgroup")  # of this process in a container: the container's


class PictureCache:
    """Pixels (3, H, W) of the first pictures of a data set, as many as fit; the others are read each time.

    Its memory is shared with processes that are forked from this one, and is taken as pictures come. A process to which
    it is sent gets an empty one.
    """

    def __init__(self, sizes: Mapping[int, Size], most_bytes: int) -> None:
        """Make room for pictures by their image id; `sizes` are (width, height)."""
        self._slots: dict[int, tuple[int, int]] = {}  # image id: its number, and where its pixels begin
        self._sizes, self.bytes = sizes, 0
        for number, (image_id, (width, height)) in enumerate(sizes.items()):
            if self.bytes + 3 * width * height > most_bytes:
                break
            self._slots[image_id] = number, self.bytes
            self.bytes += 3 * width * height
        try:
            self._pixels, self._is_kept = (mmap.mmap(-1, max(1, size)) for size in (self.bytes, len(self._slots)))
        except (OSError, ValueError, OverflowError):  # less may be had than is free
            self._slots, self.bytes = {}, 0

    def __reduce__(self) -> tuple[type[PictureCache], tuple[dict[int, Size], int]]:
        return PictureCache, ({}, 0)

    def __len__(self) -> int:
        """Return how many pictures it has room for."""
        return len(self._slots)

    def get(self, image_id: int, read: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the pixels of a picture, which are those of `read()`; they are not to be changed."""
        if image_id not in self._slots:
            return read()
        (number, start), (width, height) = self._slots[image_id], self._sizes[image_id]
        kept = np.frombuffer(self._pixels, np.uint8, 3 * width * height, start).reshape(height, width, 3)
        if not self._is_kept[number]:
            kept[...] = read().permute(1, 2, 0).numpy()
            self._is_kept[number] = 1
        return torch.from_numpy(kept).permute(2, 0, 1)


def free_bytes() -> int:
    """Return how much memory this process may still take, in a container as much as that has left."""
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limit, used = (int((CGROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        free = min(free, max(0, limit - used))
    return free
