"""COCO files whose names and categories would take minutes or hours to compare: they are read at once."""

import json
import time

import pytest

from core.datasets.names.name_index import NameIndex, plain_parts
from core.datasets.pictures import path_inside
from core.datasets.split import read_split
from tests.core.datasets.convert.folders import picture, text

SECONDS = 10


@pytest.mark.parametrize(
    "name",
    ["a" + "\u0301\u0327" * 400_000, "a/" * 200_000 + "0.png", "./" * 100_000 + "../" * 100_000 + "0.png",
     "%41" * 400_000 + ".png"],
    ids=["marks", "deep", "dots", "encoded"],
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_none(tmp_path, name):
    begun = time.process_time()
    assert plain_parts(name) == [] and path_inside(tmp_path, name) is None
    assert NameIndex(["0.png", "a.png"]).matches(name) == [] and NameIndex(["0.png"]).nearest(name) is None
    assert time.process_time() - begun < SECONDS


def test_many_categories_that_stand_for_no_class(tmp_path):
    categories = [{"id": i, "name": f"c{i}", "supercategory": f"c{i + 1}"} for i in range(1, 60_000)]
    picture(tmp_path / "train/a.png")
    image = {"id": 1, "file_name": "a.png", "width": 100, "height": 50}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 12], "area": 120, "iscrowd": 0}
    coco = {"images": [image], "annotations": [annotation], "categories": categories}
    text(tmp_path / "annotations/instances_train.json", json.dumps(coco))
    begun = time.process_time()
    assert [category["name"] for category in read_split(tmp_path, "train").categories] == ["c1"]
    assert time.process_time() - begun < SECONDS
