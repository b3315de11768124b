"""What changed of a data set is named; what only looks changed, as a copy, is not."""

import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.fingerprint.changes import class_changes, data_changes
from core.labels import LabelMap
from tests.core.datasets.fingerprint import small_data
from tests.core.datasets.fingerprint.small_data import SmallData, draw


@pytest.fixture
def data(tmp_path):
    return SmallData(tmp_path / "data")


def replace_a_picture(data):
    draw(data.picture("train", 1), (200, 0, 0))


def replace_all_pictures_and_set_their_times_back(data):
    for i in (11, 12, 13):
        path = data.picture("val", i)
        status = path.stat()
        draw(path, (200, 0, i))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def delete_a_picture(data):
    data.picture("val", 12).unlink()


def add_an_image(data):
    draw(data.picture("train", 9), (9, 9, 9))
    data.change(lambda d: d["images"].append({"id": 9, "file_name": "009.bmp", "width": 64, "height": 48}), "train")


def redraw_under_the_same_ids(data):
    other = {1: 4, 2: 3, 3: 2, 4: 1}

    def edit(values):
        for image in values["images"]:
            image["file_name"] = f"{other[image['id']]:03}.bmp"

    data.change(edit, "train")


def json_changes(edit, *splits):
    return lambda data: data.change(edit, *splits)


CHANGES = [
    (json_changes(small_data.move_a_box, "train"), True, "1 training image has other boxes, '001.bmp'"),
    (replace_a_picture, True, "1 training image has another picture, '001.bmp'"),
    (replace_all_pictures_and_set_their_times_back, True,
     "all 3 validation images have other pictures, as '011.bmp'"),
    (delete_a_picture, True, "1 validation image has lost its picture, '012.bmp'"),
    (add_an_image, True, "1 training image is new, '009.bmp'"),
    (json_changes(small_data.drop_the_first_image, "val"), True,
     "1 validation image is not used any more, '011.bmp'"),
    (redraw_under_the_same_ids, True, "all 4 training images have other pictures, as '004.bmp'"),
    (json_changes(small_data.list_backwards("images"), "train"), True,
     "the training images, or their boxes, stand in another order"),
    (json_changes(small_data.list_backwards("annotations"), "val"), True,
     "the validation images, or their boxes, stand in another order"),
    (json_changes(small_data.rename_dog), True, "the class 'dog' is now 'hound'"),
    (json_changes(small_data.add_a_class), False, "the class 'sheep' is new"),
    (json_changes(small_data.drop_a_class), False, "the class 'dog' is gone"),
    (json_changes(small_data.swap_names), False, (
     "the class 'car' has the id 18 instead of 3; the class 'dog' has the "
     "id 3 instead of 18; the classes stand in another order")),
    (json_changes(small_data.give_other_ids), False, ("the class 'car' has the id 4 instead of 3; the class 'dog' has "
     "the id 19 instead of 18")),
    (json_changes(small_data.list_backwards("categories")), False, "the classes stand in another order"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "is_safe", "words"), CHANGES, ids=[words for *_, words in CHANGES])
def test_each_change_is_named(data, change, is_safe, words):
    before = data.fingerprint()
    change(data)
    changes = data_changes(before, data.fingerprint())
    assert (changes.words, changes.are_safe) == (words, is_safe)


def test_several_changes_are_one_sentence(data):
    before = data.fingerprint()
    data.change(small_data.rename_dog)
    data.change(small_data.move_a_box, "val")
    replace_a_picture(data)
    assert data_changes(before, data.fingerprint()).words == (
        "the class 'dog' is now 'hound'; 1 training image has another picture, '001.bmp'; "
        "1 validation image has other boxes, '011.bmp'"
    )


def test_a_copy_elsewhere_is_the_same_data(data, tmp_path):
    copy = shutil.copytree(data.folder, tmp_path / "elsewhere/copy", copy_function=shutil.copyfile)
    before, after = data.fingerprint(), data.fingerprint(copy)
    assert before.digest == after.digest and not data_changes(before, after).words
    assert (before.splits["val"].pictures.stamp != after.splits["val"].pictures.stamp).all()


def test_new_ids_of_annotations_and_a_file_written_anew_are_no_change(data):
    before = data.fingerprint()
    data.change(small_data.number_annotations_anew)
    for path in data.folder.glob("*/*.bmp"):
        path.write_bytes(path.read_bytes())
    assert data.fingerprint().digest == before.digest


def test_a_large_file_that_differs_in_its_midst_is_another_one(data):
    path = data.picture("val", 11)
    content = bytes(100_000)
    path.write_bytes(content)
    before = data.fingerprint()
    path.write_bytes(content[:50_100] + b"\1" + content[50_101:])
    assert "'011.bmp'" in data_changes(before, data.fingerprint()).words


NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True)
MAPS = NAMES.flatmap(
    lambda names: st.permutations(range(8)).map(lambda ids: LabelMap(tuple(names), tuple(ids[: len(names)])))
)


@given(MAPS, MAPS)
def test_classes_are_safe_where_ids_and_their_order_are_the_same_and_no_name_has_moved(before, after):
    changes = class_changes(before, after)
    same_rows = before.category_ids == after.category_ids
    moved = [n for i, n in enumerate(after.names) if n in before.names and before.names.index(n) != i]
    assert changes.are_safe == (same_rows and not moved)
    assert bool(changes.parts) == (before != after)
