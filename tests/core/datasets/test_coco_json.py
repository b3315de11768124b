"""However a COCO file is written, what is read of it is what a plain reader in Python would make of it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from core.datasets import coco_json
from core.datasets.coco.annotations import ANNOTATION_FIELDS
from core.datasets.coco.ids import ID_LIMIT, to_id
from core.datasets.coco_json import examine_ground_truth
from core.datasets.problems import ProblemKind
from tests.core.coco_cases import gt_of
from tests.core.datasets.plain_reader import (
    GT,
    INFINITE,
    MISSING,
    NAN,
    changed,
    clean_one,
    odd_one,
    plainly,
    same,
    write,
)


def counts(problems) -> dict[ProblemKind, int]:
    return {p.kind: p.count for p in problems}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("file") / "file.json"


def assert_as_plainly(path, gt):
    data, problems = examine_ground_truth(write(path, gt), "val")
    kept, expected = plainly(json.loads(path.read_text()))
    assert same(data["annotations"], kept) or data["annotations"] == kept  # 4.0 for 4
    assert counts(problems) == expected
    assert all(set(a) == set(ANNOTATION_FIELDS) for a in data["annotations"])
    assert {type(a[key]) for a in data["annotations"] for key in ("id", "image_id", "category_id", "iscrowd")} <= {int}
    assert len({a["id"] for a in data["annotations"]}) == len(data["annotations"])
    assert (data["images"], data["categories"]) == (gt["images"], gt["categories"])
    assert all(p.split == "val" and len(p.examples) == p.count for p in problems)


@settings(max_examples=200, deadline=None)
@given(st.lists(odd_one, max_size=6))
def test_odd_annotations_are_read_as_plainly_written_python_reads_them(path, annotations):
    assert_as_plainly(path, gt_of(images=3) | {"annotations": annotations})


@settings(deadline=None)
@given(st.lists(clean_one, max_size=6))
def test_clean_annotations_are_read_the_same_by_the_fast_way(path, annotations):
    gt = gt_of(images=4) | {"annotations": annotations}
    assert coco_json._decode_lists(write(path, gt))[1]
    assert_as_plainly(path, gt)


def test_a_clean_file_is_read_as_pycocotools_reads_it(path, capsys):
    data, problems = examine_ground_truth(write(path, GT))
    assert (data, problems) == (GT, [])
    truth = COCO(str(path))
    assert data["annotations"] == truth.loadAnns(truth.getAnnIds())


@pytest.mark.parametrize(
    "odd, is_fast",
    [
        ({}, True), ({"area": MISSING}, True), ({"iscrowd": MISSING}, True), ({"iscrowd": True}, False),
        ({"id": 1.0}, False), ({"id": MISSING}, False), ({"id": ID_LIMIT}, False), ({"bbox": [1, 2, 3]}, False),
        ({"bbox": [1, 2, NAN, 3]}, False), ({"bbox": [1, 2, "3", 3]}, False), ({"segmentation": [[NAN]]}, False),
    ],
)  # fmt: skip
def test_only_a_file_with_oddities_is_read_the_slow_way(path, odd, is_fast):
    assert coco_json._decode_lists(write(path, changed("annotations", 0, **odd)))[1] is is_fast


def test_infinity_and_nan_are_read_wherever_they_stand(path):
    for odd in ({"bbox": [0, 0, value, 5]} for value in (NAN, INFINITE, -INFINITE)):
        data, problems = examine_ground_truth(write(path, changed("annotations", 2, **odd)))
        assert same(data["annotations"][2]["bbox"], odd["bbox"]) and not problems
    data, problems = examine_ground_truth(write(path, changed("images", 0, date_captured=NAN)))
    assert len(data["annotations"]) == 3 and not problems


def test_ids_that_are_missing_or_taken_become_the_next_free_ones(path):
    gt = gt_of(*((1, 1, (0, 0, 4, 5)) for _ in range(5)))
    for annotation, own in zip(gt["annotations"], (7, None, 7, "a", 3), strict=True):
        annotation["id"] = own
    data, (found, texts) = examine_ground_truth(write(path, gt))
    text = to_id("a")
    assert [a["id"] for a in data["annotations"]] == [7, text + 1, text + 2, text, 3]
    assert [(e.detail, e.image_id, e.annotation_ids) for e in found.examples] == [
        ("the id None", 1, (text + 1,)),
        ("the id 7", 1, (text + 2,)),
    ]
    assert [(e.detail, e.annotation_ids) for e in texts.examples] == [("the id 'a'", (text,))]
    for annotation in gt["annotations"]:
        annotation["id"] = -1
    assert [a["id"] for a in examine_ground_truth(write(path, gt))[0]["annotations"]] == [-1, 1, 2, 3, 4]  # never 0


def test_a_name_stays_what_the_file_says(path):
    name = "<script>alert(1)</script> \u202e\x07 ünïcode"
    data, problems = examine_ground_truth(
        write(path, changed("categories", 0, name=name) | {"info": {"description": name}})
    )
    assert data["categories"][0]["name"] == name and not problems


def test_an_endless_value_is_shortened_where_it_is_told(path):
    for part, place, fields in (
        ("annotations", 0, {"id": "x" * 10_000}),
        ("images", 0, {"id": ["x" * 10_000] * 1000}),
        ("categories", 0, {"id": "x" * 10_000}),
    ):
        _, problems = examine_ground_truth(write(path, changed(part, place, **fields)))
        assert problems and all(len(example.detail) < 400 for problem in problems for example in problem.examples)


def test_whole_float_ids_of_images_and_categories_become_ints(path):
    gt = gt_of((1.0, 2.0, (0, 0, 4, 5)))
    gt["images"][0]["id"], gt["categories"][1]["id"] = 1.0, 2.0
    data, problems = examine_ground_truth(write(path, gt))
    assert not problems and data == gt
    read_ids = [data["images"][0]["id"], data["categories"][1]["id"], data["annotations"][0]["image_id"]]
    assert [type(own) for own in read_ids] == [int] * 3
