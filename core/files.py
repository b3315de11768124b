"""The one door to files that somebody else wrote: pictures, annotations, checkpoints' settings, results.

In: a path, and how large the file may be. Out: an open file, or its bytes. What is no regular file is refused before it
is opened, because to open a pipe would wait for ever and to read a device might never end; so is what is too large.
Files that DETR Lab itself wrote, beside its own code, need no door.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


class FileRefused(OSError):
    """A path that leads to no regular file, or to one that is too large: `strerror` says which, in a few words."""

    def __init__(self, reason: str, path: str | Path) -> None:
        super().__init__(errno.EINVAL, reason, os.fspath(path))


class FileTooLarge(FileRefused):
    """A regular file that is larger than such a file may be."""


def open_file(path: str | Path, at_most: int | None = None) -> BufferedReader:
    """Open a regular file for reading bytes, one of at most `at_most` bytes if that is given.

    Raises FileRefused if it is none or is larger, and OSError if it is missing or must not be read; also for a name
    that no file can have.
    """
    try:
        _check(os.stat(path), path)
        # not blocking: another process may have put a pipe there meanwhile
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError:  # a name with a NUL, or one that cannot be encoded
        raise FileNotFoundError(errno.ENOENT, "no file can have such a name", repr(path)) from None
    try:
        status = os.fstat(descriptor)
        _check(status, path)
        if at_most is not None and status.st_size > at_most:
            raise FileTooLarge(f"{status.st_size:,} bytes, more than the {at_most:,} that such a file may have", path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: str | Path, at_most: int) -> bytes:
    """Return a regular file's bytes; raises as `open_file`, also if it grows beyond `at_most` while it is read."""
    with open_file(path, at_most) as file:
        data = file.read(at_most + 1)
    if len(data) > at_most:
        raise FileTooLarge(f"more than the {at_most:,} bytes that such a file may have", path)
    return data


def _check(status: os.stat_result, path: str | Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused("a folder" if stat.S_ISDIR(status.st_mode) else "not a file", path)


def real_path(path: str | Path) -> Path:
    """Return a path without links, also where it leads to nothing or in a circle."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # a name that no file can have
        return Path(os.path.abspath(path))
