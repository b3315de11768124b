"""All that is known of images: the annotation file's own fields, folders, counts, sizes; and the order of sources."""

import numpy as np
import pytest

from core.datasets.attributes.attribute import NOTHING_KNOWN
from core.datasets.attributes.image_fields import read_fields
from core.datasets.attributes.sources import image_attributes
from core.datasets.split import read_split
from tests.own_folders import labels, write


def split_with(tmp_path, fields: list[dict], objects: int = 3):
    """A validation split, with further fields of each image."""
    data = labels(11, len(fields), objects=objects)
    for image, more in zip(data["images"], fields, strict=True):
        image |= more
    for image in data["images"]:
        (tmp_path / "own/val" / image["file_name"]).parent.mkdir(parents=True, exist_ok=True)
    return read_split(write(tmp_path / "own", {"train": labels(1, 2), "val": data}), "val")


def fields_of(tmp_path, *fields: dict) -> dict[str, list]:
    return {one.name: list(one.values) for one in read_fields(split_with(tmp_path, list(fields)))}


def test_the_split_keeps_every_field_of_an_image(tmp_path):
    split = split_with(tmp_path, [{"weather": "rain", "deep": {"a": [1]}}])
    assert split.images[0]["weather"] == "rain" and split.images[0]["deep"] == {"a": [1]}


def test_words_numbers_and_flags_are_known(tmp_path):
    assert fields_of(tmp_path, {"weather": "rain", "altitude": 3}, {"weather": "sun", "night": True}) == {
        "weather": ["rain", "sun"],
        "altitude": [3.0, None],
        "night": [None, "yes"],
    }


def test_cocos_own_fields_say_nothing(tmp_path):
    coco_fields = {"license": 1, "coco_url": "http://x", "flickr_url": "http://y", "date_captured": "2013"}
    assert fields_of(tmp_path, coco_fields, coco_fields | {"license": 2}) == {}


@pytest.mark.parametrize("holder", ["attributes", "metadata", "tags"])
def test_fields_within_a_field_are_known(tmp_path, holder):
    assert fields_of(tmp_path, {holder: {"weather": "rain"}}, {holder: {"weather": "sun"}}) == {
        "weather": ["rain", "sun"]
    }


def test_tags_are_one_attribute_whatever_wrote_them(tmp_path):
    shown = fields_of(
        tmp_path, {"tags": ["rain", "night"]}, {"tags": [{"label": "rain"}]}, {"tags": "fog"}, {"tags": 7}
    )
    assert shown == {"tags": [("rain", "night"), ("rain",), ("fog",), 7.0]}
    assert fields_of(tmp_path, {"scene": {"label": "city"}}) == {"scene": ["city"]}


@pytest.mark.parametrize("value", [None, "", [], {}, [1, 2], float("inf"), {"a": {"b": 1}}, 10**400])
def test_what_says_nothing_is_passed_over(tmp_path, value):
    split = split_with(tmp_path, [{}, {}])
    split.images[0]["odd"] = value
    assert [one for one in read_fields(split) if any(v not in (None, ()) for v in one.values)] == []
    image_attributes(split)


def attributes_by_name(split, classes=None, measured=None) -> dict[str, dict[str, list[int]]]:
    attributes = image_attributes(split, classes, measured).attributes
    ids = np.array([image["id"] for image in split.images])
    return {
        one.name: {v: ids[row].tolist() for v, row in zip(one.values, one.members, strict=True)} for one in attributes
    }


def test_folders_objects_and_sizes_are_slices(tmp_path):
    fields = [{"file_name": f"{'ab'[i % 2]}/{i}.png"} for i in range(4)]
    known = attributes_by_name(split_with(tmp_path, fields, objects=1))
    assert known["folder"] == {"a": [11, 13], "b": [12, 14]}
    assert known["objects"] == {"0": [11, 13], "1": [12, 14]}
    assert "picture size" not in known  # all have one


def test_only_objects_of_the_classes_count_and_no_crowds(tmp_path):
    split = split_with(tmp_path, [{}] * 4)
    for annotation in split.annotations:
        annotation["iscrowd"] = int(annotation["category_id"] == 2)
    expected = [sum(a["category_id"] == 1 for a in split.annotations_by_image[i["id"]]) for i in split.images]
    known = attributes_by_name(split, ["car", "dog"])["objects"]
    assert {i: int(value) for value, ids in known.items() for i in ids} == dict(
        zip(split.image_by_id, expected, strict=True)
    )


def test_sizes_are_words_where_there_are_few_and_megapixels_where_there_are_many(tmp_path):
    split = split_with(tmp_path, [{}] * 40)
    for place, image in enumerate(split.images):
        image["width"] = 240 if place < 30 else 480
    assert attributes_by_name(split)["picture size"]["480 × 180"] == list(range(41, 51))
    for place, image in enumerate(split.images):
        image["width"], image["height"] = 1000 + 37 * place, 1000
    assert list(attributes_by_name(split)["megapixels"]) == ["below 1.4", "1.4 to 1.8", "1.8 to 2", "2 or more"]


def test_what_was_measured_is_among_it(tmp_path):
    split = split_with(tmp_path, [{}] * 40)
    measured = {"brightness": np.linspace(10, 240, 40), "sharpness": np.full(40, np.nan)}
    assert next(iter(attributes_by_name(split, None, measured)["brightness"])) == "below 60"
    assert "sharpness" not in attributes_by_name(split, None, measured)


def test_two_sources_of_one_name_are_told_apart(tmp_path):
    split = split_with(tmp_path, [{"weather": "rain"}, {"weather": "sun"}, {"weather": "sun"}])
    (tmp_path / "own/images.csv").write_text("file_name,weather\n000011.png,a\n000012.png,b\n000013.png,a\n")
    known = attributes_by_name(split)
    assert list(known["weather"]) == ["a", "b"]
    assert list(known["weather (instances_val.json)"]) == ["sun", "rain"]


def test_a_split_without_images_has_nothing(tmp_path):
    from dataclasses import replace

    empty = replace(split_with(tmp_path, [{}]), images=[], annotations=[])
    assert image_attributes(empty).attributes == NOTHING_KNOWN.attributes
