"""The command download."""

import os

import pytest

from core import DataError
from core.cli.main import main
from core.datasets.coco2017.pictures import DownloadProgress
from core.datasets.subset import Subset
from core.labels import COCO_TEN
from tests.core.cli.running import last_line, run
from tests.core.datasets.convert.folders import text


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
