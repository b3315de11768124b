"""core/runs/manager.py: a training goes on whatever happens to the app, ends when it is told to, and says how it ended.

Children are real processes that run fake_training.py, so that kills and signals are real too, and torch is not needed.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core import RunError
from core.runs.drive import DISK_FULL_STATUS, follow
from core.runs.manager import JobManager, close_dead_runs
from core.runs.process import this_process
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.runs.fake_training import STEPS, child_command, train
from tests.core.runs.waiting import config, create, end_all, over, steps, training, until

FAKE = Path(__file__).with_name("fake_training.py")


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path)
    yield store
    end_all(store)
    store.close()


@pytest.fixture
def manage(store):
    """Makes JobManagers and shuts them down after the test."""
    managers = []

    def manage(**options):
        managers.append(JobManager(store, **{"command": child_command, "train": train, **options}))
        return managers[-1]

    yield manage
    for manager in managers:
        manager.shutdown()


def app(store, mode="child"):
    """A process that manages the store's queue until its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, FAKE, "app", mode], env={**os.environ, "DETR_LAB_ROOT": str(store.root)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "managing\n"
    return process


def test_settle_closes_the_runs_of_dead_processes_only(store):
    mine, dead = store.create({}, process=this_process()), store.create({}, process=(os.getpid(), 1.0))
    queued = store.create({})
    close_dead_runs(store)
    assert store.get(mine.id).status is Status.STARTING and store.get(queued.id).status is Status.QUEUED
    dead = store.get(dead.id)
    assert dead.status is Status.INTERRUPTED and "ended without a word" in dead.message


# JobManager, in its own thread


def test_runs_are_worked_off_in_order_and_one_that_fails_does_not_hold_up_the_rest(store, manage):
    waiting = [create(store, kind, epochs=1) for kind in ("short", "wrong", "crash")]
    manager = manage(in_process=True)
    last = manager.submit(config("short", 1), "the last")
    assert over(store, last.id).name == "the last"
    runs = [store.get(run.id) for run in (*waiting, last)]
    assert [r.status for r in runs] == [Status.FINISHED, Status.FAILED, Status.FAILED, Status.FINISHED]
    assert all(a.ended <= b.started for a, b in zip(runs, runs[1:], strict=False))
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

    def claim_or_fail(self, process):
        for failure in failures:
            raise failure
        return claim(self, process)

    monkeypatch.setattr(RunQueue, "claim", claim_or_fail)
    manager = manage(in_process=True)
    assert over(store, manager.submit(config("short")).id).status is Status.FINISHED


def test_a_run_whose_end_could_not_be_written_is_closed_later(store, manage, monkeypatch):
    end, failures = RunQueue.end, iter([RunError("disk full")])

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


def test_trouble_that_stays_is_logged_once(store, manage, monkeypatch, caplog):
    attempts = []

    def fail(self, process):
        attempts.append(process)
        raise RunError("the disk is full")

    monkeypatch.setattr(RunQueue, "claim", fail)
    monkeypatch.setattr("core.runs.manager.POLL_SECONDS", 0.01)
    manage(in_process=True)
    until(lambda: len(attempts) > 3)
    assert len([r for r in caplog.records if "could not go on" in r.message]) == 1


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


# JobManager with children


def test_child_and_thread_write_the_same_record(store, manage):
    inside = manage(in_process=True)
    here = inside.submit(config("short", 3), "same")
    over(store, here.id)
    inside.shutdown()
    there = manage().submit(config("short", 3), "same")
    over(store, there.id)

    def record(run_id):
        run = store.get(run_id)
        own = {"id", "created", "queued", "started", "ended", "heartbeat", "pid", "pid_started"}
        state = {name: value for name, value in vars(run).items() if name not in own}
        evaluations = [replace(e, run_id="", created=0) for e in store.evaluations(run_id)]
        return state, [row[1:] for row in store.metrics_after(run_id)[0]], evaluations

    assert record(here.id) == record(there.id)
    assert record(here.id)[0]["status"] is Status.FINISHED and len(record(here.id)[1]) == 2 * 3 * STEPS + 4
    assert store.get(here.id).pid == os.getpid() != store.get(there.id).pid
    assert store.log_path(there.id).read_text() == ""


