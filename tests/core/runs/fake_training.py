"""A stand-in for core.training.train that needs no torch, and the program that the tests' other processes run.

    python fake_training.py train ID      what the app's child is: drive the run, in the store under DETR_LAB_ROOT
    python fake_training.py app MODE      an app: a JobManager ("child", "in_process", or with an engine "forked")
                                          until its stdin closes; prints "managing" and the engine's pid
    python fake_training.py create N      open N stores, <root>/0 … N-1, and create 20 runs in each
    python fake_training.py claim N       claim and end runs until none waits, each time moving one up to N places

Each prints "ready" and begins at the first line on its stdin, but `train`, which begins at once.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import suppress
from itertools import count
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(next(p for p in Path(__file__).resolve().parents if (p / "app.py").exists())))

from core import ConfigError, RunError
from core.config import TrainConfig
from core.engine.engine import Engine
from core.engine.process_id import this_process
from core.evaluation.coco_eval import CocoFigures
from core.labels import LabelMap
from core.runs.drive import drive
from core.runs.manager import JobManager
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from core.training.checkpoint_folder import FILES
from core.training.events import Evaluated, Finished, Loading, NotRecorded, Progress, StepDone

STEPS = 3  # per epoch
# what a light engine imports: as much as makes room, in its command line, for the title of a child with a long path
LIGHT = (
    "core.child", "core.boxes", "core.labels", "core.metrics", "core.config", "core.config_diff", "core.datasets.demo",
    "core.runs.store", "core.runs.queue", "core.runs.marks", "core.runs.bin", "core.runs.manager", "core.runs.drive",
)  # fmt: skip
LABELS = LabelMap(("car", "dog"), (3, 18))


def figures(ap: float | None) -> CocoFigures:
    """Figures that say `ap` throughout."""
    return CocoFigures(*[ap] * 12, per_class={"car": ap, "dog": None})


def train(config: TrainConfig, folder: Path, resume: bool = False) -> Generator[Progress, None, None]:
    """What `config.data` says: "endless", "hang", "wrong", "crash", "exit", "killed", "unsaved"; else to its end.

    "killed later" is killed after its first checkpoint, once; checkpoints are made after every epoch and at the end.
    """
    kind, epochs = config.data, config.epochs
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "began.txt").open("a") as file:
        file.write(f"{os.getpid()} {resume}\n")
    yield Loading(epoch=0, epochs=epochs, step=0, steps=0, message="Loading model and data")
    if kind == "wrong":
        raise ConfigError("classes is ('cow',), but the data set has no cow: choose others.")
    if kind == "hang":
        threading.Event().wait()
    if kind == "exit":
        sys.exit(3)
    steps = STEPS * epochs if kind != "endless" else 10**6
    common = {"epochs": epochs, "steps": steps, "images_per_second": 2.0, "label_map": LABELS}
    step, evaluated = _saved(folder) if resume else (0, 0)
    is_recorded = True
    try:
        if not step:
            yield Evaluated(
                **common, epoch=0, step=0, seconds_left=9.0, metrics={"val/AP": 0.25}, figures=figures(0.25)
            )
        while True:
            if step % STEPS == 0 and evaluated < step // STEPS:  # a training saves before it evaluates
                evaluated = step // STEPS
                ap = (0.3, 0.5, 0.4)[(evaluated - 1) % 3]
                yield Evaluated(
                    **common, epoch=evaluated, step=step, seconds_left=1.0, metrics={"val/AP": ap},
                    figures=figures(ap), is_best=evaluated <= 2,
                )  # fmt: skip
                _write(folder / "last" / "evaluated.txt", evaluated)
            if step >= steps:
                break
            if kind == "endless":
                threading.Event().wait(0.005)  # a step takes a while
            step += 1
            metrics = {"train/loss": 1 / step, "train/lr": 1e-5}
            yield StepDone(**common, epoch=(step - 1) // STEPS, step=step, seconds_left=3.0, metrics=metrics)
            _break_off(kind, step, resume)
            if step % STEPS == 0:
                _save(folder, step)
        yield Finished(**common, epoch=epochs, step=step)
    except NotRecorded:
        is_recorded = False
    finally:
        if kind == "unsaved":
            raise OSError(errno.ENOSPC, "No space left on device")
        if is_recorded:
            _save(folder, step)
            _write(folder / "last" / "evaluated.txt", evaluated)


def _break_off(kind: str, step: int, resume: bool) -> None:
    """End after a step, in the way that `kind` says, if it does."""
    if step == 2 and kind == "crash":
        raise ZeroDivisionError("a secret\nof two lines")
    if step == 2 and kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if step == 2 and kind == "killed thread by thread":
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGKILL)).start()
        ctypes.CDLL(None).pthread_exit(None)
    if step == STEPS + 2 and kind == "killed later" and not resume:
        os.kill(os.getpid(), signal.SIGKILL)


def _save(folder: Path, step: int) -> None:
    leave_checkpoint(folder / "last")
    _write(folder / "last" / "step.txt", step)


def _write(path: Path, number: int) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(str(number))
    os.replace(fresh, path)


def _saved(folder: Path) -> tuple[int, int]:
    """The checkpoint's step, and how many epochs were evaluated by then."""
    evaluated = folder / "last" / "evaluated.txt"
    return int((folder / "last" / "step.txt").read_text()), int(evaluated.read_text()) if evaluated.exists() else 0


def leave_checkpoint(folder: Path) -> None:
    """Leave a folder with the files that a checkpoint has, all empty."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).touch()


def child_command(run_id: str) -> list[str]:
    return [sys.executable, __file__, "train", run_id]


def _app(store: RunStore, mode: str) -> None:
    engine = Engine(LIGHT)
    if mode == "forked":
        engine.begin()
        assert engine.wait_until_ready(60)
    manager = JobManager(store, mode == "in_process", engine.start, command=child_command, train=train)
    print("managing", engine.pid, flush=True)
    sys.stdin.read()
    manager.shutdown()
    engine.stop()


def _create(root: Path, stores: str) -> None:
    for i in range(int(stores)):
        store = RunStore(root / str(i))
        for _ in range(20):
            print(i, store.create({}).id)


def _claim(store: RunStore, places: str) -> None:
    queue = RunQueue(store)
    for i in count():
        run, waiting = queue.claim(this_process()), queue.waiting()
        if waiting:
            with suppress(RunError):  # another process has taken it from the queue meanwhile
                queue.move(waiting[i % len(waiting)].id, int(places) * (-1) ** i)
        if run:
            print(run.id)
            queue.end(run.id, Status.FINISHED, None)
        elif not waiting:
            return


def main(command: str, argument: str) -> None:
    if command == "train":
        run = drive(RunStore.default(), argument, train)
        while run.config["data"] == "lingers" and not (Path(os.environ["DETR_LAB_ROOT"]) / "leave").exists():
            threading.Event().wait(0.01)
        return
    print("ready", flush=True)
    sys.stdin.readline()
    if command == "create":
        _create(Path(os.environ["DETR_LAB_ROOT"]), argument)
    elif command == "claim":
        _claim(RunStore.default(), argument)
    else:
        _app(RunStore.default(), argument)


if __name__ == "__main__":
    main(*sys.argv[1:])
