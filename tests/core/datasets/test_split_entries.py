"""What is wrong with an entry of a split's file costs this entry, and a class that stands for nothing is left out."""

import json

import pytest
from PIL import Image

from core import DataError
from core.datasets import split as module
from core.datasets.problems import ProblemKind
from tests.core.coco_cases import gt_of
from tests.core.datasets.test_split import counts, dataset


def test_what_is_wrong_with_an_entry_costs_this_entry(tmp_path):
    gt = gt_of(*((i, 1, (0, 0, 10, 10)) for i in (1, 3, 4)), (4, 2, (0, 0, 9, 9)), images=4)
    gt["images"][1]["id"] = 1
    gt["images"][2]["width"] = gt["images"][3]["height"] = None
    gt["categories"][1]["name"] = "car"
    folder = dataset(tmp_path, gt)
    Image.new("RGB", (30, 20)).save(folder / "train/4.jpg")
    split = module.read_split(folder, "train")
    assert [(i["id"], i["width"], i["height"]) for i in split.images] == [(4, 30, 20)]
    assert [(a["id"], a["category_id"]) for a in split.annotations] == [(3, 1), (4, 1)]
    assert counts(split) == {
        ProblemKind.SHARED_ID: 2, ProblemKind.NO_SIZE: 1, ProblemKind.LOST: 2, ProblemKind.IMAGE_STATED: 1,
        ProblemKind.CATEGORY_AGAIN: 1,
    }  # fmt: skip


def test_a_problem_that_nothing_can_be_done_about_is_one_sentence(tmp_path):
    gt = gt_of(*((1, 1, (60 + i, 50, 120 + i, 90)) for i in range(12)))
    folder = dataset(tmp_path, gt)
    with pytest.raises(DataError) as caught:
        module.read_split(folder, "train")
    assert str(caught.value) == (
        f"{folder}/annotations/instances_train.json cannot be used. "
        "12 boxes not written as x, y, width, height in pixels, as 12 of 12 fit as xyxy, 12 end far outside as "
        "xywh: --boxes xyxy: write a corrected copy: python -m core convert DATA --boxes FORMAT --out NEW; with "
        "--boxes xywh they stay."
    )
    split = module.examine_split(module.find_splits(folder)["train"], "train")
    assert (len(split.images), split.annotations, len(split.problems)) == (1, [], 1)


# Placeholders


def classes_of(folder, split="train"):
    return [category["name"] for category in module.read_split(folder, split).categories]


def with_classes(*names, used=(1,), **fields):
    gt = gt_of(*((1, k, (5 * k, 0, 9, 9)) for k in used))
    return gt | {"categories": [{"id": i, "name": name} | fields for i, name in enumerate(names)]}


@pytest.mark.parametrize("name", ["background", "__background__", "_background_", "Background", "__ignore__"])
def test_a_background_without_objects_is_no_class(tmp_path, name):
    folder = dataset(tmp_path, with_classes(name, "cat", "dog"))
    split = module.read_split(folder, "train")
    assert classes_of(folder) == ["cat", "dog"] and counts(split) == {ProblemKind.PLACEHOLDER: 1}
    assert classes_of(dataset(tmp_path, with_classes(name, "cat", "dog", used=(0, 1)))) == [name, "cat", "dog"]


@pytest.mark.parametrize("name", ["cat", "cats"])
def test_roboflows_first_row_may_be_called_like_a_class_or_the_data_set(tmp_path, name):
    folder = dataset(tmp_path / "Cats.v1i.coco", with_classes(name, "cat", "dog", supercategory="none"))
    split = module.read_split(folder, "train")
    assert classes_of(folder) == ["cat", "dog"] and counts(split) == {ProblemKind.PLACEHOLDER: 1}
    assert [category["id"] for category in split.categories] == [1, 2]


def test_a_class_without_objects_stays(tmp_path):
    assert classes_of(dataset(tmp_path / "cats", with_classes("bird", "cat", "ignored"))) == ["bird", "cat", "ignored"]
    assert classes_of(dataset(tmp_path / "dogs", with_classes("background", used=()))) == ["background"]


def test_a_class_that_is_used_in_the_other_split_stays_in_both(tmp_path):
    above = {"supercategory": "animals"}
    classes = [{"id": 0, "name": "animals"}, {"id": 1, "name": "cat"} | above]
    folder = dataset(tmp_path, with_classes(used=(0, 1)) | {"categories": classes})
    val = with_classes(used=(1,)) | {"categories": classes}
    (folder / "annotations/instances_val.json").write_text(json.dumps(val))
    splits = module.examine_splits(folder)
    assert [c["name"] for c in splits["val"].categories] == classes_of(folder, "val") == ["animals", "cat"]
    assert json.dumps(splits["val"].to_dict()) == json.dumps(module.read_split(folder, "val").to_dict())
