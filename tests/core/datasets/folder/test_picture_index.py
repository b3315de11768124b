"""Whatever name a tool wrote for a picture, the one that is meant is found, and none where that is unclear."""

import os
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.folder.picture_index import PictureIndex
from core.datasets.names.name_index import plain_parts


def index_of(folder, *names):
    for name in names:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return PictureIndex(folder)


def found(index, name, part=None):
    return [match.path for match in index.matches(name, part)]


NAMES = [
    "images/Ä b.jpg", "./images/Ä b.jpg", "images\\Ä b.jpg", ".\\images\\Ä b.jpg", "Ä b.jpg",
    "C:\\Users\\me\\images\\Ä b.jpg", "/home/me/images/Ä b.jpg", "../../upload/1/Ä b.jpg", "images/%C3%84%20b.jpg",
    "file:///home/me/Ä b.jpg", "https://host/data/%C3%84%20b.jpg?token=1", "/data/local-files/?d=images/Ä b.jpg",
    "images/ä B.JPG", unicodedata.normalize("NFD", "images/Ä b.jpg"), "images/Ä b", "Ä B",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_way_to_write_a_name_means_the_picture(tmp_path, name, form):
    index = index_of(tmp_path, unicodedata.normalize(form, "images/Ä b.jpg"), "images/other.jpg", "notes.txt")
    (path,) = found(index, name)
    assert index.real_path(path) == tmp_path / unicodedata.normalize(form, "images/Ä b.jpg")


def test_an_encoded_file_and_one_without_its_extension_are_meant_too(tmp_path):
    index = index_of(tmp_path, "a%20b.jpg", "photo")
    assert found(index, "a b.jpg") == ["a%20b.jpg"]
    assert found(index, "photo.png") == ["photo"]


def test_two_spellings_of_an_extension_are_the_same(tmp_path):
    index = index_of(tmp_path, "a.jpg", "b.JPEG", "c.tif")
    assert [found(index, name) for name in ("a.jpeg", "b.jpg", "c.TIFF")] == [["a.jpg"], ["b.JPEG"], ["c.tif"]]


def test_another_extension_is_another_picture_and_is_named_as_the_nearest(tmp_path):
    index = index_of(tmp_path, "images/000.JPG", "images/img_12.png", "images/zebra crossing.jpg")
    assert found(index, "000.png") == []
    assert index.nearest("000.png") == "images/000.JPG"
    assert index.nearest("x/0.jpg") == "images/000.JPG"
    assert index.nearest("IMG-0012.jpg") == "images/img_12.png"
    assert index.nearest("zebra crosing.jpg") == "images/zebra crossing.jpg"
    assert index.nearest("quite another.jpg") is None and index.nearest("") is None


def test_of_several_the_one_in_the_same_folders_is_meant_then_the_one_of_the_part(tmp_path):
    index = index_of(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/b/1.jpg", "2.jpg", "2.JPG")
    assert found(index, "/far/away/a/1.jpg") == ["train/a/1.jpg"]
    assert found(index, "b/1.jpg", "val") == ["val/b/1.jpg"]
    assert found(index, "b/1.jpg") == ["train/b/1.jpg", "val/b/1.jpg"]
    assert found(index, "1.jpg", "val") == ["val/b/1.jpg"]
    if os.path.lexists(tmp_path / "2.JPG") and len(os.listdir(tmp_path)) == 4:  # not where case does not count
        assert found(index, "2.JPG") == ["2.JPG"]
        assert found(index, "2.Jpg") == ["2.JPG", "2.jpg"]


@given(st.text("aB_0 é.", min_size=1, max_size=8), st.sampled_from(["", "images/", "train/x/"]))
@settings(max_examples=40, deadline=None)
def test_its_own_path_always_means_the_picture(stem, inner):
    name = f"{inner}x{stem.strip()}.jpg"
    with TemporaryDirectory() as folder:
        index = index_of(folder, name, "images/y.jpg")
        for written in (name, quote(name), name.replace("/", "\\"), f"/elsewhere/{name}", name.upper()):
            assert found(index, written) == [name]


def test_links_are_followed_but_lead_nowhere_outside_and_not_in_circles(tmp_path):
    index_of(tmp_path / "store", "a.jpg", "deep/b.jpg")
    index_of(tmp_path / "data", "c.jpg")
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "data/images").symlink_to(tmp_path / "store", target_is_directory=True)
    (tmp_path / "data/again").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "data/secret.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "data/nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "data/loop.jpg").symlink_to(tmp_path / "data/loop.jpg")
    index = PictureIndex(tmp_path / "data")
    assert index.paths == ["c.jpg", "images/a.jpg", "images/deep/b.jpg"]
    assert index.real_path("images/deep/b.jpg") == tmp_path / "store/deep/b.jpg"


def test_hidden_files_and_a_folder_that_is_none_hold_no_pictures(tmp_path):
    assert index_of(tmp_path, ".a.jpg", ".cache/b.jpg", "c.txt").paths == []
    assert PictureIndex(tmp_path / "gone").paths == []


@pytest.mark.parametrize("name", ["", "..", "/", "\\", "a\0b", "C:", "%00", "?d="])
def test_what_is_no_name_means_nothing(tmp_path, name):
    index = index_of(tmp_path, "a.jpg")
    assert found(index, name) == []
    assert plain_parts(name) in ([], ["a\0b"], ["%00"])
