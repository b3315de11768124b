"""A page of a data set's images: the boxes are the file's, and nothing of the file but its images is asked for."""

import json

import pytest

from core.coco import SIZES, examine_split
from core.layouts import find_splits
from tests.own_folders import add, labels, mine, write
from ui.gallery import PER_PAGE
from ui.samples import Shown, page_data

CLASSES = ("car", "dog", "bus")


@pytest.fixture
def splits(tmp_path):
    train, val = labels(1, 13, CLASSES), labels(1, 9, CLASSES)  # ids start anew in each split, as users have them
    add(train, 1, 2, (10.26, 20.04, 100.5, 99.5), iscrowd=1)
    add(train, 2, 3, (10, 20, 100, 100), area=900)  # of a mask: small, whatever its box
    folder = write(tmp_path / "mine", {"train": train, "val": val})
    return {name: examine_split(place, name) for name, place in find_splits(folder).items()}


def page(splits, images, number=1, classes=CLASSES):
    return page_data(splits["train"].json_path.parents[1], splits, images, number, classes)


def everything(splits) -> list[Shown]:
    return [Shown(name, image["id"]) for name, split in splits.items() for image in split.images]


def size_of(area: float) -> int:
    return (area >= 32**2) + (area >= 96**2)


def test_the_boxes_are_the_files_in_the_galleries_layout(splits):
    shown = everything(splits)
    data = page(splits, shown)
    assert len(data["images"]) == len(shown) == 22
    for one, image in zip(shown, data["images"], strict=True):
        raw = json.loads(splits[one.split].json_path.read_text())
        own = [a for a in raw["annotations"] if a["image_id"] == one.image_id]
        assert len(image["truths"]) == len(own)
        for (x1, y1, x2, y2, k, size, crowd, match, pointed, is_out), a in zip(image["truths"], own, strict=True):
            x, y, w, h = a["bbox"]
            assert (x1, y1, x2, y2) == pytest.approx((x, y, x + w, y + h), abs=0.051)
            assert data["classes"][k] == CLASSES[a["category_id"] - 1]
            assert (SIZES[size], crowd, is_out) == (SIZES[size_of(a["area"])], a["iscrowd"], True)
            assert match >= 0.95 and pointed is None, "the browser would call it missed"


def test_an_image_is_that_of_its_split_and_is_asked_for_without_any_path(splits):
    data = page(splits, [Shown("train", 3), Shown("val", 3)])
    train, val = data["images"]
    assert (train["id"], val["id"]) == (3, 3)
    assert train["source"].endswith("/train/3") and val["source"].endswith("/val/3")
    assert train["source"].split("/")[:3] == ["", "api", "data"]
    assert (train["name"], val["name"]) == ("000003.png", "000003.png · validation")
    assert (train["w"], train["h"]) == (240, 180)
    assert str(splits["train"].json_path.parents[1]) not in json.dumps(data)


def test_only_chosen_classes_have_boxes_in_the_order_that_is_given(splits):
    data = page(splits, everything(splits), classes=("bus", "car"))
    assert data["classes"] == ["bus", "car"]
    found = sum(truth[4] == 0 for image in data["images"] for truth in image["truths"])
    raw = [a for split in splits.values() for a in split.annotations]
    assert found == sum(a["category_id"] == 3 for a in raw) > 0
    assert sum(len(image["truths"]) for image in data["images"]) == sum(a["category_id"] in (1, 3) for a in raw)


def test_a_class_with_another_id_in_the_other_split_is_the_same_class(tmp_path):
    folder = write(tmp_path / "m", {"train": labels(1, 4, ("car", "dog")), "val": labels(1, 4, ("dog", "car"))})
    splits = {name: examine_split(place, name) for name, place in find_splits(folder).items()}
    train, val = page(splits, [Shown("train", 2), Shown("val", 2)], classes=("car", "dog"))["images"]
    assert [truth[4] for truth in train["truths"]] == [0] and [truth[4] for truth in val["truths"]] == [1]


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_only_the_boxes_that_are_named_are_brought_out(splits, chosen):
    own = [a["id"] for a in splits["train"].by_image[4]]
    truths = page(splits, [Shown("train", 4, (own[chosen],))])["images"][0]["truths"]
    assert [truth[-1] for truth in truths] == [i == chosen for i in range(3)]


def test_a_box_that_is_left_out_of_the_data_brings_none_out(splits):
    truths = page(splits, [Shown("train", 4, (999_999,))])["images"][0]["truths"]
    assert truths and not any(truth[-1] for truth in truths)


def test_the_pages_together_hold_every_image_once_in_order(splits):
    shown = everything(splits) * 3
    pages = [page(splits, shown, number) for number in (1, 2, 3)]
    assert {(one["pages"], one["total"]) for one in pages} == {(3, 66)}
    assert [one["first"] for one in pages] == [1, 1 + PER_PAGE, 1 + 2 * PER_PAGE]
    sources = [image["source"].split("/")[-2:] for one in pages for image in one["images"]]
    assert sources == [[one.split, str(one.image_id)] for one in shown]


def test_the_signature_changes_with_what_is_shown_and_only_then(splits):
    shown = everything(splits)
    different = [
        page(splits, shown)["signature"],
        page(splits, shown[1:])["signature"],
        page(splits, shown[::-1])["signature"],
        page(splits, shown, classes=CLASSES[::-1])["signature"],
        page(splits, [one._replace(boxes=(-1,)) for one in shown])["signature"],
    ]
    assert len(set(different)) == len(different)
    assert page(splits, shown)["signature"] == different[0]


def test_a_page_is_plain_json_of_what_the_gallery_reads(splits):
    data = page(splits, everything(splits))
    assert json.loads(json.dumps(data)) == json.loads(json.dumps(data, allow_nan=False))
    assert data["plain"] is True and all(image["predictions"] == [] for image in data["images"])
    assert page(splits, [])["images"] == [] and page(splits, [])["pages"] == 1


def test_two_folders_have_addresses_of_their_own(tmp_path):
    sources = set()
    for name in ("one", "two"):
        folder = mine(tmp_path / name / "same")
        splits = {n: examine_split(place, n) for n, place in find_splits(folder).items()}
        sources.add(page(splits, [Shown("train", 1)], classes=("car",))["images"][0]["source"])
    assert len(sources) == 2
