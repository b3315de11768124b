"""core/jobs.py: a training goes on whatever happens to the app, ends when it is told to, and says how it ended.

Children are real processes that run fake_training.py, so that kills and signals are real too, and torch is not needed.
"""

import os
import re
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
from core.config import TrainConfig
from core.jobs import JobManager, drive, follow, has_process, settle, this_process
from core.queue import RunQueue
from core.records import Status
from core.runs import RunStore
from tests.core.fake_training import STEPS, child_command, train

FAKE = Path(__file__).with_name("fake_training.py")


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path)
    yield store
    for run in RunQueue(store).at_work():  # what a failed test may have left
        if run.pid != os.getpid() and has_process(run):
            psutil.Process(run.pid).kill()
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


def until(condition, seconds=60):
    """Wait for `condition` and return what it gave; a test fails if it takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.01)
    return found


def over(store, run_id):
    """The run, once it is over."""
    return until(lambda: not store.get(run_id).is_live and store.get(run_id))


def training(store, run_id, step=3):
    """The run, once it has recorded so many steps."""
    return until(lambda: (store.get(run_id).step or 0) >= step and store.get(run_id))


def config(kind, epochs=2):
    return TrainConfig(data=kind, epochs=epochs)


def create(store, kind, epochs=2):
    return store.create(config(kind, epochs).to_dict())


def steps(store, run_id):
    return [step for _, _, step, _ in store.metrics_after(run_id, tags=["train/loss"])[0]]


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


# drive and follow


def test_a_training_that_goes_to_its_end_is_finished(store):
    run = drive(store, create(store, "short").id, train)
    assert (run.status, run.message, run.step, run.steps, run.epoch) == (Status.FINISHED, None, 6, 6, 2)
    assert (run.baseline_ap, run.best_ap, run.best_epoch) == (0.25, 0.5, 2)
    assert run.created <= run.started <= run.ended and run.seconds_left is None
    assert not store.log_path(run.id).exists()


def test_a_request_to_stop_ends_it_within_the_step_and_lets_it_save(store):
    run = create(store, "endless")

    def stops_itself(*arguments):
        closed = False
        try:
            for progress in train(*arguments):
                if progress.step == 5:
                    RunQueue(store).request_stop(run.id)
                yield progress
                assert progress.step < 5
        except GeneratorExit:
            closed = True
            raise
        finally:
            assert closed

    run = drive(store, run.id, stops_itself)
    assert (run.status, run.message) == (Status.STOPPED, "Stopped at step 5 of 1000000.")
    assert steps(store, run.id) == [1, 2, 3, 4, 5]


def test_setting_the_event_stops_it_too(store):
    stop = threading.Event()
    stop.set()
    run = drive(store, create(store, "endless").id, train, stop)
    assert (run.status, run.message) == (Status.STOPPED, "Stopped before its first step.")
    assert steps(store, run.id) == []


def test_whoever_follows_a_training_sees_what_is_already_recorded_and_stops_it_by_leaving(store):
    run = create(store, "endless")
    following = follow(store, run.id, train)
    for progress in following:
        assert store.get(run.id).message == (progress.message or None)
        if progress.step == 4:
            break
    following.close()
    assert store.get(run.id).status is Status.STOPPED
    assert (store.checkpoint(run.id, "last") / "step.txt").read_text() == "4"


def test_an_error_for_the_user_is_the_runs_message(store):
    run = drive(store, create(store, "wrong").id, train)
    assert run.status is Status.FAILED
    assert run.message == "classes is ('cow',), but the data set has no cow: choose others."
    assert "ConfigError" in store.log_path(run.id).read_text()


@pytest.mark.parametrize("kind, said", [("crash", r"\(ZeroDivisionError: a secret\)"), ("exit", r"\(SystemExit: 3\)")])
def test_any_other_error_is_one_sentence_and_its_traceback_is_in_the_log_only(store, kind, said, capfd):
    run = drive(store, create(store, kind).id, train)
    assert run.status is Status.FAILED
    assert re.fullmatch(rf"The training broke off {said}: see runs/{run.id}/log.txt\.", run.message)
    assert "Traceback" in store.log_path(run.id).read_text()
    assert capfd.readouterr() == ("", "")


def test_an_error_while_it_saves_after_a_stop_is_not_lost(store):
    stop = threading.Event()
    following = follow(store, (run := create(store, "unsaved")).id, train, stop)
    for progress in following:
        if progress.step == 1:
            stop.set()
    run = store.get(run.id)
    assert run.status is Status.FAILED and "OSError: No space left on device" in run.message


def test_settings_of_another_version_fail_with_their_sentence(store):
    run = drive(store, store.create({"warp": 9}).id, train)
    assert run.status is Status.FAILED and "Unknown setting 'warp'" in run.message


def test_a_run_that_has_begun_elsewhere_is_not_driven_again(store):
    run = drive(store, create(store, "short").id, train)
    with pytest.raises(RunError, match="is finished, so it cannot begin"):
        drive(store, run.id, train)
    assert store.get(run.id) == run


def test_a_run_that_was_closed_meanwhile_stops_and_keeps_what_was_said(store):
    run = create(store, "endless")
    for progress in follow(store, run.id, train):
        if progress.step == 2:
            RunQueue(store).end(run.id, Status.INTERRUPTED, "given up")
    assert steps(store, run.id) == [1, 2]
    assert (store.get(run.id).status, store.get(run.id).message) == (Status.INTERRUPTED, "given up")


def test_signal_handlers_are_put_back(store):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    drive(store, create(store, "crash").id, train)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_and_ctrl_c_stop_it_after_its_step_with_a_checkpoint(store, number):
    run = create(store, "endless")
    process = subprocess.Popen(child_command(run.id), env={**os.environ, "DETR_LAB_ROOT": str(store.root)})
    training(store, run.id)
    process.send_signal(number)
    assert process.wait(60) == 0
    run = store.get(run.id)
    assert run.status is Status.STOPPED
    assert int((store.checkpoint(run.id, "last") / "step.txt").read_text()) == run.step == steps(store, run.id)[-1]


def test_a_second_ctrl_c_does_not_wait_for_the_step(store):
    run = create(store, "hang")
    process = subprocess.Popen(
        child_command(run.id), env={**os.environ, "DETR_LAB_ROOT": str(store.root)}, stderr=subprocess.DEVNULL
    )
    until(lambda: store.get(run.id).message == "Loading model and data")

    def insist():
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    until(insist)
    assert store.get(run.id).status is Status.STOPPED


# Which process works on a run


def test_a_process_is_known_by_pid_and_start_time(store):
    run = store.create({}, process=this_process())
    assert has_process(run)
    assert not has_process(replace(run, pid_started=run.pid_started - 60))
    assert not has_process(replace(run, pid=None, pid_started=None))
    assert not has_process(replace(run, pid=2**22 + 1))


def test_a_dead_process_that_nobody_has_collected_does_not_work_on_anything(store):
    child = subprocess.Popen([sys.executable, "-c", ""])
    run = store.create({}, process=(child.pid, psutil.Process(child.pid).create_time()))
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert not has_process(run)
    child.wait()
    assert not has_process(run)


def test_a_child_is_still_known_after_the_machines_clock_was_set(store):
    run = store.create({})
    program = [sys.executable, "-c", "print(flush=True); input()", run.id]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()  # until it runs its program it has no command line yet
        an_hour_off = psutil.Process(child.pid).create_time() - 3600
        mine = has_process(replace(run, pid=child.pid, pid_started=an_hour_off))
        others = has_process(replace(run, pid=child.pid, pid_started=an_hour_off, id="20260101-000000-0000"))
        child.communicate(b"\n")
    assert mine and not others


def test_settle_closes_the_runs_of_dead_processes_only(store):
    mine, dead = store.create({}, process=this_process()), store.create({}, process=(os.getpid(), 1.0))
    queued = store.create({})
    settle(store)
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
    store.update(run.id, config=config("short").to_dict())
    manager.resume(run.id)
    assert over(store, run.id).status is Status.FINISHED
    assert steps(store, run.id) == [1, 2, 3, 4, 5, 6]  # it was killed before it had saved: from the start


def test_a_killed_child_is_interrupted_and_the_next_run_begins(store, manage):
    manager = manage()
    run, following = manager.submit(config("killed")), manager.submit(config("short"))
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


def test_a_program_that_is_not_there_fails_with_its_name(store, manage):
    manager = manage(command=lambda _: ["/no/such/python"])
    run = over(store, manager.submit(config("short")).id)
    assert run.status is Status.FAILED and "could not be started" in run.message and "/no/such/python" in run.message


def test_the_next_run_waits_until_the_child_has_given_back_the_memory(store, manage, monkeypatch):
    rounds = []
    monkeypatch.setattr("core.jobs.settle", lambda *arguments: rounds.append(settle(*arguments)))
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
    assert store.list() == []


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
