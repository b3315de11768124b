"""A COCO file is known by what is in it, whatever its name, and nothing else is taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DataError
from core.datasets.folder.annotation_files import coco_files, is_coco, top_level
from core.datasets.layouts import find_splits, is_dataset
from tests.core.datasets.folder.exports import coco, pictures, write

OTHERS = {
    "notes.json": {"categories": [{"id": 0, "name": "car"}], "info": {"contributor": "Label Studio"}},
    "labelme.json": {"version": "5", "shapes": [{"label": "car", "points": []}], "imagePath": "a.jpg"},
    "datumaro.json": {"info": {}, "categories": {}, "items": [{"id": "a", "annotations": [{"id": 0}], "images": [1]}]},
    "results.json": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}],
    "createml.json": [{"image": "a.jpg", "annotations": []}],
    "via.json": {"_via_settings": {}, "_via_img_metadata": {"a": {"regions": []}}},
    "darwin.json": {"version": "2.0", "item": {"name": "a.jpg"}, "annotations": [{"name": "car", "bounding_box": {}}]},
    "package.json": {"name": "images", "annotations": "none", "images": {"a": [1]}},
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("place", ["", "annotations/", "train/"])
def test_other_tools_json_is_none_under_any_name(tmp_path, name, place):
    write(tmp_path, {f"{place}{name}": OTHERS[name], f"{place}train.json": OTHERS[name], "images/a.jpg": None})
    assert not is_dataset(tmp_path)
    write(tmp_path, {"labels.json": coco("a.jpg")})
    assert {path.json_path.name for path in find_splits(tmp_path).values()} == {"labels.json"}


@pytest.mark.parametrize("first", ["info", "licenses", "categories", "images", "annotations"])
@pytest.mark.parametrize("size", [0, 5_000, 80_000])
def test_the_lists_may_come_in_any_order_behind_anything(tmp_path, first, size):
    data = coco("a.jpg") | {"info": {"images": [], "url": "x" * size}, "licenses": []}
    write(tmp_path, {"any.json": {first: data.pop(first)} | data})
    assert is_coco(tmp_path / "any.json")


@given(
    st.recursive(
        st.none() | st.integers() | st.text('a"\\{}[]:', max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\', max_size=3), inner, max_size=3),
        max_leaves=12,
    )
)
def test_the_top_level_is_read_as_a_json_reader_reads_it(value):
    data = json.dumps({"first": value, "images": [1], "last": value}, ensure_ascii=False)
    keys = top_level(data.encode())
    assert set(keys) == {"first", "images", "last"} and keys["images"] == b"["


@pytest.mark.parametrize("cut", [10, 1000, -5])
def test_a_damaged_file_of_cocos_own_name_is_one_so_that_its_damage_is_told(tmp_path, cut):
    write(
        tmp_path,
        {"annotations/instances_train.json": json.dumps(coco(*map(str, range(50))))[:cut], "images/a.jpg": None},
    )
    assert is_dataset(tmp_path)


def test_files_of_other_tasks_and_empty_ones_are_left_aside(tmp_path):
    write(
        tmp_path,
        {f"annotations/{task}_Train.json": coco("a.jpg") for task in ("instances", "person_keypoints", "stuff")},
    )
    assert [(file.path.name, file.part) for file in coco_files(tmp_path)] == [("instances_Train.json", "train")]
    write(tmp_path / "other", {"annotations/person_keypoints_default.json": coco("a.jpg")})
    assert [file.path.name for file in coco_files(tmp_path / "other")] == ["person_keypoints_default.json"]


def test_a_message_to_rename_names_what_then_works(tmp_path):
    write(
        tmp_path,
        {"annotations/first.json": coco("a.jpg"), "annotations/second.json": coco("b.jpg")} | pictures("images/a.jpg"),
    )
    with pytest.raises(DataError, match=r"name them instances_train.json and instances_val.json, or keep one"):
        find_splits(tmp_path)
    for name, new in {"first": "instances_train", "second": "instances_val"}.items():
        (tmp_path / f"annotations/{name}.json").rename(tmp_path / f"annotations/{new}.json")
    assert set(find_splits(tmp_path)) == {"train", "val"}


def test_what_is_only_for_testing_is_no_data_to_train_on_and_the_advice_works(tmp_path):
    write(tmp_path, {"annotations/instances_Test.json": coco("a.jpg")} | pictures("images/a.jpg"))
    with pytest.raises(
        DataError, match=r"holds only annotations/instances_Test.json, for testing: name it instances_t"
    ):
        find_splits(tmp_path)
    (tmp_path / "annotations/instances_Test.json").rename(tmp_path / "annotations/instances_train.json")
    assert set(find_splits(tmp_path)) == {"train", "val"}


@pytest.mark.parametrize("name", ["annotations", "train", "labels.json"])
def test_a_link_in_a_circle_is_none(tmp_path, name):
    write(tmp_path, {"coco.json": coco("a.jpg")} | pictures("images/a.jpg"))
    (tmp_path / name).symlink_to(tmp_path / name)
    assert set(find_splits(tmp_path)) == {"train", "val"}
