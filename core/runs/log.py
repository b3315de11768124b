"""The log of a run's process, log.txt: what it and its readers print, with a bound.

In: the log's path, when a child is started; in that child, its own output. Out: a log that a disk has room for, also
where a library repeats its complaint for ever; the beginning of each training is kept, which says what went wrong.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import IO, Any, BinaryIO

from core.system import moves

MOST_BYTES = 5_000_000  # of one log
EARLIER = "log_before.txt"  # beside it: what an earlier part of the training printed, once that is much


def open_log(path: Path) -> BinaryIO:
    """Open the log to append to it, set aside first if it is half full already; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MOST_BYTES // 2:
        moves.replace(path, path.with_name(EARLIER))
    return path.open("ab")


def bound_output() -> None:
    """Let this process, and those that it forks, print no more once the file that their output goes to is full."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            is_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
        except (OSError, ValueError, AttributeError):  # closed, or none
            continue
        if is_file:
            setattr(sys, name, _Bounded(stream))


class _Bounded:
    """A text stream to a file that takes nothing once the file has MOST_BYTES, whoever wrote them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text if there is room; say so where there is none any more."""
        if self._has_room():
            self._stream.write(text[:MOST_BYTES])
            self._stream.flush()
            if not self._has_room():
                self._stream.write("\nThe log is full: what follows is left out.\n")
                self._stream.flush()
        return len(text)

    def _has_room(self) -> bool:
        return os.fstat(self._stream.fileno()).st_size < MOST_BYTES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
