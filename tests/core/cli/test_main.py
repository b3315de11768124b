"""The command line: each command on a tiny data set, its answers for machines, its errors."""

import errno
import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core import PROJECT, RunError
from core.cli.main import main
from core.runs.drive import DISK_FULL_STATUS, follow
from core.runs.process import this_process
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from core.training.remark import Level, Remark
from tests.core.runs.fake_training import child_command, train
from tests.core.runs.waiting import create, end_all, steps, training, until

TWELVE = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
TINY = ("--model", "random", "--epochs", "1", "--shortest-edge", "72", "--longest-edge", "96", "--workers", "0")


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    return tmp_path


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_train_evaluate_analyze_and_runs_go_together(root, street, capsys, tmp_path):
    status, out, _ = run(capsys, "train", "--data", street, "--name", "tiny", *TINY)
    assert status == 0
    run_id = out.splitlines()[0]

    status, out, _ = run(capsys, "evaluate", run_id, "--json")
    answer = json.loads(out)
    assert status == 0 and set(answer) == {*TWELVE, "per_class", "errors", "impact"}
    types = ["classification", "localization", "both", "duplicate", "background", "missed"]
    assert list(answer["errors"]) == list(answer["impact"]) == types
    # 6 images x 30 queries: each detection is right, wrong in one way, or only on a crowd
    assert 0 < sum(answer["errors"].values()) <= 180 + answer["errors"]["missed"]

    status, told, _ = run(capsys, "evaluate", run_id[:15])
    assert status == 0 and "errors from score 0 " in told and "baseline    epoch 1     change" in told

    status, out, _ = run(capsys, "analyze", "last", "--images", 2, "--score", 0)
    assert status == 0 and out.endswith(told)
    data = tmp_path / "smaller"
    shutil.copytree(street, data)
    coco = json.loads((data / "annotations/instances_val.json").read_text())
    coco = {**coco, "images": coco["images"][:1], "annotations": []}
    (data / "annotations/instances_val.json").write_text(json.dumps(coco))
    RunStore(root).update(run_id, config={**RunStore(root).get(run_id).config, "data": str(data)})
    status, _, err = run(capsys, "analyze", run_id, "--images", 6)
    assert status == 1 and "has changed since" in err
    assert {p.name for p in (root / "runs" / run_id).glob("analysis_*.png")} == {"analysis_1.png", "analysis_2.png"}

    status, out, _ = run(capsys, "runs", "--json")
    assert [(r["id"], r["name"], r["status"]) for r in json.loads(out)] == [(run_id, "tiny", "finished")]
    assert run_id in run(capsys, "runs")[1]


