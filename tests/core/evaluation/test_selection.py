from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets.split import SIZES
from core.evaluation.selection import (
    BACKGROUND,
    Selection,
    associated_ground_truths,
    best_iou,
    cell_boxes,
    select_images,
    selected_rows,
)
from core.evaluation.table import COLUMNS, ERROR_TYPES, ErrorType
from core.evaluation.threshold import count_errors, error_codes, image_rows, visible, worst_images
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, result

GT = gt_of(
    (1, 1, (0, 0, 10, 10)), (2, 1, (0, 0, 50, 50)), (2, 2, (60, 0, 10, 10)), (3, 1, (0, 0, 99, 99), {"iscrowd": 1}),
    images=4,
)  # fmt: skip
RESULTS = [result(1, 1, (0, 0, 10, 9), 0.7), result(2, 1, (0, 0, 50, 20), 0.4), result(4, 2, (0, 0, 120, 90), 0.3)]
thresholds = st.sampled_from([0.0, 0.25, 0.5, 1.0])
ANY = Selection(0.35)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return detection_table(GT, RESULTS)


def error_of(row: dict, threshold: float) -> str | None:
    """A row's error as the module's description says it."""
    if row["kind"] == "detection":
        return row["error"] if row["score"] >= threshold else None
    reached = [row[c] for c in ("match_score", "pointed_score") if row[c] is not None]
    return None if row["iscrowd"] or any(score >= threshold for score in reached) else "missed"


def errors_of(table: pa.Table, threshold: float) -> list[tuple]:
    """(image, error type) of every error, row by row."""
    errors = [(row["image_id"], error_of(row, threshold)) for row in table.to_pylist()]
    return [(image, error) for image, error in errors if error]


@st.composite
def selections(draw, gt: dict):
    """Any selection on the case `gt`, of classes and images that it has or does not have."""
    names = [c["name"] for c in gt["categories"]]
    some = st.lists(st.sampled_from([*names, "none such"]), unique=True)
    cell = st.tuples(*[st.sampled_from([*names, BACKGROUND])] * 2).filter(any)
    return Selection(
        draw(thresholds), tuple(draw(some)), draw(st.none() | st.sampled_from(ERROR_TYPES)),
        tuple(draw(st.lists(st.sampled_from(SIZES), unique=True))), draw(st.none() | cell),
        tuple(draw(st.lists(st.sampled_from([*(i["id"] for i in gt["images"]), 99]), unique=True))),
        draw(st.sampled_from([1.0, 1.0, 0.75])),
        draw(st.sampled_from([(0.0, 1.0), (0.0, 1.0), (0.0, 0.5), (0.3, 0.9)])),
        *draw(st.tuples(*[st.sampled_from([False, False, True])] * 2)),
    )  # fmt: skip


def pointed(row: dict) -> int | None:
    """The annotation that a prediction found or points to, as `associated_ground_truths` describes it."""
    if row["gt_id"] is not None or row["error"] == "background":
        return row["gt_id"]
    return row["best_other_gt" if row["error"] in ("classification", "both") else "best_same_gt"]


def shown_iou(row: dict) -> float:
    """A prediction's IoU, as a picture says it; 0 if there is nothing on its image."""
    if row["iou"] is not None:
        return row["iou"]
    return max(row[name] or 0.0 for name in ("best_same_iou", "best_other_iou"))


def is_selected(row: dict, selection: Selection, truths: dict[int, dict]) -> bool:
    """As `Selection` describes it; `truths`: annotation id to its row."""
    there = row["kind"] == "ground_truth" or row["score"] >= selection.score
    tests = [
        there,
        not selection.classes or row["class_name"] in selection.classes,
        not selection.sizes or row["size"] in selection.sizes,
        not selection.error or error_of(row, selection.score) == selection.error,
        not selection.images or row["image_id"] in selection.images,
        not selection.crowd or row["iscrowd"] or row["crowd_only"],
    ]
    is_detection = row["kind"] == "detection"
    if selection.score_to < 1:
        tests.append(is_detection and row["score"] <= selection.score_to)
    if selection.iou != (0, 1):
        low, high = (float(np.float32(end)) for end in selection.iou)
        tests.append(is_detection and low <= shown_iou(row) <= high)
    if selection.truncated:
        meant = truths.get(pointed(row)) if is_detection else row
        tests.append(meant is not None and meant["truncated"])
    if selection.pair and selection.pair[1] == BACKGROUND:
        free = row["any_score"] is None or row["any_score"] < selection.score
        is_object = row["kind"] == "ground_truth" and not row["iscrowd"]
        tests.append(is_object and row["class_name"] == selection.pair[0] and free)
    elif selection.pair:
        took = truths[row["any_gt"]]["class_name"] if row["any_gt"] is not None else BACKGROUND
        tests.append(row["kind"] == "detection" and (took, row["class_name"]) == selection.pair)
    return all(tests)


