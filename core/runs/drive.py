"""A run driven to its end, here and now: it begins, every event is recorded, and how it ends is said.

    begin -> train -> Recorder -> run store -> pages

The background thread's child, the thread itself, the command line and a notebook all drive by these functions. What is
done may be another work than a training: `follow_work` takes any that records itself.
"""

from __future__ import annotations

import errno
import logging
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TypeVar

from core import LabError, RunError
from core.config import TrainConfig
from core.disk import is_disk_full
from core.engine.process_id import this_process
from core.runs.queue import RunQueue, resumes_from_checkpoint
from core.runs.recorder import Recorder
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.runs.tracking.start import start_followers
from core.system.processes import STOPPING
from core.training.events import Finished, NotRecorded, Progress
from core.wording import short, visible

DISK_FULL_STATUS = errno.ENOSPC  # exit status of a process that the full disk kept from writing how its run ended
NO_MEMORY = (
    "The memory did not suffice: take a smaller batch size, smaller images or fewer reading processes, or close other "
    "programs, then resume."
)
NO_MEMORY_TEXTS = ("allocate memory", "not enough memory", "out of memory", "could not create a primitive", "bad_alloc")
T = TypeVar("T")
TrainFunction = Callable[[TrainConfig, Path, bool], Generator[Progress, None, None]]  # as core.training.train.train

logger = logging.getLogger(__name__)


def new_run(store: RunStore, config: TrainConfig, name: str | None = None) -> Run:
    """Create a run that this process trains, by `drive` or `follow`; return it.

    Raises RunError if the store cannot be written.
    """
    return store.create(config.to_dict(), name, process=this_process())


def drive(store: RunStore, run_id: str, train: TrainFunction | None = None, stop: threading.Event | None = None) -> Run:
    """Train a queued run here and now, to its end; return it as it then is. An error of the training is its status.

    SIGTERM and Ctrl-C end it after the current step, as `request_stop` and setting `stop` do; the second at once. From
    then on Ctrl-C is ignored, so that nothing keeps its end from being recorded.
    Raises RunError if the run has begun elsewhere, or its record cannot be written.
    """
    for _ in follow(store, run_id, train, stop):
        pass
    return store.get(run_id)


def follow(
    store: RunStore, run_id: str, train: TrainFunction | None = None, stop: threading.Event | None = None
) -> Generator[Progress, None, None]:
    """Do as `drive`, step by step: yield each event once it is recorded. Whoever stops iterating stops the training.

    `train` stands in for `core.training.train.train`.
    """

    def stopped(progress: Progress) -> str:
        return f"at step {progress.step} of {progress.steps}" if progress.step else "before its first step"

    yield from follow_work(store, run_id, lambda run: _recorded(store, run, train), stopped, stop)


def follow_work(
    store: RunStore,
    run_id: str,
    work: Callable[[Run], Generator[T, None, None]],
    stopped: Callable[[T], str],
    stop: threading.Event | None = None,
) -> Generator[T, None, None]:
    """Do a queued run's work here and now, to its end: yield each of its events, which `work` itself records.

    Signals, errors and the end are as those of a training: `stopped` says at which event it was stopped, in words.
    """
    stop = stop or threading.Event()
    with _signals_set(stop):
        yield from _follow(store, run_id, work, stopped, stop)


def _follow(
    store: RunStore,
    run_id: str,
    work: Callable[[Run], Generator[T, None, None]],
    stopped: Callable[[T], str],
    stop: threading.Event,
) -> Generator[T, None, None]:
    queue = RunQueue(store)
    run = queue.begin(run_id, this_process())
    start_followers(store, run)
    status = Status.STOPPED
    message: str | None = None
    try:
        # closing: what the work does when it is stopped early may fail, and must not fail unseen
        with closing(work(run)) as events:
            for progress in events:
                yield progress
                if isinstance(progress, Finished):  # noted before what is not kept is deleted
                    queue.end(run_id, Status.FINISHED, None)
                    continue
                if stop.is_set() or queue.must_stop(run_id):
                    message = queue.pause_message(run_id) or f"Stopped {stopped(progress)}."
                    break
            else:
                status = Status.FINISHED
    except (Exception, SystemExit) as error:
        status, message = Status.FAILED, _message(error, store, run_id)
        _log(store, run_id)
    finally:  # also when the caller stops iterating, or a second Ctrl-C comes
        try:
            queue.end(run_id, status, message)
        except RunError as error:
            if is_disk_full(error):
                raise RunError(disk_full_message(store)) from error
            raise


def _recorded(store: RunStore, run: Run, train: TrainFunction | None) -> Generator[Progress, None, None]:
    train = train or _training_of_detr()
    config = TrainConfig.from_dict(run.config)
    resume = resumes_from_checkpoint(store, run)
    with Recorder(store, run.id) as recorder, closing(train(config, store.checkpoints(run.id), resume)) as training:
        for progress in training:
            try:
                recorder.write(progress)
            except BaseException:  # Ctrl-C too
                with suppress(StopIteration, NotRecorded):
                    training.throw(NotRecorded())
                raise
            yield progress


def _training_of_detr() -> TrainFunction:
    from core.training.train import train  # here: the page process imports this file, and never torch

    return train


def train_beside_main_process(config: TrainConfig, folder: Path, resume: bool) -> None:
    """Train, to its end, beside a main process: that one records, and alone stops it, so no signal does."""
    from core.training.train import train

    try:
        with _signals_set(threading.Event()):
            for _ in train(config, folder, resume):
                pass
    except Exception as error:
        if _is_out_of_memory(error):
            raise RunError(NO_MEMORY) from error
        raise


def disk_full_message(store: RunStore) -> str:
    """Return the message of a run that a full disk has ended."""
    return f"The disk is full ({store.root}): free some space, then resume; the run goes on from its last checkpoint."


def _message(error: BaseException, store: RunStore, run_id: str) -> str:
    if is_disk_full(error):
        return disk_full_message(store)
    if isinstance(error, LabError):
        return str(error)
    if _is_out_of_memory(error):
        return NO_MEMORY
    if isinstance(error, OSError) and error.strerror:
        name = short(error.filename or f"A file under {store.root}", 300)
        return f"{name} cannot be written or read ({error.strerror.lower()}): give access and room to it, then resume."
    first_line = short(str(error).strip().split("\n")[0], 300)
    reason = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    return f"The training broke off ({reason}): see {store.log_path(run_id).relative_to(store.root).as_posix()}."


def _is_out_of_memory(error: BaseException) -> bool:
    """Check whether an error says that memory ran out; torch's come as RuntimeError, with a text of whoever asked."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in NO_MEMORY_TEXTS)


def _log(store: RunStore, run_id: str) -> None:
    """Append the current exception's traceback to the run's log."""
    path = store.log_path(run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{visible(line)}\n" for line in traceback.format_exc().rstrip("\n").split("\n"))
    except OSError as error:  # a full disk must not hide the status
        logger.error("The log %s cannot be written: %s.", path, error.strerror)


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set `stop`, once each; then they do again what they did before, SIGINT only once."""
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread only
        yield
        return
    before = {int(number): signal.getsignal(number) for number in STOPPING}

    def ignore(_number: int, _frame: FrameType | None) -> None:
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, ignore)
        if callable(handler := before[number]):
            handler(number, frame)

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, interrupt if number == signal.SIGINT else before[number])

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            # a generator that was cut off ends when it is collected: what handles a signal by then stays
            if signal.getsignal(number) in (handle, interrupt, ignore):
                signal.signal(number, handler)
