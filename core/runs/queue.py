"""The queue of runs: which process may begin which run, how a run ends, is stopped and resumed.

Every method is one transaction, so that of several processes on one store only one takes each step of a run:

    queued -> starting -> running -> finished, stopped, failed or interrupted
       ^________________________________________________|  (resumed; not a finished one)
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from core import RunError
from core.config_diff import compare_settings, setting_values, value_text
from core.engine.process_id import ProcessId
from core.presets import PRESETS
from core.runs.schema import Run, Status, number_of_damaged
from core.runs.store import RunStore
from core.runs.tables import END_OF_QUEUE, QUEUE_STEP
from core.training.checkpoint_folder import saved_checkpoint
from core.wording import short

NAMED = ("data", "model")  # settings that name each waiting run
ACTIVE = "status in ('starting', 'running')"  # a process works on it, or has died meanwhile
# true of a run of an experiment whose evaluation at its rung is recorded
AT_PAUSE = (
    "select 1 from experiment_runs as member join evaluations as e on e.run = member.run"
    " where member.run = runs.number and e.epoch >= member.pause_epoch"
)
IN_ORDER = "select * from runs where status = 'queued'{only} order by queued, number"


class RunQueue:
    """The order in which a store's runs begin, and every change of a run's status."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self._database = store.database

    def active(self) -> list[Run]:
        """Return the runs that a process works on, or was working on when it died; the oldest first."""
        with self._database.read() as db:
            return [Run.from_row(row) for row in db.execute(f"select * from runs where {ACTIVE} order by number")]

    def waiting(self) -> list[Run]:
        """Return the runs that wait for their turn, in the order in which they will begin; a damaged one never will."""
        with self._database.read() as db:
            return _waiting(db)

    def move(self, run_id: str, places: int) -> None:
        """Move a waiting run `places` later in the queue, or earlier if negative, but not beyond its ends.

        Raises RunError if the run does not wait.
        """
        with self._database.write() as db:
            runs = _waiting(db)
            ids = [run.id for run in runs]
            if run_id in ids:
                times = [run.queued or 0.0 for run in runs]
                for i in range(1, len(times)):  # runs of an older version may have joined at the same time
                    times[i] = max(times[i], times[i - 1] + QUEUE_STEP)
                old = ids.index(run_id)
                ids.insert(min(max(old + places, 0), len(ids)), ids.pop(old))
                db.executemany("update runs set queued = ? where id = ?", zip(times, ids, strict=True))
                return
        run = self.store.get(run_id)
        raise RunError(f"The run {run.id} is {run.status}: only a run that waits in the queue can be moved.")

    def claim(self, process: ProcessId, experiment: str | None = None) -> Run | None:
        """Make the first run that waits STARTING in `process` (pid, start time), if no run is at work; return it.

        With an `experiment`, the id of one, the first of its runs.
        """
        with self._database.write() as db:
            if db.execute(f"select 1 from runs where {ACTIVE}").fetchone() or not (runs := _waiting(db, experiment)):
                return None
            rows = db.execute(
                "update runs set status = 'starting', pid = ?, pid_started = ? where id = ? returning *",
                (*process, runs[0].id),
            ).fetchall()
        return Run.from_row(rows[0])

    def set_process(self, run_id: str, process: ProcessId) -> None:
        """Note that `process` (pid, start time) works on a claimed run, unless that process has begun it by now."""
        with self._database.write() as db:
            db.execute(
                "update runs set pid = ?, pid_started = ? where id = ? and status = 'starting'", (*process, run_id)
            )

    def begin(self, run_id: str, process: ProcessId) -> Run:
        """Make a queued or starting run RUNNING in `process` (pid, start time); raise RunError if it is neither."""
        self.store.get(run_id)  # raises if its row is damaged: nobody knows what to train
        with self._database.write() as db:
            rows = db.execute(
                "update runs set status = 'running', pid = ?, pid_started = ?, started = ?, heartbeat = ?,"
                " ended = null, message = 'Loading' where id = ? and status in ('queued', 'starting') returning *",
                (*process, time.time(), time.time(), run_id),
            ).fetchall()
        if rows:
            return Run.from_row(rows[0])
        run = self.store.get(run_id)
        raise RunError(f"The run {run.id} is {run.status}, so it cannot begin: resume it, or create a new one.")

    def end(self, run_id: str, status: Status, message: str | None, pid: int | None = None) -> None:
        """Set how a run at work has ended; with a `pid`, only if that process has it. Other runs stay as they are."""
        with self._database.write() as db:
            db.execute(
                "update runs set status = ?, message = ?, ended = ?, seconds_left = null"
                f" where (id = ? or number = ?) and {ACTIVE} and (? is null or pid is ?)",
                (str(status), message, time.time(), run_id, number_of_damaged(run_id), pid, pid),
            )

    def request_stop(self, run_id: str) -> Run:
        """Ask a run at work to stop after its step, or take a queued one out of the queue; others stay as they are."""
        self.store.get(run_id)  # raises if there is none
        with self._database.write() as db:
            db.execute(
                "update runs set status = 'stopped', ended = ?, message = 'Taken out of the queue.'"
                " where id = ? and status = 'queued'",
                (time.time(), run_id),
            )
            db.execute(f"update runs set stop_requested = 1 where id = ? and {ACTIVE}", (run_id,))
        return self.store.get(run_id)

    def must_stop(self, run_id: str) -> bool:
        """Check whether the run's process shall stop: asked to, at a rung, or as the run has been closed or deleted."""
        with self._database.read() as db:
            row = db.execute(
                f"select stop_requested, status, exists ({AT_PAUSE}) as is_paused from runs where id = ?", (run_id,)
            ).fetchone()
        return row is None or bool(row["stop_requested"] or row["is_paused"]) or row["status"] != Status.RUNNING

    def pause_message(self, run_id: str) -> str:
        """Return why a run stops that has reached the rung of its experiment at which it pauses; "" for another."""
        with self._database.read() as db:
            row = db.execute(
                f"select epoch from runs where id = ? and not stop_requested and exists ({AT_PAUSE})", (run_id,)
            ).fetchone()
        return f"Paused after epoch {row['epoch']}: the best settings of its experiment go on." if row else ""

    def requeue(self, run_id: str, process: ProcessId | None = None, pause_epoch: int | None = None) -> Run:
        """Put a stopped, failed or interrupted run back at the end of the queue, or make it STARTING in `process`.

        pause_epoch  of a run that paused at a rung of its experiment: where it pauses next; None: it does not

        Raises RunError if the run has another status, or if its checkpoints are gone.
        """
        run = self.store.get(run_id)
        if not run.is_live and run.status is not Status.FINISHED:
            resumes_from_checkpoint(self.store, run)
        with self._database.write() as db:
            rows = db.execute(
                f"update runs set status = ?, pid = ?, pid_started = ?, queued = {END_OF_QUEUE}, ended = null,"
                " stop_requested = 0, message = null"
                " where id = ? and deleted is null and status in ('stopped', 'failed', 'interrupted') returning *",
                (str(Status.STARTING if process else Status.QUEUED), *(process or (None, None)), time.time(), run_id),
            ).fetchall()
            if rows:
                db.execute(
                    "update experiment_runs set pause_epoch = ? where run = (select number from runs where id = ?"
                    f" and exists ({AT_PAUSE}))",
                    (pause_epoch, run_id),
                )
        if rows:
            return Run.from_row(rows[0])
        run = self.store.get(run_id)
        raise RunError(f"The run {run.id} is {run.status}: only a stopped, failed or interrupted run can be resumed.")


