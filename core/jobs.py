"""Trainings as jobs: drive one to its end, and the manager that works off the queue in the background.

    submit -> queue -> JobManager's thread -> child process -> drive -> train -> Recorder -> run store -> pages
                                           \\_ or the thread itself _/

Nothing here is told to the page: it reads the store. A training therefore lives on when its page, its session or the
whole app is gone, and the next app finds it again by its process.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psutil

from core import LabError, RunError
from core.config import TrainConfig
from core.progress import Progress
from core.queue import Process, RunQueue
from core.recorder import Recorder
from core.records import Run, Status
from core.runs import PROJECT, RunStore

POLL_SECONDS = 0.5  # how late the end of a child, or a run queued by another process, is noticed
SAME_PROCESS_SECONDS = 2.0  # by how much two readings of one process's start time may differ
JOIN_SECONDS = 10.0  # how long a shutdown waits for the thread, so for one step of a training in it

logger = logging.getLogger(__name__)


def this_process() -> Process:
    """Pid and start time of the calling process, as `RunQueue` and `RunStore.create` want it."""
    return os.getpid(), psutil.Process().create_time()


def has_process(run: Run) -> bool:
    """Whether the process noted for the run is there and still the same one, not another with its pid."""
    try:
        process = psutil.Process(run.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # the start time moves when the machine's clock is set; the command line then still names the run
        return abs(process.create_time() - run.pid_started) < SAME_PROCESS_SECONDS or run.id in process.cmdline()
    except (psutil.Error, TypeError, ValueError):  # gone, another user's, or never noted
        return False


def settle(store: RunStore, exit_code: Callable[[Run], int | None] = lambda run: None) -> None:
    """Close the runs whose process has died without doing so; `exit_code` says with what, if the caller knows."""
    queue = RunQueue(store)
    for run in queue.at_work():
        if not has_process(run):
            queue.end(run.id, *_verdict(run, exit_code(run), store), pid=run.pid)


def _verdict(run: Run, code: int | None, store: RunStore) -> tuple[Status, str]:
    log = f"see {store.log_path(run.id).relative_to(store.root)}"
    if run.stop_requested:
        return Status.STOPPED, "The process was ended before it obeyed the request to stop: what it saved is kept."
    if code is not None and code < 0:
        name = {number.value: number.name for number in signal.Signals}.get(-code, f"signal {-code}")
        hint = ", which often means that memory ran out" if name == "SIGKILL" else ""
        return Status.INTERRUPTED, f"The process was ended by {name}{hint}: resume the run, or {log}."
    if code is not None:
        return Status.FAILED, f"The process ended with exit code {code} before it could say why: {log}."
    return Status.INTERRUPTED, f"The process ended without a word, as in a restart: resume the run, or {log}."


def drive(store: RunStore, run_id: str, train=None, stop: threading.Event | None = None) -> Run:
    """Train a queued run here and now, to its end; the run as it then is. An error of the training is its status.

    SIGTERM and Ctrl-C end it after the current step, as `request_stop` and setting `stop` do; the second at once.
    Raises RunError if the run has begun elsewhere, or its record cannot be written.
    """
    for _ in follow(store, run_id, train, stop):
        pass
    return store.get(run_id)


def follow(store: RunStore, run_id: str, train=None, stop: threading.Event | None = None) -> Iterator[Progress]:
    """`drive`, step by step: yields each Progress once it is recorded. Whoever stops iterating stops the training.

    `train` stands in for `core.train.train`.
    """
    stop = stop or threading.Event()
    with _signals_set(stop):
        yield from _follow(store, run_id, train, stop)


def _follow(store: RunStore, run_id: str, train, stop: threading.Event) -> Iterator[Progress]:
    queue = RunQueue(store)
    run = queue.begin(run_id, this_process())
    status, message = Status.STOPPED, None
    try:
        # closing: what the training does when it is stopped early may fail, and must not fail unseen
        with closing(_recorded(store, run, train)) as training:
            for progress in training:
                yield progress
                if stop.is_set() or queue.must_stop(run_id):
                    where = f"at step {progress.step} of {progress.steps}" if progress.step else "before its first step"
                    message = f"Stopped {where}."
                    break
            else:
                status = Status.FINISHED
    except LabError as error:
        status, message = Status.FAILED, str(error)
        _log(store, run_id)
    except (Exception, SystemExit) as error:
        status, message = Status.FAILED, _sentence(error, store, run_id)
        _log(store, run_id)
    finally:  # also when the caller stops iterating, or a second Ctrl-C comes
        queue.end(run_id, status, message)


def _recorded(store: RunStore, run: Run, train) -> Iterator[Progress]:
    if train is None:
        from core.train import train  # here: the page process imports this file, and never torch
    config = TrainConfig.from_dict(run.config)
    resume = store.checkpoint(run.id, "last").is_dir()
    with Recorder(store, run.id) as recorder, closing(train(config, store.checkpoints(run.id), resume)) as training:
        for progress in training:
            recorder.write(progress)
            yield progress


def _sentence(error: BaseException, store: RunStore, run_id: str) -> str:
    said = str(error).strip().split("\n")[0]
    reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"The training broke off ({reason}): see {store.log_path(run_id).relative_to(store.root)}."


def _log(store: RunStore, run_id: str) -> None:
    """Append the current exception's traceback to the run's log."""
    path = store.log_path(run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError:  # a full disk must not hide the status
        logger.exception("The log %s cannot be written.", path)


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`, once each; then they do again what they did before."""
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread only
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number, _frame):
        stop.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def child_command(run_id: str) -> list[str]:
    """The command line of the process that trains a run."""
    return [sys.executable, "-m", "core", "train", "--run", run_id]


