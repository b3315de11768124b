"""The commands about data: download, convert, check, and a training on a folder that is to be converted first."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from core import PROJECT, DataError
from core.cli.main import main
from core.datasets.check import FEW, check_dataset
from core.datasets.coco2017.pictures import DownloadProgress
from core.datasets.convert.to_coco import home
from core.datasets.problems import Problem, ProblemKind, Severity
from core.datasets.subset import Subset
from core.keep_result import KeepResult
from core.labels import COCO_TEN
from core.runs.store import RunStore
from tests.core.coco_cases import gt_of
from tests.core.datasets.convert.folders import refused, text, voc, yolo

TINY = ("--model", "random", "--epochs", "1", "--shortest-edge", "72", "--longest-edge", "96", "--workers", "0")
COMMANDS = {
    "check": ("DATA", "--json", "--whole"),
    "convert": ("FOLDER", "--out"),
    "download": ("--out", "--classes", "--max-train", "--max-val", "--empty-share", "--seed"),
}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path / "root"))
    return tmp_path / "root"


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def last_line(err: str) -> str:
    return err.strip().splitlines()[-1]


def dataset(folder: Path, **changes) -> Path:
    """Training and validation with FEW cars and FEW dogs each, and their pictures; `changes` to the training's JSON."""
    for seed, split in enumerate(("train", "val")):
        gt = gt_of(*((1 + i % 2, 1 + i % 4 // 2, (2 * i, 0, 9, 9)) for i in range(4 * FEW)), images=2)
        (folder / split).mkdir(parents=True)
        for image in gt["images"]:
            Image.new("RGB", (200, 100), (80 * image["id"], 200 * seed, 0)).save(folder / split / image["file_name"])
        gt |= changes if split == "train" else {}
        text(folder / f"annotations/instances_{split}.json", json.dumps(gt))
    return folder


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


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# check


def test_a_clean_data_set_is_found_to_be_one(tmp_path, capsys):
    status, out, _ = run(capsys, "check", dataset(tmp_path / "d"))
    n = 4 * FEW
    assert status == 0
    assert out.splitlines() == [
        f"train: 2 images, {n} annotations", f"val: 2 images, {n} annotations", "nothing is wrong",
    ]  # fmt: skip


def test_a_data_set_to_be_looked_at_can_be_trained_on(tmp_path, capsys):
    gt = gt_of((1, 1, (0, 0, 9, 9)), (2, 2, (0, 0, 9, 9)), images=2)
    status, out, _ = run(capsys, "check", dataset(tmp_path / "d", **gt))
    lines = out.splitlines()
    assert status == 0 and lines[-1] == "it can be trained on"
    assert lines[2:-1] == [
        f"to be looked at: {Problem(ProblemKind.FEW_OBJECTS, 'train', 2).sentence}", "    car: 1", "    dog: 1",
    ]  # fmt: skip


def test_every_problem_has_its_line_and_its_examples_and_fatal_ones_make_status_one(tmp_path, capsys):
    folder = broken(tmp_path / "d")
    before = files(folder)
    status, out, _ = run(capsys, "check", folder)
    lines, report = out.splitlines(), report_of(folder)
    assert status == 1 and lines[-1] == "it cannot be trained on"
    assert {p.kind.severity for p in report.problems} == set(Severity)
    told = [line for line in lines[2:-1] if not line.startswith("    ")]
    assert told == [f"{p.kind.severity.label}: {p.sentence}" for p in report.problems]
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
    place = lines.index("left out: train: 300 boxes of zero or negative size (left out)")
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


@pytest.mark.parametrize(("make", "kind"), [(yolo, "YOLO"), (voc, "VOC")])
def test_a_folder_that_is_to_be_converted_first_says_how(tmp_path, capsys, make, kind):
    folder = make(tmp_path / "theirs")
    status, out, err = run(capsys, "check", folder)
    assert (status, out) == (1, "")
    assert last_line(err).startswith(f"error: {folder} is a {kind} folder: ")
    assert f"python -m core convert {folder} --out " in last_line(err)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder, "There is no data set folder"),
        (lambda folder: text(folder / "annotations/instances_train.json", "{").parent.parent, "no picture folder"),
        (lambda folder: text(dataset(folder) / "annotations/instances_val.json", "{").parent.parent, "not valid JSON"),
        (lambda folder: text(dataset(folder) / "annotations/instances_val.json", "{}").parent.parent, "not a COCO"),
        (lambda folder: text(folder / "notes.txt", "no data").parent, "has no annotations/instances_train"),
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
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("nothing is wrong\n")


# convert


@pytest.mark.parametrize("make", [yolo, lambda folder: voc(folder, "a", "b")])
def test_a_folder_is_converted_and_can_be_checked(tmp_path, capsys, make):
    folder, out = make(tmp_path / "theirs"), tmp_path / "ours"
    before = files(folder)
    status, told, _ = run(capsys, "convert", folder, "--out", out)
    assert status == 0 and told == f"{out}: 2 images in COCO layout; the pictures stay in {folder}\n"
    answer = json.loads(run(capsys, "check", out, "--json")[1])
    assert sum(answer["images"].values()) == 2 and sum(answer["annotations"].values()) == 2
    assert not {p["kind"] for p in answer["problems"]} & {"missing", "path", "other-size", "unreadable"}
    assert files(folder) == before


def test_what_cannot_be_converted_is_one_sentence_and_leaves_nothing(tmp_path, capsys):
    folder = yolo(tmp_path / "theirs", label="0 0.5 much\n")
    refused(folder, "much|numbers|line")
    for theirs in (folder, text(tmp_path / "notes/readme.txt", "").parent, tmp_path / "none"):
        status, told, err = run(capsys, "convert", theirs, "--out", tmp_path / "ours")
        assert (status, told) == (1, "")
        assert last_line(err).startswith("error: ") and str(theirs) in last_line(err)
        assert not (tmp_path / "ours").exists()


# A training on a folder to be converted


@pytest.fixture
def trained(root, monkeypatch):
    """The settings of every training that was begun; none runs."""
    seen = []

    def train(config, folder, resume=False):
        seen.append(config)
        raise DataError("No training in this test.")
        yield

    monkeypatch.setitem(sys.modules, "core.training.train", SimpleNamespace(train=train))  # without importing torch
    monkeypatch.setattr("core.cli.actions._prepare_torch", lambda config: None)
    return seen


def test_a_training_on_a_yolo_folder_converts_it_once_and_only_again_after_a_change(root, trained, tmp_path, capsys):
    folder = yolo(tmp_path / "theirs")
    out = home(folder, root / "data")
    times = []
    for _ in range(2):
        _, told, err = run(capsys, "train", "--data", folder, *TINY)
        times.append((out / "source.json").stat().st_ino)
        assert told.splitlines()[0] == RunStore(root).runs()[0].id, "the run's id does not come first"
        assert f"{out}: 2 images in COCO layout; the pictures stay in {folder}" in err
    assert times[0] == times[1]
    assert [config.data for config in trained] == [str(out)] * 2
    text(folder / "labels/train/train.txt", "1 0.5 0.5 0.5 0.5\n")
    run(capsys, "train", "--data", folder, *TINY)
    assert (out / "source.json").stat().st_ino != times[0]
    assert [path.name for path in (root / "data").iterdir()] == [out.name]


def test_a_training_on_a_coco_folder_takes_it_as_it_is(root, trained, tmp_path, capsys):
    folder = dataset(tmp_path / "d")
    assert run(capsys, "train", "--data", folder, *TINY)[0] == 1
    assert [config.data for config in trained] == [str(folder)]
    assert not list((root / "data").glob("*"))


@pytest.mark.parametrize("label", ["0 0.5 much\n", "9 0.5 0.5 0.2 0.2\n"])
def test_a_folder_that_cannot_be_converted_leaves_no_run(root, trained, tmp_path, capsys, label):
    status, told, err = run(capsys, "train", "--data", yolo(tmp_path / "theirs", label=label), *TINY)
    assert (status, told) == (1, "") and last_line(err).startswith("error: ")
    assert not trained and RunStore(root).runs() == [] and not list((root / "data").glob("*"))


def test_of_several_processes_only_the_first_converts_and_the_others_wait_for_it(
    root, trained, tmp_path, capsys, monkeypatch
):
    folder = yolo(tmp_path / "theirs")
    first = threading.Timer(0.5, lambda: main(["convert", str(folder), "--out", str(home(folder, root / "data"))]))
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1")):
        monkeypatch.setenv(name, value)
    first.start()
    status, _, err = run(capsys, "train", "--data", folder, *TINY)
    first.join()
    assert status == 1 and last_line(err) == "error: No training in this test."
    assert [config.data for config in trained] == [str(home(folder, root / "data"))]
    assert RunStore(root).runs() == []


# download


@pytest.fixture
def downloads(monkeypatch):
    """What was asked for, and how it ended; progress as of two pictures."""
    seen = []

    def download(out, subset, cache=None):
        asked = {"out": out, "subset": subset, "ended": "closed"}
        seen.append(asked)
        if subset.seed == 404:
            raise DataError("There is no network.")

        def steps():
            try:
                yield DownloadProgress("annotations", 0, 2, 1000, 4000, 3.0)
                for done in (0, 1, 2):
                    if done == 1 and subset.seed == 130:
                        raise KeyboardInterrupt
                    if done == 1 and subset.seed == 503:
                        raise DataError("COCO's server answers 503: try again later.")
                    yield DownloadProgress("images", done, 2, done * 1000)
                yield DownloadProgress("done", 2, 2)
                asked["ended"] = "whole"
            finally:
                asked["ended"] += ", cleaned up"

        return steps()

    monkeypatch.setattr("core.datasets.coco2017.download.download", download)
    return seen


def test_a_download_shows_its_progress_and_says_what_comes_next(downloads, tmp_path, capsys):
    arguments = ("--classes", "cat", "traffic light", "--max-train", 3, "--max-val", 0, "--empty-share", 0.25)
    status, out, err = run(capsys, "download", "--out", tmp_path / "cats", *arguments, "--seed", 7)
    (asked,) = downloads
    assert status == 0 and asked["ended"] == "whole, cleaned up"
    assert asked["subset"] == Subset(("cat", "traffic light"), 3, 0, 0.25, 7) and asked["out"] == str(tmp_path / "cats")
    lines = out.splitlines()
    assert lines[0] == f"{tmp_path}/cats: 2 pictures of 2 classes of COCO 2017" and "check" in lines[1]
    assert "All 2 pictures are there." in err and "100%" in err


def test_a_download_without_settings_is_the_experiments_ten_classes(downloads, capsys):
    assert run(capsys, "download")[0] == 0
    assert downloads[0]["subset"] == Subset(tuple(COCO_TEN), 4000, 1000, 0.0, 0)
    assert downloads[0]["out"] == "data/coco10"


def test_ctrl_c_stops_a_download_and_lets_it_clean_up(downloads, tmp_path, capsys):
    status, out, err = run(capsys, "download", "--out", tmp_path / "d", "--seed", 130)
    assert (status, out, last_line(err)) == (130, "", "stopped")
    assert downloads[0]["ended"] == "closed, cleaned up"


def test_ctrl_c_between_two_steps_closes_the_download(downloads, tmp_path, capsys, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(DownloadProgress, "sentence", property(interrupted))
    assert run(capsys, "download", "--out", tmp_path / "d")[0] == 130
    assert downloads[0]["ended"] == "closed, cleaned up"


@pytest.mark.parametrize(("seed", "says"), [(404, "There is no network."), (503, "answers 503: try again later.")])
def test_a_download_that_fails_is_one_sentence(downloads, tmp_path, capsys, seed, says):
    status, out, err = run(capsys, "download", "--out", tmp_path / "d", "--seed", seed)
    assert (status, out) == (1, "")
    assert last_line(err).startswith("error: ") and last_line(err).endswith(says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--max-train", "-1"), "number of training images is -1"), (("--empty-share", "1"), "below 1"),
        (("--empty-share", "nan"), "nan"), (("--seed", "-3"), "seed is -3"), (("--classes", ""), "list of names"),
        (("--classes", "persn"), "COCO 2017 has no class 'persn'; did you mean person"),
    ],
)  # fmt: skip
def test_wrong_settings_of_a_download_are_one_sentence_and_nothing_is_asked_for(downloads, capsys, arguments, says):
    status, _, err = run(capsys, "download", *arguments)
    assert status == 1 and says in last_line(err) and not downloads


@pytest.mark.parametrize("arguments", [("--max-train", "many"), ("--classes",), ("--seed", "1.5"), ("more",)])
def test_a_download_with_wrong_arguments_is_status_two(downloads, capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(["download", *arguments])
    assert end.value.code == 2 and not downloads


def test_a_folder_that_holds_something_else_is_told_before_anything_is_fetched(tmp_path, capsys):
    text(tmp_path / "mine/notes.txt", "mine")
    status, out, err = run(capsys, "download", "--out", tmp_path / "mine")
    assert (status, out) == (1, "")
    assert last_line(err).startswith(f"error: {tmp_path}/mine holds something else than this subset")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"] and os.listdir(tmp_path / "mine") == ["notes.txt"]


# All of them


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
