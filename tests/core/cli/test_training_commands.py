"""The commands train, resume and stop: trained for real, killed, resumed; or the tests' stand-in for a training."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from PIL import Image

from core import PROJECT
from core.runs.drive import follow
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from core.training.remark import Level, Remark
from tests.core.cli.running import TINY, dataset, last_line, run
from tests.core.detr.sources.hub_server import local_hub
from tests.core.detr.test_not_supported import OTHERS
from tests.core.runs.fake_training import child_command, train
from tests.core.runs.waiting import create, steps, training, until
from tests.engines import run_python


def test_the_run_id_comes_first_also_from_another_process(root, street, start_warm):
    done = run_python(start_warm, "-m", "core", "train", "--data", street, *TINY)
    assert done.returncode == 0, done.stderr
    assert (root / "checkpoints" / done.stdout.splitlines()[0] / "best" / "model.safetensors").is_file()


def test_the_images_can_be_looked_at_before_anything_is_trained(root, street, tmp_path, capsys):
    out = tmp_path / "preview.jpg"
    edges = ("--shortest-edge", "72", "--longest-edge", "96", "--epochs", "3")
    status, *_ = run(capsys, "preview", "--data", street, *edges, "--augment", "few images", "--out", out)
    with Image.open(out) as picture:
        assert not status and picture.size > (300, 300)
    status, _, err = run(capsys, "preview", "--data", street, *edges, "--augment", "shake", "--out", out)
    assert status and "shake" in err and "must be one of: none, flip" in err
    status, _, err = run(capsys, "preview", "--data", street, *edges, "--out", tmp_path / "preview.nothing")
    assert status and "preview.nothing" in err and "Traceback" not in err


def test_ctrl_c_ends_a_models_download_at_once_and_keeps_what_came_of_it(root, street, capsys, monkeypatch):
    pressed = []

    def press():
        until(lambda: any(run.message == "Downloading someone/starter: 2 of 7 MB" for run in RunStore(root).runs()))
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    with local_hub("someone/starter", PROJECT / "checkpoints/starter", root / "cache", monkeypatch) as hub:
        hub.hold = 2_000_000  # from there on it says nothing
        thread = threading.Thread(target=press)
        thread.start()
        status, _, err = run(capsys, "train", "--data", street, *TINY, "--model", hub.name)
        thread.join()
        assert status == 130 and time.monotonic() - pressed[0] < 3
    assert "Asking the Hugging Face hub for someone/starter" in err and "someone/starter: 2 of 7 MB" in err
    (made,) = RunStore(root).runs()
    assert (made.status, made.message) == (Status.STOPPED, "Stopped before its first step.")
    assert max(path.stat().st_size for path in root.glob("cache/*/blobs/*")) >= 2_000_000


@pytest.fixture
def store(fake_store):
    return fake_store


def test_resume_goes_on_from_the_checkpoint_and_says_the_run_first(store, capsys):
    made = create(store, "short")
    for progress in follow(store, made.id):
        if progress.step == 4:
            RunQueue(store).request_stop(made.id)
    status, out, _ = run(capsys, "resume", "last")
    assert status == 0 and out.splitlines()[0] == made.id and "finished: best AP 50.0, baseline" in out
    assert steps(store, made.id) == [1, 2, 3, 4, 5, 6]
    status, _, err = run(capsys, "resume", made.id)
    assert status == 1 and "is finished: only a stopped, failed or interrupted run can be resumed" in err


def test_resume_of_a_run_whose_checkpoints_were_deleted_is_refused(store, capsys):
    made = create(store, "endless")
    for progress in follow(store, made.id):
        if progress.step == 4:
            RunQueue(store).request_stop(made.id)
    shutil.rmtree(store.checkpoints(made.id))
    status, _, err = run(capsys, "resume", made.id)
    assert status == 1 and "is gone, so it cannot be resumed" in err
    assert store.get(made.id).status is Status.STOPPED and steps(store, made.id) == [1, 2, 3, 4]


def test_a_queued_run_that_has_a_checkpoint_goes_on_from_it(store, capsys):
    made = create(store, "short")
    for progress in follow(store, made.id):
        if progress.step == 4:
            RunQueue(store).request_stop(made.id)
    RunQueue(store).requeue(made.id)
    assert run(capsys, "train", "--run", made.id)[:2] == (0, "")
    assert steps(store, made.id) == [1, 2, 3, 4, 5, 6]
    assert "True" in (store.checkpoints(made.id) / "began.txt").read_text()


def at_work(store, kind="endless"):
    """A run and the process that trains it."""
    made = create(store, kind)
    return made, subprocess.Popen(child_command(made.id), env={**os.environ, "DETR_LAB_ROOT": str(store.root)})


def test_stop_waits_until_the_run_has_stopped(store, capsys):
    made, process = at_work(store)
    training(store, made.id)
    status, out, _ = run(capsys, "stop", made.id)
    assert status == 0 and out.startswith(f"{made.id} stopped: Stopped at step ")
    assert store.get(made.id).status is Status.STOPPED and process.wait(60) == 0


def test_stop_without_waiting_asks_only(store, capsys):
    made, process = at_work(store, "hang")
    until(lambda: store.get(made.id).message == "Loading model and data")
    assert run(capsys, "stop", made.id, "--no-wait")[:2] == (0, f"{made.id} stopping\n")
    status, out, _ = run(capsys, "stop", made.id, "--force")
    assert status == 0 and "The process was ended before it obeyed" in out
    assert process.wait(60) == -signal.SIGKILL


def test_stop_takes_a_run_out_of_the_queue(store, capsys):
    made = create(store, "short")
    assert run(capsys, "stop", "last")[:2] == (0, f"{made.id} stopped: Taken out of the queue.\n")
    status, _, err = run(capsys, "stop", made.id)
    assert status == 1 and f"The run {made.id} is stopped: there is nothing to stop." in err
    assert "There is no run that waits or is at work; the newest" in run(capsys, "stop", "last")[2]


def test_stop_of_a_run_whose_process_has_died_says_that_there_is_nothing_to_stop(store, capsys):
    made = store.create({}, process=(os.getpid(), 1.0))
    status, _, err = run(capsys, "stop", made.id)
    assert status == 1 and "is interrupted: there is nothing to stop" in err


def test_what_is_to_be_said_of_a_run_stands_below_its_result_and_in_json(store, capsys, monkeypatch):
    remark = Remark(
        rule="halved", level=Level.WARNING, title="A batch was halved", cause="Memory.", evidence="At step 3.",
        advice="Take 2.", step=3,
    )  # fmt: skip

    def remarking(*arguments):
        for progress in train(*arguments):
            yield replace(progress, remarks=(replace(remark, rule="batch_halved"),)) if progress.step == 3 else progress

    monkeypatch.setattr("core.training.train.train", remarking)
    made = create(store, "short")
    RunQueue(store).request_stop(made.id)
    out = run(capsys, "resume", made.id)[1]
    assert "\nwarning: A batch was halved. At step 3. Take 2.\n" in out.partition("finished: ")[2]
    (said,) = json.loads(run(capsys, "runs", "--json")[1])
    assert remark.title in [r["title"] for r in said["remarks"]]


def test_what_was_mistyped_leaves_no_run(root, street, tmp_path, capsys):
    for mistyped in (
        ("--data", root / "none"), ("--model", "checkpoints/none"), ("--model", tmp_path), ("--device", "mps"),
        ("--classes", "unicorn"), ("--lr", "-1"), ("--data", tmp_path),
    ):  # fmt: skip
        status, out, err = run(capsys, "train", "--data", street, *TINY, *mistyped)
        assert (status, out) == (1, "") and last_line(err).startswith("error: "), mistyped
    assert json.loads(run(capsys, "runs", "--json")[1]) == []


def test_a_training_that_fails_is_a_failed_command_and_a_failed_run(store, capsys):
    made = create(store, "wrong")
    status, _, err = run(capsys, "train", "--run", made.id)
    assert status == 1 and err.startswith("error: ") and store.get(made.id).status is Status.FAILED


@pytest.mark.parametrize("config", [OTHERS["vit"], OTHERS["a backbone of Swin"], OTHERS["no kind"]])
def test_a_model_that_cannot_be_trained_is_refused_and_makes_no_run(config, fake_store, capsys, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    status, out, err = run(capsys, "train", "--data", dataset(tmp_path / "data"), "--model", tmp_path / "model")
    assert (status, out) == (1, "") and err.startswith("error: ") and len(err.strip().splitlines()) == 1
    assert fake_store.runs() == []
