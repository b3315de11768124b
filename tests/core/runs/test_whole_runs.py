"""Real trainings, driven in every way there is, and broken off in every way: the record is the same."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli.main import main
from core.config import TrainConfig
from core.engine.process import start_cold
from core.evaluation.table import read_table
from core.runs.drive import drive
from core.runs.manager import JobManager
from core.runs.schema import Status
from tests.core.runs.waiting import over, training, until
from tests.engines import run_python

SECONDS = 300  # of a whole training in a new process, on a busy machine
SPEED = ("train/images_per_second", "train/wait")
OF_A_RUN = {"id", "created", "queued", "started", "ended", "heartbeat", "pid", "pid_started", "images_per_second"}
BROKEN_OFF = str(Path(__file__).with_name("broken_off.py"))
ACCELERATE = (
    "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m", "core",
)  # fmt: skip


@pytest.fixture
def store(store, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(store.root))
    return store


@pytest.fixture
def manage(store):
    managers = []

    def make(**options):
        managers.append(JobManager(store, **options))
        return managers[-1]

    yield make
    for manager in managers:
        manager.shutdown()


@pytest.fixture(scope="module")
def config(street):
    # 11 of 12 images hold an object of these classes: the last step has an image for one of two processes only
    return TrainConfig(
        data=str(street), model="random", epochs=2, batch_size=4, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3,
        shortest_edge=72, longest_edge=96, workers=0, threads=1, device="cpu", freeze="none", seed=5,
    )  # fmt: skip


def recorded(store, run_id):
    """Everything but the speed, as {(step, tag): value}."""
    rows, _ = store.metrics_after(run_id)
    assert len({(step, tag) for _, tag, step, _ in rows}) == len(rows), "something was recorded twice"
    return {(step, tag): value for _, tag, step, value in rows if tag not in SPEED}


def printed(store, run_id, capsys):
    """The lines of `metrics --csv`, without what the clock has a part in."""
    capsys.readouterr()
    assert main(["metrics", run_id, "--csv"]) == 0
    return [line for line in capsys.readouterr().out.splitlines() if not any(tag in line for tag in SPEED)]


def noted(store, run_id):
    """The run's row, but what is its own, and its evaluations."""
    run = store.get(run_id)
    row = {name: value for name, value in vars(run).items() if name not in OF_A_RUN}
    return row, [replace(e, run_id="", created=0, table=None) for e in store.evaluations(run_id)]


def test_a_child_that_is_killed_and_resumed_at_the_command_line_records_what_the_thread_does_to_the_last_digit(
    config,
    store,
    manage,
    capsys,
    start_warm,
):
    config = replace(config, epochs=5)
    inside = manage(in_process=True)
    whole = over(store, inside.submit(config, "same").id, SECONDS)
    assert (whole.status, whole.pid) == (Status.FINISHED, os.getpid()), whole.message
    inside.shutdown()
    manager = manage(start=start_warm)
    run = training(store, manager.submit(config, "same").id, 4, SECONDS)  # after the checkpoint of the first epoch
    assert run.pid != os.getpid()
    os.kill(run.pid, signal.SIGKILL)
    assert over(store, run.id).status is Status.INTERRUPTED
    manager.shutdown()
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    assert [r["status"] for r in json.loads(capsys.readouterr().out)] == ["interrupted", "finished"]
    assert main(["resume", run.id]) == 0
    assert capsys.readouterr().out.splitlines()[0] == run.id
    assert len(recorded(store, whole.id)) > 100
    assert recorded(store, run.id) == recorded(store, whole.id)
    assert printed(store, run.id, capsys) == printed(store, whole.id, capsys)
    assert noted(store, run.id) == noted(store, whole.id)
    checks = json.loads(store.preflight_path(run.id).read_text())["checks"]
    assert [check["ok"] for check in checks] == [True] * 5 and store.preflight_picture(run.id).is_file()
    assert store.log_path(run.id).read_text() == ""


@pytest.mark.ci
def test_two_processes_whatever_breaks_them_off_have_the_losses_of_one_with_the_same_batch(
    config, store, manage, start_warm
):
    """Begun by a command until Ctrl-C, resumed by the app until one of the two is killed, and by `accelerate`."""
    config = replace(config, dropout=0.0)
    alone = drive(store, store.create(config.to_dict()).id)
    assert alone.status is Status.FINISHED, alone.message
    settings = options(replace(config, processes=2, batch_size=2))
    done = run_python(start_warm, BROKEN_OFF, "Ctrl-C", 2, "train", *settings, DETR_LAB_ROOT=str(store.root))
    run = store.get(done.stdout.splitlines()[0])
    assert (done.returncode, run.status, run.step) == (130, Status.STOPPED, 2), done.stderr
    assert "Traceback" not in done.stderr and "error" not in done.stderr

    manager = manage(
        start=start_warm, command=lambda run_id: [sys.executable, BROKEN_OFF, "death", "4", "train", "--run", run_id]
    )
    manager.resume(run.id)
    assert over(store, run.id, SECONDS).status is Status.FAILED
    until(lambda: "Process 2 of 2 was ended by SIGKILL" in store.get(run.id).message)
    assert "torch/distributed/elastic" not in store.log_path(run.id).read_text()  # no launcher's traceback
    assert (store.checkpoint(run.id, "last") / "trainer.pt").is_file()
    manager.shutdown()

    done = run_python(start_cold, *ACCELERATE, "resume", run.id, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr[-3000:]
    run = store.get(run.id)
    assert done.stdout.splitlines()[0] == run.id and (run.status, run.step) == (Status.FINISHED, 6)
    assert {path.name for path in store.checkpoints(run.id).iterdir()} == {"best", "last"}
    assert recorded(store, run.id) == pytest.approx(recorded(store, alone.id), rel=2e-3, abs=1e-6)
    for one, other in zip(store.evaluations(run.id), store.evaluations(alone.id), strict=True):
        assert images(one) == images(other)  # none twice, none left out


def options(config):
    """The settings as options of the command line."""
    return [
        text
        for name, value in config.to_dict().items()
        if value != [] and not isinstance(value, bool)  # which are off
        for text in ("--" + name.replace("_", "-"), *map(str, value if isinstance(value, list) else [value]))
    ]


def images(evaluation):
    """The image of every detection of an evaluation, in order."""
    table = read_table(evaluation.table, ["kind", "image_id"]).to_pylist()
    return sorted(row["image_id"] for row in table if row["kind"] == "detection")
