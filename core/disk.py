"""Files and folders that appear whole or not at all, and how a full disk is told from other errors.

In: where a file or a folder is to be. Out: a hidden path beside it, `.NAME-PID-1a2b3c4d.partial`, to write to; it gets
its name when the block ends, and is deleted if the block fails. A reader never sees half of one. What a killed process
leaves carries its number, so that `clear_leftovers` can tell it from what is being written.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from core import RunError
from core.system import moves

PARTIAL, OLD = ".partial", ".old"  # the endings of what is not whole yet, and of what is being replaced
FULL = (errno.ENOSPC, errno.EDQUOT)
# Errors that keep no number: safetensors', and torch.save's, which does not say why it could not write.
FULL_TEXTS = ("No space left on device", "not enough space on the disk", "Disk quota exceeded", "file write failed")
LEFTOVER = re.compile(r"\.(?P<name>.+)-(?P<pid>\d+)-[0-9a-f]{8}(?P<ending>\.partial|\.old)", re.DOTALL)
_being_written: set[str] = set()  # names of hidden paths, by this process


@contextmanager
def atomic_file(target: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield the path to write `target` to; at the end of the block it takes the place of what is there.

    durable: only once its bytes are on the disk, so that no power cut leaves an empty file.
    Raises OSError; the file that is there then stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with hidden_path(target) as partial:
        try:
            yield partial
            if durable:
                flush(partial)
            moves.replace(partial, target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Do as `atomic_file`, for a file that a user has asked for: raise RunError, one sentence, if that fails."""
    try:
        with atomic_file(target) as partial:
            yield partial
    except OSError as error:
        raise RunError(f"{target} cannot be written: {error.strerror or error}.") from None


@contextmanager
def atomic_folder(
    target: Path, *, replace: bool = False, old: Path | None = None, durable: bool = False
) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` at the end of the block; first clear what killed processes left.

    replace: it takes the place of a folder that is there, as `put_in_place` says, `old` too; else only of an empty one.
    durable: only once the bytes of its files are on the disk.
    Raises OSError; the folder that is there then stays.
    """
    clear_leftovers(target.parent)
    with hidden_path(target) as partial:
        try:
            partial.mkdir(parents=True)
            yield partial
            if durable:
                for path in filter(Path.is_file, partial.rglob("*")):
                    if not moves.is_shared(path):  # a picture of a user's, see `link_folder`
                        flush(path)
            if replace:
                put_in_place(partial, target, old)
            else:
                moves.replace(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def partial_path(target: Path) -> Path:
    """Return a hidden path beside `target`, always the same one, where a later call goes on or clears what is left."""
    return target.with_name(f".{target.name}{PARTIAL}")


def old_path(target: Path) -> Path:
    """Return the path that a folder has while a new one takes its place; see `put_in_place`."""
    return target.with_name(target.name + OLD)


@contextmanager
def hidden_path(target: Path) -> Iterator[Path]:
    """Yield a new hidden path beside `target`; what is there is a leftover once the block, or this process, has ended.

    See `clear_leftovers`.
    """
    path = target.with_name(f".{target.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}{PARTIAL}")
    names = {path.name, path.with_suffix(OLD).name}
    _being_written.update(names)
    try:
        yield path
    finally:
        _being_written.difference_update(names)


def put_in_place(partial: Path, target: Path, old: Path | None = None) -> None:
    """Rename the whole folder `partial` to `target`; a folder that is there is moved away first, and deleted last.

    old: where it is moved, as a reader may have to look if this process dies between the two renames; by default a
    hidden path. It is deleted only while `target` has its name.
    Raises OSError; the folder that is there then stays.
    """
    old = old or partial.with_suffix(OLD)
    is_there = target.exists()
    if is_there:
        shutil.rmtree(old, ignore_errors=True)  # left by a process that died before it could delete it
        moves.replace(target, old)
    try:
        moves.replace(partial, target)
    except BaseException:
        if is_there:
            moves.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def clear_leftovers(folder: Path) -> None:
    """Delete what killed processes left unfinished directly in `folder`; bring back what they had moved away.

    Whatever a living process writes stays. Nothing is raised: a later call tries again what fails.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            match = LEFTOVER.fullmatch(entry.name)
            if not match or not is_leftover(folder / entry.name):
                continue
            path, target = folder / entry.name, folder / match["name"]
            with suppress(OSError):
                if match["ending"] == OLD and not target.exists():
                    moves.replace(path, target)  # the process died between the two renames: this is the only one
                elif entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Check whether a path is a hidden one whose process has ended."""
    match = LEFTOVER.fullmatch(path.name)
    if not match:
        return False
    pid = int(match["pid"][:9])
    # in a container every app has the same number
    return path.name not in _being_written if pid == os.getpid() else not psutil.pid_exists(pid)


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
