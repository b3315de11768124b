"""kill -9 of the engine, of the app and of the training, in any order: nothing is lost, and no orphan stays."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.runs.manager import close_dead_runs
from core.runs.process import has_process
from core.runs.schema import Status
from tests.core.runs.waiting import create, over, steps, training, until
from tests.engines import without_test
from tests.processes import lives

FAKE = Path(__file__).with_name("fake_training.py")


@pytest.fixture
def app(store):
    """An app with an engine, and the engine's pid."""
    process = subprocess.Popen(
        [sys.executable, FAKE, "app", "forked"], env=without_test({**os.environ, "DETR_LAB_ROOT": str(store.root)}),
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    yield process, int(process.stdout.readline().split()[1])
    process.kill()
    process.communicate()


@pytest.mark.ci
@pytest.mark.parametrize("order", list(itertools.permutations(["engine", "app", "training"])), ids="-".join)
def test_killed_in_any_order(store, app, manage, order):
    process, engine = app
    run = create(store, "endless", epochs=2)
    run = training(store, run.id)
    pids = {"engine": engine, "app": process.pid, "training": run.pid}
    assert psutil.Process(run.pid).ppid() == engine  # it was forked
    for place, name in enumerate(order):
        if lives(pids[name]):
            os.kill(pids[name], signal.SIGKILL)
        until(lambda pid=pids[name]: not lives(pid))
        if "training" in order[place + 1 :]:
            training(store, run.id, store.get(run.id).step + 5)  # whatever else has died, it goes on
        elif name == "training" and "app" in order[place + 1 :]:  # and the app says that it has ended, and how
            message = over(store, run.id).message
            assert ("SIGKILL" if "engine" in order[place + 1 :] else "ended without a word") in message
    until(lambda: not lives(engine))  # it ends with its app
    close_dead_runs(store)
    run = store.get(run.id)
    assert run.status is Status.INTERRUPTED and not has_process(run)
    manager = manage()
    manager.resume(run.id)
    training(store, run.id, run.step + 5)
    manager.stop(run.id)
    run = over(store, run.id)
    assert run.status is Status.STOPPED and steps(store, run.id) == list(range(1, run.step + 1))


@pytest.mark.ci
def test_an_app_that_ends_in_order_ends_its_engine_and_not_its_training(store, app):
    process, engine = app
    run = training(store, create(store, "endless").id)
    process.communicate(timeout=30)
    until(lambda: not lives(engine))
    training(store, run.id, store.get(run.id).step + 5)


@pytest.mark.ci
def test_an_engine_that_is_killed_is_followed_by_one_that_forks_the_next_training(store, app):
    process, engine = app
    first = training(store, create(store, "endless").id)
    os.kill(engine, signal.SIGKILL)
    new = until(lambda: next((c.pid for c in psutil.Process(process.pid).children() if c.pid != engine), None))
    os.kill(first.pid, signal.SIGKILL)
    over(store, first.id)

    def forked():
        run = training(store, create(store, "endless").id)
        parent = psutil.Process(run.pid).ppid()
        os.kill(run.pid, signal.SIGKILL)
        over(store, run.id)
        return parent == new

    until(forked)  # at first, before it is ready, the app's own
