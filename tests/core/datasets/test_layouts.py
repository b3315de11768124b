"""Each usual layout is found, nothing is guessed between, and what is missing is said."""

import json
import os
import shutil
import sys

import pytest

from core import DataError
from core.datasets.layouts import (
    MOST_ENTRIES,
    annotation_files,
    find_splits,
    is_dataset,
    list_datasets,
)
from tests.core.coco_cases import gt_of

COCO = json.dumps(gt_of((1, 1, (0, 0, 10, 10))))


def make(folder, *names):
    """Files by name: a JSON is a COCO file, anything else is empty; a name that ends with / is a folder."""
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(COCO if name.endswith(".json") else "")
    return folder


def found(folder):
    """Split name to the JSON and the picture folder as they are named in `folder`."""
    return {
        name: (place.json_path.relative_to(folder).as_posix(), place.image_dir.relative_to(folder).as_posix())
        for name, place in find_splits(folder).items()
    }


# COCO


@pytest.mark.parametrize("pictures", ["val2017", "images/val2017", "val", "images/val", "images"])
def test_pictures_are_found_in_every_usual_place(tmp_path, pictures):
    make(tmp_path, "annotations/instances_val2017.json", f"{pictures}/")
    assert found(tmp_path) == {"val": ("annotations/instances_val2017.json", pictures)}


def test_the_folder_of_the_files_own_name_comes_before_all_others(tmp_path):
    make(tmp_path, "annotations/instances_val2017.json")
    for pictures in ("images", "images/val", "val", "images/val2017", "val2017"):
        make(tmp_path, f"{pictures}/")
        assert found(tmp_path)["val"][1] == pictures


def test_both_splits_are_found_and_a_plain_name_wins(tmp_path):
    for split in ("train", "train_old", "val"):
        make(tmp_path, f"annotations/instances_{split}.json", f"{split}/")
    assert found(tmp_path) == {
        "train": ("annotations/instances_train.json", "train"),
        "val": ("annotations/instances_val.json", "val"),
    }


def test_two_candidates_for_a_split_are_not_guessed_between(tmp_path):
    make(tmp_path, "annotations/instances_train2014.json", "annotations/instances_train2017.json", "train/")
    with pytest.raises(
        DataError,
        match=r"holds annotations/instances_train2014.json and annotations/instances_train2017.json: keep one",
    ):
        find_splits(tmp_path)


def test_files_of_other_tasks_beside_them_do_not_matter(tmp_path):
    make(tmp_path, "annotations/instances_val.json", "annotations/captions_val.json", "val/", "package.json")
    assert found(tmp_path) == {"val": ("annotations/instances_val.json", "val")}


def test_a_picture_folder_may_be_a_link_and_a_broken_link_is_none(tmp_path):
    make(tmp_path / "data", "annotations/instances_train.json", "images/")
    (tmp_path / "data/train").symlink_to(tmp_path / "store")
    assert found(tmp_path / "data")["train"][1] == "images"
    make(tmp_path, "store/")
    assert found(tmp_path / "data")["train"][1] == "train"


def test_names_that_mean_something_to_glob_are_plain_names(tmp_path):
    folder = make(tmp_path / "a[bc]*?", "annotations/instances_val.json", "val/")
    assert found(folder) == {"val": ("annotations/instances_val.json", "val")}


# Roboflow


@pytest.mark.parametrize("val", ["valid", "val"])
def test_roboflows_layout_has_each_file_among_its_pictures(tmp_path, val):
    make(tmp_path, "train/_annotations.coco.json", f"{val}/_annotations.coco.json", "test/_annotations.coco.json")
    assert found(tmp_path) == {
        "train": ("train/_annotations.coco.json", "train"),
        "val": (f"{val}/_annotations.coco.json", val),
    }
    assert not any(place.shared for place in find_splits(tmp_path).values())


def test_validation_alone_is_enough_but_not_twice(tmp_path):
    make(tmp_path, "valid/_annotations.coco.json")
    assert found(tmp_path) == {"val": ("valid/_annotations.coco.json", "valid")}
    make(tmp_path, "val/_annotations.coco.json")
    with pytest.raises(DataError, match=r"holds val/_annotations.coco.json and valid/_annotations.coco.json: keep one"):
        find_splits(tmp_path)


@pytest.mark.parametrize("name", ["annotations/instances_Train.json", "train/_annotations.coco.json"])
def test_without_a_validation_part_it_is_drawn_of_the_training_part(tmp_path, name):
    make(tmp_path, name, "train/", "test/_annotations.coco.json", "annotations/instances_test.json")
    splits = find_splits(tmp_path)
    assert splits["train"] == splits["val"] and splits["train"].shared
    (testing,) = splits["train"].testing
    assert "test" in testing.json_path.name + testing.json_path.parent.name


def test_where_layouts_are_mixed_cocos_own_wins_whole(tmp_path):
    make(tmp_path, "annotations/instances_train.json", "images/", "train/_annotations.coco.json", "labels.json")
    assert set(found(tmp_path).values()) == {("annotations/instances_train.json", "train")}
    shutil.rmtree(tmp_path / "annotations")
    assert set(found(tmp_path).values()) == {("train/_annotations.coco.json", "train")}
    shutil.rmtree(tmp_path / "train")
    assert found(tmp_path)["val"][0] == "labels.json"


# One file


