"""The commands demo and check, and the help of all commands about data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from core import PROJECT
from core.cli.main import main
from core.datasets.check import FEW, check_dataset
from core.datasets.problems import Problem, ProblemKind, Severity
from core.keep_result import KeepResult
from tests.core.cli.running import dataset, last_line, run
from tests.core.coco_cases import gt_of
from tests.core.datasets.convert.folders import text


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


COMMANDS = {
    "check": ("DATA", "--json", "--whole"),
    "convert": ("FOLDER", "--out"),
    "download": ("--out", "--classes", "--max-train", "--max-val", "--empty-share", "--seed"),
}


def broken(folder: Path) -> Path:
    """A data set with one thing of each severity, and a fatal one."""
    gt = gt_of(
        (1, 1, (0, 0, 9, 9)), (1, 1, (0, 0, 0, 9)), (2, 2, (150, 0, 90, 9)), (3, 1, (0, 0, 9, 9)), images=3
    )  # fmt: skip
    gt["categories"][0]["id"] = gt["annotations"][0]["category_id"] = gt["annotations"][3]["category_id"] = 7
    gt["annotations"][1]["category_id"] = 7
    gt["images"][1]["file_name"] = "lost.jpg"
    dataset(folder, **gt)
    text(folder / "train" / "3.jpg", "no picture")
    return folder


def report_of(folder: Path, whole: bool = False):
    """What the library itself finds."""
    work = KeepResult(check_dataset(folder, whole))
    list(work)
    return work.result


def test_a_clean_data_set_is_found_to_be_one(tmp_path, capsys):
    status, out, _ = run(capsys, "check", dataset(tmp_path / "d"))
    n = 4 * FEW
    assert status == 0
    assert out.splitlines() == [
        "4 pictures: 4 used, 0 of them repaired; 0 left out",
        f"{2 * n} boxes: {2 * n} used, 0 of them repaired; 0 left out",
        f"train: 2 images, {n} annotations", f"val: 2 images, {n} annotations", "nothing is wrong",
    ]  # fmt: skip


def test_a_data_set_to_be_looked_at_can_be_trained_on(tmp_path, capsys):
    gt = gt_of((1, 1, (0, 0, 9, 9)), (2, 2, (0, 0, 9, 9)), images=2)
    status, out, _ = run(capsys, "check", dataset(tmp_path / "d", **gt))
    lines = out.splitlines()
    assert status == 0 and lines[-1] == "it can be trained on"
    assert lines[4:-1] == [
        f"to be looked at: {Problem(ProblemKind.FEW_OBJECTS, 'train', 2).sentence}", "    car: 1", "    dog: 1",
    ]  # fmt: skip


def test_every_problem_has_its_line_and_its_examples_and_fatal_ones_make_status_one(tmp_path, capsys):
    folder = broken(tmp_path / "d")
    before = files(folder)
    status, out, _ = run(capsys, "check", folder)
    lines, report = out.splitlines(), report_of(folder)
    assert status == 1 and lines[-1] == "it cannot be trained on"
    assert {p.kind.severity for p in report.problems} == set(Severity)
    told = [line for line in lines[4:-1] if not line.startswith("    ")]
    assert told == [f"{p.kind.severity.label}: {p.sentence}".replace(" (left out)", "") for p in report.problems]
    assert told[0] == "fatal: 1 class whose id in training is another one in validation (give it one id)"
    found = {p.kind for p in report.problems}
    assert {
        ProblemKind.MISSING,
        ProblemKind.UNREADABLE,
        ProblemKind.NO_EXTENT,
        ProblemKind.BEYOND,
        ProblemKind.FEW_OBJECTS,
    } <= found
    assert "    lost.jpg: " in out and "    car: 7 and 1\n" in out
    assert files(folder) == before


def test_of_many_examples_three_are_printed_and_json_has_more(tmp_path, capsys):
    gt = gt_of(*((1, 1, (0, 0, 9, 0)) for _ in range(300)), (1, 1, (0, 0, 9, 9)), images=2)
    folder = dataset(tmp_path / "d", **gt)
    lines = run(capsys, "check", folder)[1].splitlines()
    place = lines.index("left out: train: 300 boxes of zero or negative size")
    assert [line[:4] for line in lines[place + 1 : place + 5]] == ["    "] * 3 + [lines[place + 4][:4]]
    assert not lines[place + 4].startswith("    ")
    answer = json.loads(run(capsys, "check", folder, "--json")[1])
    (one,) = (p for p in answer["problems"] if p["kind"] == "no-extent")
    assert one["count"] == 300 and 3 < len(one["examples"]) <= 300


@pytest.mark.parametrize("make", [dataset, broken])
@pytest.mark.parametrize("whole", [False, True])
def test_json_is_one_object_and_says_what_the_library_finds(tmp_path, capsys, make, whole):
    folder = make(tmp_path / "d")
    status, out, _ = run(capsys, "check", folder, "--json", *(["--whole"] if whole else []))
    report = report_of(folder, whole)
    assert out.count("\n") == 1 and json.loads(out) == report.to_dict()
    assert status == int(not report.is_fit) == int(make is broken)


def test_only_a_whole_look_finds_a_picture_that_is_cut_off(tmp_path, capsys):
    folder = dataset(tmp_path / "d")
    path = folder / "train" / "1.jpg"
    Image.effect_noise((200, 100), 90).convert("RGB").save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3] + bytes(len(data) // 3 - 1) + data[-2:])
    kinds = [
        {p["kind"] for p in json.loads(run(capsys, "check", folder, "--json", *more)[1])["problems"]}
        for more in ((), ("--whole",))
    ]
    assert kinds[0] <= kinds[1]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb.jpg", "    a\\nb.jpg: "), ("\x1b[31m.jpg", "    \\x1b[31m.jpg: "),
        ("<script>é.jpg", "    <script>é.jpg: "),
    ],
)  # fmt: skip
def test_a_strange_name_is_told_on_one_line_and_cannot_command_the_terminal(tmp_path, capsys, name, shown):
    gt = gt_of((1, 1, (0, 0, 9, 9)), (2, 1, (0, 0, 9, 9)), images=2)
    gt["images"][0]["file_name"] = name
    folder = dataset(tmp_path / "d", **gt)
    status, out, _ = run(capsys, "check", folder)
    assert status == 0 and [line for line in out.splitlines() if line.startswith(shown)]
    assert all(char.isprintable() or char == "\n" for char in out)
    assert json.loads(run(capsys, "check", folder, "--json")[1])["fit"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder, "There is no data set folder"),
        (lambda folder: text(folder / "annotations/instances_train.json", "{").parent.parent, "no picture folder"),
        (lambda folder: text(dataset(folder) / "annotations/instances_val.json", "{").parent.parent, "not valid JSON"),
        (lambda folder: text(dataset(folder) / "annotations/instances_val.json", "{}").parent.parent, "not a COCO"),
        (lambda folder: text(folder / "notes.txt", "no data").parent, "has no COCO annotation file"),
    ],
)
def test_what_is_no_data_set_is_one_sentence(tmp_path, capsys, make, says):
    folder = make(tmp_path / "d")
    status, out, err = run(capsys, "check", folder, "--json")
    assert (status, out) == (1, "")
    assert last_line(err).startswith("error: ") and says in last_line(err) and str(folder) in last_line(err)


def test_ctrl_c_ends_a_check(tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        yield 1, 2
        raise KeyboardInterrupt

    monkeypatch.setattr("core.datasets.check.check_dataset", interrupted)
    status, out, err = run(capsys, "check", tmp_path)
    assert (status, out, last_line(err)) == (130, "", "stopped")


def test_check_needs_neither_torch_nor_streamlit(tmp_path):
    script = (
        "import sys; from core.cli.main import main; main(['check', sys.argv[1]]); "
        "assert not {'torch', 'streamlit', 'fiftyone'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", script, str(dataset(tmp_path / "d"))]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("nothing is wrong\n")


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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_options(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    told = capsys.readouterr().out
    assert end.value.code == 0 and told.startswith(f"usage: python -m core {command} ")
    assert all(option in told for option in COMMANDS[command])
    with pytest.raises(SystemExit):
        main(["--help"])
    assert command in capsys.readouterr().out
