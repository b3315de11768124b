"""Real trainings, driven in every way there is: the record is the same."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from core import PROJECT
from core.config import TrainConfig
from core.runs.manager import JobManager
from core.runs.schema import Status
from tests.core.runs.waiting import until

SPEED = ("train/images_per_second", "train/wait")
SECONDS = 300


@pytest.fixture(scope="module")
def config(street):
    return TrainConfig(
        data=str(street), model="random", epochs=2, batch_size=4, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3,
        shortest_edge=72, longest_edge=96, workers=0, threads=1, device="cpu", freeze="none", seed=5,
    )  # fmt: skip


@pytest.fixture
def manage(store):
    managers = []

    def make(**options):
        managers.append(JobManager(store, **options))
        return managers[-1]

    yield make
    for manager in managers:
        manager.shutdown()
        for run in store.runs():
            if run.is_live:
                manager.stop(run.id, force=True)


def over(store, run_id):
    return until(lambda: not store.get(run_id).is_live and store.get(run_id), SECONDS)


def recorded(store, run_id):
    """Everything but the speed, as {(step, tag): value}."""
    rows, _ = store.metrics_after(run_id)
    assert len({(step, tag) for _, tag, step, _ in rows}) == len(rows), "something was recorded twice"
    return {(step, tag): value for _, tag, step, value in rows if tag not in SPEED}


def command_line(store, *arguments):
    environment = {**os.environ, "DETR_LAB_ROOT": str(store.root)}
    return subprocess.run([sys.executable, "-m", "core", *arguments], cwd=PROJECT, env=environment,
                          capture_output=True, text=True, timeout=SECONDS, check=False)  # fmt: skip


def test_the_command_line_the_thread_and_the_child_give_the_same_run(config, store, manage):
    options = [
        option
        for name, value in config.to_dict().items()
        if name not in ("classes", "profile", "deterministic")
        for option in ("--" + name.replace("_", "-"), str(value))
    ]
    done = command_line(store, "train", *options)
    assert done.returncode == 0, done.stderr
    records = {"command line": recorded(store, done.stdout.split()[0])}
    for name, in_process in (("thread", True), ("child", False)):
        manager = manage(in_process=in_process)
        run = over(store, manager.submit(config).id)
        assert run.status is Status.FINISHED, run.message
        records[name] = recorded(store, run.id)
        manager.shutdown()
    assert len(records["thread"]) > 100
    assert records["command line"] == records["thread"] == records["child"]
    checks = json.loads(store.preflight_path(run.id).read_text())["checks"]
    assert [check["ok"] for check in checks] == [True] * 5 and store.preflight_picture(run.id).is_file()


def test_the_app_trains_in_two_processes_and_a_death_among_them_ends_the_run_with_a_sentence(config, store, manage):
    config, manager = replace(config, processes=2, batch_size=2), manage()
    endless = manager.submit(replace(config, epochs=500, eval_every=500))
    until(lambda: (store.get(endless.id).step or 0) >= 3, SECONDS)
    leader = psutil.Process(store.get(endless.id).pid)
    (other,) = [p for p in leader.parent().children() if endless.id in p.cmdline() and p.pid != leader.pid]
    other.kill()
    ended = over(store, endless.id)
    assert ended.status is Status.FAILED
    until(lambda: "Process 2 of 2 was ended by SIGKILL" in store.get(endless.id).message)
    assert "torch/distributed/elastic" not in store.log_path(endless.id).read_text()  # no launcher's traceback
    assert (store.checkpoint(endless.id, "last") / "trainer.pt").is_file()