@pytest.mark.parametrize("json_path", ["labels.json", "annotations/labels.json", "annotations/instances_labels.json"])
@pytest.mark.parametrize(
    "files, pictures",
    [
        (["images/a.jpg", "labels/a.jpg", "photos/a.jpg"], "images"),
        (["images/"], "images"),
        (["labels/a.jpg", "photos/a.jpg", "a.jpg"], "labels"),
        (["photos/a.JPG", "notes/a.txt", "a.jpg"], "photos"),
        (["photos/a.png", ".thumbnails/a.jpg"], "photos"),
        ([".thumbnails/a.jpg", "a.jpg"], "."),
        (["a.webp", "notes/"], "."),
        (["one/a.jpg", "two/a.jpg", "a.tiff"], "."),
        (["one/a.jpg", "two/a.jpg"], "."),
    ],
)
def test_one_file_is_both_splits_and_its_pictures_are_looked_for(tmp_path, json_path, files, pictures):
    make(tmp_path, json_path, *files)
    splits = find_splits(tmp_path)
    assert splits["train"] == splits["val"]
    assert splits["train"][:3] == (tmp_path / json_path, tmp_path / pictures, True)


@pytest.mark.parametrize("files", [[], ["one/a.txt"]])
def test_one_file_without_a_clear_picture_folder_says_where_it_looked(tmp_path, files):
    make(tmp_path, "labels.json", *files)
    with pytest.raises(
        DataError, match=r"no picture folder for labels.json; looked for images/labels/, images/, labels/"
    ):
        find_splits(tmp_path)


def test_a_picture_far_down_a_large_folder_is_not_looked_for(tmp_path):
    make(tmp_path, "labels.json", "photos/")
    for i in range(MOST_ENTRIES + 1):
        (tmp_path / f"photos/{i}.txt").touch()
    with pytest.raises(DataError, match="no picture folder"):
        find_splits(tmp_path)


@pytest.mark.parametrize(
    "name, text",
    [
        ("package.json", '{"name": "detr", "version": "1.0.0", "dependencies": {}}'),
        ("results.json", '[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]'),
        ("broken.json", '{"ima'),
        ("empty.json", ""),
        ("text.json", '"images"'),
        ("binary.json", "\0\1\2"),
    ],
)
@pytest.mark.parametrize("place", ["", "annotations/"])
def test_another_json_beside_it_is_told_apart_by_its_beginning(tmp_path, place, name, text):
    make(tmp_path, "labels.json", f"{place}{name}", "images/")
    (tmp_path / place / name).write_text(text)
    assert found(tmp_path) == dict.fromkeys(("train", "val"), ("labels.json", "images"))
    (tmp_path / "labels.json").unlink()
    assert not is_dataset(tmp_path)


@pytest.mark.parametrize(
    "start",
    [
        '{"info": {"description": "' + "x" * 5000 + '"}, "images": [], ',
        '{"categories": [{"id": 1, "name": "' + "x" * 70000 + '"}], "annotations": [], ',
        '\ufeff  \n{"images": [], ',
        '{"annotations": [], ',
    ],
)
def test_a_file_is_known_by_whichever_of_its_lists_comes_first(tmp_path, start):
    make(tmp_path, "images/")
    (tmp_path / "labels.json").write_text(start + '"images": []}')
    assert is_dataset(tmp_path)


def test_two_single_files_are_not_guessed_between(tmp_path):
    make(tmp_path, "a.json", "b.json", "images/")
    with pytest.raises(DataError, match=r"holds a.json and b.json: name them instances_train.json and instances_val"):
        find_splits(tmp_path)


# Nothing


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(DataError, match="There is no data set folder"):
        find_splits(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="There is no data set folder"):
        find_splits(tmp_path / "file")
    with pytest.raises(DataError, match="has no COCO annotation file: none of its JSON files"):
        find_splits(tmp_path)
    make(tmp_path, "annotations/instances_train2017.json")
    with pytest.raises(DataError, match=r"no picture folder for instances_train2017.json; looked for train2017/, im"):
        find_splits(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_holds_nothing(tmp_path):
    make(tmp_path, "annotations/instances_train.json", "train/")
    (tmp_path / "annotations").chmod(0)
    try:
        with pytest.raises(DataError, match="cannot be read"):
            find_splits(tmp_path)
    finally:
        (tmp_path / "annotations").chmod(0o700)


def test_data_sets_are_listed_by_name_without_hidden_and_other_folders(tmp_path):
    for name in ("b/annotations/instances_train.json", "a/labels.json", ".half/labels.json"):
        make(tmp_path, name)
    make(tmp_path, "c/valid/_annotations.coco.json", "notes/", "file.txt", "stray.json")
    if sys.platform == "linux":  # other systems refuse such a name
        shutil.copytree(tmp_path / "a", os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert [folder.name for folder in list_datasets(tmp_path)] == ["a", "b", "c"]
    assert list_datasets(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "names",
    [
        ["annotations/instances_train2017.json", "annotations/instances_val2017.json", "images/"],
        ["train/_annotations.coco.json", "val/_annotations.coco.json"],
        ["labels.json", "images/"],
    ],
)
def test_every_file_that_a_split_is_read_from_is_among_those_to_watch(tmp_path, names):
    make(tmp_path, *names)
    watched = annotation_files(tmp_path)
    assert {place.json_path for place in find_splits(tmp_path).values()} == set(watched)
    assert watched == sorted(watched)
