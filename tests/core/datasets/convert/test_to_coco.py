"""Folders are converted once and whole, the user's files stay untouched, and what cannot be used is refused."""

import hashlib
import json
import os
import shutil
import zlib
from pathlib import Path

import pytest

from core import DataError
from core.datasets.convert.to_coco import convert, detect_format, is_current
from core.datasets.layouts import find_splits
from core.datasets.problems import ProblemKind
from core.datasets.split import examine_splits
from tests.core.datasets.convert.folders import (
    BOX,
    YAML,
    boxes,
    converted,
    costs,
    names,
    picture,
    refused,
    text,
    voc,
    xml,
    yolo,
)
from tests.core.datasets.folder.exports import coco


def hashes(folder: Path) -> dict[str, tuple]:
    states = {}
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        states[str(path)] = (content, path.lstat().st_mtime_ns, path.lstat().st_mode)
    return states


# Once, whole, and the user's files untouched


@pytest.mark.parametrize("make", [yolo, voc])
def test_the_users_files_are_never_changed_and_the_second_call_does_nothing(tmp_path, make):
    folder, out = make(tmp_path / "mine"), tmp_path / "data/out"
    before = hashes(folder)
    assert not is_current(folder, out)
    converted(folder, out)
    assert is_current(folder, out)
    first = hashes(out)
    ((done, total),) = convert(folder, out)
    assert done == total and hashes(out) == first and hashes(folder) == before


def test_replacing_removes_the_links_and_not_what_they_lead_to(tmp_path):
    folder, out = yolo(tmp_path / "mine"), tmp_path / "data/out"
    converted(folder, out)
    text(folder / "labels/train/train.txt", BOX * 2)
    before = hashes(folder)
    assert len(boxes(converted(folder, out)["instances_train"])) == 2
    assert hashes(folder) == before and [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_change_in_the_folder_is_noticed_and_converted_anew(tmp_path):
    folder, out = yolo(tmp_path / "mine"), tmp_path / "out"
    converted(folder, out)
    for change in (
        lambda: text(folder / "labels/train/train.txt", BOX * 2),
        lambda: os.utime(folder / "labels/train/train.txt", ns=(10**9, 10**9)),
        lambda: text(folder / "data.yaml", YAML + "# \n"),
        lambda: picture(folder / "images/val/new.png"),
        lambda: text(folder / "labels/val/new.txt", BOX),
        (folder / "images/val/new.png").unlink,
        (folder / "labels/train/train.txt").unlink,
    ):
        change()
        assert not is_current(folder, out)
        converted(folder, out)
        assert is_current(folder, out)
    (folder / "data.yaml").write_text("names: [")
    assert not is_current(folder, out), "a folder that cannot be read any more"


def test_another_folder_is_not_current_and_replaces(tmp_path):
    first, second, out = yolo(tmp_path / "first"), yolo(tmp_path / "second", BOX * 3), tmp_path / "out"
    converted(first, out)
    assert not is_current(second, out) and not is_current(tmp_path / "nowhere", out)
    assert len(boxes(converted(second, out)["instances_val"])) == 3


def test_what_is_not_its_own_is_never_replaced(tmp_path):
    folder, out = yolo(tmp_path / "mine"), tmp_path / "out"
    text(out / "thesis.txt", "years of work")
    with pytest.raises(DataError, match="holds something else than a converted data set"):
        convert(folder, out)
    (out / "thesis.txt").unlink()
    converted(folder, out)
    text(out / "thesis.txt", "years of work")
    with pytest.raises(DataError, match="holds something else"):
        convert(folder, out)
    with pytest.raises(DataError, match="holds something else"):
        convert(folder, text(tmp_path / "file", ""))
    with pytest.raises(DataError, match=r"is inside .* not to be changed"):
        convert(folder, folder / "out")


@pytest.mark.parametrize("stop_at", [1, 2, 5])
def test_a_conversion_that_is_stopped_leaves_nothing(tmp_path, stop_at):
    folder, out = yolo(tmp_path / "mine"), tmp_path / "out"
    for number in range(6):
        picture(folder / f"images/train/{number}.png")
    running = convert(folder, out)
    for _ in range(stop_at):
        next(running)
    running.close()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_full_disk_leaves_nothing_and_the_old_one_stays(tmp_path, monkeypatch):
    folder, out = yolo(tmp_path / "mine"), tmp_path / "out"
    converted(folder, out)
    before = hashes(out)
    text(folder / "labels/train/train.txt", BOX * 2)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "symlink", full)
    with pytest.raises(DataError, match=r"cannot be converted into .*out: No space left on device"):
        list(convert(folder, out))
    assert hashes(out) == before and sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_a_half_written_folder_is_not_taken_for_good(tmp_path):
    folder, out = yolo(tmp_path / "mine"), tmp_path / "out"
    converted(folder, out)
    whole = (out / "source.json").read_text()
    for damage in ('{"made_by"', "[]", "{}"):
        (out / "source.json").write_text(damage)
        assert not is_current(folder, out)
        with pytest.raises(DataError, match="holds something else"):
            convert(folder, out)
    (out / "source.json").write_text(whole)
    for path in (out / "annotations").iterdir():
        path.unlink()
    assert not is_current(folder, out)
    assert len(converted(folder, out)) == 2


