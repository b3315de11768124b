"""What killed processes leave among a store's files: finished where that was decided, else deleted.

In: the store's folders and database. Out: folders in which everything is whole. What living processes write stays: a
hidden path carries the number of its process (`core/disk.py`).
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from core.disk import LEFTOVER, clear_leftovers, is_leftover
from core.runs.database import Database
from core.runs.deletion.folders import settle_all
from core.runs.paths import RUN_ID, RunPaths
from core.system import moves
from core.training.checkpoint_folder import delete_retired

DAY = 86_400.0  # seconds


def recover(paths: RunPaths, database: Database) -> None:
    """Finish what killed processes have begun, and delete what they cannot finish.

    So the folders of imported runs get their names, and those of deleted runs their places.
    """
    with suppress(OSError):
        for path in list(paths.runs_dir.iterdir()):
            match = LEFTOVER.fullmatch(path.name)
            if match and RUN_ID.fullmatch(match["name"]) and is_leftover(path):
                _name_folder(match["name"], paths, database, path)
    settle_all(paths, database)
    for folder in (paths.runs_dir, paths.data_dir, paths.checkpoints_dir, paths.experiments_dir):
        clear_leftovers(folder)
    _remove_experiments(paths, database)
    with database.read() as db:
        finished = {row["id"] for row in db.execute("select id from runs where status = 'finished'")}
    for folder in paths.checkpoints_dir.glob("*"):
        if folder.name in finished:
            delete_retired(folder)
        elif RUN_ID.fullmatch(folder.name):
            clear_leftovers(folder)


def _remove_experiments(paths: RunPaths, database: Database) -> None:
    """Delete experiments all of whose runs were removed for good, and data sets that are of no experiment.

    Those of today stay: a living process may be about to record them.
    """
    before = time.time() - DAY
    with database.write() as db:
        db.execute("delete from experiments where created < ? and id not in (select experiment from experiment_runs)",
                   (before,))  # fmt: skip
        known = {row["id"] for row in db.execute("select id from experiments")}
    with suppress(OSError):
        for entry in list(os.scandir(paths.experiments_dir)):
            if entry.name not in known and entry.stat(follow_symlinks=False).st_mtime < before:
                shutil.rmtree(entry.path, ignore_errors=True)


def _name_folder(run_id: str, paths: RunPaths, database: Database, path: Path) -> None:
    """Give a hidden folder the name of its run, if that was recorded; else its transaction never ended."""
    with database.read() as db:
        is_recorded = db.execute("select 1 from runs where id = ?", (run_id,)).fetchone()
    if is_recorded and not paths.folder(run_id).exists():
        moves.replace(path, paths.folder(run_id))


def clear_run(paths: RunPaths, run_id: str) -> None:
    """Delete what killed processes have left in a run's folder, in any folder of it, and among its checkpoints."""
    for folder, _, _ in os.walk(paths.folder(run_id)):
        clear_leftovers(Path(folder))
    clear_leftovers(paths.checkpoints(run_id))
