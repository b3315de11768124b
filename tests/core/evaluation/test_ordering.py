from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.evaluation.ordering import (
    ObjectCrop,
    ObjectCrops,
    SortOrder,
    error_weights,
    sorted_images,
    sorted_objects,
    whole_pixels,
)
from core.evaluation.selection import BACKGROUND, Selection, select_images, selected_rows
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, result
from tests.core.evaluation.test_selection import error_of, pointed, selections, shown_iou

orders = st.sampled_from(list(SortOrder))


def names_of(gt: dict) -> dict[int, str]:
    """Image id to a file name; names go another way than ids."""
    return {image["id"]: f"{image['id'] % 7}-{image['id']}.jpg" for image in gt["images"]}


def cost_of(row: dict, threshold: float) -> float:
    """As `Order.WORST` describes it."""
    error = error_of(row, threshold)
    if error == "missed":
        return 1.0
    if error == "localization":
        return row["score"] * (1 - row["best_same_iou"])
    return row["score"] if error else 0.0


def value_of(row: dict, order: SortOrder, score: float, objects: Counter, names: dict) -> float | str | None:
    """What one box stands by in an order."""
    is_detection = row["kind"] == "detection"
    return {
        SortOrder.WORST: lambda: round(cost_of(row, score), 5),
        SortOrder.SCORE: lambda: row["score"] if is_detection else None,
        SortOrder.IOU: lambda: shown_iou(row) if is_detection else None,
        SortOrder.SIZE: lambda: row["area"],
        SortOrder.OBJECTS: lambda: objects[row["image_id"]],
        SortOrder.NAME: lambda: names[row["image_id"]],
    }[order]()


def is_in_order(values: list, falling: bool) -> bool:
    """Whether what has a value comes first, and is sorted."""
    known = [value for value in values if value is not None]
    return values[: len(known)] == sorted(known, reverse=falling)


def objects_of(rows: list[dict]) -> Counter:
    return Counter(row["image_id"] for row in rows if row["kind"] == "ground_truth" and not row["iscrowd"])


# Images


@settings(max_examples=150, deadline=None)
@given(cases(), st.data(), orders, st.booleans())
def test_images_are_those_asked_for_where_their_first_box_stands(case, data, order, reverse):
    table, selection, names = detection_table(*case), data.draw(selections(case[0])), names_of(case[0])
    found = sorted_images(table, selection, order, reverse, names)
    assert sorted(found) == select_images(table, selection)
    rows, there = table.to_pylist(), selected_rows(table, selection)
    objects, falling = objects_of(rows), order.is_descending != reverse

    def value(image_id: int):
        own = [row for row, asked in zip(rows, there, strict=True) if asked and row["image_id"] == image_id]
        if order is SortOrder.WORST:
            return round(sum(cost_of(row, selection.score) for row in own), 4), len(own)
        if order in (SortOrder.OBJECTS, SortOrder.NAME):
            return objects[image_id] if order is SortOrder.OBJECTS else names[image_id]
        values = [value_of(row, order, selection.score, objects, names) for row in own]
        return (max if falling else min)((v for v in values if v is not None), default=None)

    values = [value(image_id) for image_id in found]
    assert is_in_order(values, falling)
    for first, second, here, there in zip(found, found[1:], values, values[1:], strict=False):
        assert here != there or first < second  # of equals the lower id


@pytest.mark.parametrize("reverse, expected", [(False, [3, 1, 2]), (True, [2, 1, 3])])
def test_a_missed_object_is_worse_than_an_unsure_box_and_that_than_a_fair_one(reverse, expected):
    gt = gt_of((2, 1, (0, 0, 10, 10)), (3, 1, (0, 0, 10, 10)), images=3)
    table = detection_table(gt, [result(1, 1, (0, 0, 9, 9), 0.6), result(2, 1, (0, 0, 10, 4), 0.9)])
    assert np.array(error_weights(table, 0.5)).tolist() == pytest.approx([0.6, 0, 0.9 * 0.6, 1])
    assert sorted_images(table, Selection(), SortOrder.WORST, reverse, names_of(gt)) == expected


def test_of_images_that_cost_the_same_the_one_with_more_boxes_comes_first():
    gt = gt_of(*((image, 1, (20 * i, 0, 10, 10)) for image in (1, 2) for i in range(image)), images=2)
    found = [result(image, 1, (20 * i, 0, 10, 10)) for image in (1, 2) for i in range(image)]
    cell = Selection(pair=("car", "car"))
    assert sorted_images(detection_table(gt, found), cell, SortOrder.WORST, False, names_of(gt)) == [2, 1]


