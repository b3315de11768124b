"""Trainings in children: they outlive the app, end when they are told to, and how they ended is recorded.

Children are real processes that run fake_training.py, so that kills and signals are real too, and torch is not needed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from core import RunError
from core.runs.bin import Bin
from core.runs.drive import DISK_FULL_STATUS
from core.runs.manager import close_dead_runs
from core.runs.process import has_process
from core.runs.queue import RunQueue
from core.runs.schema import Status
from tests.core.runs.waiting import config, create, over, steps, training, until

FAKE = Path(__file__).with_name("fake_training.py")


@pytest.fixture
def manage(manage, start_process):
    """Makes JobManagers whose children are started in both ways, and shuts them down after the test."""
    return lambda **options: manage(start=start_process, **options)


def app(store, mode="child"):
    """A process that manages the store's queue until its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, FAKE, "app", mode], env={**os.environ, "DETR_LAB_ROOT": str(store.root)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith("managing")
    return process


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
    with suppress(ChildProcessError):  # it was the engine's
        os.waitpid(pid, 0)  # the first manager's Popen has let go of it


@pytest.mark.few(1)
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


@pytest.mark.few(1)
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
    run = over(store, run.id)
    assert run.status is Status.STOPPED
    until(lambda: not has_process(run))
    Bin(store).delete(run.id)
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
    assert all(a.ended <= b.started for a, b in pairwise(runs))
    for process in apps:
        process.communicate(timeout=30)
        assert process.returncode == 0
