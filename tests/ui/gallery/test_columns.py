"""The gallery's columns against plain Python over the detection table's rows."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.split import SIZES
from core.evaluation.selection import LOWEST_SCORE, Selection
from core.evaluation.table import ERROR_TYPES, ErrorType, table_metadata
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, result
from tests.core.evaluation.test_selection import is_selected, pointed, selections, shown_iou
from tests.ui.gallery.columns import by_image, in_browser
from ui.gallery.columns import COLUMNS, columns_of

SIDES = ("x1", "y1", "x2", "y2")
scores = st.floats(0, 1, width=32) | st.sampled_from([0.04999, LOWEST_SCORE, 0.3, 0.5, 0.7])


@st.composite
def tables(draw) -> tuple[dict, pa.Table]:
    """A COCO dict and its detection table; ids may be negative, scores are any, there may be nothing but crowds."""
    gt, results = draw(cases())
    down = draw(st.sampled_from([0, 20, 100]))
    for image in gt["images"]:
        image["id"] -= down
    for row in gt["annotations"]:
        row |= {"image_id": row["image_id"] - down, "id": row["id"] - down}
    if draw(st.integers(0, 5)) == 0:
        gt["annotations"] = [a | {"iscrowd": 1} for a in gt["annotations"]]
    results = [r | {"image_id": r["image_id"] - down, "score": draw(scores)} for r in results]
    return gt, detection_table(gt, draw(st.sampled_from([results, results, results, []])))


@st.composite
def askings(draw) -> tuple[dict, pa.Table, list[int]]:
    """A table and some of its images, in any order, perhaps twice, perhaps ones that it does not have."""
    gt, table = draw(tables())
    return gt, table, draw(st.lists(st.sampled_from([*table_metadata(table).image_ids, 999]), max_size=5))


def names_of(table: pa.Table) -> list[str]:
    return sorted(table_metadata(table).classes)


def rows_of(rows: list[dict], image_id: int, kind: str) -> list[dict]:
    """The rows of an image that are shown at any score of the slider."""
    rows = [row for row in rows if row["image_id"] == image_id and row["kind"] == kind]
    return [row for row in rows if kind == "ground_truth" or reaches(row["score"], LOWEST_SCORE)]


def reaches(score: float | None, threshold: float) -> bool:
    """As the browser compares: both are float32."""
    return score is not None and np.float32(score) >= np.float32(threshold)


def single(value) -> np.float32 | None:
    """A number of the JSON as the browser's Math.fround takes it."""
    return None if value is None else np.float32(value)


def common(row: dict, classes: list[str]) -> dict:
    sides = {side: pytest.approx(row[side], abs=0.0501) for side in SIDES}
    return sides | {"class": classes.index(row["class_name"]), "size": SIZES.index(row["size"])}


def as_truth(row: dict, classes: list[str]) -> dict:
    found, near = (single(row[name]) for name in ("match_score", "pointed_score"))
    return common(row, classes) | {"crowd": row["iscrowd"], "match": found, "pointed": near, "id": str(row["gt_id"])}


def text(number: int | None) -> str | None:
    """An id as it goes to the browser, whose numbers would round it."""
    return None if number is None else str(number)


