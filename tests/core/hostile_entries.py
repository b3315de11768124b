"""What may lie under a name where a file is expected: pipes, sockets, devices, links to nowhere, folders."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _socket(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path has at most 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)


def _far_too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


ENTRIES = {
    "pipe": os.mkfifo,
    "link to a pipe": lambda path: (os.mkfifo(f"{path}.pipe"), path.symlink_to(f"{path.name}.pipe")),
    "socket": _socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "dangling link": lambda path: path.symlink_to("nothing"),
    "folder": Path.mkdir,
    "far too large": _far_too_large,
}


def put(kind: str, path: Path) -> Path:
    """Put an entry of this kind in the place of what lies at the path."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    ENTRIES[kind](path)
    return path


class Waited(BaseException):
    """The code waited too long; no reader takes this for an error of a file."""


@contextmanager
def no_waiting(seconds: float = 30) -> Iterator[None]:
    """Raise Waited if the block waits for anything so long; only in the main thread."""

    def late(*_: object) -> None:
        raise Waited(f"it waited for {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
