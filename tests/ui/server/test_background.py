"""Tasks in the server's own threads: shared by all who look, ended when it is asked to, every failure a sentence."""

import threading

import pytest

from tests.ui.server.steps import PATIENCE, Steps, ended, run, values
from ui.server import background as room
from ui.server.background import Task

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