def as_prediction(row: dict, classes: list[str]) -> dict:
    has_any = any(row[name] is not None for name in ("iou", "best_same_iou", "best_other_iou"))
    return common(row, classes) | {
        "score": single(row["score"]), "iou": pytest.approx(shown_iou(row), abs=0.000501) if has_any else None,
        "error": ERROR_TYPES.index(row["error"]) if row["error"] else None, "crowd": row["crowd_only"],
        "query": row["query"], "gt": text(pointed(row)),
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(askings())
def test_columns_are_the_tables_rows_image_by_image(asking):
    _, table, ids = asking
    classes, rows = names_of(table), table.to_pylist()
    columns = in_browser(table, ids, classes)
    assert columns["truths"].keys() == {"n", *SIDES, "class", "size", "crowd", "match", "pointed", "id"}
    assert columns["predictions"].keys() == (
        {"n", *SIDES, "class", "size", "score", "iou", "error", "crowd", "query", "gt", "verdicts", "moved"}
    )
    for name, kind, expected in (
        ("truths", "ground_truth", as_truth), ("predictions", "detection", as_prediction)
    ):  # fmt: skip
        shown = by_image(columns[name])
        assert len(shown) == len(ids)
        for image_id, boxes in zip(ids, shown, strict=True):
            for box in boxes:
                verdicts, moved = box.pop("verdicts", ""), box.pop("moved", None)
                assert name == "truths" or (len(verdicts) == 10 and (moved is None or len(moved) == 10))
            assert boxes == [expected(row, classes) for row in rows_of(rows, image_id, kind)]
            assert all(box[side] == round(box[side], 1) for box in boxes for side in SIDES)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_scores_are_exactly_the_tables_once_they_are_float32_again(case):
    _, table = case
    ids, rows = list(table_metadata(table).image_ids), table.to_pylist()
    columns = in_browser(table, ids, names_of(table))
    told = [box["score"] for boxes in by_image(columns["predictions"]) for box in boxes]
    own = [np.float32(row["score"]) for image_id in ids for row in rows_of(rows, image_id, "detection")]
    assert [np.float32(score) for score in told] == own
    for boxes in by_image(columns["predictions"]):
        falling = [np.float32(box["score"]) for box in boxes]
        assert falling == sorted(falling, reverse=True), "the browser looks for the threshold by halves"


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_the_errors_that_the_browser_counts_are_the_tables_at_every_score(case, data):
    """As boxes.js judges; a threshold is often exactly a score."""
    _, table = case
    columns = in_browser(table, list(table_metadata(table).image_ids), names_of(table))
    own = [score for score in table["score"].to_pylist() if reaches(score, LOWEST_SCORE)]
    threshold = data.draw(st.sampled_from([0.05, 0.3, 0.5, 0.7, 0.95, *own]))
    counted = dict.fromkeys(count_errors(table), 0)
    for box in (box for boxes in by_image(columns["predictions"]) for box in boxes):
        if box["error"] is not None and reaches(box["score"], threshold):
            counted[ERROR_TYPES[int(box["error"])].value] += 1
    for box in (box for boxes in by_image(columns["truths"]) for box in boxes):
        is_seen = reaches(box["match"], threshold) or reaches(box["pointed"], threshold)
        counted["missed"] += not box["crowd"] and not is_seen
    assert counted == count_errors(table, threshold)


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_of_what_the_browser_cannot_tell_the_columns_say_which_boxes_are_asked_for(case, data):
    """`chosen` times what the browser knows (class, size, error type, at its score) is what the selection asks for."""
    gt, table = case
    selection = data.draw(selections(gt))
    ids, classes = list(table_metadata(table).image_ids), names_of(table)
    columns = in_browser(table, ids, classes, selection)
    beyond = selection.score_to < 1 or selection.iou != (0, 1) or selection.truncated or selection.crowd
    for name in ("truths", "predictions"):
        assert ("chosen" in columns[name]) == bool(beyond or selection.pair)
    if not beyond or selection.pair:  # cells are tried below: with predictions come the objects that they found
        return
    rows = table.to_pylist()
    truths = {row["gt_id"]: row for row in rows if row["kind"] == "ground_truth"}
    unknown = Selection(
        LOWEST_SCORE, score_to=selection.score_to, iou=selection.iou, truncated=selection.truncated,
        crowd=selection.crowd,
    )  # fmt: skip
    for name, kind in (("truths", "ground_truth"), ("predictions", "detection")):
        told = [box["chosen"] for boxes in by_image(columns[name]) for box in boxes]
        meant = [row for image_id in ids for row in rows_of(rows, image_id, kind)]
        assert told == [bool(is_selected(row, unknown, truths)) for row in meant]


# What a prediction points to

TRUTHS = gt_of(
    (1, 1, (0, 0, 40, 40)),  # 1, a car
    (1, 2, (60, 0, 40, 40)),  # 2, a dog
    (1, 1, (120, 0, 60, 60), {"iscrowd": 1}),  # 3, cars
    (1, 1, (0, 60, 30, 30)),  # 4, a car that nothing comes near
)


@pytest.mark.parametrize(("found", "error", "points_to", "iou"), [
    (result(1, 1, (0, 0, 40, 40)), None, 1, 1),
    (result(1, 1, (0, 0, 40, 24), 0.5), ErrorType.DUPLICATE, 1, 0.6),
    (result(1, 1, (0, 0, 40, 12)), ErrorType.LOCALIZATION, 1, 0.3),
    (result(1, 1, (60, 0, 40, 36)), ErrorType.CLASSIFICATION, 2, 0.9),
    (result(1, 1, (60, 0, 40, 12)), ErrorType.BOTH, 2, 0.3),
    (result(1, 1, (110, 70, 20, 20)), ErrorType.BACKGROUND, None, 0),
    (result(1, 1, (130, 10, 40, 40)), None, 3, 1),
])  # fmt: skip
def test_a_prediction_points_to_what_it_found_or_takes_it_for(found, error, points_to, iou):
    sure = result(1, 1, (0, 0, 40, 40), 0.95)  # makes the second a duplicate
    table = detection_table(TRUTHS, [found] if points_to != 1 or error is None else [sure, found])
    box = by_image(in_browser(table, [1], ["car", "dog"])["predictions"])[0][-1]
    assert box["error"] == (None if error is None else ERROR_TYPES.index(error))
    assert (box["gt"], box["iou"], box["crowd"]) == (text(points_to), pytest.approx(iou, abs=0.001), points_to == 3)


def test_a_missed_object_has_no_score_that_reached_it():
    table = detection_table(TRUTHS, [result(1, 1, (0, 0, 40, 40), 0.75), result(1, 1, (60, 0, 40, 36), 0.5)])
    truths = by_image(in_browser(table, [1], ["car", "dog"])["truths"])[0]
    assert [(t["id"], t["match"], t["pointed"], t["crowd"]) for t in truths] == [
        ("1", 0.75, None, False), ("2", None, 0.5, False), ("3", None, None, True), ("4", None, None, False),
    ]  # fmt: skip


# Cells of the confusion matrix


@pytest.mark.parametrize("score", [0.05, 0.3, 0.8])
def test_of_a_cell_its_predictions_at_every_score_and_what_they_found_from_the_pages_score_are_chosen(score):
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 1, (50, 0, 10, 10)), (1, 2, (90, 0, 10, 10)))
    found = [(0, 0.9), (50, 0.25), (90, 0.75), (150, 0.7)]  # dogs on two cars, on a dog and on nothing
    table = detection_table(gt, [result(1, 2, (x, 0, 10, 10), score) for x, score in found])
    columns = in_browser(table, [1], ["car", "dog"], Selection(score, pair=("car", "dog")))
    predictions, truths = (by_image(columns[name])[0] for name in ("predictions", "truths"))
    assert {box["x1"] for box in predictions if box["chosen"]} == {0, 50}
    assert {box["x1"] for box in truths if box["chosen"]} == ({0, 50} if score <= 0.25 else {0})


