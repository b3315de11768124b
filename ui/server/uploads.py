"""The pictures that users upload to Predict, as files under runs/.uploads, limited in size, until the app ends.

In: a file's bytes. Out: an `OwnPicture` by its number, which the route /api/upload answers with. A session has a secret
key, so that no tab sees another one's pictures.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from core import DataError
from core.engine.process_id import this_process
from core.inference.own_pictures import OwnPicture, prepare_picture
from core.system.proc import start_time

MOST_PICTURES, MOST_BYTES = 100, 1_000_000_000  # of a session: what is beyond it is refused
ALL_BYTES = 3_000_000_000  # of all sessions: beyond it the oldest pictures go


class Uploads:
    """The pictures of all sessions of this process, each by its session's key and a number from 1 on."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, all_bytes: int = ALL_BYTES) -> None:
        """Keep pictures below `folder`; those of processes that have ended are deleted there."""
        self._most_bytes, self._all_bytes = most_bytes, all_bytes
        pid, started = this_process()
        self.folder = folder / f"{pid}-{started:.2f}"
        self._all: dict[tuple[str, int], tuple[OwnPicture, int]] = {}  # with its bytes, the oldest first
        self._next: dict[str, int] = {}
        self._lock = threading.Lock()
        for left in folder.glob("*-*"):
            if left == self.folder or not _is_alive(left.name):
                shutil.rmtree(left, ignore_errors=True)

    @staticmethod
    def new_key() -> str:
        """Return a secret key for a session."""
        return secrets.token_hex(16)

    def add(self, key: str, name: str, data: bytes | memoryview) -> int:
        """Keep a picture and return its number; the oldest of all sessions are deleted if there is no room.

        Raises DataError if it cannot be read or kept, or the session would have more than it may.
        """
        with self._lock:
            if sum(owner == key for owner, _ in self._all) >= MOST_PICTURES:
                raise DataError(f"{name} was left out: {MOST_PICTURES} pictures are the most at a time.")
            number = self._next[key] = self._next.get(key, 0) + 1
        folder = self.folder / key
        file, made = folder / f"{number}", folder / f"{number}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            picture = prepare_picture(file, made, name)
        except OSError as error:
            _delete(file)
            raise DataError(f"{name} cannot be kept in {folder}: {error.strerror or error}.") from None
        except DataError:
            _delete(file)
            raise
        if picture.path != file:
            _delete(file)
        size = picture.path.stat().st_size
        with self._lock:
            if size + sum(kept for (owner, _), (_, kept) in self._all.items() if owner == key) > self._most_bytes:
                _delete(picture.path)
                raise DataError(f"{name} was left out: {self._most_bytes / 1e9:g} GB in all are the most at a time.")
            self._all[key, number] = picture, size
            self._make_room()
        return number

    def of(self, key: str) -> dict[int, OwnPicture]:
        """Return a session's pictures by number, in the order of their upload, without deleted ones."""
        with self._lock:
            return {number: picture for (owner, number), (picture, _) in self._all.items() if owner == key}

    def find(self, key: str, number: int) -> tuple[Path, tuple[int, int]]:
        """Return the path of a picture and its size (width, height); raises DataError if there is none."""
        with self._lock:
            if (key, number) not in self._all:
                raise DataError("There is no such picture.")
            picture, _ = self._all[key, number]
        return picture.path, picture.size

    def forget(self, key: str) -> None:
        """Delete a session's pictures; their numbers are not given again, so that no browser shows an old one."""
        with self._lock:
            for place in [place for place in self._all if place[0] == key]:
                del self._all[place]
            shutil.rmtree(self.folder / key, ignore_errors=True)

    def clear(self) -> None:
        """Delete all pictures, at the server's end."""
        with self._lock:
            self._all.clear()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _make_room(self) -> None:
        total = sum(size for _, size in self._all.values())
        for place in list(self._all)[:-1]:  # the newest one stays
            if total <= self._all_bytes:
                break
            picture, size = self._all.pop(place)
            _delete(picture.path)
            total -= size


def _delete(path: Path) -> None:
    with suppress(OSError):
        os.unlink(path)


def _is_alive(name: str) -> bool:
    """Check whether the process lives after which a folder is named, as pid-start."""
    pid, _, started = name.partition("-")
    try:
        return f"{start_time(int(pid)):.2f}" == started
    except (psutil.Error, ValueError):
        return False