# Rows


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_a_selection_takes_the_rows_that_fulfil_all_of_it(case, data):
    table, selection = detection_table(*case), data.draw(selections(case[0]))
    truths = {row["gt_id"]: row for row in table.to_pylist() if row["kind"] == "ground_truth"}
    expected = [bool(is_selected(row, selection, truths)) for row in table.to_pylist()]
    assert selected_rows(table, selection).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds)
def test_every_prediction_and_every_object_that_none_found_is_in_one_cell(case, threshold):
    table = detection_table(*case)
    names = [c["name"] for c in case[0]["categories"]]
    pairs = [(a, p) for a in (*names, BACKGROUND) for p in (*names, BACKGROUND) if a or p]
    told = sum(selected_rows(table, Selection(threshold, pair=pair)).astype(int) for pair in pairs)
    for row, times in zip(table.to_pylist(), told, strict=True):
        if row["kind"] == "detection":
            assert times == (row["score"] >= threshold)
        else:
            found = row["any_score"] is not None and row["any_score"] >= threshold
            assert times == (not row["iscrowd"] and not found)


def test_a_cells_boxes_are_its_predictions_at_every_score_and_the_objects_they_found():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 1, (50, 0, 10, 10)), (1, 2, (90, 0, 10, 10)))
    found = [(0, 0.9), (50, 0.2), (90, 0.8), (150, 0.7)]  # dogs on two cars, on a dog and on nothing
    table = detection_table(gt, [result(1, 2, (x, 0, 10, 10), score) for x, score in found])
    for pair, left in ((("car", "dog"), [0, 0, 50]), (("dog", "dog"), [90, 90]), ((BACKGROUND, "dog"), [150])):
        assert table.filter(pa.array(cell_boxes(table, pair, 0.5)))["x1"].to_pylist() == left


def test_a_cell_of_what_nothing_found_is_the_objects_alone():
    table = detection_table(GT, RESULTS)
    for pair, ids in ((("car", BACKGROUND), [2]), (("dog", BACKGROUND), [3])):
        assert table.filter(pa.array(cell_boxes(table, pair, 0.5)))["gt_id"].to_pylist() == ids


@pytest.mark.parametrize(
    "selection, says",
    [(Selection(error="odd"), "no error type 'odd'"), (Selection(sizes=("tiny",)), "no size 'tiny'")],
)
def test_an_unknown_filter_is_refused(table, selection, says):
    with pytest.raises(DataError, match=says):
        select_images(table, selection)


# Counts


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds | st.just(1.1))
def test_every_count_agrees_with_the_rows(case, threshold):
    table = detection_table(*case)
    errors = errors_of(table, threshold)
    assert count_errors(table, threshold) == {t.value: sum(e == t for _, e in errors) for t in ErrorType}
    assert dict(worst_images(table, threshold)) == {
        i: sum(image == i for image, _ in errors) for i in table["image_id"].to_pylist()
    }
    for image_id, _ in worst_images(table, threshold):
        shown = image_rows(table, image_id, threshold)
        assert sorted(r["error"] for r in shown if r["error"]) == sorted(e for i, e in errors if i == image_id)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_counts_of_parts_add_up(case, data):
    table, threshold = detection_table(*case), data.draw(thresholds)
    some = np.array(data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table))), dtype=bool)
    parts = [count_errors(table, threshold, rows) for rows in (some, ~some)]
    assert {t: parts[0][t] + parts[1][t] for t in parts[0]} == count_errors(table, threshold)


def test_a_score_is_at_its_own_threshold_although_float32_rounds_it(table):
    assert float(np.float32(0.7)) < 0.7
    assert visible(table, 0.7).sum() == 4 + 1
    assert count_errors(table, 0.7)["missed"] == count_errors(table, 0.5)["missed"]


def test_a_joined_table_counts_like_its_parts(table):
    other = detection_table(gt_of((9, 1, (0, 0, 9, 9)), images=9, categories=("bus",)), [])
    joined = pa.concat_tables([table, other])
    assert error_codes(joined).tolist() == [*error_codes(table), *error_codes(other)]
    assert select_images(joined, Selection(classes=("bus",))) == [9]


def test_without_objects_and_predictions_there_are_no_errors_and_every_image_is_there():
    empty = detection_table(gt_of(images=3), [])
    assert set(count_errors(empty).values()) == {0}
    assert worst_images(empty) == select_images(empty, Selection(classes=("car",))) == []
    assert select_images(empty, Selection()) == [1, 2, 3]


# Images


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_chosen_images_are_those_with_such_boxes(case, data):
    table, selection = detection_table(*case), data.draw(selections(case[0]))
    there = selected_rows(table, selection).tolist()
    images = {row["image_id"] for row, here in zip(table.to_pylist(), there, strict=True) if here}
    if not selection.selects_boxes:
        images = {i["id"] for i in case[0]["images"]} & set(selection.images or (i["id"] for i in case[0]["images"]))
    assert select_images(table, selection) == sorted(images)