def _waiting(db: sqlite3.Connection, experiment: str | None = None) -> list[Run]:
    only = " and number in (select run from experiment_runs where experiment = ?)" if experiment else ""
    rows = db.execute(IN_ORDER.format(only=only), (experiment,) if experiment else ())
    runs = [Run.from_row(row) for row in rows]
    return [run for run in runs if not run.is_damaged]


def queue_differences(runs: Sequence[Run]) -> dict[str, str]:
    """Return by id what each run does: data set, model, preset, and the settings in which the runs differ."""
    settings = [s for s in compare_settings([run.config for run in runs]) if s.differs and s.name not in NAMED]
    texts = {}
    for place, run in enumerate(runs):
        values = setting_values(run.config)
        names = [short(PurePath(value_text(values.get(name, ""))).name, 30) for name in NAMED]
        parts = [" · ".join(filter(None, names)), *preset_names(run.config)]
        parts += [f"{s.label.lower()} {short(value_text(s.values[place]), 30)}" for s in settings if s.name in values]
        texts[run.id] = ("evaluation: " if run.is_evaluation else "") + ", ".join(parts)
    return texts


def preset_names(config: dict[str, Any]) -> list[str]:
    """Return the presets all of whose settings a run has."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    return [
        name for name, preset in PRESETS.items()
        if preset.changes and all(values.get(field) == value for field, value in preset.changes.items())
    ]  # fmt: skip


def resumes_from_checkpoint(store: RunStore, run: Run) -> bool:
    """Check whether the run's training continues from a checkpoint; if not, it begins at step 0.

    A run that ended before its first checkpoint begins again and loses nothing by it: the same steps come again.
    Raises RunError if checkpoints that it had are gone: to begin again would then erase what it has recorded.
    """
    if run.is_evaluation:
        return False
    if saved_checkpoint(store.checkpoints(run.id)):
        return True
    # an epoch is saved before its evaluation; the folder is made before the first step
    had_steps = run.step and not store.checkpoints(run.id).is_dir()
    if had_steps or any(e.epoch for e in store.evaluations(run.id)):
        raise RunError(
            f"The run {run.id} had come to step {run.step}, but {store.checkpoint(run.id, 'last')} is gone, so it "
            "cannot be resumed: put that folder back, or train again with the same settings."
        )
    return False
