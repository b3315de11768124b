"""Runs and children as on a system without /proc, fork, sessions, passed descriptors and signals: all goes on.

What a system lacks stands in the environment, so the children lack it too.
"""

import os
import sys

import pytest

from core.child import Child, ChildEnded
from core.engine.process import environment_of, start_cold
from core.runs.process import has_process
from core.runs.schema import Status
from tests.core.runs.conftest import manage, store  # noqa: F401 (fixtures)
from tests.core.runs.waiting import config, over, steps, training, until

LACKS = "fork proc sessions descriptors signals replacing"
ECHO = """
import json, os, sys
from core.child import open_requests
number = os.environ["DETR_LAB_REQUESTS"]
requests = open_requests()
print(json.dumps({"number": number, "stdin": sys.stdin.read()}), flush=True)
for line in requests:
    print(line, end="", flush=True)
"""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    monkeypatch.setenv("DETR_LAB_LACKS", LACKS)


def test_runs_are_queued_adopted_stopped_killed_and_resumed(store, manage):  # noqa: F811
    first = manage(start=start_cold)
    run = first.submit(config("endless"))
    waiting = first.submit(config("short"))
    training(store, run.id)
    first.shutdown()
    second = manage(start=start_cold)
    assert second.current.id == run.id and has_process(store.get(run.id))
    training(store, run.id, store.get(run.id).step + 5)
    second.stop(run.id)
    assert over(store, run.id).status is Status.STOPPED
    assert over(store, waiting.id).status is Status.FINISHED and steps(store, waiting.id) == [1, 2, 3, 4, 5, 6]
    second.resume(run.id)
    until(lambda: store.get(run.id).status is Status.RUNNING)
    training(store, run.id, store.get(run.id).step + 5)
    second.stop(run.id, force=True)
    run = over(store, run.id)
    assert run.status is Status.STOPPED and steps(store, run.id)[:5] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("code, status, words", [
    (3, Status.FAILED, "exit code 3"), (15, Status.INTERRUPTED, "SIGTERM"), (139, Status.INTERRUPTED, "SIGSEGV"),
])  # fmt: skip
def test_how_a_run_has_ended_is_recorded(store, manage, code, status, words):  # noqa: F811
    manager = manage(start=start_cold, command=lambda _: [sys.executable, "-c", f"import os; os._exit({code})"])
    run = over(store, manager.submit(config("short")).id)
    assert run.status is status and words in run.message


def test_a_process_that_only_starts_the_one_that_trains_stands_for_it(store, manage):  # noqa: F811
    """As the python.exe of a virtual environment on Windows."""
    from tests.core.runs.fake_training import child_command

    starter = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    manager = manage(start=start_cold, command=lambda run: [sys.executable, "-c", starter, *child_command(run)])
    short, endless = manager.submit(config("short")), manager.submit(config("endless"))
    assert over(store, short.id).status is Status.FINISHED
    training(store, endless.id)
    manager.stop(endless.id, force=True)
    assert over(store, endless.id).status is Status.STOPPED
    until(lambda: not has_process(store.get(endless.id)), 30)


def test_a_child_gets_its_requests_by_the_only_pipe_and_its_libraries_do_not():
    child = Child([sys.executable, "-c", ECHO], environment_of())
    try:
        assert child.receive(30) == {"number": "0", "stdin": ""}
        for number in range(2):
            child.send({"n": number, "text": "é"})
            assert child.receive(30) == {"n": number, "text": "é"}
        child.end(seconds=10)
        with pytest.raises(ChildEnded) as ended:
            child.receive(10)
        assert ended.value.code == 0
    finally:
        child.end()


def test_a_process_gets_the_streams_that_it_is_given():
    (out, output) = os.pipe()
    process = start_cold([sys.executable, "-c", "import os; print('hello', os.getsid(0))"], environment_of(), output, 2)
    os.close(output)
    with os.fdopen(out) as printed:
        assert printed.read() == f"hello {os.getsid(0)}\n"  # there are no sessions
    assert process.wait(10) and process.code == 0
