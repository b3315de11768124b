"""Data sets where no folder can be linked, of a Windows path, behind a link, of a Mac's names: they are found whole."""

import errno
import json
import ntpath
import os
import unicodedata
from types import SimpleNamespace

import pytest
from PIL import Image

from core import DataError
from core.datasets.coco.box_format import BoxFormat
from core.datasets.convert.boxes import rewrite_boxes
from core.datasets.convert.to_coco import convert, is_current
from core.datasets.part import save_subset
from core.datasets.pictures import path_inside
from core.datasets.resplit.write import pool_of, write_dataset
from core.datasets.split import examine_splits, read_split
from core.datasets.subset import Subset
from core.evaluation.findings.relabel import Label
from core.files import common_folder, lies_in
from core.runs.corrections.journal import CorrectionKind, Journal, label_file
from core.runs.corrections.revision import save_revision
from tests.core.datasets.convert.folders import yolo
from tests.core.detr.plain_pictures import write_dataset as write_plain


@pytest.fixture(params=["links", "no links", "no links at all"])
def links(request, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EPERM, "A required privilege is not held by the client")

    for name in {"links": (), "no links": ("symlink",)}.get(request.param, ("symlink", "link")):
        monkeypatch.setattr(os, name, refuse)
    return request.param


@pytest.fixture
def plain(tmp_path):
    boxes = [{"image_id": n, "category_id": 3, "bbox": [1, 1, 9, 9], "area": 81.0, "iscrowd": 0} for n in (1, 2, 3)]
    folder = write_plain(tmp_path / "data/plain", boxes, sizes=((64, 48), (32, 32), (16, 16)))
    (tmp_path / "data/other.bin").write_bytes(b"beside")
    return folder


def pictures_of(folder):
    """The pictures that a written data set leads to, by part: their names and bytes; none is missing or broken."""
    pictures = {}
    for part, split in examine_splits(folder).items():
        assert not split.problems
        pictures[part] = {image["id"]: split.image_path(image).read_bytes() for image in split.images}
    return pictures


def test_what_is_written_has_its_pictures(tmp_path, plain, links, store):
    before = {path: path.read_bytes() for path in plain.rglob("*") if path.is_file()}
    splits = {part: read_split(plain, part) for part in ("train", "val")}
    originals = pictures_of(plain)
    save_subset(splits, Subset(classes=("car",)), tmp_path / "part")
    assert pictures_of(tmp_path / "part") == originals
    pool = pool_of(splits)
    write_dataset(pool, {"train": {1, 2}, "val": {3}}, tmp_path / "folds", {})
    assert {part: len(some) for part, some in pictures_of(tmp_path / "folds").items()} == {"train": 2, "val": 1}
    val = splits["val"]
    journal = Journal(store, label_file(store, val.json_path))
    journal.add(1, None, CorrectionKind.DRAWN, None, Label("dog", (1.0, 1.0, 5.0, 5.0)), 3)
    revised, _ = save_revision(store, str(plain))
    assert pictures_of(revised) == originals
    list(convert(yolo(tmp_path / "yolo"), tmp_path / "coco"))
    assert {part: len(some) for part, some in pictures_of(tmp_path / "coco").items()} == {"train": 1, "val": 1}
    assert is_current(tmp_path / "yolo", tmp_path / "coco")
    assert {path: path.read_bytes() for path in before} == before
    rewrite_boxes(plain, tmp_path / "boxes", BoxFormat.XYWH)
    assert pictures_of(tmp_path / "boxes") == originals
    made = {path.name for out in ("part", "folds", "coco") for path in (tmp_path / out).rglob("*")}
    assert "other.bin" not in made


def test_a_folder_behind_a_link_is_the_folder(tmp_path, plain, store):
    """As /tmp on macOS, which is /private/tmp."""
    (tmp_path / "link").symlink_to(tmp_path / "data", target_is_directory=True)
    here, there = (read_split(folder / "plain", "val") for folder in (tmp_path / "data", tmp_path / "link"))
    assert label_file(store, here.json_path) == label_file(store, there.json_path)
    assert pictures_of(tmp_path / "link/plain") == pictures_of(plain)
    assert lies_in(tmp_path / "link/plain/new", tmp_path / "data") and not lies_in(tmp_path, tmp_path / "data")
    with pytest.raises(DataError, match="which is not to be changed"):
        list(convert(yolo(tmp_path / "data/yolo"), tmp_path / "link/yolo/out"))


def test_a_folder_is_the_same_in_whatever_spelling_the_system_takes(tmp_path, monkeypatch):
    """As where case is ignored: another spelling has the same identity."""
    (tmp_path / "Birds").mkdir()
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **more: stat(str(path).replace("birds", "Birds"), **more))
    assert lies_in(tmp_path / "birds/out", tmp_path / "Birds") and not lies_in(tmp_path / "cats", tmp_path / "Birds")


def test_pictures_whose_names_are_in_a_macs_form_are_found(tmp_path):
    names = ["Käse é.png", "ÄÖ 2.png"]
    (tmp_path / "val").mkdir()
    for name in names:
        Image.new("RGB", (20, 10)).save(tmp_path / "val" / unicodedata.normalize("NFD", name))
    images = [
        {"id": n, "file_name": unicodedata.normalize("NFC", name), "width": 20, "height": 10}
        for n, name in enumerate(names, start=1)
    ]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0} for n in (1, 2)]
    (tmp_path / "annotations").mkdir()
    data = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "annotations/instances_val.json").write_text(json.dumps(data), encoding="utf-8")
    split = read_split(tmp_path, "val")
    assert all(split.image_path(image).is_file() for image in split.images) and len(split.images) == 2


@pytest.mark.parametrize(
    "name, path",
    [("a/b.jpg", r"C:\data\a\b.jpg"), (r"a\b.jpg", r"C:\data\a\b.jpg"), (r"..\b.jpg", None), ("a/../../b.jpg", None),
     (r"D:\b.jpg", None), ("D:b.jpg", None), (r"\b.jpg", None), (r"\\server\share\b.jpg", None),
     ("c:/data/b.jpg", None)],
)  # fmt: skip
def test_no_name_leads_out_of_a_folder_of_windows(monkeypatch, name, path):
    monkeypatch.setattr(
        "core.datasets.pictures.os", SimpleNamespace(path=ntpath, sep="\\", fspath=os.fspath, altsep="/")
    )
    inside = path_inside(r"C:\data", name)
    assert (None if inside is None else str(inside)) == path


def test_pictures_on_several_drives_are_said_to_be(monkeypatch):
    monkeypatch.setattr(os.path, "commonpath", ntpath.commonpath)
    with pytest.raises(DataError, match="lie on several drives: copy them into one folder"):
        common_folder([SimpleNamespace(parent=r"C:\a"), SimpleNamespace(parent=r"D:\a")])
