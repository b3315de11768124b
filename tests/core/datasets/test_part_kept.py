"""What a part keeps as a data set of its own: annotations to the byte, and pictures where they lie."""

import contextlib
import io
import json
import os
import tempfile
from codecs import BOM_UTF8
from pathlib import Path

import pytest
from hypothesis import given, settings
from pycocotools.coco import COCO

from core.datasets.layouts import find_splits
from core.datasets.part import save_subset, take_subset
from core.datasets.subset import Subset
from tests.core.coco_cases import gt_of
from tests.core.datasets.part_cases import (
    CARS,
    CROWD,
    POLYGON,
    dataset,
    file_with,
    refused,
    saved,
    splits_of,
    subsets,
    truths,
    written,
)

# What is kept


@given(truths(), subsets)
@settings(max_examples=30, deadline=None)
def test_what_is_saved_is_read_as_the_part_that_was_seen_and_by_pycocotools_too(gt, subset):
    with tempfile.TemporaryDirectory() as place:
        folder, out = dataset(Path(place) / "d", train=gt), Path(place) / "out"
        seen = take_subset(splits_of(folder)["train"], subset)
        if not seen.images:
            assert "No train image" in refused(folder, subset, out)
            return
        save_subset(splits_of(folder), subset, out)
        assert splits_of(out)["train"].to_dict() == seen.to_dict()
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCO(out / "annotations/instances_train.json")
    assert judge.dataset["images"] == seen.images
    assert judge.dataset["annotations"] == seen.annotations
    assert judge.dataset["info"]["subset"] == subset.to_dict()


def test_polygons_crowds_and_what_else_an_annotation_says_keep_their_bytes(tmp_path):
    rows = (
        f'{{"id": 71, "image_id": 1,{POLYGON}, "category_id": 1, "bbox": [0.10,0,9.0e0,9], "area": 1E1, "iscrowd": 0}}',
        f'{{"iscrowd":1,{CROWD},"id":70,"image_id":1,"category_id":1,"bbox":[0,0,50,50],"area":1.0, "z":"\\u00e4"}}',
        f'{{"id": 5, "image_id": 1,{POLYGON}, "category_id": 2, "bbox": [0,0,8,8], "area": 64, "iscrowd": 0}}',
    )
    image = '{"id":1, "file_name":"1.jpg","width":200,"height":100, "mine": [1.0 , "é"]}'
    folder = dataset(tmp_path / "d", train=file_with(*rows, images=image))
    found = saved(folder, CARS, tmp_path / "out")["train"]
    text = written(tmp_path / "out")
    assert all(row.encode() in text for row in (*rows[:2], image))
    assert rows[2].encode() not in text and b'"dog"' not in text
    assert [a["id"] for a in found.annotations] == [71, 70]
    data = json.loads(text)
    assert data["info"] == {"year": 2020, "subset": CARS.to_dict()} and data["licenses"] == [{"id": 4}]


def test_ids_that_a_tool_wrote_as_floats_are_the_same_images(tmp_path):
    image = '{"id": 7.0, "file_name": "1.jpg", "width": 200, "height": 100}'
    row = '{"id": 3.0, "image_id": 7.0, "category_id": 1.0, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}'
    folder = dataset(tmp_path / "d", train=file_with(row, images=image))
    found = saved(folder, CARS, tmp_path / "out")["train"]
    assert [i["id"] for i in found.images] == [7] and [a["id"] for a in found.annotations] == [3]
    assert row.encode() in written(tmp_path / "out")