def test_a_child_trains_on_without_its_manager_and_the_next_one_finds_and_stops_it(store, manage):
    first = manage()
    run = first.submit(config("endless"))
    pid = training(store, run.id).pid
    begin = time.monotonic()
    first.shutdown()
    assert time.monotonic() - begin < 5
    second = manage()
    assert second.current.id == run.id
    waiting = second.submit(config("short"))
    training(store, run.id, store.get(run.id).step + 20)
    assert store.get(waiting.id).status is Status.QUEUED
    second.stop(run.id)
    assert over(store, run.id).status is Status.STOPPED
    assert over(store, waiting.id).status is Status.FINISHED
    os.waitpid(pid, 0)  # the first manager's Popen has let go of it


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_lives_on_when_the_app_is_ended_and_is_found_by_the_next_app(store, manage, number):
    process = app(store)
    run = create(store, "endless")
    training(store, run.id)
    os.killpg(process.pid, number)  # to the whole group, as the terminal sends Ctrl-C
    process.communicate(timeout=30)
    manager = manage()
    assert manager.current.id == run.id
    training(store, run.id, store.get(run.id).step + 20)
    os.kill(store.get(run.id).pid, signal.SIGKILL)
    run = over(store, run.id)
    assert run.status is Status.INTERRUPTED and "ended without a word" in run.message
    manager.resume(run.id)
    until(lambda: store.get(run.id).status is Status.RUNNING)
    training(store, run.id, run.step + 20)
    manager.stop(run.id)
    run = over(store, run.id)
    assert run.status is Status.STOPPED and steps(store, run.id) == list(range(1, run.step + 1))


def test_a_run_that_died_with_the_app_is_interrupted_in_the_next_one_and_one_click_resumes_it(store, manage):
    process = app(store, "in_process")
    run = create(store, "endless")
    training(store, run.id, 5)
    process.kill()
    process.communicate(timeout=30)
    manager = manage(in_process=True)
    run = store.get(run.id)
    assert run.status is Status.INTERRUPTED and "resume the run" in run.message
    manager.resume(run.id)
    until(lambda: store.get(run.id).status is Status.RUNNING)
    training(store, run.id, run.step + 20)
    manager.stop(run.id)
    run = over(store, run.id)
    assert run.status is Status.STOPPED and steps(store, run.id) == list(range(1, run.step + 1))
    assert (store.checkpoints(run.id) / "began.txt").read_text().split()[1::2] == ["False", "True"]


@pytest.mark.parametrize("kind, resumed", [("killed", "False"), ("killed later", "True")])
def test_a_run_that_was_killed_between_checkpoints_is_resumed_from_the_last(store, manage, kind, resumed):
    manager = manage()
    run = over(store, manager.submit(config(kind)).id)
    assert run.status is Status.INTERRUPTED and run.step == (2 if kind == "killed" else 5)
    if kind == "killed":  # before its first checkpoint: it begins anew, and this time nobody kills it
        store.update(run.id, config=config("short").to_dict())
    manager.resume(run.id)
    assert over(store, run.id).status is Status.FINISHED
    assert steps(store, run.id) == [1, 2, 3, 4, 5, 6]
    assert (store.checkpoints(run.id) / "began.txt").read_text().split()[1::2] == ["False", resumed]


@pytest.mark.parametrize("kind", ["killed", "killed thread by thread"])  # the first of several may end long before
def test_a_killed_child_is_interrupted_and_the_next_run_begins(store, manage, kind):
    manager = manage()
    run, following = manager.submit(config(kind)), manager.submit(config("short"))
    run = over(store, run.id)
    assert run.status is Status.INTERRUPTED
    assert "ended by SIGKILL, which often means that memory ran out" in run.message
    assert over(store, following.id).status is Status.FINISHED


def test_a_child_that_cannot_even_begin_fails_and_its_words_are_in_the_log(store, manage):
    manager = manage(command=lambda _: [sys.executable, "-c", "import sys; print('no torch'); sys.exit(3)"])
    run = over(store, manager.submit(config("short")).id)
    assert run.status is Status.FAILED
    assert run.message == f"The process ended with exit code 3 before it could say why: see runs/{run.id}/log.txt."
    assert store.log_path(run.id).read_text() == "no torch\n"


def test_a_child_that_the_full_disk_kept_from_writing_its_end_is_closed_with_that_sentence(store, manage):
    manager = manage(command=lambda _: [sys.executable, "-c", f"import sys; sys.exit({DISK_FULL_STATUS})"])
    run = over(store, manager.submit(config("short")).id)
    assert run.status is Status.FAILED
    assert run.message.startswith(f"The disk is full ({store.root}): free some space, then resume")


