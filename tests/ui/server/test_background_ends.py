"""How a task of the server ends: stopped, or failed with a sentence."""

import threading
from types import SimpleNamespace

import pytest

from core import DataError, LabError, RunError
from tests.ui.server.steps import PATIENCE, Steps, ended, run, values
from ui.server import background as room
from ui.server.background import Task

# Stopping


def test_stop_ends_it_after_its_step_and_closes_the_generator(registry):
    steps = Steps(1, 2, 3)
    task = registry.start("a", steps, "")
    task.stop()
    assert task.is_running
    steps.go()
    ended(task)
    assert (task.latest, task.result, task.error, task.stopped) == (1, None, "", True)
    assert steps.closed.is_set()


def test_stop_in_its_last_step_comes_too_late_to_lose_the_result(registry):
    steps = Steps(result="all")
    task = registry.start("a", steps, "")
    task.stop()
    steps.go()
    assert (ended(task).result, task.stopped) == ("all", False)


def test_stop_before_it_has_begun_begins_nothing():
    may_begin, begun = threading.Event(), []

    def make():
        assert may_begin.wait(PATIENCE)
        return steps()

    def steps():
        begun.append(True)
        yield

    task = Task("a", make, "")
    task.stop()
    may_begin.set()
    assert ended(task).stopped and not begun and not task.error


def test_stopped_work_can_be_gone_on_with(registry):
    steps = Steps(1)
    task = registry.start("a", steps, "")
    task.stop()
    steps.go()
    ended(task)
    again = ended(registry.start("a", lambda: values(2, result="done"), ""))
    assert (again.result, again.stopped) == ("done", False)


def test_what_fails_while_it_is_closed_is_told(registry):
    steps = Steps(1, on_close=DataError("The disk is full."))
    task = registry.start("a", steps, "")
    task.stop()
    steps.go()
    assert ended(task).error == "The disk is full."


def test_everything_is_stopped_and_waited_for(registry):
    several = [Steps(*range(100)) for _ in range(4)]
    tasks = [registry.start(str(i), steps, "") for i, steps in enumerate(several)]
    for steps in several:
        threading.Timer(0.05, steps.go).start()
    registry.stop_all(PATIENCE)
    assert not any(task.is_running for task in tasks)
    assert all(steps.closed.is_set() for steps in several)


def test_work_that_does_not_listen_is_not_waited_for_longer_than_said(registry, monkeypatch):
    """And one that takes its time may have all of it."""
    now, waited = [100.0], []

    def join(task, seconds):
        waited.append(seconds)
        now[0] += seconds if task.name == "deaf" else 0.0

    monkeypatch.setattr(room.Task, "join", join)
    monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now[0]))
    several = {name: Steps(1) for name in ("quick", "deaf", "other")}
    for name, steps in several.items():
        registry.start(name, steps, "")
    registry.stop_all(3.0)
    assert waited == [3.0, 3.0, 0.0]
    monkeypatch.undo()
    for steps in several.values():
        steps.go(2)


def test_with_nothing_to_stop_it_is_at_once_done(registry):
    registry.stop_all(3.0)
    ended(registry.start("a", lambda: values(1), ""))
    registry.stop_all(3.0)


# Failures


def failing(error, after=0):
    yield from range(after)
    raise error


@pytest.mark.parametrize("error", [DataError, RunError, LabError])
@pytest.mark.parametrize("after", [0, 3])
def test_the_projects_own_errors_are_told_as_they_are(error, after):
    task = run(lambda: failing(error("This file is broken: export it again."), after))
    assert task.error == "This file is broken: export it again."
    assert task.result is None and not task.stopped


@pytest.mark.parametrize("error", [
    OSError(28, "No space left on device"), MemoryError(), KeyError("id"), RecursionError(), AssertionError(),
    ValueError("two\nlines"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), Exception(),
    SystemExit(1), KeyboardInterrupt(), StopAsyncIteration(), StopIteration("as if it were a result"),
])  # fmt: skip
def test_every_other_error_is_one_line_that_begins_with_what_failed(error):
    task = run(lambda: failing(error, 1), "The drawing failed")
    assert task.error.startswith("The drawing failed: ") and task.error.endswith(".")
    assert "\n" not in task.error and task.result is None


@pytest.mark.parametrize("make", [lambda: 1 / 0, lambda: None, lambda: [1]], ids=["raises", "None", "no generator"])
def test_what_does_not_even_begin_is_a_sentence_too(make):
    assert run(make, "It failed").error.startswith("It failed: ")


def test_a_data_error_before_the_first_step_is_told_as_it_is():
    def make():
        raise DataError("There is no such folder.")

    assert run(make).error == "There is no such folder."
