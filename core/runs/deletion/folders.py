"""The folders of deleted runs: they lie where the run's row says, in the bin or out of it, or are removed for good.

In: the store's paths and database. A process may die between the change of a row and the change of its folders: then
`settle_all` of the next one makes good for it, since the row alone decides.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from core import RunError
from core.runs.database import Database
from core.runs.paths import RUN_ID, RunPaths
from core.system import moves

KEPT_DAYS = 14  # a deleted run can be brought back for so long
REMOVED = "typeof(deleted) in ('real', 'integer') and deleted = 0"  # for good, as far as that has come


def settle(paths: RunPaths, run_id: str, is_deleted: bool) -> None:
    """Move the run's folders into the bin, or out of it; those that lie there already stay. Raises OSError."""
    for place, in_bin in paths.places(run_id):
        source, target = (place, in_bin) if is_deleted else (in_bin, place)
        if os.path.lexists(source):
            _move(source, target)


def settle_all(paths: RunPaths, database: Database) -> None:
    """Finish what killed processes have begun, and remove for good what has been in the bin for KEPT_DAYS.

    Nothing is raised: a later call tries again what fails.
    """
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    with database.read() as db:
        deleted = {row["id"]: row["deleted"] for row in _rows(db, "deleted is not null")}
    bins = [in_bin.parent for _, in_bin in paths.places("00000000-000000-0000")]
    binned = {path.name for folder in bins for path in (folder.iterdir() if folder.is_dir() else ())}
    moved = [run_id for run_id in deleted if any(os.path.lexists(place) for place, _ in paths.places(run_id))]
    moved += [name for name in binned if RUN_ID.fullmatch(name) and name not in deleted]
    old = [run_id for run_id, when in deleted.items() if isinstance(when, int | float) and when < oldest]
    with suppress(RunError, OSError):
        for run_id in moved:
            with database.write() as db:
                if rows := _rows(db, "id = ?", run_id):  # a row that is gone says nothing: its folders stay
                    settle(paths, run_id, rows[0]["deleted"] is not None)
        if old:
            with database.write() as db:
                db.execute(f"update runs set deleted = 0 where typeof(deleted) = 'real' and deleted < {oldest}")
            remove_all(paths, database)


def remove_all(paths: RunPaths, database: Database) -> None:
    """Remove from the disk the folders and rows of all runs that are to go for good; raise OSError if one cannot."""
    with database.read() as db:
        rows = db.execute(f"select number, id from runs where {REMOVED}").fetchall()
    for row in rows:
        if isinstance(row["id"], str) and RUN_ID.fullmatch(row["id"]):
            settle(paths, row["id"], is_deleted=True)
            for _, in_bin in paths.places(row["id"]):
                _remove(in_bin)
        with database.write() as db:  # last: as long as the row is there, a later call finishes this
            db.execute(f"delete from runs where number = ? and {REMOVED}", (row["number"],))


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; what cannot be read counts nothing."""
    total = 0
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                total += size_of(Path(entry.path))
            else:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _rows(db: sqlite3.Connection, where: str, *values: object) -> list[sqlite3.Row]:
    rows = db.execute(f"select id, deleted from runs where {where}", values).fetchall()
    return [row for row in rows if isinstance(row["id"], str) and RUN_ID.fullmatch(row["id"])]


def _move(source: Path, target: Path) -> None:
    """Rename a file or a folder; into a folder that is there, as a late writer makes one, what it lacks is moved."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(target):
        moves.replace(source, target)
    elif source.is_dir() and target.is_dir() and not source.is_symlink():
        for path in list(source.iterdir()):
            _move(path, target / path.name)
        with suppress(OSError):  # a file that both have stays where it is
            source.rmdir()


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
        else:
            shutil.rmtree(folder)
