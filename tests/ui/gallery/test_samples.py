"""A page of a data set's images: the boxes are the file's, and nothing of the file but its images is asked for."""

import json

import pytest

from core.datasets.layouts import find_splits
from core.datasets.split import examine_split
from core.evaluation.selection import Selection
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of
from tests.own_folders import add, labels, mine, write
from tests.ui.gallery.columns import by_image, in_browser, sent
from ui.gallery import component as gallery
from ui.gallery.paging import PER_PAGE
from ui.gallery.samples import SampleImage, page_data

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


def truths(data: dict) -> list[list[dict]]:
    """The boxes of each image of a page."""
    return by_image(data["models"][0]["truths"])


def everything(splits) -> list[SampleImage]:
    return [SampleImage(name, image["id"]) for name, split in splits.items() for image in split.images]


def size_of(area: float) -> int:
    return (area >= 32**2) + (area >= 96**2)


def test_the_boxes_are_the_files_in_the_galleries_layout(splits):
    shown = everything(splits)
    data = page(splits, shown)
    assert len(data["images"]) == len(truths(data)) == len(shown) == 22
    for one, boxes in zip(shown, truths(data), strict=True):
        raw = json.loads(splits[one.split].json_path.read_text())
        own = [a for a in raw["annotations"] if a["image_id"] == one.image_id]
        assert len(boxes) == len(own)
        for box, a in zip(boxes, own, strict=True):
            x, y, w, h = a["bbox"]
            assert [box[side] for side in ("x1", "y1", "x2", "y2")] == pytest.approx((x, y, x + w, y + h), abs=0.051)
            assert data["classes"][box["class"]] == CLASSES[a["category_id"] - 1]
            assert (box["size"], box["crowd"], box["id"]) == (size_of(a["area"]), a["iscrowd"], str(a["id"]))
            assert "chosen" not in box and box["match"] >= 0.95, "the browser would call it missed"


def test_a_page_has_all_that_a_page_of_predictions_has(splits):
    """gallery.js reads both: the keys are the same, but for what only predictions need."""
    gt = gt_of((1, 1, (0, 0, 9, 9)))
    split = splits["train"]
    model = gallery.Model("Best", detection_table(gt, []))
    other = gallery.page_data(split, "/api/image/1", [gallery.Item(1)], 1, 24, [model], Selection())
    data = page(splits, everything(splits))
    assert set(data) == {*other, "plain"} - {"ahead", "bare", "selection"}
    assert data["images"][0].keys() == other["images"][0].keys()
    told = in_browser(model.table, [1], ["car"], Selection())["truths"]
    assert data["models"][0]["truths"].keys() == told.keys()


def test_an_image_is_that_of_its_split_and_is_asked_for_without_any_path(splits):
    data = page(splits, [SampleImage("train", 3), SampleImage("val", 3)])
    train, val = data["images"]
    assert (train["id"], val["id"]) == ("3", "3")
    assert train["source"].endswith("/train/3") and val["source"].endswith("/val/3")
    assert train["source"].split("/")[:3] == ["", "api", "data"]
    assert (train["name"], val["name"]) == ("000003.png", "000003.png · validation")
    assert (train["w"], train["h"]) == (240, 180)
    assert str(splits["train"].json_path.parents[1]) not in json.dumps(data)


def test_only_chosen_classes_have_boxes_in_the_order_that_is_given(splits):
    data = page(splits, everything(splits), classes=("bus", "car"))
    assert data["classes"] == ["bus", "car"]
    boxes = [box for boxes in truths(data) for box in boxes]
    raw = [a for split in splits.values() for a in split.annotations]
    assert sum(box["class"] == 0 for box in boxes) == sum(a["category_id"] == 3 for a in raw) > 0
    assert len(boxes) == sum(a["category_id"] in (1, 3) for a in raw)


def test_a_class_with_another_id_in_the_other_split_is_the_same_class(tmp_path):
    folder = write(tmp_path / "m", {"train": labels(1, 4, ("car", "dog")), "val": labels(1, 4, ("dog", "car"))})
    splits = {name: examine_split(place, name) for name, place in find_splits(folder).items()}
    train, val = truths(page(splits, [SampleImage("train", 2), SampleImage("val", 2)], classes=("car", "dog")))
    assert [box["class"] for box in train] == [0] and [box["class"] for box in val] == [1]


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_only_the_boxes_that_are_named_are_brought_out(splits, chosen):
    own = [a["id"] for a in splits["train"].annotations_by_image[4]]
    boxes = truths(page(splits, [SampleImage("train", 4, (own[chosen],))]))[0]
    assert [box["chosen"] for box in boxes] == [i == chosen for i in range(3)]


def test_a_box_that_is_left_out_of_the_data_brings_none_out(splits):
    boxes = truths(page(splits, [SampleImage("train", 4, (999_999,))]))[0]
    assert boxes and not any(box["chosen"] for box in boxes)


def test_the_pages_together_hold_every_image_once_in_order(splits):
    shown = everything(splits) * 3
    pages = [page(splits, shown, number) for number in (1, 2, 3)]
    assert {(one["pages"], one["total"]) for one in pages} == {(3, 66)}
    assert [one["first"] for one in pages] == [1, 1 + PER_PAGE, 1 + 2 * PER_PAGE]
    sources = [image["source"].split("/")[-2:] for one in pages for image in one["images"]]
    assert sources == [[one.split, str(one.image_id)] for one in shown]


def test_the_page_changes_with_what_is_shown_and_only_then(splits):
    shown = everything(splits)
    pages = [
        page(splits, shown), page(splits, shown[1:]), page(splits, shown[::-1]),
        page(splits, shown, classes=CLASSES[::-1]), page(splits, [one._replace(boxes=(-1,)) for one in shown]),
    ]  # fmt: skip
    signatures = [sent(one)["signature"] for one in pages]
    assert len(set(signatures)) == len(pages)
    assert sent(page(splits, shown))["signature"] == signatures[0]


def test_a_page_is_plain_json_of_what_the_gallery_reads(splits):
    data = page(splits, everything(splits))
    assert json.loads(json.dumps(data)) == json.loads(json.dumps(data, allow_nan=False))
    assert data["plain"] is True and data["models"][0]["predictions"] == {"n": [0] * 22}
    assert page(splits, [])["images"] == truths(page(splits, [])) == [] and page(splits, [])["pages"] == 1


def test_two_folders_have_addresses_of_their_own(tmp_path):
    sources = set()
    for name in ("one", "two"):
        folder = mine(tmp_path / name / "same")
        splits = {n: examine_split(place, n) for n, place in find_splits(folder).items()}
        sources.add(page(splits, [SampleImage("train", 1)], classes=("car",))["images"][0]["source"])
    assert len(sources) == 2
