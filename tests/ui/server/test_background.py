"""Work in the server's own threads: shared by all who look, ended when it is asked to, every failure a sentence."""

import threading
from types import SimpleNamespace

import pytest

from core import DataError, LabError, RunError
from ui.server import background as room
from ui.server.background import Desk, Work

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
def desk():
    made = Desk()
    yield made
    made.stop_all(PATIENCE)


def ended(work: Work) -> Work:
    work.join(PATIENCE)
    assert not work.is_running
    return work


def run(make, failure="It failed") -> Work:
    return ended(Work("a work", make, failure))


def values(*some, result=None):
    yield from some
    return result


# Running


def test_it_keeps_what_was_yielded_last_and_what_was_returned():
    work = run(lambda: values(1, 2, 3, result="all"))
    assert (work.latest, work.result, work.error, work.stopped) == (3, "all", "", False)


def test_a_generator_that_ends_at_once_has_a_result_and_nothing_to_look_at():
    work = run(lambda: values(result=7))
    assert (work.latest, work.result, work.error) == (None, 7, "")
    assert list(work.steps()) == []


def test_it_goes_on_without_anyone_looking(desk):
    steps = Steps(1, 2)
    steps.go(3)
    desk.begin("a", steps, "")
    assert steps.closed.wait(PATIENCE)


@pytest.mark.parametrize("watchers", [1, 5])
def test_all_who_look_see_it_go_forward_and_see_its_end(desk, monkeypatch, watchers):
    """However long a look may last: they are woken by every step, and by the end."""
    monkeypatch.setattr(room, "LOOK_SECONDS", PATIENCE)
    steps = Steps(*range(5))
    work, seen, ready = desk.begin("a", steps, ""), [[] for _ in range(watchers)], threading.Barrier(watchers + 1)

    def look(mine):
        ready.wait(PATIENCE)
        mine.extend(work.steps())

    threads = [threading.Thread(target=look, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    ready.wait(PATIENCE)
    steps.go(6)
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads) and not work.is_running
    assert all(mine == sorted(mine) and set(mine) <= set(range(5)) for mine in seen)


def test_nothing_is_shown_of_work_that_has_not_said_anything(desk, monkeypatch):
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.01)
    steps = Steps("first")
    looking = desk.begin("a", steps, "").steps()
    threading.Timer(0.1, steps.go, (2,)).start()
    assert set(looking) == {"first"}


class EndsJustBeforeTheLook(threading.Condition):
    """Whoever looks finds that the work has ended meanwhile, and must not wait for it."""

    def __init__(self, work: Work, let_it_end):
        super().__init__()
        self.work, self.let_it_end, self.looks = work, let_it_end, threading.current_thread()

    def __enter__(self):
        if threading.current_thread() is self.looks:
            self.let_it_end()
            ended(self.work)
        return super().__enter__()

    def wait(self, timeout=None):
        raise AssertionError("it waits for what is over")


def test_an_end_just_before_a_look_is_not_waited_for():
    steps = Steps(1)
    work = Work("short", steps, "")
    work._changed = EndsJustBeforeTheLook(work, lambda: steps.go(2))
    assert list(work.steps()) == [1]


# One at a time of each name


def test_many_tabs_that_begin_the_same_share_one_work(desk):
    steps, both, got = Steps(1), threading.Barrier(8), []

    def begin():
        both.wait(PATIENCE)
        got.append(desk.begin("a", steps, ""))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(got) == 8 and len(set(map(id, got))) == 1
    steps.go(2)
    ended(got[0])
    assert steps.made == 1


def test_work_of_another_name_runs_beside_it(desk):
    one, other = Steps(1), Steps(2)
    first, second = desk.begin("a", one, ""), desk.begin("b", other, "")
    other.go(2)
    assert ended(second).latest == 2 and first.is_running and desk.find("a") is first
    one.go(2)


@pytest.mark.parametrize("make", [lambda: values(1), lambda: 1 / 0])
def test_what_has_ended_well_or_badly_can_be_begun_anew(desk, make):
    first = ended(desk.begin("a", make, ""))
    assert desk.find("a") is first
    second = ended(desk.begin("a", lambda: values(result="better"), ""))
    assert second is not first and second.result == "better" and not second.error


def test_it_is_forgotten_only_after_its_end(desk):
    desk.forget("never begun")
    steps = Steps()
    work = desk.begin("a", steps, "")
    desk.forget("a")
    assert desk.find("a") is work
    steps.go()
    ended(work)
    desk.forget("a")
    desk.forget("a")
    assert desk.find("a") is None