def test_the_run_id_comes_first_also_from_another_process(root, street):
    command = [sys.executable, "-m", "core", "train", "--data", street, *TINY]
    done = subprocess.run([str(c) for c in command], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (root / "checkpoints" / done.stdout.splitlines()[0] / "best" / "model.safetensors").is_file()


def test_several_processes_train_one_run(root, street):
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m"]
    command = [sys.executable, *launch, "core", "train", "--data", street, *TINY, "--device", "cpu", "--threads", 1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(c) for c in command], cwd=PROJECT, capture_output=True, text=True, timeout=200, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (made,) = RunStore(root).runs()
    assert done.stdout.splitlines()[0] == made.id and made.status is Status.FINISHED and made.step == 2


# A training killed in a process of its own, and the commands that need no torch: they drive the tests' stand-in.


def csv_of(store, run_id, capsys):
    """What `metrics --csv` prints, without what the clock has a part in."""
    out = run(capsys, "metrics", run_id, "--csv")[1]
    return [line for line in out.splitlines() if "images_per_second" not in line and "train/wait" not in line]


def test_a_training_that_is_killed_and_resumed_has_the_metrics_of_one_that_was_not_to_the_last_digit(
    root, street, capsys
):
    settings = [*TINY, "--epochs", "6", "--threads", "1", "--device", "cpu"]
    status, out, _ = run(capsys, "train", "--data", street, *settings)
    whole = out.splitlines()[0]
    command = [sys.executable, "-m", "core", "train", "--data", street, *settings]
    process = subprocess.Popen([str(c) for c in command], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    killed = process.stdout.readline().decode().strip()
    store = RunStore(root)
    until(lambda: (store.get(killed).step or 0) >= 4)  # after the checkpoint of the first epoch
    process.kill()
    process.communicate()
    assert [r["status"] for r in json.loads(run(capsys, "runs", "--json")[1])] == ["interrupted", "finished"]
    status, out, _ = run(capsys, "resume", killed)
    assert status == 0 and out.splitlines()[0] == killed
    assert csv_of(store, killed, capsys) == csv_of(store, whole, capsys)


@pytest.fixture
def store(root, monkeypatch):
    monkeypatch.setattr("core.training.train.train", train)
    store = RunStore(root)
    yield store
    end_all(store)
    store.close()


def test_resume_goes_on_from_the_checkpoint_and_says_the_run_first(store, capsys):
    made = create(store, "short")
    for progress in follow(store, made.id):
        if progress.step == 4:
            RunQueue(store).request_stop(made.id)
    status, out, _ = run(capsys, "resume", "last")
    assert status == 0 and out.splitlines()[0] == made.id and "finished: best AP 50.0, untouched model" in out
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
    status, _, err = run(capsys, "stop", "last")
    assert status == 1 and f"The run {made.id} is stopped: there is nothing to stop." in err


def test_stop_of_a_run_whose_process_has_died_says_that_there_is_nothing_to_stop(store, capsys):
    store.create({}, process=(os.getpid(), 1.0))
    status, _, err = run(capsys, "stop", "last")
    assert status == 1 and "is interrupted: there is nothing to stop" in err


def test_runs_shows_the_queue_in_order(store, capsys):
    first, second = create(store, "short"), create(store, "short")
    RunQueue(store).move(second.id, -1)
    out = run(capsys, "runs")[1]
    assert out.rindex(second.id) < out.rindex(first.id) and "queue, the next first" in out
    places = {r["id"]: r["place"] for r in json.loads(run(capsys, "runs", "--json")[1])}
    assert places == {first.id: 2, second.id: 1}
    RunQueue(store).begin(second.id, this_process())
    assert {r["place"] for r in json.loads(run(capsys, "runs", "--json")[1])} == {None, 1}


def test_runs_are_told_although_a_dead_one_cannot_be_closed_on_a_full_disk(store, capsys, monkeypatch):
    dead = store.create({}, process=(os.getpid(), 1.0))

    def fail(self, *arguments, **options):
        raise RunError("The disk is full.")

    monkeypatch.setattr(RunQueue, "end", fail)
    status, out, err = run(capsys, "runs")
    assert status == 0 and dead.id in out and err == "note: The disk is full.\n"


def test_metrics_as_csv_are_every_row_in_the_order_of_recording_and_in_full_precision(store, capsys):
    made = store.create({})
    values = {"a": 0.1 + 0.2, "b": math.nan, "val/AP/traffic, light": -math.inf}
    store.record(made.id, 2, values)
    store.record(made.id, 1, {"a": 1e-300, "c": math.inf})
    status, out, _ = run(capsys, "metrics", made.id, "--csv")
    expected = ["2,a,0.30000000000000004", "2,b,nan", '2,"val/AP/traffic, light",-inf', "1,a,1e-300", "1,c,inf"]
    assert status == 0 and out == "\n".join(["step,tag,value", *expected, ""])
    only = run(capsys, "metrics", made.id, "--csv", "--tag", "c", "--tag", "b")[1]
    assert only.splitlines()[1:] == ["2,b,nan", "1,c,inf"]


def test_metrics_of_many_rows_are_read_piece_by_piece_and_none_is_lost(store, capsys, monkeypatch):
    made = store.create({})
    for step in range(10):
        store.record(made.id, step, {"a": step})
    for rows in (1, 3, 5, 10, 11):
        monkeypatch.setattr("core.cli.queries.ROWS_AT_ONCE", rows)
        out = run(capsys, "metrics", made.id, "--csv")[1]
        assert out.splitlines()[1:] == [f"{step},a,{float(step)}" for step in range(10)]


def test_metrics_of_a_run_that_has_recorded_nothing(store, capsys):
    made = store.create({})
    assert run(capsys, "metrics", made.id, "--csv")[:2] == (0, "step,tag,value\n")
    status, _, err = run(capsys, "metrics", made.id)
    assert status == 1 and "has recorded nothing yet: it is queued" in err


def test_metrics_in_short_are_the_last_values_and_a_mistyped_tag_is_named(store, capsys):
    made = store.create({})
    for step, value in enumerate((3.0, 1.0, 2.0), start=1):
        store.record(made.id, step, {"train/loss": value, "never": math.nan})
    out = run(capsys, "metrics", made.id)[1]
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert lines["train/loss"] == ["3", "3", "2", "1", "3"] and lines["never"] == ["3", "3", "nan", "nan", "nan"]
    status, _, err = run(capsys, "metrics", made.id, "--tag", "train/los")
    assert status == 1 and "has no metric 'train/los'; it has: never, train/loss." in err


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


def test_a_run_whose_folder_was_deleted_is_told_and_its_figures_stay(root, street, capsys):
    out = run(capsys, "train", "--data", street, *TINY)[1]
    run_id = out.splitlines()[0]
    shutil.rmtree(root / "runs" / run_id)
    for command in ("evaluate", "analyze"):
        status, _, err = run(capsys, command, run_id)
        assert status == 1 and "There is no detection table" in err and run_id in err
    assert run(capsys, "metrics", run_id)[0] == run(capsys, "runs")[0] == 0


def test_results_of_any_tool_are_evaluated(tmp_path, capsys):
    truths = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
        "categories": [{"id": 7, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [10, 10, 40, 40], "area": 1600}],
    }
    results = [{"image_id": 1, "category_id": 7, "bbox": [10, 10, 40, 40], "score": 0.9}]
    (tmp_path / "gt.json").write_text(json.dumps(truths))
    (tmp_path / "dt.json").write_text(json.dumps(results))
    _, out, _ = run(capsys, "evaluate", "--gt", tmp_path / "gt.json", "--dt", tmp_path / "dt.json", "--json")
    answer = json.loads(out)
    assert answer["AP"] == pytest.approx(1.0) and answer["APs"] is None and answer["per_class"] == {"cat": answer["AP"]}
    assert set(answer["errors"].values()) == {0} and set(answer["impact"].values()) == {0.0}


def test_a_demo_data_set_is_drawn(tmp_path, capsys):
    small = ("--train", 2, "--val", 1, "--size", 64, "--look", "day")
    status, out, _ = run(capsys, "demo", "--out", tmp_path / "d", *small)
    assert status == 0 and "2 training and 1 validation images" in out
    assert len(list((tmp_path / "d" / "train").glob("*.jpg"))) == 2


def test_a_demo_data_set_is_drawn_with_a_further_class(tmp_path, capsys):
    small = ("--train", 2, "--val", 1, "--size", 64, "--look", "day")
    status, out, _ = run(capsys, "demo", "--out", tmp_path / "d", *small, "--extra", "scooter")
    assert status == 0 and out.strip().endswith("day, scooter")
    data = json.loads((tmp_path / "d/annotations/instances_val.json").read_text())
    assert {c["name"]: c["id"] for c in data["categories"]}["scooter"] == 101


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate",), "Name either a RUN"),
        (("evaluate", "last", "--gt", "x"), "Name either a RUN"),
        (("evaluate", "last"), "There is no run yet"),
        (("evaluate", "--gt", "none.json", "--dt", "none.json"), "There is no file none.json"),
        (("analyze", "2099"), "There is no run yet"),
        (("analyze", "last", "--score", "7"), "--score is 7"),
        (("evaluate", "last", "--score", "nan"), "--score is nan"),
        (("train", "--processes", "2", "--data", "x"), "accelerate launch --multi_gpu --num_processes 2"),
        (("analyze", "last", "--images", "0"), "--images is 0"),
        (("train", "--lr", "7"), "lr is 7.0"),
        (("train", "--data", "/no/such/folder"), "/no/such/folder"),
        (("stop", "last"), "There is no run yet"),
        (("resume", "2099"), "There is no run yet"),
        (("metrics", "last", "--csv"), "There is no run yet"),
        (("table", "last", "--out", "x.csv"), "There is no run yet"),
        (("import", "--gt", "none.json", "--dt", "none.json"), "There is no file"),
        (("demo", "--look", "night", "--out", "x"), "no look 'night'"),
        (("demo", "--extra", "moped", "--out", "x"), "no further class 'moped'; they have: scooter"),
    ],
)
def test_an_error_is_one_sentence_and_an_exit_status(root, capsys, arguments, said):
    status, out, err = run(capsys, *arguments)
    last = err.strip().splitlines()[-1]
    assert status == 1 and last.startswith("error: ") and said in last and "Traceback" not in err


def test_a_mistyped_folder_leaves_no_run(root, capsys):
    assert run(capsys, "train", "--data", root / "none", *TINY)[0] == 1
    assert json.loads(run(capsys, "runs", "--json")[1]) == []


def test_a_failed_training_is_a_failed_command_and_a_failed_run(root, street, capsys):
    status, _, err = run(capsys, "train", "--data", street, "--classes", "unicorn", *TINY)
    assert status == 1 and "no class 'unicorn'" in err
    assert json.loads(run(capsys, "runs", "--json")[1])[0]["status"] == "failed"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_told_by_the_exit_status_where_not_even_the_log_can_be_written(root, monkeypatch):
    def fail(self):
        raise RunError("a sentence") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunStore, "list", fail)
    monkeypatch.setattr("sys.stderr", open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(sys.stderr, write_through=True))
    assert main(["runs"]) == DISK_FULL_STATUS
    sys.stderr.detach().close()


COMMANDS = [
    "demo", "train", "resume", "stop", "import", "evaluate", "analyze", "table", "export", "predict", "metrics", "runs",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0 and "usage:" in capsys.readouterr().out


def test_wrong_arguments_are_status_two(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--epochs", "many"])
    assert end.value.code == 2