# Which format


def test_other_folders_have_no_format(tmp_path):
    assert detect_format(tmp_path / "nowhere") is None and detect_format(tmp_path) is None
    text(tmp_path / "annotations/train.json", "{}")
    picture(tmp_path / "train/a.jpg")
    text(tmp_path / "notes.txt", "")
    assert detect_format(tmp_path) is None and detect_format(tmp_path / "notes.txt") is None
    refused(tmp_path, "neither YOLO's data.yaml or labels nor Pascal VOC's XML files")
    refused(tmp_path / "nowhere", "There is no folder")
    assert detect_format(yolo(tmp_path / "y")) == "yolo" and detect_format(yolo(tmp_path / "z", yaml=None)) == "yolo"
    assert detect_format(voc(tmp_path / "v")) == "voc"


@pytest.mark.parametrize("path", ["annotations/instances_val2017.json", "runs/val/sample.json", "old/sample.json"])
def test_labels_for_training_come_before_a_coco_file_that_is_for_none_or_lies_below(tmp_path, path):
    folder = yolo(tmp_path / "mine")
    text(folder / path, json.dumps(coco("val.png")))
    assert detect_format(folder) == "yolo"


@pytest.mark.parametrize("path", ["annotations/instances_train.json", "train/_annotations.coco.json", "result.json"])
def test_a_coco_file_for_training_or_for_all_comes_first(tmp_path, path):
    folder = yolo(tmp_path / "mine")
    text(folder / path, json.dumps(coco("train.png")))
    assert detect_format(folder) is None


# Bad input


def test_nothing_that_lists_and_links_name_outside_is_read(tmp_path):
    outside = picture(tmp_path / "outside.png")
    folder = yolo(tmp_path / "mine", yaml="train: train.txt\nval: images/val\nnames: [car]")
    for name in ("../outside.png", str(outside), "../../etc/passwd", "a\0b"):
        text(folder / "train.txt", f"images/train/train.png\n{name}\n")
        parts = costs(folder, "listed-missing", "^train.txt, line 2: ")
        assert names(parts["instances_train"]) == ["images/train/train.png"]
    folder = yolo(tmp_path / "linked")
    (folder / "images/train/link.png").symlink_to(outside)
    (folder / "images/train/folder").symlink_to(tmp_path)
    parts = costs(folder, "leads-out", "^images/train/link.png$", count=2)
    assert names(parts["instances_train"]) == ["images/train/train.png"]
    folder = voc(tmp_path / "voc")
    for name in ("../../../outside", "/etc/passwd", "a\0b"):
        text(folder / "ImageSets/Main/train.txt", f"a\n{name}\n")
        assert names(costs(folder, "listed-missing", "line 2")["instances"]) == ["JPEGImages/a.png"]


