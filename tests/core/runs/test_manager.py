"""core/runs/manager.py: the queue is worked off in order, in the thread or in children, whatever goes wrong."""

import os
import threading
import time
from itertools import pairwise

import pytest

from core import RunError
from core.engine.process_id import this_process
from core.runs.drive import follow
from core.runs.manager import close_dead_runs
from core.runs.queue import RunQueue
from core.runs.schema import Status
from tests.core.runs.fake_training import train
from tests.core.runs.waiting import config, create, over, steps, training, until


def test_settle_closes_the_runs_of_dead_processes_only(store):
    mine, dead = store.create({}, process=this_process()), store.create({}, process=(os.getpid(), 1.0))
    queued = store.create({})
    close_dead_runs(store)
    assert store.get(mine.id).status is Status.STARTING and store.get(queued.id).status is Status.QUEUED
    dead = store.get(dead.id)
    assert dead.status is Status.INTERRUPTED and "ended without a word" in dead.message


def test_an_import_that_died_goes_because_nothing_can_resume_it(store):
    gone = store.create({"imported": {"gt": "gt.json", "images": None}}, process=(os.getpid(), 1.0))
    kept = store.create({"imported": {"gt": "gt.json", "images": None}}, process=this_process())
    store.table_path(gone.id, 0).parent.mkdir(parents=True)
    close_dead_runs(store)
    assert [run.id for run in store.runs()] == [kept.id] and not store.folder(gone.id).exists()


def test_runs_are_worked_off_in_order_and_one_that_fails_does_not_hold_up_the_rest(store, manage):
    waiting = [create(store, kind, epochs=1) for kind in ("short", "wrong", "crash")]
    manager = manage(in_process=True)
    last = manager.submit(config("short", 1), "the last")
    assert over(store, last.id).name == "the last"
    runs = [store.get(run.id) for run in (*waiting, last)]
    assert [r.status for r in runs] == [Status.FINISHED, Status.FAILED, Status.FAILED, Status.FINISHED]
    assert all(a.ended <= b.started for a, b in pairwise(runs))
    assert manager.current is None


def test_a_queued_run_that_is_stopped_never_begins(store, manage):
    manager = manage(in_process=True)
    first = manager.submit(config("endless"))
    training(store, first.id)
    second = manager.submit(config("short"))
    assert manager.current.id == first.id and store.get(second.id).status is Status.QUEUED
    assert manager.stop(second.id).status is Status.STOPPED
    assert manager.stop(first.id).stop_requested
    third = manager.submit(config("short"))
    assert over(store, first.id).status is Status.STOPPED
    assert over(store, third.id).status is Status.FINISHED
    assert store.get(second.id).started is None


def test_shutdown_stops_a_training_in_the_thread_within_seconds(store, manage):
    manager = manage(in_process=True)
    run = manager.submit(config("endless"))
    training(store, run.id)
    begin = time.monotonic()
    manager.shutdown()
    assert time.monotonic() - begin < 5
    assert store.get(run.id).status is Status.STOPPED
    assert (store.checkpoint(run.id, "last") / "step.txt").exists()
    assert not any(thread.name == "detr-lab-jobs" for thread in threading.enumerate())


def test_what_is_submitted_after_the_shutdown_waits_for_the_next_manager(store, manage):
    manager = manage(in_process=True)
    manager.shutdown()
    run = manager.submit(config("short"))
    assert store.get(run.id).status is Status.QUEUED
    manage(in_process=True)
    assert over(store, run.id).status is Status.FINISHED


def test_a_resumed_run_goes_on_from_its_checkpoint_and_records_no_step_twice(store, manage):
    run = create(store, "short")
    for progress in follow(store, run.id, train):
        if progress.step == 4:
            RunQueue(store).request_stop(run.id)
    manager = manage(in_process=True)
    assert manager.resume(run.id).status is Status.QUEUED
    assert over(store, run.id).status is Status.FINISHED
    assert steps(store, run.id) == [1, 2, 3, 4, 5, 6]
    began = (store.checkpoints(run.id) / "began.txt").read_text().split()
    assert began[1::2] == ["False", "True"]


