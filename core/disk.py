"""Files and folders that appear whole or not at all, and how a full disk is told from other errors.

In: where a file or a folder is to be. Out: a hidden path beside it, `.NAME-4711-1a2b3c4d.partial`, to write to; it gets
its name when the block ends, and is deleted if the block fails. A reader never sees half of one. The number is that of
the process: what a killed one has left is deleted by the next that writes NAME.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PARTIAL, OLD = ".partial", ".old"  # the endings of what is not whole yet, and of what is being replaced
LEFTOVER = re.compile(rf"^-(?P<pid>\d{{1,9}})-[0-9a-f]{{8}}(?P<ending>{re.escape(PARTIAL)}|{re.escape(OLD)})$")
FULL = (errno.ENOSPC, errno.EDQUOT)
# Errors that keep no number: safetensors', and torch.save's, which does not say why it could not write.
FULL_TEXTS = ("No space left on device", "Disk quota exceeded", "file write failed")


@contextmanager
def atomic_file(target: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield the path to write `target` to; at the end of the block it takes the place of what is there.

    durable: only once its bytes are on the disk, so that no power cut leaves an empty file.
    Raises OSError; the file that is there then stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(target)
    partial = _unique(target)
    try:
        yield partial
        if durable:
            flush(partial)
        os.replace(partial, target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` at the end of the block.

    replace: it takes the place of a folder that is there; else only of an empty one.
    Raises OSError; the folder that is there then stays.
    """
    _clear_leftovers(target)
    partial = _unique(target)
    try:
        partial.mkdir(parents=True)
        yield partial
        if replace:
            put_in_place(partial, target)
        else:
            os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_path(target: Path) -> Path:
    """Return a hidden path beside `target`, always the same one, where a later call goes on or clears what is left."""
    return target.with_name(f".{target.name}{PARTIAL}")


def old_path(target: Path) -> Path:
    """Return the path that a folder has while a new one takes its place; see `put_in_place`."""
    return target.with_name(target.name + OLD)


def _unique(target: Path) -> Path:
    return target.with_name(f".{target.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}{PARTIAL}")


def _clear_leftovers(target: Path) -> None:
    """Delete what processes that are dead have left of `target`; one that was moved away for another comes back."""
    with suppress(OSError):
        for path in target.parent.glob(f".{glob.escape(target.name)}-*"):
            match = LEFTOVER.search(path.name.removeprefix(f".{target.name}"))
            if not match or psutil.pid_exists(int(match["pid"])):
                continue
            if match["ending"] == OLD and not target.exists():
                os.replace(path, target)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def put_in_place(partial: Path, target: Path, old: Path | None = None) -> None:
    """Rename the whole folder `partial` to `target`; a folder that is there is moved away first, and deleted last.

    old: where it is moved, as a reader may have to look if this process dies between the two renames; by default a
    hidden path.
    Raises OSError; the folder that is there then stays.
    """
    old = old or partial.with_suffix(OLD)
    is_there = target.exists()
    if is_there:
        shutil.rmtree(old, ignore_errors=True)  # left by a process that died before it could delete it
        os.replace(target, old)
    try:
        os.replace(partial, target)
    except BaseException:
        if is_there:
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def flush(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def is_disk_full(error: BaseException | None) -> bool:
    """Check whether an error, or one that it arose from, says that the disk (or the user's share of it) is full."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in FULL) or any(text in str(error) for text in FULL_TEXTS):
            return True
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False