def test_an_image_needs_such_a_box_unless_no_boxes_in_particular_are_asked_for(table):
    assert select_images(table, ANY) == [1, 2, 3, 4]  # also what has nothing at this threshold
    assert select_images(table, replace(ANY, classes=("car", "dog"))) == [1, 2, 3]
    assert select_images(table, Selection(0.0, ("dog",))) == [2, 4]
    assert select_images(table, Selection(0.0, ("car",), sizes=("large",))) == [3]
    assert select_images(table, Selection(0.0, ("no such class",))) == []


def test_a_chosen_image_is_there_even_if_nothing_is_on_it(table):
    assert select_images(table, Selection(0.9, images=(4, 3, 77))) == [3, 4]
    assert select_images(table, Selection(0.9, ("dog",), images=(4, 3))) == []


@pytest.mark.parametrize(
    "restriction",
    [{"score_to": 0.99}, {"iou": (0.1, 1.0)}, {"iou": (0.0, 0.9)}, {"truncated": True}, {"crowd": True}],
    ids=str,
)
def test_every_filter_on_boxes_says_that_it_is_one(restriction):
    chosen = Selection(0.3, **restriction)
    assert chosen.selects_boxes and chosen.restricts
    assert not Selection(0.3).selects_boxes and not Selection(0.3).restricts


def test_marked_images_are_whole_images(table):
    chosen = Selection(0.3, marked=True)
    assert chosen.restricts and not chosen.selects_boxes
    assert select_images(table, chosen.on_images([4, 2])) == [2, 4]
    assert select_images(table, chosen.on_images([])) == []
    assert select_images(table, replace(chosen, images=(1, 2)).on_images([2, 3])) == [2]
    assert select_images(table, replace(chosen, images=(1,)).on_images([2])) == []


def test_a_prediction_of_a_truncated_object_is_found_by_it(table):
    gt = gt_of((1, 1, (0, 0, 20, 20)), (1, 1, (50, 50, 20, 20)), (1, 2, (150, 20, 50, 50)))
    found = [
        result(1, 1, (0, 0, 20, 20)), result(1, 1, (50, 50, 20, 20)), result(1, 1, (0, 0, 20, 11), 0.8),
        result(1, 2, (0, 0, 20, 20), 0.7), result(1, 1, (150, 20, 50, 20), 0.6), result(1, 1, (100, 0, 9, 9), 0.5),
    ]  # fmt: skip
    table = detection_table(gt, found)
    rows = table.filter(pa.array(selected_rows(table, Selection(0.1, truncated=True)))).to_pylist()
    scores = sorted(row["score"] for row in rows if row["kind"] == "detection")
    assert [row["gt_id"] for row in rows if row["kind"] == "ground_truth"] == [1, 3]
    assert scores == pytest.approx([0.6, 0.7, 0.8, 0.9])
    errors = {row["error"] for row in rows if row["kind"] == "detection"}
    assert errors == {None, "duplicate", "classification", "both"}


def test_crowds_are_the_annotations_and_the_predictions_that_found_only_one():
    gt = gt_of((1, 1, (0, 0, 90, 90), {"iscrowd": 1}), (1, 1, (120, 0, 10, 10)), images=2)
    found = [result(1, 1, (10, 10, 20, 20)), result(1, 1, (120, 0, 10, 10)), result(2, 1, (10, 10, 20, 20))]
    table = detection_table(gt, found)
    rows = table.filter(pa.array(selected_rows(table, Selection(crowd=True)))).to_pylist()
    assert [(row["kind"], row["x1"]) for row in rows] == [("ground_truth", 0), ("detection", 10)]
    assert select_images(table, Selection(crowd=True)) == [1]


def test_a_prediction_on_an_empty_image_overlaps_nothing_at_all():
    table = detection_table(gt_of(images=1), [result(1, 1, (0, 0, 9, 9))])
    assert np.isnan(best_iou(table)).all() and not associated_ground_truths(table)[1].any()
    assert select_images(table, Selection(iou=(0.0, 0.1))) == [1]
    assert select_images(table, Selection(iou=(0.1, 1.0))) == []


def test_worst_images_lead_and_the_faultless_come_too(table):
    assert worst_images(table, 0.35) == [(2, 2), (1, 0), (3, 0), (4, 0)]
    assert worst_images(table, 0.8) == [(2, 2), (1, 1), (3, 0), (4, 0)]


def test_an_images_rows_are_truths_first_then_predictions_by_falling_score():
    table = detection_table(GT, [result(2, 1, (0, 0, 50, 20), s) for s in (0.2, 0.9, 0.4)])
    expected = [("ground_truth", None), ("ground_truth", "missed"), *[("detection", "localization")] * 2]
    assert [(r["kind"], r["error"]) for r in image_rows(table, 2, 0.3)] == expected
    assert [r["score"] for r in image_rows(table, 2)[2:]] == pytest.approx([0.9, 0.4, 0.2])
    assert image_rows(table, 2)[0].keys() == {name for name, *_ in COLUMNS}
    assert image_rows(table, 99) == []