def test_a_folder_of_a_name_that_none_can_have_has_no_format():
    assert detect_format("a\0b") is None
    with pytest.raises(DataError):
        find_splits("a\0b")


def test_a_picture_or_label_file_that_is_none_costs_that_picture(tmp_path):
    folder = yolo(tmp_path / "mine")
    broken = text(folder / "images/val/2.png", "<svg/>")
    parts = costs(folder, "unreadable", "^images/val/2.png: not a JPEG, PNG, .* picture$")
    assert names(parts["instances_val"]) == ["images/val/val.png"]
    text(broken, "")
    costs(folder, "unreadable", "^images/val/2.png: an empty file$")
    broken.unlink()
    os.mkfifo(broken)
    costs(folder, "unreadable", "^images/val/2.png: not a file$")
    broken.unlink()
    picture(broken)
    label = folder / "labels/val/2.txt"
    label.write_bytes(b"0 .5 \xff")
    parts = costs(folder, "label-file", "^labels/val/2.txt: not a text file in UTF-8$")
    assert names(parts["instances_val"]) == ["images/val/val.png"]
    with label.open("wb") as file:
        file.truncate(2**31)
    costs(folder, "label-file", "^labels/val/2.txt: more than 16 MB")
    label.unlink()
    label.mkdir()
    costs(folder, "background", "^images/val/2.png$")


def test_a_folder_of_broken_pictures_is_refused(tmp_path):
    folder = yolo(tmp_path / "mine")
    for part in ("train", "val"):
        text(folder / f"images/{part}/{part}.png", "")
    refused(folder, "None of the pictures in .* can be used: images/train/train.png: an empty file, and 1 more.$")


def test_a_decompression_bomb_costs_one_picture(tmp_path):
    folder = yolo(tmp_path / "mine")
    path = folder / "images/val/2.png"
    for side in (60_000, 11_000):
        picture(path, (1, 1))
        data = bytearray(path.read_bytes())
        data[16:24] = side.to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data)
        costs(folder, "unreadable", "^images/val/2.png: (more than 179|121) megapixels: too large to be read safely")


def test_folders_without_pictures_are_refused(tmp_path):
    text(tmp_path / "mine/data.yaml", "names: [car]")
    refused(tmp_path / "mine", "holds no pictures where a YOLO folder has them")
    text(tmp_path / "voc/Annotations/a.xml", xml())
    refused(tmp_path / "voc", "holds no picture with a Pascal VOC label file")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "has neither YOLO's")


def test_a_file_name_that_is_no_text_costs_one_picture(tmp_path):
    folder = yolo(tmp_path / "mine")
    try:
        os.rename(picture(folder / "images/val/2.png"), os.fsencode(folder) + b"/images/val/\xff.png")
    except OSError:
        pytest.skip("This file system has no such names.")
    costs(folder, "file-name", "udcff.png")


@pytest.mark.parametrize("linked", ["images", "images/train", "labels"])
def test_a_folder_at_the_top_may_be_a_link_to_another_disk(tmp_path, linked):
    folder = yolo(tmp_path / "mine")
    shutil.move(folder / linked, tmp_path / "disk")
    (folder / linked).symlink_to(tmp_path / "disk", target_is_directory=True)
    converted(folder, tmp_path / "out")
    splits = examine_splits(tmp_path / "out")
    assert {name: (len(split.images), len(split.annotations)) for name, split in splits.items()} == {
        "train": (1, 1), "val": (1, 1),
    }  # fmt: skip
    for split in splits.values():
        assert split.image_path(split.images[0]).is_file()
        assert not [p for p in split.problems if p.kind in (ProblemKind.ELSEWHERE, ProblemKind.MISSING)]
