"""A fingerprint is kept whole, and looked up again without reading what has not changed."""

import os

import numpy as np
import pytest

from core import RunError
from core.datasets.fingerprint import pictures
from core.datasets.fingerprint.fingerprint import (
    Fingerprint,
    box_digests,
    picture_paths,
    read_fingerprint,
    write_fingerprint,
)
from core.datasets.fingerprint.pictures import MISSING, look_again, take_pictures
from core.datasets.split import read_split
from core.keep_result import KeepResult
from core.labels import LabelMap
from tests.core.datasets.fingerprint.small_data import SmallData, draw


@pytest.fixture
def data(tmp_path):
    return SmallData(tmp_path / "data")


def test_what_is_written_is_read(data, tmp_path):
    written, path = data.fingerprint(), tmp_path / "kept/f.parquet"
    write_fingerprint(written, path)
    read = read_fingerprint(path)
    assert (read.digest, read.classes) == (written.digest, written.classes)
    for name, part in written.splits.items():
        assert list(read.splits[name].file_names) == list(part.file_names)
        assert (read.splits[name].pictures.stamp == part.pictures.stamp).all()


def test_a_data_set_without_images_has_one_too(tmp_path):
    path = tmp_path / "f.parquet"
    write_fingerprint(Fingerprint(LabelMap(("car",), (3,))), path)
    assert read_fingerprint(path).splits == {}


def test_one_that_is_not_there_is_none(tmp_path):
    assert read_fingerprint(tmp_path / "f.parquet") is None


@pytest.mark.parametrize("keep", [0, 0.5, 0.98])
def test_a_damaged_one_is_a_sentence(data, tmp_path, keep):
    path = tmp_path / "f.parquet"
    write_fingerprint(data.fingerprint(), path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(RunError, match="is damaged: delete it"):
        read_fingerprint(path)


def test_the_boxes_of_other_classes_do_not_count(data):
    split = read_split(data.folder, "train")
    before = box_digests(split, [3])
    data.change(lambda d: d["annotations"][1]["bbox"].reverse(), "train")  # a dog's
    after = box_digests(read_split(data.folder, "train"), [3])
    assert (before[0] == after[0]).all() and before[1] == after[1]


def look(data):
    split = read_split(data.folder, "val")
    paths = picture_paths(split, split.images)
    work = KeepResult(take_pictures(paths))
    assert list(work)[-1] == len(paths)
    return work.result, paths


def test_files_that_have_not_changed_are_not_opened_again(data, monkeypatch):
    before, paths = look(data)
    opened = []
    monkeypatch.setattr(pictures, "open_file", lambda path: opened.append(path) or open(path, "rb"))  # noqa: SIM115
    known = {}
    assert (look_again(before, paths, known).digest == before.digest).all() and not opened
    os.utime(paths[1], ns=(1, 1))
    for _ in range(2):
        assert (look_again(before, paths, known).digest == before.digest).all()
    assert opened == [paths[1]]


def test_what_has_changed_is_seen_at_the_second_look(data):
    before, paths = look(data)
    draw(paths[0], (250, 250, 250))
    draw(paths[1], (1, 2, 3), size=(80, 48))
    paths[2].unlink()
    after = look_again(before, paths, {})
    assert (after.digest != before.digest).all() and list(after.size == MISSING) == [False, False, True]
    assert (look_again(after, paths, {}).digest == after.digest).all()


def test_a_name_that_leads_out_of_the_folder_is_a_missing_picture():
    work = KeepResult(take_pictures([None]))
    assert list(work) == [1] and list(work.result.size) == [MISSING]


def test_zero_has_no_sign(data):
    split = read_split(data.folder, "train")
    before = box_digests(split, [3, 18])
    split.columns.xywh[:, 0] = 0.0
    zero = box_digests(split, [3, 18])
    split.columns.xywh[:, 0] = -0.0
    assert (box_digests(split, [3, 18])[0] == zero[0]).all() and (zero[0] != before[0]).any()
    assert np.signbit(split.columns.xywh[:, 0]).all()
