"""core/queue.py: each step of a run is done once, by whom it belongs to, and in order."""

import pytest

from core import RunError
from core.queue import RunQueue
from core.records import Status
from core.runs import RunStore

A, B = (11, 1.0), (22, 2.0)
UNKNOWN = "20260101-000000-0000"


@pytest.fixture
def queue(tmp_path):
    store = RunStore(tmp_path)
    yield RunQueue(store)
    store.close()


def test_an_empty_queue_gives_nothing(queue):
    assert queue.claim(A) is None and queue.at_work() == []


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
    queue.hand_over(run.id, B)
    assert queue.store.get(run.id).pid == B[0]
    queue.begin(run.id, A)
    queue.hand_over(run.id, B)
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
    queue.store.delete(run.id)
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
