r"""Trainings as jobs: the manager that works off the queue in the background, and how a run is stopped and closed.

    submit -> queue -> JobManager's thread -> child process -> drive -> run store -> pages
                                           \_ or the thread itself _/

Pages learn of a training only from the store. So it continues when its page, its session or the whole app has ended,
and the next app finds it again by its process.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil

from core import RunError
from core.config import TrainConfig
from core.disk import is_disk_full
from core.engine.process import Process, Start, environment_of, start_cold
from core.engine.process_id import this_process
from core.runs.bin import Bin
from core.runs.deletion.leftovers import clear_run
from core.runs.drive import DISK_FULL_STATUS, TrainFunction, disk_full_message, drive
from core.runs.experiments.halving import Halving
from core.runs.log import open_log
from core.runs.process import ended_by, has_process, is_dedicated_process
from core.runs.provenance.data import accept_changed_data
from core.runs.queue import RunQueue
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.system.processes import ending_signal, kill_family

POLL_SECONDS = 0.5  # how late the end of a child, or a run queued by another process, is noticed
JOIN_SECONDS = 10.0  # how long a shutdown waits for the thread, so for one step of a training in it

logger = logging.getLogger(__name__)


def close_dead_runs(store: RunStore, exit_code: Callable[[Run], int | None] = lambda run: None) -> None:
    """Set how runs have ended whose process died without doing so; `exit_code` returns its exit code, None: unknown.

    An import of an earlier version, which was not made all at once, goes: nothing resumes it.
    """
    queue = RunQueue(store)
    for run in queue.active():
        is_dead = not has_process(run)
        code = exit_code(run)  # after `has_process`: a process that dies in between has a code by now
        # still noted for the app although its child has ended: the child's pid could not be written
        was_not_assigned = code is not None and run.pid == os.getpid()
        if was_not_assigned or is_dead:
            if run.is_damaged:
                queue.end(run.id, Status.FAILED, run.message, pid=run.pid)
                continue
            clear_run(store, run.id)
            queue.end(run.id, *_status_and_message(run, code, store), pid=run.pid)
            if run.is_imported and not run.is_evaluation:
                with suppress(RunError):  # another process was quicker, or its folder cannot be deleted
                    Bin(store).delete(run.id)
                    Bin(store).remove([run.id])


def _status_and_message(run: Run, code: int | None, store: RunStore) -> tuple[Status, str]:
    """Return how a run has ended whose process died with an exit code; None: unknown.

    What is more than 128 is a signal too, of a process that trained in several others.
    """
    log = f"see {store.log_path(run.id).relative_to(store.root).as_posix()}"
    if run.stop_requested:
        return Status.STOPPED, "The process was ended before it obeyed the request to stop: what it saved is kept."
    number = None if code is None else ending_signal(code) or (code - 128 if code > 128 else None)
    if number:
        return Status.INTERRUPTED, f"The process {ended_by(number)}: resume the run, or {log}."
    if code == DISK_FULL_STATUS:
        return Status.FAILED, disk_full_message(store)
    if code is not None:
        return Status.FAILED, f"The process ended with exit code {code} before it could say why: {log}."
    return Status.INTERRUPTED, f"The process ended without a word, as in a restart: resume the run, or {log}."


def stop_run(store: RunStore, run_id: str, force: bool = False) -> Run:
    """Ask a run to stop after its step; with `force`, kill its process now. A queued run leaves the queue.

    Raises RunError if the process to be killed is the calling one.
    """
    run = RunQueue(store).request_stop(run_id)
    # a starting run may still be noted for the app that took it from the queue, which must not be killed
    if (
        force
        and run.pid
        and run.is_live
        and has_process(run)
        and (run.status is Status.RUNNING or is_dedicated_process(run))
    ):
        if run.pid == os.getpid():
            raise RunError("This training runs inside the app: it stops after its step, or with the app.")
        kill_family(run.pid)
    return run


def child_command(run_id: str) -> list[str]:
    """Return the command line of the process that works on a run."""
    return [sys.executable, "-m", "core", "train", "--run", run_id]


class JobManager:
    """The background thread that works off a store's queue, one training at a time; one manager for the whole process.

    The training runs in a child process, or with `in_process` in the thread itself; its record is the same. An
    evaluation always runs in a child. The manager
    also waits for a training that another process has begun on the store: an earlier app, or the command line.
    `start` starts the child; `command` and `train` replace its command line and `core.training.train.train`.
    With an `experiment`, the id of one, only its runs are taken from the queue.
    """

    def __init__(
        self,
        store: RunStore,
        in_process: bool = False,
        start: Start = start_cold,
        command: Callable[[str], list[str]] = child_command,
        train: TrainFunction | None = None,
        experiment: str | None = None,
    ) -> None:
        self.store, self.in_process = store, in_process
        self._queue, self._start, self._command, self._train = RunQueue(store), start, command, train
        self._experiment, self._halving = experiment, Halving(store)
        self._child: Process | None = None
        self._child_run: str | None = None
        self._unwritten: tuple[str, str] | None = None  # run and message of a failure, until that can be written
        self._logged_error = ""  # the last one
        self._closing, self._wake = threading.Event(), threading.Event()
        self._attempt(
            lambda: close_dead_runs(store)
        )  # before the first page shows a run that died with the last app as running
        self._thread = threading.Thread(target=self._work, name="detr-lab-jobs", daemon=True)
        self._thread.start()

    @property
    def current(self) -> Run | None:
        """The run that is at work on this store, whichever process began it."""
        return next(iter(self._queue.active()), None)

    def submit(self, config: TrainConfig, name: str | None = None, notes: str = "") -> Run:
        """Put a new run at the end of the queue."""
        run = self.store.create(config.to_dict(), name)
        if notes:
            run = self.store.set_words(run.id, notes=notes)
        self._wake.set()
        return run

    def look(self) -> None:
        """Look at the queue at once, in which there is a new run."""
        self._wake.set()

    def resume(self, run_id: str, changed_data: str = "") -> Run:
        """Put a stopped, failed or interrupted run back into the queue; it continues from its last checkpoint.

        changed_data  the digest of data that is not what the run had before, and that it may go on with
        """
        accept_changed_data(self.store, run_id, changed_data)
        run = self._queue.requeue(run_id)
        self._wake.set()
        return run

    def stop(self, run_id: str, force: bool = False) -> Run:
        """Stop a run as `stop_run` does, and look at the queue at once."""
        run = stop_run(self.store, run_id, force)
        self._wake.set()
        return run

    def waiting(self) -> list[Run]:
        """Return the runs that wait for their turn, in the order in which they will begin."""
        return self._queue.waiting()

    def move(self, run_id: str, places: int) -> None:
        """Move a waiting run `places` later in the queue, or earlier if negative, but not beyond its ends."""
        self._queue.move(run_id, places)

    def shutdown(self) -> None:
        """End the thread: a child trains on, and the next manager finds it; a training in the thread is stopped."""
        self._closing.set()
        self._wake.set()
        self._thread.join(JOIN_SECONDS)
        if self._child:
            self._child.release()

    def _work(self) -> None:
        while not self._closing.is_set():
            if not self._attempt(self._work_once):
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()

    def _attempt(self, action: Callable[[], bool | None]) -> bool | None:
        """Return what `action` returns, or None if it fails, as on a full disk: the app must continue."""
        try:
            result = action()
            self._logged_error = ""
            return result
        except Exception as error:
            if str(error) != self._logged_error:  # once, not at every attempt
                logger.exception("The queue of trainings could not go on; it tries again until it can.")
            self._logged_error = str(error)
            return None

    def _work_once(self) -> bool:
        """Look at the processes and the queue once; return whether a training ran meanwhile, so that it is outdated."""
        lives = self._child and not self._child.wait()
        close_dead_runs(self.store, self._exit_code)
        if lives:
            return False  # its run may be over, but until it has ended it holds the GPU's memory
        self._child = self._child_run = None
        if self._unwritten:
            self._close(*self._unwritten)
        self._halving.advance()
        run = self._queue.claim(this_process(), self._experiment)
        if run and self.in_process and not run.is_evaluation:
            self._drive(run)
            return True
        if run:
            self._start_child(run)
        return False

    def _drive(self, run: Run) -> None:
        try:
            drive(self.store, run.id, self._train, self._closing)
        except Exception as error:  # the store could not be written, not even with how the run ended
            full = is_disk_full(error)
            self._unwritten = (
                run.id,
                disk_full_message(self.store) if full else f"Its record could not be written: {error}",
            )
            raise

    def _close(self, run_id: str, message: str) -> None:
        """Record that a run has failed; keep it in `_unwritten` while that cannot be written."""
        self._unwritten = run_id, message
        self._queue.end(run_id, Status.FAILED, message)
        self._unwritten = None

    def _exit_code(self, run: Run) -> int | None:
        if self._child is None or self._child_run != run.id:
            return None
        if not has_process(run):
            # a killed process has no code before its last thread has ended, several processes before the last of them
            self._child.wait(JOIN_SECONDS)
        return self._child.code

    def _start_child(self, run: Run) -> None:
        environment = environment_of(self.store.root)
        try:
            with open_log(self.store.log_path(run.id)) as log:
                self._child = self._start(self._command(run.id), environment, log, log)
            self._child_run = run.id
            self._queue.set_process(run.id, self._child.id)
        except (OSError, psutil.Error) as error:
            full = is_disk_full(error)
            message = (
                disk_full_message(self.store) if full else f"The training's process could not be started: {error}."
            )
            self._close(run.id, message)
