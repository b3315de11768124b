"""The run store: every training's settings, state, metrics and evaluations.

Only this file, `schema.py`, which describes the database, and `paths.py` know table and file names. One process writes
a run's metrics and evaluations, the one that trains it; all others read.
"""

from __future__ import annotations

import difflib
import json
import math
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from core import RunError, lab_root
from core.disk import hidden_path
from core.runs.database import Database
from core.runs.deletion.leftovers import recover
from core.runs.paths import RUN_ID, RunPaths
from core.runs.schema import (
    Evaluation,
    NewEvaluation,
    Run,
    Status,
    delete_metrics,
    insert_evaluation,
    insert_metrics,
    number_of_damaged,
    to_columns,
)
from core.runs.tables import END_OF_QUEUE, REPEAT_METRICS, SCHEMA, UPGRADES, VERSION
from core.system import moves
from core.wording import is_utf8, short

MOST_LETTERS = {"name": 200, "notes": 10_000}  # of a run's own texts
Curves = dict[str, tuple[list[int], list[float | None]]]  # by tag: steps and values


class RunStore(RunPaths):
    """All runs under one root folder; safe to share between threads, and between processes that each open one.

    Methods that take a run's id need the whole id (`get` completes one) and raise RunError if there is no such run.
    """

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        self.database = Database(self.runs_dir / "runs.db", SCHEMA, VERSION, UPGRADES)

    @classmethod
    def default(cls) -> RunStore:
        """Return the store under the folder that the environment variable DETR_LAB_ROOT names, else the project's.

        What killed processes have left there is finished or deleted.
        """
        store = cls(lab_root())
        recover(store, store.database)
        return store

    def close(self) -> None:
        """Close the database's idle connections; the store opens new ones if it is used again."""
        self.database.close()

    # Runs

    def create(self, config: dict[str, Any], name: str | None = None, process: tuple[int, float] | None = None) -> Run:
        """Create a run at the end of the queue; with a `process` (pid, start time), as STARTING in that process.

        Its id is sortable by time, and unique however many processes create runs; the name is the id if none is given.
        Raises RunError if the name, or a text of the settings, cannot be stored.
        """
        status = Status.STARTING if process else Status.QUEUED
        pid, started = process or (None, None)
        with self.database.write() as db:
            run_id = self.insert(db, name, {"config": config, "status": status, "pid": pid, "pid_started": started})
        return self.get(run_id)

    def create_finished(
        self, config: dict[str, Any], name: str | None, state: dict[str, Any], figures: dict[str, Any], folder: Path
    ) -> Run:
        """Create a finished run with one evaluation, of epoch 0, whole or not at all; `folder` becomes the run's.

        `folder` is a hidden one in `runs_dir` with the detection table. `state` are fields of Run.
        If this process is killed before the folder has its name, `recover` gives it that later.
        """
        now = time.time()
        state = {"status": Status.FINISHED, "config": config, "started": now, "ended": now, **state}
        evaluation = NewEvaluation(0, figures, is_best=True, has_table=True)
        with ExitStack() as stack:
            with self.database.write() as db:
                run_id = self.insert(db, name, state)
                insert_evaluation(db, self._number(db, run_id), 0, evaluation)
                waiting = stack.enter_context(hidden_path(self.folder(run_id)))
                stack.callback(shutil.rmtree, waiting, ignore_errors=True)  # if the transaction fails
                moves.replace(folder, waiting)
            moves.replace(waiting, self.folder(run_id))
        return self.get(run_id)

    def insert(self, db: sqlite3.Connection, name: str | None, values: dict[str, Any]) -> str:
        """Insert a run with these fields; return its new id. Raises RunError for texts that cannot be stored."""
        _require_text(name or "")
        _require_text(json.dumps(values["config"], ensure_ascii=False))
        now, run_id = time.time(), None
        while run_id is None or db.execute("select 1 from runs where id = ?", (run_id,)).fetchone():
            run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{secrets.token_hex(2)}"
        columns = to_columns({"id": run_id, "name": (name or "").strip() or run_id, "created": now, **values})
        placeholders = ", ".join("?" * len(columns))
        db.execute(
            f"insert into runs ({', '.join(columns)}, queued) values ({placeholders}, {END_OF_QUEUE})",
            (*columns.values(), now),
        )
        return run_id

    def get(self, run_id: str) -> Run:
        """Return a run by its id, by a beginning that no other run's id has, or by the word "last": the newest.

        Raises RunError, which lists similar ids, if there is none, and one that says so if it is damaged or deleted.
        """
        query = "select * from runs where id = ?"
        if run_id == "last":
            query = "select * from runs where ? = 'last' and deleted is null order by number desc limit 1"
        with self.database.read() as db:
            row = db.execute(query, (run_id,)).fetchone()
            listed = db.execute("select id from runs where deleted is null order by number desc").fetchall()
        if row:
            run = Run.from_row(row)
            if row["deleted"] is not None:
                raise RunError(f"The run {run.id} is deleted: python -m core restore {run.id} brings it back.")
            if run.is_damaged:
                raise RunError(run.message)
            return run
        ids = [one["id"] for one in listed if RUN_ID.fullmatch(str(one["id"]))]
        if not ids:
            raise RunError("There is no run yet: train a model first.")
        matches = [known for known in ids if run_id and known.startswith(run_id)]
        if len(matches) == 1:
            return self.get(matches[0])
        if matches:
            raise RunError(f"{run_id!r} begins {len(matches)} runs: choose one of {', '.join(matches[:5])}.")
        similar = difflib.get_close_matches(run_id, ids, n=3) or ids[:3]
        raise RunError(f"There is no run {run_id!r}; there are, among others: {', '.join(similar)}.")

    def runs(self) -> list[Run]:
        """Return all runs but deleted ones, the newest first; damaged ones, too, which `get` refuses."""
        with self.database.read() as db:
            rows = db.execute("select * from runs where deleted is null order by number desc")
            return [Run.from_row(row) for row in rows]

    def update(self, run_id: str, **values: Any) -> None:
        """Set fields of a Run; raise ValueError for a name that is no field."""
        with self.database.write() as db:
            self._set(db, self._number(db, run_id), values)

    def set_words(self, run_id: str, name: str | None = None, notes: str | None = None) -> Run:
        """Set the run's name, or its notes; an empty name is the id again. Return the run.

        Raises RunError for a text that cannot be stored, or that is too long.
        """
        given = {"name": None if name is None else name.strip() or run_id, "notes": notes and notes.strip()}
        words = {field: text for field, text in given.items() if text is not None}
        for field, text in words.items():
            _require_text(text)
            if len(text) > MOST_LETTERS[field]:
                raise RunError(f"The {field} has {len(text):,} letters: give at most {MOST_LETTERS[field]:,}.")
        self.update(run_id, **words)
        return self.get(run_id)

    # Metrics

    def record(
        self,
        run_id: str,
        step: int,
        metrics: Mapping[str, float],
        state: Mapping[str, Any] | None = None,
        evaluation: NewEvaluation | None = None,
    ) -> None:
        """Add a step's metrics (tag to value, NaN and infinities too), and set the Run's fields named in `state`.

        An `evaluation` of that step is added with them, as `add_evaluation` says. All of it is recorded, or nothing.
        """
        with self.database.write() as db:
            number = self._number(db, run_id)
            insert_metrics(db, number, int(step), metrics)
            epochs = insert_evaluation(db, number, step, evaluation) if evaluation else []
            self._set(db, number, {"heartbeat": time.time(), **(state or {})})
        self._remove_tables(run_id, epochs)

    def metrics_after(
        self, run_id: str, after_row: int = 0, tags: Iterable[str] | None = None, limit: int | None = None
    ) -> tuple[list[tuple[int, str, int, float]], int]:
        """Return the metrics newer than `after_row`, as (row, tag, step, value) in recorded order, and the last row.

        A value that is no number is NaN; a row without tag or step, which only damage can leave, is left out.
        Pass that last row again to get only newer metrics; it is `after_row` if there are none.
        """
        selected = self._select(run_id, after_row, tags, -1 if limit is None else int(limit))
        rows = [(row, tag, step, value if isinstance(value, float) else math.nan) for row, tag, step, value in selected]
        return rows, rows[-1][0] if rows else int(after_row)

    def curves_after(self, run_id: str, after_row: int = 0, tags: Iterable[str] | None = None) -> tuple[Curves, int]:
        """Return `metrics_after` for JSON: tag to (steps, values), None for values that are not finite."""
        curves: Curves = {}
        last = int(after_row)
        for row, tag, step, value in self._select(run_id, after_row, tags):
            steps, values = curves.setdefault(tag, ([], []))
            steps.append(step)
            values.append(value if isinstance(value, float) and math.isfinite(value) else None)
            last = row
        return curves, last

    def _select(self, run_id: str, after: int, tags: Iterable[str] | None, limit: int = -1) -> Iterator[sqlite3.Row]:
        """Yield whole rows one by one: many at once keep the garbage collector busy for as long as all else takes."""
        names, wanted = list(tags or ()), "typeof(tag) = 'text' and typeof(step) = 'integer'"
        if tags is not None:
            wanted += f" and tag in ({', '.join('?' * len(names))})"
        sql = f"select row, tag, step, value from metrics where run = ? and row > ? and {wanted} order by row limit ?"
        with self.database.read() as db:
            yield from db.execute(sql, (self._number(db, run_id), int(after), *names, limit))

    def rewind(self, run_id: str, step: int, tags: Iterable[str] | None = None) -> None:
        """Delete what is recorded from `step` on, because a resumed training is about to record it again.

        The boxes on watched images of these evaluations go, too. With `tags`, only these metrics go at `step` itself.
        """
        tags = None if tags is None else list(tags)
        with self.database.write() as db:
            number = self._number(db, run_id)
            delete_metrics(db, number, step, tags)
            gone = db.execute(
                "delete from evaluations where run = ? and step >= ? returning epoch", (number, step)
            ).fetchall()
            db.execute(REPEAT_METRICS, (number,))
        for epoch in [row["epoch"] for row in gone if isinstance(row["epoch"], int)]:
            _remove(self.watched_path(run_id, epoch))

    # Evaluations

    def add_evaluation(
        self,
        run_id: str,
        epoch: int,
        step: int,
        figures: dict[str, Any],
        is_best: bool = False,
        has_table: bool = False,
    ) -> None:
        """Record an evaluation, in place of an earlier one of its epoch; the fields are those of NewEvaluation.

        Only the baseline's, the best and the last model's detection table is kept.
        """
        self.record(run_id, step, {}, evaluation=NewEvaluation(epoch, figures, is_best, has_table))

    def _remove_tables(self, run_id: str, epochs: Iterable[int]) -> None:
        for path in [path for epoch in epochs for path in self.table_files(run_id, epoch)]:
            _remove(path)

    def evaluations(self, run_id: str) -> list[Evaluation]:
        """Return every evaluation of the run, in the order of epochs; those whose rows are damaged are left out."""
        with self.database.read() as db:
            number = self._number(db, run_id)
            rows = db.execute("select * from evaluations where run = ? order by epoch", (number,)).fetchall()
        read = (Evaluation.from_row(row, run_id, self.table_path) for row in rows)
        return [evaluation for evaluation in read if evaluation]

    @staticmethod
    def _number(db: sqlite3.Connection, run_id: str) -> int:
        names = (run_id, number_of_damaged(run_id))
        row = db.execute("select number from runs where (id = ? or number = ?) and deleted is null", names).fetchone()
        if row is None:
            raise RunError(f"There is no run {run_id!r} any more.")
        return int(row["number"])

    @staticmethod
    def _set(db: sqlite3.Connection, number: int, values: dict[str, Any]) -> None:
        if columns := to_columns(values):
            setters = ", ".join(f"{name} = ?" for name in columns)
            db.execute(f"update runs set {setters} where number = ?", (*columns.values(), number))


def _require_text(text: str) -> None:
    if not is_utf8(text):
        raise RunError(f"{short(text)} is not UTF-8: give the run, the file or the folder another name.")


def _remove(path: Path) -> None:
    with suppress(OSError):  # a reader has it open (Windows): it stays until the run is deleted
        path.unlink(missing_ok=True)
