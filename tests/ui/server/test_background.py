"""Tasks in the server's own threads: shared by all who look, ended when it is asked to, every failure a sentence."""

import threading
from types import SimpleNamespace

import pytest

from core import DataError, LabError, RunError
from ui.server import background as room
from ui.server.background import Task, TaskRegistry

PATIENCE = 20  # seconds, for what takes none


class Steps:
    """A generator that goes on only when it is let: `go` once for each step, `closed` once it was closed."""

    def __init__(self, *values, result=None, on_close=None):
        self.values, self.result, self.on_close = values, result, on_close
        self.made, self.closed = 0, threading.Event()
        self._gate = threading.Semaphore(0)

    def go(self, times=1):
        self._gate.release(times)

    def __call__(self):
        self.made += 1
        return self._run()

    def _run(self):
        try:
            for value in self.values:
                assert self._gate.acquire(timeout=PATIENCE)
                yield value
            assert self._gate.acquire(timeout=PATIENCE)
            return self.result
        except GeneratorExit:
            if self.on_close:
                raise self.on_close from None
            raise
        finally:
            self.closed.set()


@pytest.fixture
def registry():
    made = TaskRegistry()
    yield made
    made.stop_all(PATIENCE)


def ended(task: Task) -> Task:
    task.join(PATIENCE)
    assert not task.is_running
    return task


def run(make, failure="It failed") -> Task:
    return ended(Task("a task", make, failure))


def values(*some, result=None):
    yield from some
    return result


# Running


def test_it_keeps_what_was_yielded_last_and_what_was_returned():
    task = run(lambda: values(1, 2, 3, result="all"))
    assert (task.latest, task.result, task.error, task.stopped) == (3, "all", "", False)


def test_a_generator_that_ends_at_once_has_a_result_and_nothing_to_look_at():
    task = run(lambda: values(result=7))
    assert (task.latest, task.result, task.error) == (None, 7, "")
    assert list(task.progress()) == []


def test_it_goes_on_without_anyone_looking(registry):
    steps = Steps(1, 2)
    steps.go(3)
    registry.start("a", steps, "")
    assert steps.closed.wait(PATIENCE)


@pytest.mark.parametrize("watchers", [1, 5])
def test_all_who_look_see_it_go_forward_and_see_its_end(registry, monkeypatch, watchers):
    """However long a look may last: they are woken by every step, and by the end."""
    monkeypatch.setattr(room, "LOOK_SECONDS", PATIENCE)
    steps = Steps(*range(5))
    task, seen, ready = registry.start("a", steps, ""), [[] for _ in range(watchers)], threading.Barrier(watchers + 1)

    def look(mine):
        ready.wait(PATIENCE)
        mine.extend(task.progress())

    threads = [threading.Thread(target=look, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    ready.wait(PATIENCE)
    steps.go(6)
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads) and not task.is_running
    assert all(mine == sorted(mine) and set(mine) <= set(range(5)) for mine in seen)


def test_nothing_is_shown_of_work_that_has_not_said_anything(registry, monkeypatch):
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.01)
    steps = Steps("first")
    looking = registry.start("a", steps, "").progress()
    threading.Timer(0.1, steps.go, (2,)).start()
    assert set(looking) == {"first"}


class EndsJustBeforeTheLook(threading.Condition):
    """Whoever looks finds that the task has ended meanwhile, and must not wait for it."""

    def __init__(self, task: Task, let_it_end):
        super().__init__()
        self.task, self.let_it_end, self.looks = task, let_it_end, threading.current_thread()

    def __enter__(self):
        if threading.current_thread() is self.looks:
            self.let_it_end()
            ended(self.task)
        return super().__enter__()

    def wait(self, timeout=None):
        raise AssertionError("it waits for what is over")


def test_an_end_just_before_a_look_is_not_waited_for():
    steps = Steps(1)
    task = Task("short", steps, "")
    task._changed = EndsJustBeforeTheLook(task, lambda: steps.go(2))
    assert list(task.progress()) == [1]


# One at a time of each name


def test_many_tabs_that_begin_the_same_share_one_work(registry):
    steps, both, got = Steps(1), threading.Barrier(8), []

    def begin():
        both.wait(PATIENCE)
        got.append(registry.start("a", steps, ""))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(got) == 8 and len(set(map(id, got))) == 1
    steps.go(2)
    ended(got[0])
    assert steps.made == 1


def test_work_of_another_name_runs_beside_it(registry):
    one, other = Steps(1), Steps(2)
    first, second = registry.start("a", one, ""), registry.start("b", other, "")
    other.go(2)
    assert ended(second).latest == 2 and first.is_running and registry.find("a") is first
    one.go(2)


@pytest.mark.parametrize("make", [lambda: values(1), lambda: 1 / 0])
def test_what_has_ended_well_or_badly_can_be_begun_anew(registry, make):
    first = ended(registry.start("a", make, ""))
    assert registry.find("a") is first
    second = ended(registry.start("a", lambda: values(result="better"), ""))
    assert second is not first and second.result == "better" and not second.error


def test_it_is_forgotten_only_after_its_end(registry):
    registry.forget("never begun")
    steps = Steps()
    task = registry.start("a", steps, "")
    registry.forget("a")
    assert registry.find("a") is task
    steps.go()
    ended(task)
    registry.forget("a")
    registry.forget("a")
    assert registry.find("a") is None


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