@pytest.mark.parametrize(
    "order, reverse, expected",
    [(SortOrder.SIZE, False, [1, 2]), (SortOrder.SIZE, True, [1, 2]), (SortOrder.SCORE, False, [1, 2]),
     (SortOrder.SCORE, True, [1, 2]), (SortOrder.IOU, False, [1, 2]), (SortOrder.IOU, True, [1, 2])],
)  # fmt: skip
def test_an_image_stands_where_its_first_box_does_in_both_directions(order, reverse, expected):
    gt = gt_of(*((image, 1, (0, 0, 50, 50)) for image in (1, 2)), images=2)
    extremes = [result(1, 1, (0, 0, 50, 50), 0.9), result(1, 1, (150, 0, 5, 5), 0.1)]
    table = detection_table(gt, [*extremes, result(2, 1, (0, 0, 40, 40), 0.5)])
    names = names_of(gt)
    found = sorted_images(table, Selection(0.05, score_to=0.95), order, reverse, names)
    assert found == expected
    first = sorted_objects(table, Selection(0.05, score_to=0.95), order, reverse, names)[0]
    assert first.image_id == found[0]


@pytest.mark.parametrize("order", SortOrder)
@pytest.mark.parametrize("reverse", [False, True])
def test_images_without_such_a_value_come_last_and_those_that_are_gone_not_at_all(order, reverse):
    gt = gt_of((2, 1, (0, 0, 10, 10)), images=4)
    table = detection_table(gt, [result(3, 1, (0, 0, 9, 9)), result(4, 1, (0, 0, 9, 9))])
    found = sorted_images(table, Selection(), order, reverse, {1: "a", 2: "b", 3: "c", -1: "x"})
    assert sorted(found) == [1, 2, 3]
    if order in (SortOrder.SCORE, SortOrder.IOU):
        assert found == [3, 1, 2]
    assert {o.lit for o in sorted_objects(table, Selection(), order, reverse, {2: "b"})} == {("truth", 1)}


@pytest.mark.parametrize("order", SortOrder)
def test_nothing_at_all_is_found_in_every_order(order):
    empty = detection_table(gt_of(images=2), [])
    assert sorted_images(empty, Selection(), order, False, {1: "a", 2: "b"}) == [1, 2]
    objects = sorted_objects(empty, Selection(), order, False, {1: "a", 2: "b"})
    assert (len(objects), objects[:24], objects.image_ids) == (0, [], [])
    assert sorted_images(empty, Selection(classes=("car",)), order, True, {}) == []


def test_an_unknown_filter_is_refused():
    table = detection_table(gt_of(images=1), [])
    for find in (sorted_images, sorted_objects):
        with pytest.raises(DataError, match="no error type 'odd'"):
            find(table, Selection(error="odd"), SortOrder.WORST, False, {})


# Objects


@settings(max_examples=150, deadline=None)
@given(cases(), st.data(), orders, st.booleans())
def test_every_box_that_is_asked_for_has_one_entry_its_own_or_that_of_a_prediction(case, data, order, reverse):
    table, selection, names = detection_table(*case), data.draw(selections(case[0])), names_of(case[0])
    objects = sorted_objects(table, selection, order, reverse, names)
    rows, there = table.to_pylist(), selected_rows(table, selection).tolist()
    if not selection.selects_boxes:
        there = [h and error_of(row, selection.score) is not None for row, h in zip(rows, there, strict=True)]
    asked = [row for row, here in zip(rows, there, strict=True) if here]
    told = {pointed(row) for row in asked if row["kind"] == "detection"} if selection.selects_boxes else set()
    expected = {
        (r["image_id"], "query", r["query"]) if r["kind"] == "detection" else (r["image_id"], "truth", r["gt_id"]): r
        for r in asked
        if r["kind"] == "detection" or r["gt_id"] not in told
    }
    found = [(entry.image_id, *entry.lit) for entry in objects]
    assert len(found) == len(set(found)) and set(found) == set(expected)
    counts = objects_of(rows)
    values = [value_of(expected[key], order, selection.score, counts, names) for key in found]
    assert is_in_order(values, order.is_descending != reverse)
    assert objects.image_ids == list(dict.fromkeys(entry.image_id for entry in objects))


