"""The one door to files that somebody else wrote: pictures, annotations, checkpoints' settings, results.

In: a path, and how large the file may be. Out: an open file, or its bytes. What is no regular file is refused before it
is opened, because to open a pipe would wait for ever and to read a device might never end; so is what is too large.
Files that DETR Lab itself wrote, beside its own code, need no door.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core import DataError
from core.system.features import has

LONGEST_PATH = 4096  # characters; Linux takes no more bytes


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


def common_folder(files: Iterable[Path]) -> Path:
    """Return the folder that all of these files lie in, however deep; raise DataError if they are on several drives."""
    try:
        return Path(os.path.commonpath([file.parent for file in files]))
    except ValueError:  # Windows
        raise DataError("The pictures lie on several drives: copy them into one folder.") from None


def lies_in(path: str | Path, folder: str | Path) -> bool:
    """Check whether a path, links followed, is a folder or lies in it, as the system sees it: of whatever spelling."""
    path, folder = real_path(path), real_path(folder)
    if path.is_relative_to(folder):
        return True
    try:
        identity = os.stat(folder)
    except (OSError, ValueError):
        return False
    return any(_is_same(one, identity) for one in (path, *path.parents))


def _is_same(path: Path, identity: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), identity)
    except (OSError, ValueError):
        return False


def real_path(path: str | Path) -> Path:
    """Return a path without links, also where it leads to nothing or in a circle."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # a name that no file can have
        return Path(os.path.abspath(path))


# --- paths that a person typed ------------------------------------------------------------------------------------

# what Windows' and other systems' dialogs put around a path that is copied: marks of direction, of no width
UNSEEN = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "‘": "’", "«": "»", "<": ">"}
WINDOWS_DRIVE = re.compile(r"([A-Za-z]):[\\/](.*)", re.DOTALL)


def typed_path(text: str, base: str | Path = "") -> str:
    r"""Return the path that a person means who typed or pasted `text`; a relative one is looked for from `base`.

    Understood are spaces and quotes around it, `~`, variables as $HOME, file:// addresses, a shell's backslashes before
    spaces and brackets, and a drive of Windows where /mnt/c shows it. Of these readings the first that is there is
    returned, the text itself before all; if none is, the plainest.

    >>> typed_path(' "C:\\data\\my birds"\n')
    'C:\\data\\my birds'
    >>> typed_path("file:///data/my%20birds/")
    '/data/my birds/'
    """
    plain = _without_quotes(text)
    if plain.lower().startswith("file:"):
        plain = _of_address(plain)
    home = _from_home(plain)
    readings = [text, plain, home, os.path.expandvars(home)]
    if has("one root"):
        readings.append(re.sub(r"\\(.)", r"\1", home))
        if drive := WINDOWS_DRIVE.fullmatch(plain):
            readings.append(f"/mnt/{drive[1].lower()}/" + drive[2].replace("\\", "/"))
    return next((path for path in readings if path.strip() and _is_there(base, path)), home)


def _without_quotes(text: str) -> str:
    """Return a text without spaces, marks that are not seen and pairs of quotes around it."""
    while True:
        stripped = text.strip().strip(UNSEEN).strip()
        if len(stripped) > 1 and QUOTES.get(stripped[0]) == stripped[-1]:
            stripped = stripped[1:-1]
        if stripped == text:
            return text
        text = stripped


def _of_address(address: str) -> str:
    """Return the path of a file:// address; of another machine's, which only Windows has, the address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    if parts.netloc not in ("", "localhost"):
        return address if has("one root") else f"//{parts.netloc}{unquote(parts.path)}"
    path = unquote(parts.path)
    return path[1:] if WINDOWS_DRIVE.fullmatch(path[1:]) else path


def _from_home(path: str) -> str:
    try:
        return os.path.expanduser(path)
    except ValueError:  # no user can have such a name
        return path


def _is_there(base: str | Path, path: str) -> bool:
    return os.path.exists(os.path.join(base, path))
