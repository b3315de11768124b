"""core/runs/drive.py: a training ends when it is told to, and says how it ended, also by signals and on a full disk."""

import errno
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
from contextlib import suppress
from itertools import count

import pytest

from core import RunError
from core.disk import is_disk_full
from core.runs.drive import NO_MEMORY, disk_full_message, drive, follow
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from core.training.events import Finished
from tests.core.runs.fake_training import child_command, train
from tests.core.runs.waiting import config, create, steps, training, until


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


def test_a_full_disk_while_it_saves_after_a_stop_is_not_lost(store):
    stop = threading.Event()
    following = follow(store, (run := create(store, "unsaved")).id, train, stop)
    for progress in following:
        if progress.step == 1:
            stop.set()
    run = store.get(run.id)
    assert run.status is Status.FAILED and run.message == disk_full_message(store)
    assert run.message.startswith(f"The disk is full ({store.root}): free some space, then resume")
    assert "No space left" in store.log_path(run.id).read_text()


def test_a_full_disk_while_it_records_is_said_in_the_same_sentence(store):
    run = create(store, "short", epochs=200)
    with store.database.read() as db:  # the one connection of this thread
        pages = db.execute("pragma page_count").fetchone()[0]
        db.execute(f"pragma max_page_count = {pages + 1}")
    run = drive(store, run.id, train)
    assert run.status is Status.FAILED and run.message == disk_full_message(store) and run.step > 0
    with store.database.read() as db:
        db.execute("pragma max_page_count = 1000000")
    step = int((store.checkpoint(run.id, "last") / "step.txt").read_text())
    RunQueue(store).requeue(run.id)
    store.update(run.id, config=config("short", step // 3 + 2).to_dict())
    assert drive(store, run.id, train).status is Status.FINISHED
    assert steps(store, run.id) == list(range(1, store.get(run.id).step + 1))


@pytest.mark.parametrize("error", [RunError("The database is locked."), KeyboardInterrupt()], ids=["locked", "Ctrl-C"])
@pytest.mark.parametrize("failing", [1, 2, 4, 5, 8])
def test_what_could_not_be_recorded_is_made_again(store, monkeypatch, failing, error):
    record, calls = RunStore.record, count(1)

    def fail(self, run_id, step, metrics, *rest):
        if metrics and next(calls) == failing:
            raise error
        record(self, run_id, step, metrics, *rest)

    monkeypatch.setattr(RunStore, "record", fail)
    run = create(store, "short", epochs=2)
    with suppress(KeyboardInterrupt):
        drive(store, run.id, train)
    monkeypatch.undo()
    RunQueue(store).requeue(run.id)
    assert drive(store, run.id, train).status is Status.FINISHED
    assert steps(store, run.id) == [1, 2, 3, 4, 5, 6]
    assert [e.epoch for e in store.evaluations(run.id)] == [0, 1, 2]


def test_an_error_that_quotes_escape_sequences_is_bounded_in_the_record_and_harmless_in_the_log(store, monkeypatch):
    run = create(store, "short")

    def fail(*_):
        raise ValueError("\x1b]0;owned\x07" + "x" * 100_000)

    monkeypatch.setattr("core.runs.recorder.Recorder.write", fail)
    drive(store, run.id, train)
    message, log = store.get(run.id).message, store.log_path(run.id).read_text()
    assert len(message) < 600 and "\\x1b]0;owned\\x07" in message
    assert "\\x1b]0;owned\\x07" in log and "\x1b" not in log and "\x07" not in log


def test_a_file_that_cannot_be_written_is_named_with_the_systems_reason(store, monkeypatch):
    def read_only(path, text):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("core.runs.recorder.Recorder.write", lambda self, progress: read_only("/runs/a", ""))
    run = drive(store, create(store, "short").id, train)
    assert run.status is Status.FAILED
    assert run.message == (
        "/runs/a cannot be written or read (read-only file system): give access and room to it, then resume."
    )


@pytest.mark.parametrize("error", [
    MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory"), RuntimeError("could not create a primitive"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: can't allocate memory: you tried 9"),
])  # fmt: skip
def test_memory_that_ran_out_is_told_as_such_whoever_asked_for_it(store, monkeypatch, error):
    def fail(self, progress):
        raise error

    monkeypatch.setattr("core.runs.recorder.Recorder.write", fail)
    run = drive(store, create(store, "short").id, train)
    assert run.status is Status.FAILED and run.message == NO_MEMORY


def test_a_file_without_a_name_that_takes_no_more_is_one_of_the_store(store, monkeypatch):
    def fail(self, progress):
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr("core.runs.recorder.Recorder.write", fail)
    run = drive(store, create(store, "short").id, train)
    assert run.message.startswith(f"A file under {store.root} cannot be written or read (file too large): give")


def test_a_disk_so_full_that_not_even_the_end_can_be_written_raises_that_sentence(store, monkeypatch):
    def fail(self, *_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise RunError("The run database cannot be used.") from error

    monkeypatch.setattr(RunQueue, "end", fail)
    with pytest.raises(RunError, match=r"The disk is full .*: free some space, then resume") as raised:
        drive(store, create(store, "short").id, train)
    assert is_disk_full(raised.value)


def test_a_run_that_lost_its_checkpoints_is_not_begun_anew(store):
    run = create(store, "endless")
    for progress in follow(store, run.id, train):
        if progress.step == 4:
            RunQueue(store).request_stop(run.id)
    RunQueue(store).requeue(run.id)
    shutil.rmtree(store.checkpoints(run.id))  # after it was put into the queue
    run = drive(store, run.id, train)
    assert run.status is Status.FAILED and "is gone, so it cannot be resumed" in run.message
    assert "train again" in run.message and steps(store, run.id) == [1, 2, 3, 4]


def test_the_folder_of_a_run_may_be_deleted_while_it_trains(store):
    run = create(store, "short")
    for progress in follow(store, run.id, train):
        if progress.step in (2, 4):
            shutil.rmtree(store.folder(run.id), ignore_errors=True)
    assert store.get(run.id).status is Status.FINISHED and steps(store, run.id) == [1, 2, 3, 4, 5, 6]


def test_a_clock_that_jumps_does_not_disturb_a_training(store, monkeypatch):
    run = create(store, "short")
    for progress in follow(store, run.id, train):
        now = run.created + (-20000 if progress.step % 2 else 50000)
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert not RunQueue(store).must_stop(run.id)
    assert store.get(run.id).status is Status.FINISHED and steps(store, run.id) == [1, 2, 3, 4, 5, 6]


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


def test_one_that_ends_late_leaves_signals_to_who_has_them_by_then(store):
    before, going = signal.getsignal(signal.SIGINT), follow(store, create(store, "endless").id, train)
    next(going)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    going.close()  # as the collector does, of a generator that was cut off
    assert signal.signal(signal.SIGINT, before) is signal.SIG_IGN


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


def test_the_end_is_recorded_before_the_training_tidies_up(store):
    run, seen = create(store, "short"), []

    def tidying(config, folder, resume):
        yield Finished(epoch=2, epochs=2, step=6, steps=6)
        seen.append(store.get(run.id).status)  # a kill from here on finds it finished

    assert drive(store, run.id, tidying).status is Status.FINISHED
    assert seen == [Status.FINISHED]