class JobManager:
    """Works off the queue of a store with one background thread, one training at a time; one for the whole process.

    The training runs in a child process, or with `in_process` in the thread itself; its record is the same. A training
    that another process has begun on the store, an app that has ended or the command line, is waited for as an own
    one. `command` and `train` replace the child's command line and `core.train.train`.
    """

    def __init__(
        self, store: RunStore, in_process: bool = False, command: Callable[[str], list[str]] = child_command, train=None
    ):
        self.store, self.in_process = store, in_process
        self._queue, self._command, self._train = RunQueue(store), command, train
        self._child: subprocess.Popen | None = None
        self._child_run: str | None = None
        self._driven: str | None = None
        self._closing, self._wake = threading.Event(), threading.Event()
        settle(store)  # before the first page shows a run that died with the last app as running
        self._thread = threading.Thread(target=self._work, name="detr-lab-jobs", daemon=True)
        self._thread.start()

    @property
    def current(self) -> Run | None:
        """The run that is at work on this store, whoever began it."""
        return next(iter(self._queue.at_work()), None)

    def submit(self, config: TrainConfig, name: str | None = None) -> Run:
        """Put a new run at the end of the queue."""
        run = self.store.create(config.to_dict(), name)
        self._wake.set()
        return run

    def resume(self, run_id: str) -> Run:
        """Put a stopped, failed or interrupted run back into the queue; it goes on from its last checkpoint."""
        run = self._queue.requeue(run_id)
        self._wake.set()
        return run

    def stop(self, run_id: str, force: bool = False) -> Run:
        """Ask a run to stop after its step; with `force`, end its process now. A queued run leaves the queue.

        Raises RunError if a run in this very process is to be ended by force.
        """
        run = self._queue.request_stop(run_id)
        if force and run.is_live and has_process(run):
            if run.pid == os.getpid():
                raise RunError("This training runs inside the app: it stops after its step, or with the app.")
            _kill(run.pid)
        self._wake.set()
        return run

    def shutdown(self) -> None:
        """End the thread: a child trains on and is found by the next manager, a training in the thread is stopped."""
        self._closing.set()
        self._wake.set()
        self._thread.join(JOIN_SECONDS)
        if self._child and self._child.poll() is None:
            # it is left running by intention, of which Popen would warn when it is collected
            self._child.returncode = 0

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                if self._work_once():
                    continue
            except Exception:  # the disk is full, the database away for a moment: the queue must go on afterwards
                logger.exception("The queue of trainings could not go on; the next attempt follows.")
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def _work_once(self) -> bool:
        """One look at the processes and the queue; whether a training was driven meanwhile, so that the look is old."""
        settle(self.store, self._exit_code)
        if self._child and self._child.poll() is None:
            return False  # its run may be over, but until it has ended it holds the GPU's memory
        if self._driven:  # its record broke off, so that not even its end could be written
            self._queue.end(self._driven, Status.FAILED, "The run's record could not be written: is the disk full?")
            self._driven = None
        run = self._queue.claim(this_process())
        if run and self.in_process:
            self._driven = run.id
            drive(self.store, run.id, self._train, self._closing)
            self._driven = None
        elif run:
            self._start_child(run)
        return bool(run) and self.in_process

    def _exit_code(self, run: Run) -> int | None:
        return self._child.poll() if self._child and self._child_run == run.id else None

    def _start_child(self, run: Run) -> None:
        environment = {**os.environ, "DETR_LAB_ROOT": str(self.store.root), "PYTHONUNBUFFERED": "1"}
        try:
            self.store.folder(run.id).mkdir(parents=True, exist_ok=True)
            with self.store.log_path(run.id).open("ab") as log:
                self._child = subprocess.Popen(
                    self._command(run.id), cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that Ctrl-C on the app does not reach it
                )  # fmt: skip
            self._child_run = run.id
            self._queue.hand_over(run.id, (self._child.pid, psutil.Process(self._child.pid).create_time()))
        except (OSError, psutil.Error) as error:
            self._queue.end(run.id, Status.FAILED, f"The training's process could not be started: {error}.")


def _kill(pid: int) -> None:
    """End a process and its children (which read images for it) at once."""
    try:
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.Error:
        return
    for process in family:
        try:
            process.kill()
        except psutil.Error:
            continue