def test_of_the_cell_of_what_nothing_found_only_objects_are_chosen():
    table = detection_table(TRUTHS, [result(1, 2, (0, 0, 40, 40))])
    columns = in_browser(table, [1], ["car", "dog"], Selection(pair=("car", "")))
    assert [box["id"] for box in by_image(columns["truths"])[0] if box["chosen"]] == ["4"]
    assert not any(box["chosen"] for box in by_image(columns["predictions"])[0])


# Edges


@pytest.mark.parametrize("ids", [[], [2], [999], [2, 2]])
def test_images_without_boxes_have_none(ids):
    columns = in_browser(detection_table(gt_of((1, 1, (0, 0, 9, 9)), images=2), []), ids, ["car", "dog"])
    for name in ("truths", "predictions"):
        assert columns[name]["n"] == [0] * len(ids)
        assert all(values == [] for key, values in columns[name].items() if key != "n")


def test_an_image_that_comes_twice_has_its_boxes_twice():
    table = detection_table(gt_of((1, 1, (0, 0, 9, 9)), (2, 2, (5, 5, 9, 9)), images=2), [result(2, 2, (5, 5, 9, 9))])
    truths, predictions = (by_image(in_browser(table, [2, 1, 2], ["car", "dog"])[n]) for n in ("truths", "predictions"))
    assert [[box["id"] for box in boxes] for boxes in truths] == [["2"], ["1"], ["2"]]
    assert [len(boxes) for boxes in predictions] == [1, 0, 1] and predictions[0] == predictions[2]


def test_an_annotation_and_what_found_it_have_the_same_id_even_where_ids_are_huge():
    """In JavaScript all numbers are doubles, as which neighbours beyond 2**53 are equal."""
    gt = gt_of((1, 1, (0, 0, 9, 9), {"id": -(2**60) - 1}), (1, 1, (50, 0, 9, 9), {"id": 2**40 + 1}))
    table = detection_table(gt, [result(1, 1, (0, 0, 9, 9)), result(1, 1, (50, 0, 9, 9), 0.5)])
    columns = in_browser(table, [1], ["car", "dog"])
    assert columns["truths"]["id"] == columns["predictions"]["gt"] == [str(-(2**60) - 1), str(2**40 + 1)]


def test_a_class_that_the_page_does_not_know_is_none_of_its_classes():
    columns = in_browser(detection_table(gt_of((1, 2, (0, 0, 9, 9))), []), [1], ["car"])
    assert columns["truths"]["class"] == [-1]


def test_a_part_of_a_table_with_these_columns_only_says_the_same():
    table = detection_table(TRUTHS, [result(1, 1, (0, 0, 40, 40)), result(1, 2, (60, 0, 40, 20), 0.4)])
    part = table.select(COLUMNS).slice(0)
    assert in_browser(part, [1], ["car", "dog"]) == in_browser(table, [1], ["car", "dog"])
    again = pa.concat_tables([table.slice(0, 2), table.slice(2)])  # in two chunks
    assert in_browser(again, [1], ["car", "dog"]) == in_browser(table, [1], ["car", "dog"])


def test_the_columns_are_arrays_so_that_a_page_is_made_and_packed_at_once():
    columns = columns_of(detection_table(TRUTHS, [result(1, 1, (0, 0, 40, 40))]), [1], ["car", "dog"], Selection())
    assert {type(values) for boxes in columns.values() for values in boxes.values()} == {np.ndarray}
