"""The shell: every command has --json, --root and a place in the completion, and exit statuses are as documented."""

import json
import subprocess
from dataclasses import replace

import pytest

from core import PROJECT
from core.cli.main import COMMANDS
from core.config import TrainConfig
from core.runs.store import RunStore
from core.training.settings_file.yaml_file import parse_settings
from tests.core.cli.running import dataset, last_line, run

NOTHING_TO_READ = {"app", "completion", "help"}  # a server, and a script


def test_every_command_that_prints_has_json():
    assert {command.name for command in COMMANDS if not command.json} <= NOTHING_TO_READ


@pytest.fixture
def finished(fake_store, street):
    """A training, made by the stand-in for one."""
    from core.runs.drive import drive

    run = fake_store.create(replace(TrainConfig(), data=str(street), epochs=1).to_dict(), "one")
    drive(fake_store, run.id)
    return run.id


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--out", "{root}/new", "--train", "1", "--val", "1"), ("check", "{data}"), ("models",), ("runs",),
        ("config", "{run}"), ("doctor", "{run}"), ("metrics", "{run}"), ("experiments",), ("bin",),
        ("rename", "{run}", "two"), ("notes", "{run}", "a\nb"), ("delete", "{run}"), ("revise", "--data", "{data}"),
        ("preview", "--data", "{data}", "--out", "{root}/p.png", "--model", "random"),
        ("train", "--like", "{run}", "--anyway"),
    ],
)  # fmt: skip
def test_what_json_prints_is_json_alone(root, finished, tmp_path, capsys, arguments):
    data = dataset(tmp_path / "data/own")
    filled = [text.format(root=root, run=finished, data=data) for text in arguments]
    status, out, err = run(capsys, *filled, "--json")
    assert out or status, err
    assert [json.loads(line) for line in out.splitlines()] or status == 1
    assert status == 0 or (arguments[0] in ("revise", "check", "metrics", "doctor") and last_line(err))


def test_an_error_with_json_has_its_status_and_its_sentence_on_stderr_alone(root, capsys):
    for arguments in (("evaluate", "last"), ("delete", "last"), ("rename", "last", "x"), ("config", "2099")):
        status, out, err = run(capsys, *arguments, "--json")
        assert (status, out) == (1, "") and last_line(err).startswith("error: ")


def test_a_deleted_run_comes_back_and_wrong_arguments_are_status_2(root, finished, capsys):
    assert run(capsys, "rename", finished, "three")[0] == 0
    assert run(capsys, "delete", finished)[0] == 0
    assert run(capsys, "delete", finished)[0] == 1
    _, out, _ = run(capsys, "restore", finished, "--json")
    assert json.loads(out) == [{"id": finished, "name": "three", "status": "finished"}]
    for arguments in (("rename", finished), ("delete",), ("delete", "--never", finished)):
        with pytest.raises(SystemExit) as ended:
            run(capsys, *arguments)
        assert ended.value.code == 2
    capsys.readouterr()
    table = (PROJECT / "docs/cli.md").read_text().partition("| exit status |")[2]
    assert all(f"| {status} |" in table for status in ("0", "1", "2", "28", "130"))


def test_a_run_s_settings_are_a_file_that_train_reads(root, finished, capsys, tmp_path):
    status, out, _ = run(capsys, "config", finished)
    config = TrainConfig.from_dict(RunStore(root).get(finished).config)
    assert status == 0 and TrainConfig(**parse_settings(out.encode(), "run").values) == config
    (tmp_path / "run.yaml").write_text(out)
    status, out, _ = run(capsys, "train", "--config", tmp_path / "run.yaml", "--lr", "3e-5", "--anyway")
    assert status == 0
    again = RunStore(root).get(out.splitlines()[0]).config
    assert again == {**config.to_dict(), "lr": 3e-5, "model": again["model"]}
    (tmp_path / "run.yaml").write_text("epoch: 3")
    status, _, err = run(capsys, "train", "--config", tmp_path / "run.yaml")
    assert status == 1 and "line 1: there is no setting 'epoch'; the nearest is 'epochs'." in last_line(err)


def test_root_may_stand_before_and_after_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    for place, arguments in enumerate((("--root", "{}", "runs", "--json"), ("runs", "--json", "--root", "{}"))):
        folder = tmp_path / str(place)
        folder.mkdir()
        assert run(capsys, *(text.format(folder) for text in arguments))[:2] == (0, "[]\n")
        assert (folder / "runs/runs.db").is_file()
    status, _, err = run(capsys, "runs", "--root", tmp_path / "none")
    assert status == 1 and "there is no such folder" in last_line(err)


TRUTH = "data/own/annotations/instances_val.json"


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", "data/own", "--boxes", "xywh", "--out", "{out}"), ("evaluate", "--gt", TRUTH, "--dt", "found.json"),
        ("import", "--gt", TRUTH, "--dt", "found.json", "--images", "data/own/val"),
    ],
)  # fmt: skip
def test_whatever_path_is_typed_is_found_under_the_root(root, capsys, monkeypatch, tmp_path, arguments):
    dataset(root / "data/own")
    (root / "found.json").write_text("[]")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    status, _, err = run(capsys, *(text.format(out=tmp_path / "new") for text in arguments))
    assert status == 0, err


def test_a_path_that_is_only_under_the_root_is_found_there(root, street, capsys, monkeypatch, tmp_path):
    dataset(root / "data/own")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    status, out, _ = run(capsys, "check", "data/own", "--json")
    assert json.loads(out)["images"] and status in (0, 1)


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as ended:
        run(capsys, "--version")
    assert ended.value.code == 0 and capsys.readouterr().out == "DETR Lab 0.1.0\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_options_and_choices(shell, capsys):
    status, script, _ = run(capsys, "completion", shell)
    assert status == 0 and all(command.name in script for command in COMMANDS)
    assert "lr-backbone" in script and "matching-aware" in script


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["detr-lab", "resto"], "restore"), (["detr-lab", "train", "--lr-b"], "--lr-backbone"),
        (["detr-lab", "train", "--precision", "bf"], "bf16"), (["detr-lab", "check", "own.f"], "own.folder"),
    ],
)  # fmt: skip
def test_bash_completes_commands_options_choices_and_paths(words, offered, capsys, tmp_path):
    (tmp_path / "own.folder").mkdir()
    _, script, _ = run(capsys, "completion", "bash")
    quoted = " ".join(words)
    ask = f"""
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{quoted}'; COMP_POINT={len(quoted)}
_shtab_detr_lab detr-lab '{words[-1]}' '{words[-2]}'; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash"], input=script + ask, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert offered in done.stdout.split(), done.stderr
