"""Texts for which a pattern, a codec or a comparison of names would take minutes or gigabytes: they are read at once.

`tests/test_patterns.py` tries every pattern; here are the files.
"""

import json
import time
import tracemalloc

import pytest

from core import DataError
from core.datasets.convert.formats.documents import MOST_WRONG, Entry
from core.datasets.convert.formats.rows import MOST_LINES
from core.datasets.convert.to_coco import convert, detect_format
from core.datasets.names.name_index import MOST_NEAREST, NameIndex
from tests.core.datasets.convert.folders import converted, picture, refused, text, voc, xml, yolo
from tests.core.datasets.convert.formats.made import yolo_list

SECONDS = 30  # each took minutes at least


@pytest.fixture(autouse=True)
def _soon():
    begun = time.process_time()
    yield
    assert time.process_time() - begun < SECONDS


def test_numbers_in_a_label_file(tmp_path):
    label = "0 " + " ".join(["1" * 20] * 30) + " x\n"
    assert detect_format(yolo(tmp_path / "mine", label, yaml=None)) is None


@pytest.mark.parametrize("line", [" " * 200_000 + "x", "a" + " 1" * 200_000 + "x"])
def test_lines_of_a_list(tmp_path, line):
    yolo_list(tmp_path / "boxes")
    with (tmp_path / "boxes/_annotations.txt").open("a") as file:
        file.write(line + "\n")
    assert sum(len(part["annotations"]) for part in converted(tmp_path / "boxes", tmp_path / "a").values()) == 3
    folder = voc(tmp_path / "voc", "a", "b")
    text(folder / "ImageSets/Main/train.txt", f"{line}\na\n")
    text(folder / "ImageSets/Main/val.txt", "b\n")
    assert [len(part["images"]) for part in converted(folder, tmp_path / "b").values()] == [1, 1]


def test_names_of_uploads_in_a_file(tmp_path):
    picture(tmp_path / "mine/a.png")
    tasks = [{"data": {"image": "aaaaaaaa-" * 30_000 + "/b.png"}, "annotations": [{"result": []}]}]
    tasks += [{"data": {"image": "/data/upload/1/1a2b3c4d-a.png"}, "annotations": [{"result": []}]}]
    text(tmp_path / "mine/tasks.json", json.dumps(tasks[::-1]))
    assert [len(part["images"]) for part in converted(tmp_path / "mine", tmp_path / "out").values()] == [1]


def test_an_encoding_that_takes_hours_is_not_known(tmp_path):
    head = '<?xml version="1.0" encoding="punycode"?>'
    refused(voc(tmp_path / "mine", label=head + xml(more="-" + "a9" * 500_000)), "a DOCTYPE or an unknown encoding")
    folder = voc(tmp_path / "endless", "a", "b")
    text(folder / "Annotations/a.xml", "<?xml " + "encoding='a' " * 100_000 + xml())
    assert sum(len(part["annotations"]) for part in converted(folder, tmp_path / "out").values()) == 1


def test_quotes_without_an_end(tmp_path):
    picture(tmp_path / "mine/a.png")
    text(tmp_path / "mine/a.json", '{"x' + '\\"' * 500_000)
    assert detect_format(tmp_path / "mine") is None


def test_of_missing_names_few_are_compared_with_those_that_are_there():
    index = NameIndex([f"2008_{number:06d}.jpg" for number in range(500)])
    assert index.nearest("2008-000007.jpg") == "2008_000007.jpg"
    assert index.nearest("x" * 2_000_000) is None
    nearest = [index.nearest(f"2009_{number:06d}.jpg") for number in range(100_000)]
    assert nearest[0] and nearest[MOST_NEAREST - 2] and set(nearest[MOST_NEAREST - 1 :]) == {None}


def test_of_objects_that_cannot_be_read_few_reasons_are_kept():
    tracemalloc.start()
    try:
        entry = Entry("a.jpg").add([None] * 300_000, lambda value: value["label"])
        assert len(entry.wrong) == MOST_WRONG and entry.more == 300_000 - MOST_WRONG
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "head"), [("a.csv", "filename,xmin,ymin,xmax,ymax,class\n"), ("b.csv", "")])
def test_a_table_without_end_is_refused(tmp_path, name, head):
    picture(tmp_path / "mine/a.png")
    text(tmp_path / "mine" / name, head + "a.png,1,2,3,4,car\n" + "a\n" * MOST_LINES)
    with pytest.raises(DataError, match=r"lines, more than the 2,000,000 that are read"):
        list(convert(tmp_path / "mine", tmp_path / "out"))


def test_classes_are_not_read_through_a_link_out_of_the_folder(tmp_path):
    yolo_list(tmp_path / "mine")
    (classes,) = (tmp_path / "mine").rglob("_classes.txt")
    classes.rename(tmp_path / "secret.txt")
    classes.symlink_to(tmp_path / "secret.txt")
    refused(tmp_path / "mine", r"_annotations\.txt: _classes\.txt is not beside it")


def test_an_entry_of_a_description_counts_once(tmp_path):
    """Each time a list of a million pictures would be read again."""
    lists = ", ".join(["l.txt", "./l.txt", "images/train"] * 7000)
    folder = yolo(tmp_path / "mine", yaml=f"names: [car]\nval: images/val\ntrain: [{lists}]\n")
    text(folder / "l.txt", "images/train/train.png\n" * 3000)
    assert [len(part["images"]) for part in converted(folder, tmp_path / "out").values()] == [1, 1]
    endless = f"names: [car]\nval: images/val\ntrain: {'a/' * 100_000}\n"
    assert list(convert(yolo(tmp_path / "deep", yaml=endless), tmp_path / "b"))[-1] == (2, 2)
