"""The queue of runs: who may begin which run, how it ends, how it is stopped and resumed.

Every method is one transaction, so that of several processes on one store only one can do each step of a run:

    queued -> starting -> running -> finished, stopped, failed or interrupted
       ^________________________________________________|  (resumed; not a finished one)
"""

from __future__ import annotations

import time

from core import RunError
from core.records import Run, Status
from core.runs import RunStore

AT_WORK = "status in ('starting', 'running')"  # a process works on it, or has died over it

Process = tuple[int, float]  # pid and start time (seconds since 1970), because pids come again


class RunQueue:
    """The runs of a store, as those see them who work them off."""

    def __init__(self, store: RunStore):
        self.store = store
        self._database = store.database

    def at_work(self) -> list[Run]:
        """The runs that a process works on, or was working on when it died; the oldest first."""
        with self._database.read() as db:
            return [Run.from_row(row) for row in db.execute(f"select * from runs where {AT_WORK} order by number")]

    def claim(self, process: Process) -> Run | None:
        """Take the run that has waited longest, as STARTING for `process` (pid, start time), if none is at work."""
        with self._database.write() as db:
            rows = db.execute(
                f"update runs set status = 'starting', pid = ?, pid_started = ? where not exists"
                f" (select 1 from runs where {AT_WORK}) and number ="
                " (select number from runs where status = 'queued' order by queued, number limit 1) returning *",
                process,
            ).fetchall()
        return Run.from_row(rows[0]) if rows else None

    def hand_over(self, run_id: str, process: Process) -> None:
        """Note that `process` (pid, start time) will work on a claimed run, if it has not said so itself by now."""
        with self._database.write() as db:
            db.execute(
                "update runs set pid = ?, pid_started = ? where id = ? and status = 'starting'", (*process, run_id)
            )

    def begin(self, run_id: str, process: Process) -> Run:
        """Make a queued or starting run RUNNING in `process` (pid, start time); RunError if it is neither."""
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
        """Close a run that is at work, with how it ended; with a `pid`, only if that process has it. Else nothing."""
        with self._database.write() as db:
            db.execute(
                "update runs set status = ?, message = ?, ended = ?, seconds_left = null"
                f" where id = ? and {AT_WORK} and (? is null or pid is ?)",
                (str(status), message, time.time(), run_id, pid, pid),
            )

    def request_stop(self, run_id: str) -> Run:
        """Ask a run at work to stop after its step, take a queued one out of the queue; others stay as they are."""
        self.store.get(run_id)  # raises if there is none
        with self._database.write() as db:
            db.execute(
                "update runs set status = 'stopped', ended = ?, message = 'Taken out of the queue.'"
                " where id = ? and status = 'queued'",
                (time.time(), run_id),
            )
            db.execute(f"update runs set stop_requested = 1 where id = ? and {AT_WORK}", (run_id,))
        return self.store.get(run_id)

    def must_stop(self, run_id: str) -> bool:
        """Whether who works on the run shall end: asked to, or the run has been closed or deleted meanwhile."""
        with self._database.read() as db:
            row = db.execute("select stop_requested, status from runs where id = ?", (run_id,)).fetchone()
        return row is None or bool(row["stop_requested"]) or row["status"] != Status.RUNNING

    def requeue(self, run_id: str) -> Run:
        """Put a stopped, failed or interrupted run back at the end of the queue; RunError if it is none of these."""
        with self._database.write() as db:
            rows = db.execute(
                "update runs set status = 'queued', queued = ?, ended = null, stop_requested = 0, message = null,"
                " pid = null, pid_started = null where id = ? and status in ('stopped', 'failed', 'interrupted')"
                " returning *",
                (time.time(), run_id),
            ).fetchall()
        if rows:
            return Run.from_row(rows[0])
        run = self.store.get(run_id)
        raise RunError(f"The run {run.id} is {run.status}: only a stopped, failed or interrupted run can be resumed.")
