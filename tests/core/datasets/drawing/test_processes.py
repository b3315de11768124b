"""core/datasets/drawing: all scenes in order whoever draws them, and no process that outlives whoever wants them."""

import os
import subprocess
import sys
from contextlib import closing

import psutil
import pytest

from core import PROJECT, DataError
from core.datasets.demo import draw_dataset
from core.datasets.drawing import processes
from core.datasets.drawing.processes import draw_scenes

SETTINGS = {"look": "dusk", "train": 5, "val": 2, "seed": 3, "size": 64}
MANY = {**SETTINGS, "train": 5000}
FULL = """
from PIL import Image

def full(*_, **__):
    raise OSError(28, "No space left on device")

Image.Image.save = full
"""


def drawing_processes(parent: psutil.Process) -> list[psutil.Process]:
    """The processes that draw for a process, once they are what they were started as."""
    return [child for child in parent.children() if processes.MODULE in child.cmdline()]


@pytest.fixture
def folder(tmp_path):
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_scenes_come_in_order_with_the_same_entries_and_files_however_many_draw(folder):
    alone = list(draw_scenes(folder, SETTINGS, 1))
    files = {path: path.read_bytes() for path in folder.rglob("*.jpg")}
    assert [image["id"] for _, image, _ in alone] == [1, 2, 3, 4, 5, 6, 7]
    assert [split for split, _, _ in alone] == ["train"] * 5 + ["val"] * 2
    for number in (3, 20):
        for path in files:
            path.unlink()
        assert list(draw_scenes(folder, SETTINGS, number)) == alone
        assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == files
    assert not drawing_processes(psutil.Process())


def test_whoever_leaves_ends_the_processes(folder):
    with closing(draw_scenes(folder, MANY, 2)) as scenes:
        next(scenes)
        drawing = drawing_processes(psutil.Process())
        assert len(drawing) == 2
    assert not any(process.is_running() for process in drawing)


def test_processes_end_when_the_one_that_wants_the_scenes_is_killed(folder):
    code = f"""
from pathlib import Path
from core.datasets.drawing.processes import draw_scenes
for _ in draw_scenes(Path({str(folder)!r}), {MANY!r}, 2):
    print(".", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()
        drawing = drawing_processes(psutil.Process(parent.pid))
        parent.kill()
    assert len(drawing) == 2
    _, alive = psutil.wait_procs(drawing, timeout=20)  # for all they had to draw they would need a minute
    assert not alive


def test_one_that_is_killed_gives_a_sentence_and_leaves_nothing(tmp_path):
    steps = draw_dataset(tmp_path / "demo", train=5000, val=1, size=64, processes=2)
    next(steps)
    with closing(steps):
        drawing = drawing_processes(psutil.Process())
        drawing[0].kill()
        with pytest.raises(DataError, match="ended from outside"):
            list(steps)
    assert list(tmp_path.iterdir()) == []
    assert not any(process.is_running() for process in drawing)


def test_a_full_disk_is_told_by_the_one_that_draws(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(FULL)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)]))
    with pytest.raises(DataError, match=r"cannot be written to .*demo: No space left on device\."):
        list(draw_dataset(tmp_path / "demo", train=2, val=1, size=64, processes=2))
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_one_that_fails_otherwise_is_told_with_its_last_line(folder):
    with pytest.raises(DataError, match="A process that drew scenes ended: KeyError: 'seed'"):
        list(draw_scenes(folder, {name: SETTINGS[name] for name in ("look", "train", "val", "size")}, 2))


def test_processes_that_cannot_be_started_are_a_sentence(folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DataError, match="cannot be started: No such file"):
        list(draw_scenes(folder, SETTINGS, 2))
