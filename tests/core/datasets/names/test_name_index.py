"""A label file finds its picture, and a line of a list what it means, however both are written."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.names.name_index import NameIndex, spelling, without_ending

PICTURES = [
    "images/train/a.jpg", "images/val/a.jpg", "images/val/b.c.jpeg", "odd/x.png", "odd/x.jpg", "odd\\y.bmp",
    "who is it?.jpg",
]  # fmt: skip


@pytest.mark.parametrize(
    "written, paths",
    [
        ("labels/val/a.txt", ["images/val/a.jpg"]),
        ("images/train/a.png", ["images/train/a.jpg"]),
        ("B.C", ["images/val/b.c.jpeg"]),
        ("b.c.xml", ["images/val/b.c.jpeg"]),
        ("x.jpg", ["odd/x.jpg"]),
        ("x.tif", ["odd/x.png", "odd/x.jpg"]),
        ("odd/y.xml", ["odd\\y.bmp"]),  # as an archive leaves it that was made on Windows
        ("' C:\\sets\\val\\A.JPG '", ["images/val/a.jpg"]),
        ("https://host/bucket/b.c.jpeg?X-Token=a/b&c=1.jpg", ["images/val/b.c.jpeg"]),
        ("who is it?.jpg", ["who is it?.jpg"]),
        ("b", []),
        ("", []),
        (" / ", []),
    ],
)
def test_a_name_means_files_of_any_ending_those_nearest_to_it(written, paths):
    assert NameIndex(PICTURES).find(written) == paths


def test_a_label_file_that_shares_no_folder_means_the_picture_as_deep_as_itself():
    assert NameIndex(["backup/old/a.jpg", "images/a.jpg"]).find("labels/a.xml") == ["images/a.jpg"]


def test_of_an_annotation_file_only_the_very_path_counts_as_nearer():
    index = NameIndex(["backup/a.jpg", "a.jpg", "images/more/a.jpg"])
    assert [match.path for match in index.matches("a.jpg")] == ["a.jpg"]
    assert len(index.matches("elsewhere/a.jpg")) == 3


@given(st.text("aB0 _é.", max_size=9), st.text("aB0 _é.", max_size=9))
def test_a_path_has_one_spelling(folder, stem):
    path = f"x{folder}x/x{stem}.jpeg"
    ways = [path, path.upper(), path.replace("/", "\\"), quote(path), unicodedata.normalize("NFD", path), f"./{path}"]
    assert len({spelling(way) for way in ways}) == 1
    assert without_ending(path) == f"x{folder}x/x{stem}"