# Stopping


def test_stop_ends_it_after_its_step_and_closes_the_generator(desk):
    steps = Steps(1, 2, 3)
    work = desk.begin("a", steps, "")
    work.stop()
    assert work.is_running
    steps.go()
    ended(work)
    assert (work.latest, work.result, work.error, work.stopped) == (1, None, "", True)
    assert steps.closed.is_set()


def test_stop_in_its_last_step_comes_too_late_to_lose_the_result(desk):
    steps = Steps(result="all")
    work = desk.begin("a", steps, "")
    work.stop()
    steps.go()
    assert (ended(work).result, work.stopped) == ("all", False)


def test_stop_before_it_has_begun_begins_nothing():
    may_begin, begun = threading.Event(), []

    def make():
        assert may_begin.wait(PATIENCE)
        return steps()

    def steps():
        begun.append(True)
        yield

    work = Work("a", make, "")
    work.stop()
    may_begin.set()
    assert ended(work).stopped and not begun and not work.error


def test_stopped_work_can_be_gone_on_with(desk):
    steps = Steps(1)
    work = desk.begin("a", steps, "")
    work.stop()
    steps.go()
    ended(work)
    again = ended(desk.begin("a", lambda: values(2, result="done"), ""))
    assert (again.result, again.stopped) == ("done", False)


def test_what_fails_while_it_is_closed_is_told(desk):
    steps = Steps(1, on_close=DataError("The disk is full."))
    work = desk.begin("a", steps, "")
    work.stop()
    steps.go()
    assert ended(work).error == "The disk is full."


def test_everything_is_stopped_and_waited_for(desk):
    several = [Steps(*range(100)) for _ in range(4)]
    works = [desk.begin(str(i), steps, "") for i, steps in enumerate(several)]
    for steps in several:
        threading.Timer(0.05, steps.go).start()
    desk.stop_all(PATIENCE)
    assert not any(work.is_running for work in works)
    assert all(steps.closed.is_set() for steps in several)


def test_work_that_does_not_listen_is_not_waited_for_longer_than_said(desk, monkeypatch):
    """And one that takes its time may have all of it."""
    now, waited = [100.0], []

    def join(work, seconds):
        waited.append(seconds)
        now[0] += seconds if work.name == "deaf" else 0.0

    monkeypatch.setattr(room.Work, "join", join)
    monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now[0]))
    several = {name: Steps(1) for name in ("quick", "deaf", "other")}
    for name, steps in several.items():
        desk.begin(name, steps, "")
    desk.stop_all(3.0)
    assert waited == [3.0, 3.0, 0.0]
    monkeypatch.undo()
    for steps in several.values():
        steps.go(2)


def test_with_nothing_to_stop_it_is_at_once_done(desk):
    desk.stop_all(3.0)
    ended(desk.begin("a", lambda: values(1), ""))
    desk.stop_all(3.0)


# Failures


def failing(error, after=0):
    yield from range(after)
    raise error


@pytest.mark.parametrize("error", [DataError, RunError, LabError])
@pytest.mark.parametrize("after", [0, 3])
def test_the_projects_own_errors_are_told_as_they_are(error, after):
    work = run(lambda: failing(error("This file is broken: export it again."), after))
    assert work.error == "This file is broken: export it again."
    assert work.result is None and not work.stopped


@pytest.mark.parametrize("error", [
    OSError(28, "No space left on device"), MemoryError(), KeyError("id"), RecursionError(), AssertionError(),
    ValueError("two\nlines"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), Exception(),
    SystemExit(1), KeyboardInterrupt(), StopAsyncIteration(), StopIteration("as if it were a result"),
])  # fmt: skip
def test_every_other_error_is_one_line_that_begins_with_what_failed(error):
    work = run(lambda: failing(error, 1), "The drawing failed")
    assert work.error.startswith("The drawing failed: ") and work.error.endswith(".")
    assert "\n" not in work.error and work.result is None


@pytest.mark.parametrize("make", [lambda: 1 / 0, lambda: None, lambda: [1]], ids=["raises", "None", "no generator"])
def test_what_does_not_even_begin_is_a_sentence_too(make):
    assert run(make, "It failed").error.startswith("It failed: ")


def test_a_data_error_before_the_first_step_is_told_as_it_is():
    def make():
        raise DataError("There is no such folder.")

    assert run(make).error == "There is no such folder."
