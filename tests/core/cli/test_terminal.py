"""What the command line prints of names, messages and arguments: nothing acts on a terminal, a line stays a line."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core import PROJECT
from core.runs.schema import Status
from core.runs.store import RunStore
from core.wording import MOST
from tests.core.cli.running import dataset, last_line, run

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\nred\x9b31m \u202egpj.\u2066x\u2028y\x08\x7f"
HARMLESS = "\\x1b]0;owned\\x07\\x1b[2J\\r\\nred\\x9b31m \\u202egpj.\\u2066x\\u2028y\\x08\\x7f"
# stdout is for people: a "\r" is a bar's on stderr
ACTS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


@pytest.fixture
def store(root):
    store = RunStore(root)
    yield store
    store.close()


def test_the_hostile_text_acts():
    assert ACTS.search(HOSTILE) and not ACTS.search(HARMLESS)


def test_a_runs_name_cannot_act_on_the_terminal_nor_break_the_list(store, capsys):
    made = store.create({}, HOSTILE)
    store.create({}, "n" * 10_000)
    status, out, err = run(capsys, "runs")
    assert status == 0 and not ACTS.search(out) and not err
    lines = out.splitlines()
    assert len(lines) == 3 + 1 + 3  # head, runs, the queue
    assert [line for line in lines if made.id in line and line.endswith(HARMLESS)]
    assert max(map(len, lines)) < 200
    names = [listed["name"] for listed in json.loads(run(capsys, "runs", "--json")[1])]
    assert HOSTILE in names and "n" * 10_000 in names  # JSON is exact


def test_a_message_is_one_bounded_line(store, capsys):
    made = store.create({}, process=(os.getpid(), 0.0))
    store.update(made.id, status=Status.FAILED, message=f"It broke at {HOSTILE} " + "x" * 5000)
    status, out, err = run(capsys, "evaluate", made.id)
    assert status == 1 and not out and not ACTS.search(err) and err.count("\n") == 1
    assert len(err) < MOST + 20


def test_class_and_file_names_cannot_act(tmp_path, capsys):
    folder = dataset(tmp_path / "data")
    path = folder / "annotations/instances_train.json"
    gt = json.loads(path.read_text())
    gt["images"][0]["file_name"] = HOSTILE
    gt["categories"][0]["name"] = HOSTILE
    path.write_text(json.dumps(gt))
    _, out, err = run(capsys, "check", folder)
    assert not ACTS.search(out) and "\\x1b]0;owned" in out
    assert not ACTS.search(err.replace("\r", ""))
    assert json.loads(run(capsys, "check", folder, "--json")[1])["images"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", HOSTILE), ("runs", HOSTILE), ("evaluate", HOSTILE), ("evaluate", "--gt", HOSTILE, "--dt", "x"),
        ("train", "--data", HOSTILE), ("train", "--model", HOSTILE), ("export", "last", "--out", HOSTILE), (HOSTILE,),
        ("train", "--epochs", HOSTILE), ("convert", HOSTILE, "--out", "x"), ("table", "last", "--out", HOSTILE),
        ("predict", "best", HOSTILE), ("check", "x" * 100_000), ("metrics", "x" * 100_000), ("runs", "x" * 100_000),
    ],
)  # fmt: skip
def test_an_error_repeats_arguments_harmlessly(root, street, capsys, arguments):
    try:
        status, _, err = run(capsys, *arguments)
    except SystemExit as end:
        status, err = end.code, capsys.readouterr().err
    err = err.replace("\r", "")  # of bars
    assert status in (1, 2) and not ACTS.search(err)
    assert "error: " in last_line(err) and len(last_line(err)) < MOST + 60


@pytest.mark.parametrize(
    "arguments",
    [(b"runs", b"\xff"), (b"metrics", b"\xff"), (b"train", b"--data", b"\xff"), (b"train", b"--name", b"a\xffb"),
     (b"check", b"/tmp/\xc3\x28"), (b"\xff",), (b"demo", b"--out", b"\xed\xa0\x80")],
)  # fmt: skip
def test_arguments_that_are_not_utf_8_are_told_in_one_sentence(tmp_path, arguments):
    """In a process of its own, whose arguments are bytes; 0.3 s each."""
    environment = {**os.environ, "DETR_LAB_ROOT": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"core", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        check=False,
    )
    err = done.stderr.decode()
    assert done.returncode == 2 and not done.stdout
    assert "is not UTF-8" in last_line(err) and "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_terminal_that_knows_ascii_only_gets_escapes(tmp_path):
    environment = {**os.environ, "DETR_LAB_ROOT": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    store = RunStore(tmp_path)
    store.create({}, "naïve")
    store.close()
    done = subprocess.run(
        [sys.executable, "-m", "core", "runs"], cwd=PROJECT, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0 and b"na\\xefve" in done.stdout


@pytest.mark.parametrize("path", sorted((PROJECT / "core/cli").glob("*.py")), ids=lambda path: path.name)
def test_only_show_and_json_are_printed(path: Path):
    """`show` makes lines harmless, `json.dumps` escapes; nothing else writes to the terminal."""
    tree = ast.parse(path.read_text())
    allowed = {id(call) for show in ast.walk(tree) if getattr(show, "name", "") == "show" for call in ast.walk(show)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in allowed):
        text = ast.unparse(call)
        if text.startswith("print("):
            assert text.startswith("print(json.dumps("), text
        if re.match(r"bar\.(write|set_description(_str)?)\(", text):
            assert "visible(" in text or "sentence(" in text or "percent(" in text or "', '.join(values)" in text, text
        assert not text.startswith("sys.stdout.write(") and not text.startswith("sys.stderr.write("), text
