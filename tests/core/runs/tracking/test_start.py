"""Followers are started where a run begins, as nobody's children, and only where there is something to tell."""

import json
import subprocess
import sys

import psutil
import pytest

from core.config import TrainConfig
from core.runs.drive import drive
from core.runs.schema import Status
from core.runs.tracking.start import follower_environment
from tests.core.runs.fake_training import train
from tests.core.runs.waiting import until

KEEP = "import json, sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"


@pytest.fixture
def told(tmp_path, monkeypatch):
    out = tmp_path / "told.jsonl"
    monkeypatch.setenv("DETR_LAB_ON_END", f'{sys.executable} -c "{KEEP}" {out}')
    return out


def test_without_trackers_and_notices_nothing_is_started(store, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", refuse)
    run = store.create(TrainConfig(data="x", epochs=1).to_dict())
    assert drive(store, run.id, train).status is Status.FINISHED
    assert not store.tracking_folder(run.id).exists()


def test_a_killed_training_is_told_by_what_it_started(store, told, manage, monkeypatch):
    """The follower is no child of the training: what kills that with all its children leaves it."""
    jobs = manage()
    run = jobs.submit(TrainConfig(data="endless", epochs=1))
    until((store.tracking_folder(run.id) / "command.json").exists)
    pid = store.get(run.id).pid
    assert not [child for child in psutil.Process(pid).children(recursive=True) if "track" in child.cmdline()]
    jobs.stop(run.id, force=True)
    until(told.exists)
    message = json.loads(told.read_text())
    assert (message["run"], message["status"], message["event"]) == (run.id, "stopped", "ended")


def test_a_follower_that_cannot_be_started_ends_no_training(store, told, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    run = store.create(TrainConfig(data="x", epochs=1).to_dict())
    assert drive(store, run.id, train).status is Status.FINISHED


def test_a_tracker_does_not_learn_who_is_told(store, told, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "DETR_LAB_ON_END" not in follower_environment(store, is_notice=False)
    assert "DETR_LAB_ON_END" in follower_environment(store, is_notice=True)
    assert "WORLD_SIZE" not in follower_environment(store, is_notice=True)
    assert follower_environment(store, is_notice=True)["DETR_LAB_ROOT"] == str(store.root)
