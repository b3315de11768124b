"""core/runs/queue.py: each step of a run is done once, by whom it belongs to, and in order."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import RunError
from core.config import TrainConfig
from core.presets import PRESETS
from core.runs.bin import Bin
from core.runs.queue import RunQueue, queue_differences, resumes_from_checkpoint
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.runs.fake_training import leave_checkpoint

A, B = (11, 1.0), (22, 2.0)
UNKNOWN = "20260101-000000-0000"


@pytest.fixture
def queue(tmp_path):
    store = RunStore(tmp_path)
    yield RunQueue(store)
    store.close()


@pytest.fixture(scope="module")
def shared_queue(tmp_path_factory):
    """For property tests."""
    store = RunStore(tmp_path_factory.mktemp("store"))
    yield RunQueue(store)
    store.close()


def test_an_empty_queue_gives_nothing(queue):
    assert queue.claim(A) is None and queue.active() == []


def names(queue):
    return [run.name for run in queue.waiting()]


def test_an_empty_queue_has_nothing_that_waits(queue):
    assert queue.waiting() == []


def test_what_waits_is_told_in_the_order_in_which_it_begins(queue):
    for name in "abc":
        queue.store.create({}, name)
    assert names(queue) == ["a", "b", "c"]
    begun = queue.claim(A)
    assert begun.name == "a" and names(queue) == ["b", "c"]


@pytest.mark.parametrize(
    "moved, places, expected",
    [("c", -1, "acbd"), ("b", 1, "acbd"), ("d", -3, "dabc"), ("d", -9, "dabc"), ("a", 9, "bcda"), ("b", 0, "abcd")],
)
def test_a_waiting_run_is_moved_up_and_down_at_most_to_an_end(queue, moved, places, expected):
    ids = {name: queue.store.create({}, name).id for name in "abcd"}
    queue.move(ids[moved], places)
    assert names(queue) == list(expected)
    assert queue.claim(A).name == expected[0]


def test_runs_that_joined_at_the_same_moment_are_moved_too(queue):
    ids = {name: queue.store.create({}, name).id for name in "abc"}
    for run_id in ids.values():
        queue.store.update(run_id, queued=1.0)
    queue.move(ids["c"], -1)
    assert names(queue) == ["a", "c", "b"]
    queue.move(ids["a"], 1)
    assert names(queue) == ["c", "a", "b"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-4, 4)), max_size=8))
def test_any_moves_do_what_they_do_to_a_list(shared_queue, moves):
    queue = shared_queue
    for run in queue.waiting():
        queue.request_stop(run.id)
    ids = [queue.store.create({}).id for _ in range(4)]
    expected = list(ids)
    for which, places in moves:
        queue.move(ids[which], places)
        at = expected.index(ids[which])
        expected.insert(max(0, min(at + places, 3)), expected.pop(at))
    assert [run.id for run in queue.waiting()] == expected


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.QUEUED, Status.DAMAGED)])
def test_a_run_that_does_not_wait_is_not_moved(queue, status):
    run = queue.store.create({})
    queue.store.update(run.id, status=status)
    with pytest.raises(RunError, match=f"is {status}: only a run that waits"):
        queue.move(run.id, 1)


def test_a_run_that_is_unknown_is_not_moved(queue):
    with pytest.raises(RunError, match="no run"):
        queue.move(UNKNOWN, 1)


@pytest.mark.parametrize("hours", [-5, 5])
def test_who_joins_the_queue_is_last_even_if_the_clock_was_set(queue, monkeypatch, hours):
    stopped = queue.store.create({}, "stopped")
    queue.request_stop(stopped.id)
    queue.store.create({}, "first")
    now = time.time() + 3600 * hours
    monkeypatch.setattr("time.time", lambda: now)
    queue.store.create({}, "second")
    queue.requeue(stopped.id)
    monkeypatch.undo()
    queue.store.create({}, "last")
    assert names(queue) == ["first", "second", "stopped", "last"]


def test_the_run_that_waited_longest_comes_first_and_the_next_only_after_its_end(queue):
    first, second = queue.store.create({}), queue.store.create({})
    claimed = queue.claim(A)
    assert (claimed.id, claimed.status, claimed.pid, claimed.pid_started) == (first.id, Status.STARTING, *A)
    assert queue.claim(B) is None
    queue.begin(first.id, A)
    assert queue.claim(B) is None
    queue.end(first.id, Status.FINISHED, None)
    assert queue.claim(B).id == second.id


def test_a_run_begins_once(queue):
    run = queue.store.create({})
    begun = queue.begin(run.id, A)
    assert (begun.status, begun.message, begun.pid) == (
        Status.RUNNING,
        "Loading",
        A[0],
    ) and begun.started >= run.created
    with pytest.raises(RunError, match="is running, so it cannot begin"):
        queue.begin(run.id, B)
    assert queue.store.get(run.id).pid == A[0]
    with pytest.raises(RunError, match="no run"):
        queue.begin(UNKNOWN, A)


def test_a_claimed_run_is_handed_over_unless_its_process_has_spoken_itself(queue):
    run = queue.store.create({})
    queue.claim(A)
    queue.set_process(run.id, B)
    assert queue.store.get(run.id).pid == B[0]
    queue.begin(run.id, A)
    queue.set_process(run.id, B)
    assert queue.store.get(run.id).pid == A[0]


def test_the_first_word_on_how_a_run_ended_stays(queue):
    run = queue.store.create({})
    queue.end(run.id, Status.FAILED, "not at work yet")
    assert queue.store.get(run.id).status is Status.QUEUED
    queue.begin(run.id, A)
    queue.end(run.id, Status.INTERRUPTED, "of another process", pid=B[0])
    assert queue.store.get(run.id).status is Status.RUNNING
    queue.end(run.id, Status.FINISHED, "first")
    queue.end(run.id, Status.INTERRUPTED, "second", pid=A[0])
    ended = queue.store.get(run.id)
    assert (ended.status, ended.message) == (Status.FINISHED, "first") and ended.ended >= ended.started


def test_stop_takes_a_queued_run_out_and_asks_one_at_work(queue):
    run, waiting = queue.store.create({}), queue.store.create({})
    queue.begin(run.id, A)
    assert not queue.must_stop(run.id)
    assert queue.request_stop(waiting.id).status is Status.STOPPED
    asked = queue.request_stop(run.id)
    assert asked.status is Status.RUNNING and asked.stop_requested and queue.must_stop(run.id)
    queue.end(run.id, Status.FINISHED, None)
    assert queue.request_stop(run.id).status is Status.FINISHED
    with pytest.raises(RunError, match="no run"):
        queue.request_stop(UNKNOWN)


def test_a_run_that_was_closed_or_deleted_behind_its_trainings_back_must_stop(queue):
    run = queue.store.create({})
    queue.begin(run.id, A)
    queue.end(run.id, Status.INTERRUPTED, None)
    assert queue.must_stop(run.id)
    Bin(queue.store).delete(run.id)
    assert queue.must_stop(run.id)


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED, Status.INTERRUPTED])
def test_a_resumed_run_waits_behind_the_others_as_if_it_were_new(queue, status):
    run, other = queue.store.create({}), queue.store.create({})
    queue.begin(run.id, A)
    queue.request_stop(run.id)
    queue.end(run.id, status, "why")
    again = queue.requeue(run.id)
    assert again.status is Status.QUEUED and not again.stop_requested
    assert (again.message, again.ended, again.pid) == (None, None, None)
    assert queue.claim(A).id == other.id


@pytest.mark.parametrize("status", [Status.QUEUED, Status.STARTING, Status.RUNNING, Status.FINISHED])
def test_a_run_that_is_live_or_done_is_not_resumed(queue, status):
    run = queue.store.create({})
    queue.store.update(run.id, status=status)
    with pytest.raises(RunError, match=f"is {status}: only a stopped, failed or interrupted run"):
        queue.requeue(run.id)


def test_a_run_that_is_resumed_by_a_process_itself_is_never_in_the_queue(queue):
    run = queue.store.create({})
    queue.request_stop(run.id)
    again = queue.requeue(run.id, B)
    assert (again.status, again.pid, again.pid_started) == (Status.STARTING, *B)
    assert queue.claim(A) is None and queue.waiting() == []


def trained(queue, step=7, evaluated=()):
    run = queue.store.create({})
    queue.begin(run.id, A)
    queue.store.record(run.id, step, {"train/loss": 1.0}, {"step": step})
    for epoch in evaluated:
        queue.store.add_evaluation(run.id, epoch, step, {"AP": 0.5})
    queue.end(run.id, Status.INTERRUPTED, None)
    return run


def test_a_run_whose_checkpoints_were_deleted_is_not_resumed_from_the_beginning(queue):
    run = trained(queue)
    with pytest.raises(RunError, match=r"come to step 7, but .*last is gone.*: put that folder back, or train again"):
        queue.requeue(run.id)
    assert queue.store.get(run.id).status is Status.INTERRUPTED


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "trainer.pt"])
def test_nor_is_one_whose_only_checkpoint_is_not_whole(queue, lost):
    run = trained(queue, evaluated=(0, 1))
    leave_checkpoint(queue.store.checkpoint(run.id, "last"))
    (queue.store.checkpoint(run.id, "last") / lost).unlink()
    with pytest.raises(RunError, match="last is gone"):
        queue.requeue(run.id)


@pytest.mark.parametrize("name", ["last", "last.old", "best", "best.old"])
def test_a_run_with_any_whole_checkpoint_goes_on(queue, name):
    run = trained(queue, evaluated=(0, 1))
    leave_checkpoint(queue.store.checkpoints(run.id) / name)
    assert resumes_from_checkpoint(queue.store, run) and queue.requeue(run.id).status is Status.QUEUED


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(queue):
    run = trained(queue, evaluated=(0,))
    queue.store.checkpoints(run.id).mkdir(parents=True)  # as its training made it
    assert not resumes_from_checkpoint(queue.store, run) and queue.requeue(run.id).status is Status.QUEUED


def test_waiting_runs_are_told_apart_by_data_model_preset_and_the_settings_that_differ(store):
    demo = PRESETS["Built-in demo"].apply(TrainConfig(data="data/street", model="checkpoints/starter"))
    configs = [demo, replace(demo, epochs=3), replace(demo, data="data/<b>mine", classes=("car",))]
    runs = [store.create(config.to_dict()) for config in configs]
    first, second, third = queue_differences([store.get(run.id) for run in runs]).values()
    assert first == f"street · starter, Built-in demo, classes all, epochs {demo.epochs}"
    assert second == "street · starter, classes all, epochs 3"
    assert third == f"<b>mine · starter, Built-in demo, classes car, epochs {demo.epochs}"
    assert queue_differences([runs[0]])[runs[0].id] == "street · starter, Built-in demo"
