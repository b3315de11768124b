"""The run store: every training's settings, state, metrics and evaluations.

With `records.py`, which describes the database, and `files.py`, the only place that knows table and file names. One
process writes a run's metrics and evaluations, its training; all others read.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import secrets
import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from core import PROJECT, RunError
from core.runs.database import Database
from core.runs.paths import RunPaths
from core.runs.schema import SCHEMA, UPGRADES, VERSION, Evaluation, Run, Status, to_columns

QUEUE_STEP = 0.001  # seconds at least between the times at which two runs joined the queue
# What `queued` becomes when a run joins now (?): behind all that wait, even if the clock was set back meanwhile.
END_OF_QUEUE = (
    f"max(?, coalesce((select max(queued) from runs as others where others.status = 'queued'), 0) + {QUEUE_STEP})"
)
# What `runs` repeats of `evaluations`, so that a list of runs is one query.
REPEAT_FIGURES = """
update runs set
    baseline_ap = (select ap from evaluations where run = number and epoch = 0),
    ap = (select ap from evaluations where run = number order by epoch desc limit 1),
    best_ap = (select ap from evaluations where run = number and is_best order by epoch desc limit 1),
    best_epoch = (select epoch from evaluations where run = number and is_best order by epoch desc limit 1)
where number = ?
"""


class RunStore(RunPaths):
    """All runs under one root folder; safe to share between threads, and between processes that each open one.

    Methods that take a run's id want it whole (`get` completes it) and raise RunError if there is no such run.
    """

    def __init__(self, root):
        super().__init__(root)
        self.database = Database(self.runs_dir / "runs.db", SCHEMA, VERSION, UPGRADES)

    @classmethod
    def default(cls) -> RunStore:
        """The store under the folder that the environment's DETR_LAB_ROOT names, else under the project's."""
        return cls(os.environ.get("DETR_LAB_ROOT") or PROJECT)

    def close(self) -> None:
        """Close the database's idle connections; the store opens new ones if it is used again."""
        self.database.close()

    # Runs

    def create(self, config: dict, name: str | None = None, process: tuple[int, float] | None = None) -> Run:
        """A new run at the end of the queue; with a `process` (pid, start time), one that this process begins itself.

        Its id is sortable by time, and unique however many processes create runs; the name is the id if none is given.
        """
        now = time.time()
        with self.database.write() as db:
            run_id = None
            while run_id is None or db.execute("select 1 from runs where id = ?", (run_id,)).fetchone():
                run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{secrets.token_hex(2)}"
            columns = to_columns(
                {
                    "id": run_id, "name": (name or "").strip() or run_id, "config": config, "created": now,
                    "status": Status.STARTING if process else Status.QUEUED,
                    "pid": process and process[0], "pid_started": process and process[1],
                }
            )  # fmt: skip
            marks = ", ".join("?" * len(columns))
            db.execute(
                f"insert into runs ({', '.join(columns)}, queued) values ({marks}, {END_OF_QUEUE})",
                (*columns.values(), now),
            )
        return self.get(run_id)

    def get(self, which: str) -> Run:
        """The run with this id, or whose id alone begins so, or the "last" one created.

        Raises RunError that lists similar ids.
        """
        query = "select * from runs where id = ?"
        if which == "last":
            query = "select * from runs where ? = 'last' order by number desc limit 1"
        with self.database.read() as db:
            found = db.execute(query, (which,)).fetchone()
            if found:
                return Run.from_row(found)
            ids = [row["id"] for row in db.execute("select id from runs order by number desc")]
        if not ids:
            raise RunError("There is no run yet: train a model first.")
        matches = [run_id for run_id in ids if which and run_id.startswith(which)]
        if len(matches) == 1:
            return self.get(matches[0])
        if matches:
            raise RunError(f"{which!r} begins {len(matches)} runs: choose one of {', '.join(matches[:5])}.")
        near = difflib.get_close_matches(which, ids, n=3) or ids[:3]
        raise RunError(f"There is no run {which!r}; there are, among others: {', '.join(near)}.")

    def runs(self) -> list[Run]:
        """All runs, the newest first."""
        with self.database.read() as db:
            return [Run.from_row(row) for row in db.execute("select * from runs order by number desc")]

    def update(self, run_id: str, **values) -> None:
        """Set fields of a Run; raises ValueError for a name that is none."""
        with self.database.write() as db:
            self._set(db, self._number(db, run_id), values)

    def delete(self, run_id: str) -> None:
        """Remove the run, its folder and its checkpoints; raises RunError while it is queued or at work."""
        with self.database.write() as db:
            number = self._number(db, run_id)
            run = Run.from_row(db.execute("select * from runs where number = ?", (number,)).fetchone())
            if run.is_live:
                raise RunError(f"The run {run.name} is {run.status}: stop it before you delete it.")
            db.execute("delete from runs where number = ?", (number,))
        for folder in (self.folder(run_id), self.checkpoints(run_id)):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise RunError(f"The run is gone, but its folder {folder} remains ({error}): delete it.") from error

    # Metrics

    def record(self, run_id: str, step: int, metrics: dict[str, float], state: dict | None = None) -> None:
        """Add a step's metrics (tag to value, NaN and infinities too), and with them set fields of the Run: `state`."""
        with self.database.write() as db:
            number = self._number(db, run_id)
            db.executemany(
                "insert into metrics (run, step, tag, value) values (?, ?, ?, ?)",
                [(number, int(step), tag, float(value)) for tag, value in metrics.items()],
            )
            self._set(db, number, {"heartbeat": time.time(), **(state or {})})

    def metrics_after(
        self, run_id: str, after_row: int = 0, tags=None, limit: int | None = None
    ) -> tuple[list[tuple[int, str, int, float]], int]:
        """The metrics newer than `after_row`, as (row, tag, step, value) in the order of recording, and the last row.

        Ask with that last row again to get only what is new; it is `after_row` if nothing is.
        """
        tags = None if tags is None else list(tags)
        only = "" if tags is None else f" and tag in ({', '.join('?' * len(tags))})"
        with self.database.read() as db:
            found = db.execute(
                f"select row, tag, step, value from metrics where run = ? and row > ?{only} order by row limit ?",
                (self._number(db, run_id), int(after_row), *(tags or ()), -1 if limit is None else int(limit)),
            ).fetchall()
        rows = [(row, tag, step, math.nan if value is None else value) for row, tag, step, value in found]
        return rows, rows[-1][0] if rows else int(after_row)

    def curves_after(self, run_id: str, after_row: int = 0, tags=None) -> tuple[dict[str, tuple[list, list]], int]:
        """`metrics_after` as JSON can say it: tag to (steps, values), None for values that are not finite."""
        rows, last = self.metrics_after(run_id, after_row, tags)
        curves: dict[str, tuple[list, list]] = {}
        for _, tag, step, value in rows:
            steps, values = curves.setdefault(tag, ([], []))
            steps.append(step)
            values.append(value if math.isfinite(value) else None)
        return curves, last

    def rewind(self, run_id: str, step: int, tags=None) -> None:
        """Forget what is recorded from `step` on, which a resumed training is about to record again.

        The boxes on watched images that belong to it go, too; at `step` itself only the metrics named by `tags`, if
        they are given.
        """
        tags = None if tags is None else list(tags)
        only = "" if tags is None else f" and (step > ? or tag in ({', '.join('?' * len(tags))}))"
        with self.database.write() as db:
            number = self._number(db, run_id)
            values = (number, step) if tags is None else (number, step, step, *tags)
            db.execute(f"delete from metrics where run = ? and step >= ?{only}", values)
            gone = db.execute(
                "delete from evaluations where run = ? and step >= ? returning epoch", (number, step)
            ).fetchall()
            db.execute(REPEAT_FIGURES, (number,))
        for row in gone:
            _remove(self.watched_path(run_id, row["epoch"]))

    # Evaluations

    def add_evaluation(
        self, run_id: str, epoch: int, step: int, figures: dict, is_best: bool = False, has_table: bool = False
    ) -> None:
        """Record `CocoFigures.to_dict()` of the model after `epoch`; 0 is the untouched one. Replaces that epoch's.

        `has_table` says that `table_path` is written. Tables but the untouched, the best and the last model's go.
        """
        with self.database.write() as db:
            number = self._number(db, run_id)
            db.execute(
                "insert or replace into evaluations values (?, ?, ?, ?, ?, ?, ?, ?)",
                (number, epoch, step, time.time(), json.dumps(figures), figures.get("AP"), is_best, has_table),
            )
            db.execute(REPEAT_FIGURES, (number,))
            dropped = db.execute(
                "update evaluations set has_table = 0 where run = :run and has_table and epoch not in (0,"
                " (select max(epoch) from evaluations where run = :run),"
                " coalesce((select max(epoch) from evaluations where run = :run and is_best), 0)) returning epoch",
                {"run": number},
            ).fetchall()
        for row in dropped:
            _remove(self.table_path(run_id, row["epoch"]))

    def evaluations(self, run_id: str) -> list[Evaluation]:
        """Every evaluation of the run, in the order of epochs."""
        with self.database.read() as db:
            number = self._number(db, run_id)
            rows = db.execute("select * from evaluations where run = ? order by epoch", (number,)).fetchall()
        return [
            Evaluation(
                run_id, row["epoch"], row["step"], row["created"], json.loads(row["figures"]), bool(row["is_best"]),
                self.table_path(run_id, row["epoch"]) if row["has_table"] else None,
            )
            for row in rows
        ]  # fmt: skip

    @staticmethod
    def _number(db: sqlite3.Connection, run_id: str) -> int:
        row = db.execute("select number from runs where id = ?", (run_id,)).fetchone()
        if row is None:
            raise RunError(f"There is no run {run_id!r} any more.")
        return row["number"]

    @staticmethod
    def _set(db: sqlite3.Connection, number: int, values: dict) -> None:
        if columns := to_columns(values):
            setters = ", ".join(f"{name} = ?" for name in columns)
            db.execute(f"update runs set {setters} where number = ?", (*columns.values(), number))


def _remove(path: Path) -> None:
    with suppress(OSError):  # a reader has it open (Windows): it stays until the run is deleted
        path.unlink(missing_ok=True)
