"""How much memory a picture's decoder takes, and whose turn it is to decode, so that the whole process is bounded.

In: an opened picture. Out: the bytes that its pixels will take; a turn, for which large pictures wait. Apart from
`pictures.py`, the only one that opens pictures, because it knows files and this knows memory.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from PIL import ImageFile

from core.datasets.pixels.eight_bits import has_two_bytes

MOST_PIXELS = 1024**3 // 4 // 3  # Pillow's limit, unless somebody in this process has lifted it
MOST_BYTES = 10 * MOST_PIXELS  # 0.9 GB that a decoder may take for one picture: a progressive JPEG of MOST_PIXELS
MOST_FILE_BYTES = 400_000_000  # of a picture's file; MOST_PIXELS in 8 bits, not compressed, have 270 MB
AT_ONCE = 500_000_000  # bytes that the pictures being decoded take together, unless one alone takes more
LARGE = 30_000_000  # bytes: before pictures that take more, freed memory goes back to the system
SMALL = 8_000_000  # bytes: pictures that take less never wait

WIDE = {"1": 1, "L": 1, "P": 1, "LA": 4, "PA": 4, "I;16": 2, "I;16B": 2, "I;16L": 2}  # bytes a pixel; 4 of all others
# Bytes a pixel that decoders keep beside the picture: WebP's two canvases and a copy, AVIF's planes and a copy.
BESIDE = {"WEBP": 12, "AVIF": 5}
LOWER_BYTES = 4  # bytes a pixel, of a picture of 16 bits a colour
COEFFICIENT = 2  # bytes; a progressive JPEG's are all kept until its last scan, also where it is decoded smaller


def bytes_to_decode(image: ImageFile.ImageFile, full_size: tuple[int, int]) -> int:
    """Return the memory that decoding a picture takes at most; `full_size` is that of its file, before any draft."""
    pixels, full = image.width * image.height, full_size[0] * full_size[1]
    beside = BESIDE.get(image.format or "", 0)
    if image.info.get("progressive") or image.info.get("progression"):
        beside = COEFFICIENT * len(image.getbands())
    if has_two_bytes(image):
        beside = LOWER_BYTES
    return pixels * WIDE.get(image.mode, 4) + full * beside


class Turns:
    """Lets threads decode as long as their pictures take at most so many bytes together; the others wait in line."""

    def __init__(self, at_once: int = AT_ONCE, small: int = SMALL) -> None:
        self._at_once, self._small = at_once, small
        self.reset()

    def reset(self) -> None:
        """Forget who waits and who decodes: in a child made by fork none of these threads lives."""
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._used = 0

    @contextmanager
    def turn(self, size: int) -> Iterator[None]:
        """Wait until so many bytes may be taken, and count them as taken until the block ends."""
        if size <= self._small:
            yield
            return
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._has_room(size))
                self._used += size
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            if size > LARGE:
                _return_freed_memory()  # of others, or every thread would keep that of its last picture
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._used or self._used + size <= self._at_once


def _return_freed_memory() -> None:
    """Give freed memory back to the system, of which glibc keeps some for each thread."""
    if _malloc_trim is not None:
        _malloc_trim(0)


_malloc_trim: Callable[[int], object] | None = None
with suppress(AttributeError, OSError, TypeError):  # another C library than glibc
    _malloc_trim = ctypes.CDLL(None).malloc_trim
DECODING = Turns()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DECODING.reset)