@pytest.mark.parametrize(
    "broken",
    [
        '{"id": 2, "category_id": 1, "bbox": [0, 0, 9, 9]}', '{"id": 2, "image_id": 9, "category_id": 1}',
        '{"id": 2, "image_id": "x", "category_id": 1, "bbox": [0, 0, 9, 9]}', '{}',
        '{"id": 2, "image_id": 1, "category_id": null, "bbox": [0, 0, 9, 9]}',
        '{"id": "b", "image_id": 1.5, "category_id": 1, "bbox": null}',
    ],
)  # fmt: skip
def test_an_annotation_that_belongs_nowhere_is_in_no_part(tmp_path, broken):
    row = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}'
    folder = dataset(tmp_path / "d", train=file_with(broken, row))
    assert splits_of(folder)["train"].dropped == 1
    found = saved(folder, CARS, tmp_path / "out")["train"]
    assert [a["id"] for a in found.annotations] == [1] and found.dropped == 0


def test_a_file_with_a_byte_order_mark_is_saved_without_it(tmp_path):
    folder = dataset(tmp_path / "d", train=BOM_UTF8.decode() + json.dumps(gt_of((1, 1, (0, 0, 9, 9)))))
    assert len(saved(folder, CARS, tmp_path / "out")["train"].annotations) == 1
    assert written(tmp_path / "out").startswith(b"{")


def test_of_a_file_as_only_python_writes_it_the_boxes_are_kept(tmp_path):
    gt = gt_of((1, 1, (0, 0, 9, 9), {"segmentation": [[0, 0, 9, 0, 9, 9]]}), (1, 1, (0, 0, 8, 8)))
    gt["annotations"][1]["bbox"][0] = float("nan")
    folder = dataset(tmp_path / "d", train=gt)
    assert len(splits_of(folder)["train"].annotations) == 1
    (kept,) = saved(folder, CARS, tmp_path / "out")["train"].annotations
    assert kept == splits_of(folder)["train"].annotations[0]
    assert json.loads((tmp_path / "out/annotations/instances_train.json").read_text())["info"] == {
        "subset": CARS.to_dict()
    }


# Where the pictures are


def test_pictures_are_linked_and_found_where_they_lie(tmp_path):
    gt = gt_of((1, 1, (0, 0, 9, 9)))
    folder = dataset(tmp_path / "d", train=gt, val=gt)
    found = saved(folder, CARS, tmp_path / "deep" / "out")
    for name, split in found.items():
        link = tmp_path / "deep" / "out" / name
        assert link.is_symlink() and split.resolved_dir == folder / name
        assert split.image_path(split.images[0]) == folder / name / "1.jpg"
        assert split.image_path(split.images[0]).is_file()
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["out"]


def test_a_part_of_a_part_is_linked_to_the_first_folder(tmp_path):
    gt = gt_of((1, 1, (0, 0, 9, 9)), (2, 1, (0, 0, 9, 9)), images=2)
    folder = dataset(tmp_path / "d", train=gt)
    save_subset(splits_of(folder), Subset(("car",), 1), tmp_path / "one")
    found = saved(tmp_path / "one", CARS, tmp_path / "two")["train"]
    assert os.readlink(tmp_path / "two" / "train") == str(folder / "train")
    assert len(found.images) == 1


def test_one_file_without_splits_becomes_two_that_share_no_image(tmp_path):
    gt = gt_of(*((i, 1 + i % 2, (0, 0, 9, 9)) for i in range(1, 21)), images=20)
    folder = dataset(tmp_path / "d", single=gt)
    seen = {name: take_subset(split, CARS) for name, split in splits_of(folder).items()}
    found = saved(folder, CARS, tmp_path / "out")
    assert {name: split.to_dict() for name, split in found.items()} == {n: s.to_dict() for n, s in seen.items()}
    ids = [{image["id"] for image in split.images} for split in found.values()]
    assert all(ids) and not ids[0] & ids[1] and ids[0] | ids[1] == set(range(2, 21, 2))
    places = find_splits(tmp_path / "out")
    assert {name: place[:3] for name, place in places.items()} == {
        name: (tmp_path / f"out/annotations/instances_{name}.json", tmp_path / "out" / name, False)
        for name in ("train", "val")
    }
