"""One SQLite file that several threads and processes read and write at once: opening, creating, transactions.

Which tables it holds is the business of `schema.py`. WAL mode lets pages read while a training writes.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from core import RunError
from core.disk import hidden_path, is_disk_full
from core.system import moves

BUSY_SECONDS = 30.0  # how long a write waits for another process's; each lasts milliseconds
DAMAGED = ": it is damaged; put an undamaged copy in its place, or move it away to begin with an empty one"
ADVICE = {  # by SQLite's primary result code, the last byte of the whole one
    sqlite3.SQLITE_BUSY: f": another program has held it for {BUSY_SECONDS:.0f} seconds; end that program",
    sqlite3.SQLITE_READONLY: ": allow this user to write to it and to its folder",
    sqlite3.SQLITE_CANTOPEN: ": allow this user to read and write it and its folder",
    sqlite3.SQLITE_PERM: ": allow this user to write to it and to its folder",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}


class Database:
    """The SQLite file at `path`, created from the SQL text `schema` if it does not exist.

    An older file is upgraded to `version` by `upgrades`: version to the SQL statements, separated by ";", that lead to
    the next version.

    Its connections wait in a pool, not in threads, because Streamlit's threads come and go.

    Raises RunError if it cannot be created or read, or if its `user_version` is not `version` and cannot be upgraded.
    """

    def __init__(self, path: Path, schema: str, version: int, upgrades: dict[int, str] | None = None) -> None:
        self.path = Path(path).absolute()
        self._idle: list[sqlite3.Connection] = []
        self._file: tuple[int, int] | None = None  # device and inode of the file that the connections are to
        self._lock = threading.Lock()
        # in this order: a write-ahead log without its database is left over, and SQLite would replay it into a new one
        # os.path: a folder that must not be looked into has no file, and says why when one is made
        if os.path.exists(f"{self.path}-wal") and not os.path.exists(self.path):
            raise RunError(f"{self.path} is gone, but {self.path.name}-wal is left: restore the first or delete both.")
        if not os.path.exists(self.path):
            self._create(schema, version)
        file_version = self._upgrade(version, upgrades or {})
        if file_version != version:
            self.close()
            age = "a newer" if file_version > version else "another"
            raise RunError(
                f"The run database {self.path} is of {age} version ({file_version}, this one reads {version}): "
                "update DETR Lab, or move the file away to begin with an empty one."
            )

    def _upgrade(self, version: int, upgrades: dict[int, str]) -> int:
        """Upgrade in one transaction per version, each by one of several processes; return the version reached."""
        while True:
            with self.read() as db:
                current = _user_version(db)
            if current >= version or current not in upgrades:
                return current
            with self.write() as db:
                if _user_version(db) == current:  # nobody else was quicker
                    for statement in upgrades[current].split(";"):
                        db.execute(statement)
                    db.execute(f"pragma user_version = {current + 1}")

    def _create(self, schema: str, version: int) -> None:
        """Create the file under a temporary name, then link it to `path`: the second process to do so changes nothing.

        Two that open one new file at once can fail on "pragma journal_mode=wal", which no busy timeout covers.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with hidden_path(self.path) as folder, ExitStack() as stack:  # a folder, as SQLite keeps files beside it
                folder.mkdir()
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                temporary = folder / self.path.name
                with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
                    db.execute("pragma journal_mode = wal")
                    db.executescript(schema)
                    db.execute(f"pragma user_version = {version}")
                moves.take_name(temporary, self.path)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"The run database {self.path} cannot be created: {reason}.") from error

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: never make an empty file where the database has been deleted
        db = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None,
            check_same_thread=False,
        )  # fmt: skip
        try:
            db.row_factory = sqlite3.Row
            db.text_factory = partial(
                str, encoding="utf-8", errors="replace"
            )  # else one bad byte costs the whole query
            db.execute("pragma foreign_keys = on")
            db.execute("pragma synchronous = normal")  # one fsync per checkpoint, not per write; a kill loses nothing
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _identify(self) -> tuple[int, int]:
        """Return device and inode of the file; close the idle connections if it has been deleted or replaced."""
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            self._file = None
            self.close()
            raise RunError(
                f"The run database {self.path} is gone: put it back, or restart DETR Lab to begin with an empty one."
            ) from None
        except OSError as error:
            raise RunError(f"The run database {self.path} cannot be used: {error}.") from error
        if self._file != (stat.st_dev, stat.st_ino):
            self.close()
            self._file = stat.st_dev, stat.st_ino
        return stat.st_dev, stat.st_ino

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection on which each statement is a transaction; SQLite's errors become RunError."""
        db = None
        file = self._identify()
        try:
            with self._lock:
                db = self._idle.pop() if self._idle else None
            db = db or self._connect()
            yield db
        except sqlite3.Error as error:
            if db is not None:
                db.close()
                db = None
            if is_disk_full(error):
                raise RunError(f"The disk is full ({self.path} cannot be written): free some space.") from error
            advice = ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
            raise RunError(f"The run database {self.path} cannot be used: {error}{advice}.") from error
        finally:
            if db is not None and file == self._file:
                with self._lock:
                    self._idle.append(db)
            elif db is not None:
                db.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside one transaction: all of it is written, or nothing."""
        with self.read() as db:
            # immediate: a transaction that reads first and writes later fails at once, whatever the busy timeout
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            finally:
                if db.in_transaction:
                    db.execute("rollback")

    def close(self) -> None:
        """Close the connections that nobody uses; the database can be used again afterwards."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()


def _user_version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])