def test_a_slice_of_the_objects_is_what_they_are_one_by_one():
    gt = gt_of(*((1, 1, (20 * i, 0, 10, 10)) for i in range(5)))
    objects = sorted_objects(detection_table(gt, []), Selection(), SortOrder.WORST, False, {1: "a"})
    assert [objects[i] for i in range(5)] == objects[:24] == list(objects)
    assert objects[3:] == list(objects)[3:] and objects[-1] == objects[4]
    with pytest.raises(IndexError):
        objects[5]


def test_without_a_filter_on_boxes_the_objects_are_the_errors():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 1, (50, 0, 10, 10)))
    table = detection_table(gt, [result(1, 1, (0, 0, 10, 10)), result(1, 2, (90, 50, 9, 9), 0.6)])
    errors = sorted_objects(table, Selection(), SortOrder.WORST, False, {1: "a"})
    assert [entry.lit for entry in errors] == [("truth", 2), ("query", 1)]
    cars = sorted_objects(table, Selection(classes=("car",)), SortOrder.WORST, False, {1: "a"})
    assert [entry.lit for entry in cars] == [("truth", 2), ("query", 0)]  # the object that it found is in it
    cell = Selection(pair=(BACKGROUND, "dog"))
    assert [entry.lit for entry in sorted_objects(table, cell, SortOrder.WORST, False, {1: "a"})] == [("query", 1)]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_crop_shows_the_box_and_what_it_points_to_inside_the_image(case):
    table = detection_table(*case)
    rows = table.to_pylist()
    truths = {row["gt_id"]: row for row in rows if row["kind"] == "ground_truth"}
    for entry, row in zip(ObjectCrops(table, np.arange(len(table))), rows, strict=True):
        x1, y1, x2, y2 = entry.crop
        assert all(type(side) is int for side in entry.crop)
        assert 0 <= x1 < x2 <= 200 and 0 <= y1 < y2 <= 200
        assert min(x2 - x1, y2 - y1) >= 48
        about = row if row["kind"] == "ground_truth" else truths.get(pointed(row))
        for box in filter(None, (row, about)):
            low, high = (np.clip([box[a], box[b]], 0, 200) for a, b in (("x1", "y1"), ("x2", "y2")))
            assert x1 <= low[0] and y1 <= low[1] and high[0] <= x2 and high[1] <= y2


def test_a_crop_is_square_where_there_is_room():
    gt = gt_of((1, 1, (90, 40, 20, 10)), (1, 1, (0, 0, 4, 4)), (1, 1, (20, 0, 150, 9)))
    entries = sorted_objects(detection_table(gt, []), Selection(), SortOrder.WORST, False, {1: "a"})
    assert list(entries) == [
        ObjectCrop(1, (70, 15, 130, 75), ("truth", 1)),
        ObjectCrop(1, (0, 0, 48, 48), ("truth", 2)),
        ObjectCrop(1, (20, 0, 170, 100), ("truth", 3)),  # the image is 100 pixels high
    ]


def test_a_crop_shows_the_object_that_a_poor_box_points_to_too():
    gt = gt_of((1, 1, (10, 30, 20, 20)), (1, 2, (100, 10, 90, 80)))
    found = [result(1, 1, (20, 30, 20, 20)), result(1, 2, (100, 10, 20, 60), 0.8)]
    poor = sorted_objects(detection_table(gt, found), Selection(error="localization"), SortOrder.SCORE, False, {1: "a"})
    assert [entry.crop for entry in poor] == [(0, 0, 90, 90), (95, 0, 195, 100)]


def test_a_crop_of_an_image_of_unknown_size_goes_as_far_as_it_likes():
    gt = gt_of((1, 1, (90, 90, 20, 20)))
    gt["images"][0] |= {"width": None, "height": None}
    (entry,) = sorted_objects(detection_table(gt, []), Selection(), SortOrder.WORST, False, {1: "a"})
    assert entry.crop == (70, 70, 130, 130)


@pytest.mark.parametrize(
    "box, pixels",
    [((0, 0, 5, 5), (0, 0, 5, 5)), ((0.2, 1.9, 5.1, 6), (0, 1, 6, 6)), ((-3, 2, 500, 7.5), (0, 2, 20, 8))],
)
def test_whole_pixels_are_all_that_a_box_touches(box, pixels):
    assert whole_pixels(box, (20, 10)) == pixels


def test_each_order_says_what_it_is():
    for order in SortOrder:
        assert order.label.endswith("first") or order is SortOrder.NAME
        assert order.description.endswith(".") and SortOrder(order.value) is order
