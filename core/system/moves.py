"""Files and folders that get another name, or lie at another place too: renamed, linked, or copied.

Windows renames nothing that a program has open, lets a folder take the place of none, not even of an empty one, and
links folders only for some users; some disks know no links at all.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from core.system.features import has

PAUSES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)  # seconds, until a reader, or a virus scanner, has closed the file
NO_REASON_TO_COPY = (errno.ENOSPC, errno.EDQUOT, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG, errno.EROFS)


def replace(source: str | Path, target: str | Path) -> None:
    """Rename a file, also over another, or a folder, also over an empty one; raises OSError."""
    for pause in PAUSES:
        try:
            os.replace(source, target)
            return
        except (PermissionError, FileExistsError):
            if has("replacing") or not os.path.lexists(source):
                raise
            if os.path.isdir(source):
                with suppress(OSError):  # it is not empty, or not there
                    os.rmdir(target)
            time.sleep(pause)
    os.replace(source, target)


def link_file(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source`, or a copy on a disk without hard links; raises OSError."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def take_name(source: Path, target: Path) -> None:
    """Give a whole file the name `target` unless that is taken, also in this moment; raises OSError."""
    try:
        os.link(source, target)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not os.path.exists(target):
            os.rename(source, target)


def link_folder(folder: Path, link: Path, names: Iterable[str] | None = None) -> None:
    """Let `link` show what is in `folder`: a link, or where there may be none, a folder of the same files.

    These are linked singly, or copied: those of the `names`, paths with "/"; without names, all but what is hidden, so
    that nothing that is being written is taken. Raises OSError.
    """
    try:
        os.symlink(folder, link, target_is_directory=True)
        return
    except NotImplementedError:
        pass
    except OSError as error:
        if error.errno in NO_REASON_TO_COPY:
            raise
    link.mkdir()
    for name in dict.fromkeys(_files_in(folder, link) if names is None else names):
        source, target = folder / name, link / name
        if source.is_file() and not target.exists():  # of two names that differ in case only one may be enough
            target.parent.mkdir(parents=True, exist_ok=True)
            link_file(Path(os.path.realpath(source)), target)


def _files_in(folder: Path, left_out: Path) -> Iterator[str]:
    """Yield the files under a folder, also those that links lead to, each folder once; none that is hidden."""
    seen = {os.path.realpath(left_out)}
    for inner, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(inner)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        place = Path(os.path.relpath(inner, folder))
        yield from ((place / name).as_posix() for name in names if not name.startswith("."))


def is_shared(path: Path) -> bool:
    """Check whether a file has other names, as one that `link_file` has linked: it may be a user's."""
    return path.stat().st_nlink > 1
