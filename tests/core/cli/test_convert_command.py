"""The command convert, and a training on a folder that is to be converted first."""

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from core import DataError
from core.cli.main import main
from core.datasets.convert.to_coco import default_target
from core.runs.store import RunStore
from tests.core.cli.running import TINY, dataset, last_line, run
from tests.core.datasets.convert.folders import refused, text, voc, yolo


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path / "root"))
    return tmp_path / "root"


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("make", [yolo, lambda folder: voc(folder, "a", "b")])
def test_a_folder_is_converted_and_can_be_checked(tmp_path, capsys, make):
    folder, out = make(tmp_path / "theirs"), tmp_path / "ours"
    before = files(folder)
    status, told, _ = run(capsys, "convert", folder, "--out", out)
    assert status == 0 and told.splitlines() == [
        f"{out}: 2 images in COCO layout; the pictures stay in {folder}",
        "2 pictures: 2 used, 0 of them repaired; 0 left out",
        "2 boxes: 2 used, 0 of them repaired; 0 left out",
    ]
    answer = json.loads(run(capsys, "check", out, "--json")[1])
    assert answer | {"folder": str(folder)} == json.loads(run(capsys, "check", folder, "--json")[1])
    assert answer["totals"]["pictures"] == {"total": 2, "used": 2, "repaired": 0, "left_out": 0}
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


@pytest.fixture
def trained(root, monkeypatch):
    """The settings of every training that was begun; none runs."""
    seen = []

    def train(config, folder, resume=False):
        seen.append(config)
        raise DataError("No training in this test.")
        yield

    monkeypatch.setitem(sys.modules, "core.training.train", SimpleNamespace(train=train))  # without importing torch
    monkeypatch.setattr("core.cli.training_commands.prepare_torch", lambda *settings: None)
    return seen


def test_a_training_on_a_yolo_folder_converts_it_once_and_only_again_after_a_change(root, trained, tmp_path, capsys):
    folder = yolo(tmp_path / "theirs")
    out = default_target(folder, root / "data")
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


def test_a_coco_folder_need_not_be_converted(tmp_path, capsys):
    folder = dataset(tmp_path / "d")
    status, _, err = run(capsys, "convert", folder, "--out", tmp_path / "new")
    assert status == 1 and f"{folder} is in COCO layout: use it as it is, or say with --boxes" in last_line(err)


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
    first = threading.Timer(
        0.5, lambda: main(["convert", str(folder), "--out", str(default_target(folder, root / "data"))])
    )
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1")):
        monkeypatch.setenv(name, value)
    first.start()
    status, _, err = run(capsys, "train", "--data", folder, *TINY)
    first.join()
    assert status == 1 and last_line(err) == "error: No training in this test."
    assert [config.data for config in trained] == [str(default_target(folder, root / "data"))]
    assert RunStore(root).runs() == []