def test_the_queue_goes_on_after_the_store_was_out_of_order(store, manage, monkeypatch):
    failures = iter([RunError("disk full"), OSError("gone")])
    claim = RunQueue.claim

    def claim_or_fail(self, process, experiment=None):
        for failure in failures:
            raise failure
        return claim(self, process, experiment)

    monkeypatch.setattr(RunQueue, "claim", claim_or_fail)
    manager = manage(in_process=True)
    assert over(store, manager.submit(config("short")).id).status is Status.FINISHED


def test_a_run_whose_end_could_not_be_written_is_closed_later(store, manage, monkeypatch):
    end, failures = RunQueue.end, iter([RunError("disk full"), RunError("disk full")])

    def end_or_fail(self, *arguments, **options):
        for failure in failures:
            raise failure
        end(self, *arguments, **options)

    monkeypatch.setattr(RunQueue, "end", end_or_fail)
    manager = manage(in_process=True)
    run, following = manager.submit(config("short")), manager.submit(config("short"))
    assert over(store, run.id).status is Status.FAILED
    assert "could not be written" in store.get(run.id).message
    assert over(store, following.id).status is Status.FINISHED


def test_waiting_runs_begin_in_the_order_that_they_are_moved_to(store, manage):
    manager = manage(in_process=True)
    training(store, manager.submit(config("endless")).id)
    waiting = [manager.submit(config("short", 1), name).id for name in "abc"]
    manager.move(waiting[2], -1)
    manager.move(waiting[0], +5)
    assert [run.name for run in manager.waiting()] == ["c", "b", "a"]
    manager.stop(waiting[1])
    manager.stop(manager.current.id)
    assert over(store, waiting[0]).started >= over(store, waiting[2]).ended
    assert store.get(waiting[1]).started is None and manager.waiting() == []


def test_trouble_that_stays_is_logged_once(store, manage, monkeypatch, logged):
    attempts = []

    def fail(self, process, experiment=None):
        attempts.append(process)
        raise RunError("the disk is full")

    monkeypatch.setattr(RunQueue, "claim", fail)
    monkeypatch.setattr("core.runs.manager.POLL_SECONDS", 0.01)
    manage(in_process=True)
    until(lambda: len(attempts) > 3)
    assert len([message for message in logged if "could not go on" in message]) == 1


def test_an_app_begins_although_a_full_disk_keeps_it_from_closing_a_dead_run(store, manage, monkeypatch):
    dead = store.create({}, process=(os.getpid(), 1.0))
    end, failures = RunQueue.end, iter([RunError("database or disk is full")] * 2)

    def end_or_fail(self, *arguments, **options):
        for failure in failures:
            raise failure
        end(self, *arguments, **options)

    monkeypatch.setattr(RunQueue, "end", end_or_fail)
    manager = manage(in_process=True)
    assert over(store, manager.submit(config("short")).id).status is Status.FINISHED
    assert store.get(dead.id).status is Status.INTERRUPTED


def test_a_clock_that_jumps_does_not_end_a_training_or_change_its_turn(store, manage, monkeypatch):
    manager = manage(in_process=True)
    run = manager.submit(config("endless"))
    training(store, run.id)
    for hours in (-5, 7):
        now = time.time() + 3600 * hours
        monkeypatch.setattr("time.time", lambda now=now: now)
        manager.submit(config("short", 1), f"{hours:+d}")
        close_dead_runs(store)
        training(store, run.id, store.get(run.id).step + 5)
    monkeypatch.undo()
    manager.submit(config("short", 1), "now")
    assert [waits.name for waits in manager.waiting()] == ["-5", "+7", "now"]
    manager.stop(run.id)
    assert [over(store, r.id).status for r in store.runs()] == [Status.FINISHED] * 3 + [Status.STOPPED]


def test_a_training_inside_the_app_cannot_be_killed_apart_from_it(store, manage):
    manager = manage(in_process=True)
    run = manager.submit(config("endless"))
    training(store, run.id)
    with pytest.raises(RunError, match="inside the app"):
        manager.stop(run.id, force=True)
    assert over(store, run.id).status is Status.STOPPED
