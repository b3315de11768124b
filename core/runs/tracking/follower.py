r"""The follower: hands one run's record to one tracker, until the run has ended and all is there.

    run store -> Follower -> Tracker            in a process of its own, beside the training and after it
                   \_ cursor (`cursor.py`)

It reads the store as a page does, and the training knows nothing of it. A tracker that raises is tried again with a
growing pause, by the same program begun anew, so that nothing of what has gone wrong is left; so is one that hangs.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from itertools import groupby
from typing import Any

import psutil

from core import LabError, RunError
from core.runs.log import open_log
from core.runs.process import has_process
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.runs.tracking.cursor import Cursor
from core.runs.tracking.failure import redacted, words
from core.runs.tracking.pictures import watched_pictures
from core.runs.tracking.tracker import End, Row, Tracker, TrackerError
from core.system.processes import kill_family
from core.trackers.kinds import TrackerKind
from core.training.remark import Level
from core.wording import visible

ROWS_AT_ONCE = 2000  # metrics, between two writes of the cursor
LONGEST_PAUSE = 300.0  # seconds
ENVIRONMENT = dict(os.environ)  # before a tracker's library leaves in it where its own processes are
WAIT_SECONDS = 5.0  # in which another follower may end that is about to


@dataclass(frozen=True)
class Pace:
    """How long a follower waits for what, in seconds.

    poll      between two looks at the store
    hang      until a tracker that does not answer is taken to hang
    manager   in which an app may say how a dead process has ended, which knows more about it
    pause     before the first new try; each further one waits twice as long
    tries     after the run's end
    """

    poll: float = 2.0
    hang: float = 600.0
    manager: float = 15.0
    pause: float = 2.0
    tries: int = 5


def restart(command: Sequence[str]) -> None:
    """Begin a command in this process in its place, without what its libraries have started."""
    for child in psutil.Process().children():
        kill_family(child.pid)
    os.execve(command[0], list(command), ENVIRONMENT)


@dataclass
class Follower:
    """Hands the record of a run to a tracker.

    close_dead  sets how runs have ended whose process died: `core.runs.manager.close_dead_runs`
    again       the command that does this again, once something went wrong
    """

    store: RunStore
    run_id: str
    kind: TrackerKind
    close_dead: Callable[[RunStore], None]
    again: Sequence[str]
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        folder = self.store.tracking_folder(self.run_id)
        self._folder, self._path = folder / self.kind.key, folder / f"{self.kind.key}.json"
        self._lock_path, self._log_path = folder / f"{self.kind.key}.lock", folder / f"{self.kind.key}.txt"
        self._cursor = Cursor()
        self._dead_since: float | None = None

    def follow(self, waits: bool = False) -> Cursor | None:
        """Send all until the run has ended; return how far that came, None if the run was deleted meanwhile.

        waits  whether to wait while another process sends this run there, which may be about to end

        Raises RunError, one sentence, if another process does, or if it was tried often enough.
        """
        from filelock import FileLock, Timeout  # here: a page that reads cursors does not need it

        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock_path, timeout=-1 if waits else WAIT_SECONDS)
        try:
            lock.acquire(poll_interval=0.2)
        except Timeout:
            raise RunError(f"Another process sends the run {self.run_id} to {self.kind.label} already.") from None
        try:
            self._cursor = Cursor.read(self._path)
            self._send()
            return self._cursor
        except Exception as error:
            if self._is_gone():
                return None
            self._note_failure(error)
        finally:
            lock.release()
        restart(self.again)
        return None

    def _send(self) -> None:
        """Make one try; raises whatever the tracker does."""
        cursor, run = self._cursor, self.store.get(self.run_id)
        if not run.is_live and cursor.closed == run.ended and not self._is_news(run):
            return
        tracker = _tracker(self.kind)
        is_torn = cursor.is_open
        with self._deadline():
            cursor.name = tracker.open(run, self._folder, cursor.name)
            if is_torn:
                cursor.row = min(cursor.row, tracker.whole_until(cursor.row))
        cursor.is_open, cursor.where = True, tracker.where
        self._write()
        while True:
            run = self._run()  # before its rows: nothing comes after its end
            if tracker.reads_metrics:
                self._send_rows(tracker)
                self._send_evaluations(tracker, run)
            self._send_remarks(tracker, run)
            if not run.is_live:
                break
            time.sleep(self.pace.poll)
        problem = self._told(lambda: tracker.close(self._end(run)))
        cursor.is_open, cursor.closed, cursor.where = False, run.ended or 0.0, tracker.where
        self._progress(problem)

    def _is_news(self, run: Run) -> bool:
        rows, _ = self.store.metrics_after(run.id, self._cursor.row, limit=1)
        return bool(rows) and self.kind.package != ""

    def _run(self) -> Run:
        """Return the run as it is; one whose process has died is closed, if nobody else does it in time."""
        run = self.store.get(self.run_id)
        is_dead = run.status in (Status.STARTING, Status.RUNNING) and not has_process(run)
        if not is_dead:
            self._dead_since = None
            return run
        self._dead_since = self._dead_since or time.monotonic()
        if time.monotonic() - self._dead_since >= self.pace.manager:
            self.close_dead(self.store)
        return self.store.get(self.run_id)

    def _send_rows(self, tracker: Tracker) -> None:
        cursor = self._cursor
        while True:
            recorded, last = self.store.metrics_after(self.run_id, cursor.row, limit=ROWS_AT_ONCE)
            if not recorded:
                return
            rows = [Row(*row) for row in recorded]
            # those up to `handed` were new once, and have not arrived
            new = [row for row in rows if row.row <= cursor.handed or row.step > cursor.steps.get(row.tag, -1)]
            fresh = sum(row.row > cursor.handed for row in new)
            with self._deadline():
                if cursor.sending:
                    new = tracker.missing(new)
                cursor.sending = max(last, cursor.sending)
                self._write()  # before anything is handed over
                for step, group in groupby(new, key=lambda row: row.step):
                    of_step = list(group)
                    tracker.log(step, {row.tag: row.value for row in of_step}, of_step[-1].row)
                tracker.flush()
            for row in rows:
                cursor.steps[row.tag] = max(row.step, cursor.steps.get(row.tag, -1))
            cursor.row, cursor.handed, cursor.sent = last, max(last, cursor.handed), cursor.sent + fresh
            if cursor.row >= cursor.sending:
                cursor.sending = 0
            self._progress()

    def _send_evaluations(self, tracker: Tracker, run: Run) -> None:
        new = [one for one in self.store.evaluations(run.id) if one.epoch not in self._cursor.epochs]
        for evaluation in new:
            pictures = watched_pictures(self.store, run, evaluation) if evaluation is new[-1] else []
            self._cursor.epochs.append(evaluation.epoch)
            self._write()  # before: of pictures rather none than the same twice
            with self._deadline():
                tracker.evaluated(evaluation, pictures, self._cursor.row)
                tracker.flush()
        if new:
            self._progress()

    def _send_remarks(self, tracker: Tracker, run: Run) -> None:
        for remark in run.remarks if run.is_live else ():
            if remark["level"] == Level.CRITICAL and remark["rule"] not in self._cursor.remarks:
                problem = self._told(partial(tracker.remarked, run, remark))
                self._cursor.remarks.append(remark["rule"])
                self._progress(problem)

    def _told(self, tell: Callable[[], None]) -> str:
        """Tell something; return what went wrong if it is not to be tried again, else "", or raise it."""
        try:
            with self._deadline():
                tell()
        except TrackerError as error:
            if not error.is_final:
                raise
            return str(error)
        return ""

    def _end(self, run: Run) -> End:
        evaluations = self.store.evaluations(run.id)
        best = next((one for one in reversed(evaluations) if one.is_best), None)
        folders = [] if run.is_imported else [self.store.checkpoint(run.id, name) for name in ("best", "last")]
        place = next((str(folder) for folder in folders if folder.is_dir()), "")
        return End(run, best, next((one for one in evaluations if one.epoch == 0), None), place)

    def _progress(self, problem: str = "") -> None:
        self._cursor.failures, self._cursor.problem = 0, problem
        self._write()

    def _write(self) -> None:
        if not self._is_gone():
            self._cursor.write(self._path)

    def _is_gone(self) -> bool:
        """Check whether the run was deleted: nothing is then written for it, not even that."""
        with suppress(RunError):
            return all(run.id != self.run_id for run in self.store.runs())
        return False

    def _note_failure(self, error: Exception) -> None:
        """Write down what went wrong, and wait; raises RunError if it was tried often enough."""
        if not isinstance(error, LabError):
            self._log()
        self._fail(words(self.kind, error))
        is_live = False
        with suppress(RunError):
            is_live = self.store.get(self.run_id).is_live
        if not is_live and self._cursor.failures >= self.pace.tries:
            raise RunError(f"{self._cursor.problem} {self._advice()}") from None
        time.sleep(min(self.pace.pause * 2 ** min(self._cursor.failures - 1, 20), LONGEST_PAUSE))

    def _fail(self, problem: str) -> None:
        self._cursor.failures, self._cursor.problem = self._cursor.failures + 1, problem
        with suppress(OSError):  # a full disk: it is tried again without being counted
            self._cursor.write(self._path)

    def _advice(self) -> str:
        return f"What is missing there is sent by: $ python -m core track {self.run_id} --to {self.kind.key}"

    def _log(self) -> None:
        """Append the current exception's traceback to the tracker's log."""
        with suppress(OSError), open_log(self._log_path) as log:
            lines = redacted(traceback.format_exc()).rstrip("\n").split("\n")
            log.writelines(f"{visible(line)}\n".encode() for line in lines)

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Begin anew if the block takes too long: its thread may wait for ever for an answer."""
        timer = threading.Timer(self.pace.hang, self._hangs)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _hangs(self) -> None:
        """End what hangs; in a thread of its own."""
        try:
            self._note_failure(TrackerError(f"{self.kind.label} did not answer for {self.pace.hang:g} seconds."))
            restart(self.again)
        finally:
            os._exit(1)


def _tracker(kind: TrackerKind) -> Tracker:
    module, _, name = kind.sender.partition(":")
    maker: Any = getattr(import_module(module), name)
    tracker: Tracker = maker()
    return tracker
