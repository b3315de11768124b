"""The command line: each command on a tiny data set, its answers for machines, its errors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.__main__ import main
from core.runs import PROJECT

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


def test_train_evaluate_analyze_and_runs_go_together(root, street, capsys):
    status, out, _ = run(capsys, "train", "--data", street, "--name", "tiny", *TINY)
    assert status == 0
    run_id = out.splitlines()[0]

    status, out, _ = run(capsys, "evaluate", run_id, "--json")
    answer = json.loads(out)
    assert status == 0 and set(answer) == {*TWELVE, "per_class", "errors"}
    assert list(answer["errors"]) == ["classification", "localization", "both", "duplicate", "background", "missed"]
    # 6 images x 30 queries: each detection is right, wrong in one way, or only on a crowd
    assert 0 < sum(answer["errors"].values()) <= 180 + answer["errors"]["missed"]

    status, out, _ = run(capsys, "evaluate", run_id[:15], "--epoch", 0)
    assert status == 0 and "errors from score 0" in out

    status, out, _ = run(capsys, "analyze", "last", "--images", 2, "--score", 0)
    assert status == 0 and "missed" in out
    assert {p.name for p in (root / "runs" / run_id).glob("*.png")} == {"analysis_1.png", "analysis_2.png"}

    status, out, _ = run(capsys, "runs", "--json")
    assert [(r["id"], r["name"], r["status"]) for r in json.loads(out)] == [(run_id, "tiny", "finished")]
    assert run_id in run(capsys, "runs")[1]


def test_the_run_id_comes_first_also_from_another_process(root, street):
    command = [sys.executable, "-m", "core", "train", "--data", street, *TINY]
    done = subprocess.run([str(c) for c in command], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (root / "checkpoints" / done.stdout.splitlines()[0] / "best" / "model.safetensors").is_file()


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
    assert set(answer["errors"].values()) == {0}


def test_a_demo_data_set_is_drawn(tmp_path, capsys):
    small = ("--train", 2, "--val", 1, "--size", 64, "--look", "day")
    status, out, _ = run(capsys, "demo", "--out", tmp_path / "d", *small)
    assert status == 0 and "2 training and 1 validation images" in out
    assert len(list((tmp_path / "d" / "train").glob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate",), "Name either a RUN"),
        (("evaluate", "last", "--gt", "x"), "Name either a RUN"),
        (("evaluate", "last"), "There is no run yet"),
        (("evaluate", "--gt", "none.json", "--dt", "none.json"), "There is no file none.json"),
        (("analyze", "2099"), "There is no run yet"),
        (("analyze", "last", "--score", "7"), "--score is 7"),
        (("analyze", "last", "--images", "0"), "--images 0"),
        (("train", "--lr", "7"), "lr is 7.0"),
        (("train", "--data", "/no/such/folder"), "/no/such/folder"),
        (("demo", "--look", "night", "--out", "x"), "no look 'night'"),
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


@pytest.mark.parametrize("command", ["demo", "train", "evaluate", "analyze", "runs"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0 and "usage:" in capsys.readouterr().out


def test_wrong_arguments_are_status_two(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--epochs", "many"])
    assert end.value.code == 2
