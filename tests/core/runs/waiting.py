"""What the tests of trainings in other threads and processes share: make a run, wait for it, look at it."""

import os
import threading
import time

import psutil

from core.config import TrainConfig
from core.runs.process import has_process
from core.runs.queue import RunQueue


def until(condition, seconds=120):
    """Wait for `condition` and return what it gave; a test fails if it takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.01)
    return found


def over(store, run_id, seconds=120):
    """The run, once it is over."""
    return until(lambda: not store.get(run_id).is_live and store.get(run_id), seconds)


def training(store, run_id, step=3, seconds=120):
    """The run, once it has recorded so many steps."""
    return until(lambda: (store.get(run_id).step or 0) >= step and store.get(run_id), seconds)


def config(kind, epochs=2):
    return TrainConfig(data=kind, epochs=epochs)


def create(store, kind, epochs=2):
    return store.create(config(kind, epochs).to_dict())


def steps(store, run_id):
    return [step for _, _, step, _ in store.metrics_after(run_id, tags=["train/loss"])[0]]


def end_all(store):
    """End what a failed test may have left."""
    for run in RunQueue(store).active():
        if run.pid != os.getpid() and has_process(run):
            psutil.Process(run.pid).kill()