def test_a_run_does_not_hang_if_its_child_could_not_be_noted(store, manage, monkeypatch):
    def fail(self, run_id, process):
        raise RunError("database or disk is full")

    monkeypatch.setattr(RunQueue, "set_process", fail)
    manager = manage(command=lambda _: [sys.executable, "-c", "import sys; sys.exit(3)"])
    run = over(store, manager.submit(config("short")).id)
    assert run.status is Status.FAILED and "exit code 3" in run.message


def test_a_program_that_is_not_there_fails_with_its_name(store, manage):
    manager = manage(command=lambda _: ["/no/such/python"])
    run = over(store, manager.submit(config("short")).id)
    assert run.status is Status.FAILED and "could not be started" in run.message and "/no/such/python" in run.message


def test_the_next_run_waits_until_the_child_has_given_back_the_memory(store, manage, monkeypatch):
    rounds = []
    monkeypatch.setattr(
        "core.runs.manager.close_dead_runs", lambda *arguments: rounds.append(close_dead_runs(*arguments))
    )
    manager = manage()
    run, following = manager.submit(config("lingers")), manager.submit(config("short"))
    try:
        assert over(store, run.id).status is Status.FINISHED
        enough = len(rounds) + 3
        until(lambda: len(rounds) >= enough)
        assert store.get(following.id).status is Status.QUEUED
    finally:
        (store.root / "leave").touch()
    assert over(store, following.id).status is Status.FINISHED


def test_a_child_that_hangs_is_ended_by_force(store, manage):
    manager = manage()
    run = manager.submit(config("hang"))
    until(lambda: store.get(run.id).message == "Loading model and data")
    assert manager.stop(run.id).label == "Stopping"
    manager.stop(run.id, force=True)
    run = over(store, run.id)
    assert run.status is Status.STOPPED and "before it obeyed" in run.message


def test_a_run_whose_folder_is_deleted_under_it_still_ends_well(store, manage):
    manager = manage()
    run = manager.submit(config("endless"))
    training(store, run.id)
    shutil.rmtree(store.folder(run.id))
    training(store, run.id, store.get(run.id).step + 20)
    manager.stop(run.id)
    assert over(store, run.id).status is Status.STOPPED
    store.delete(run.id)
    assert store.runs() == []


def test_a_database_that_is_deleted_under_an_app_is_named_and_all_goes_on_once_it_is_back(store, manage):
    manager = manage()
    run = manager.submit(config("endless"))
    process = psutil.Process(training(store, run.id).pid)
    away = store.root / "away"
    away.mkdir()
    for path in sorted(store.runs_dir.glob("runs.db*")):
        path.rename(away / path.name)
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert "runs.db is gone: put it back" in store.log_path(run.id).read_text()
    for refused in (store.runs, lambda: manager.submit(config("short")), lambda: manager.stop(run.id)):
        with pytest.raises(RunError, match="is gone: put it back, or restart DETR Lab"):
            refused()
    assert not (store.runs_dir / "runs.db").exists()
    for path in sorted(away.iterdir(), reverse=True):  # the database after its log, without which it is an older one
        path.rename(store.runs_dir / path.name)
    run = over(store, run.id)
    assert run.status is Status.FAILED and run.step > 0
    following = manager.submit(config("short"))
    assert over(store, following.id).status is Status.FINISHED
    assert manager.resume(run.id).status is Status.QUEUED
    training(store, run.id, run.step + 3)
    manager.stop(run.id)
    assert over(store, run.id).status is Status.STOPPED


@pytest.mark.parametrize("mode", ["child", "in_process"])
def test_two_apps_on_one_store_begin_every_run_once_and_one_at_a_time(store, mode):
    runs = [create(store, "short", epochs=1) for _ in range(2 if mode == "child" else 8)]
    apps = [app(store, mode), app(store, mode)]
    for run in runs:
        assert over(store, run.id).status is Status.FINISHED
        assert len((store.checkpoints(run.id) / "began.txt").read_text().splitlines()) == 1
    runs = [store.get(run.id) for run in runs]
    assert all(a.ended <= b.started for a, b in zip(runs, runs[1:], strict=False))
    for process in apps:
        process.communicate(timeout=30)
        assert process.returncode == 0
