"""A part for testing is counted, picture by picture and box by box, and none of its pictures is trained on."""

import pytest

from core.datasets.folder.testing import ForTesting, without_testing
from core.datasets.problems import ProblemKind
from core.datasets.split import examine_splits, read_split
from tests.core.datasets.folder.exports import coco, pictures, write


def problems_of(*paths, split="train"):
    return without_testing([ForTesting(path, ()) for path in paths], [], [], lambda image: None, split)[2]


def test_pictures_and_boxes_are_counted_and_the_first_pictures_named(tmp_path):
    write(
        tmp_path, {"test.json": coco("a.jpg", "b.jpg"), "info.json": {"images": coco("c.jpg")["images"]}, "no.json": {}}
    )
    problems = problems_of(*(tmp_path / name for name in ("test.json", "info.json", "no.json")))
    assert [(p.kind, p.count) for p in problems] == [
        (ProblemKind.TEST_PART, 2), (ProblemKind.TEST_BOX, 4), (ProblemKind.TEST_PART, 1),
    ]  # fmt: skip
    assert [example.detail for example in problems[0].examples] == ["a.jpg", "b.jpg"]
    assert {problem.split for problem in problems} == {"train"}


@pytest.mark.parametrize("text", ["", "{", '{"images": 3}', '{"images": [1]}', '{"images": [{"file_name": 1}]}'])
def test_a_damaged_one_is_named_and_costs_nothing(tmp_path, text):
    write(tmp_path, {"test.json": text})
    (problem,) = problems_of(tmp_path / "test.json", split="val")
    assert problem.kind is ProblemKind.UNUSED_FILE and problem.examples[0].detail == "test.json"


TRAIN, VAL = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"], ["g.png", "h.png"]


@pytest.mark.parametrize("has_val", [True, False])
@pytest.mark.parametrize("prefix", ["", "images/", "images\\"])
def test_a_picture_that_is_listed_for_training_and_for_testing_is_not_trained_on(tmp_path, has_val, prefix):
    files = {
        "annotations/instances_train.json": coco(*TRAIN),
        "annotations/instances_test.json": coco(f"{prefix}a.png", f"{prefix}c.png"),
    }
    files |= {"annotations/instances_val.json": coco(*VAL)} if has_val else {}
    write(tmp_path, files | pictures(*TRAIN, *VAL, inside="images/"))
    splits = examine_splits(tmp_path)
    rest = ["b.png", "d.png", "e.png", "f.png"]
    names = {name: [image["file_name"] for image in split.images] for name, split in splits.items()}
    assert names["train"] == rest if has_val else sorted(names["train"] + names["val"]) == rest
    assert {image["file_name"] for image in read_split(tmp_path, "train").images} == set(names["train"])
    boxes = sum(len(split.annotations) for split in splits.values())
    counts = {p.kind: p.count for p in splits["train"].problems}
    assert boxes == (12 if has_val else 8)
    assert counts == {ProblemKind.TEST_PART: 2, ProblemKind.TEST_BOX: 8}, "four in each of the two files"


def test_pictures_of_the_same_names_in_other_folders_are_others(tmp_path):
    parts = {"train": coco(*TRAIN), "test": coco(*TRAIN[:3]), "valid": coco(*VAL)}
    files = {f"{part}/_annotations.coco.json": data for part, data in parts.items()}
    for part, data in parts.items():
        files |= pictures(*(image["file_name"] for image in data["images"]), inside=f"{part}/")
    write(tmp_path, files)
    assert len(examine_splits(tmp_path)["train"].images) == 6


def test_what_is_for_validation_stays_in_it_although_it_is_for_testing_too(tmp_path):
    parts = {"train": coco(*TRAIN), "test": coco(*VAL), "val": coco(*VAL)}
    files = {f"annotations/{part}.json": data for part, data in parts.items()}
    write(tmp_path, files | pictures(*TRAIN, *VAL, inside="images/"))
    assert len(examine_splits(tmp_path)["val"].images) == 2
