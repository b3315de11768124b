import copy

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.findings.relabel import Label, different_images, labels_of, relabel
from core.evaluation.table import table_metadata
from core.evaluation.tide import detection_table
from tests.core.coco_cases import boxes, cases, gt_of, result, rows

ROUNDED = ("iou", "best_same_iou", "best_other_iou")  # float32 boxes: the seventh digit may be another one


def on_a_grid(gt: dict, results: list[dict]) -> tuple[dict, list[dict]]:
    """The case with boxes that float32 holds exactly."""
    gt, results = copy.deepcopy(gt), copy.deepcopy(results)
    for row in [*gt["annotations"], *results]:
        row["bbox"] = [round(side * 64) / 64 for side in row["bbox"]]
    return gt, results


def assert_same(table: pa.Table, other: pa.Table) -> None:
    assert table.schema.equals(other.schema) and len(table) == len(other)
    for name in table.column_names:
        one, two = (part[name].to_pylist() for part in (table, other))
        if name in ROUNDED:
            np.testing.assert_allclose(*(np.array(part, dtype=float) for part in (one, two)), rtol=1e-5, atol=1e-6)
        else:
            assert one == two, name
    assert table_metadata(table) == table_metadata(other)


def name_of(gt: dict, category_id: int) -> str:
    return next(c["name"] for c in gt["categories"] if c["id"] == category_id)


def as_labels(gt: dict, image_id: int) -> dict[int, Label]:
    labels = {}
    for a in gt["annotations"]:
        if a["image_id"] == image_id:
            x, y, w, h = a["bbox"]
            labels[a["id"]] = Label(name_of(gt, a["category_id"]), (x, y, x + w, y + h), a["area"], bool(a["iscrowd"]))
    return labels


@st.composite
def edited(draw, gt: dict) -> dict:
    """The ground truth with labels deleted, moved, of another class, crowd or not, and new ones."""
    new = copy.deepcopy(gt)
    ids = [c["id"] for c in gt["categories"]]
    for annotation in list(new["annotations"]):
        change = draw(st.sampled_from(["", "", "delete", "class", "move", "crowd"]))
        if change == "delete":
            new["annotations"].remove(annotation)
        elif change == "class":
            annotation["category_id"] = draw(st.sampled_from(ids))
        elif change == "move":
            annotation["bbox"] = [round(side * 64) / 64 for side in draw(boxes())]
        elif change == "crowd":
            annotation["iscrowd"] = 1 - annotation["iscrowd"]
    for number in range(draw(st.integers(0, 2))):
        box = [round(side * 64) / 64 for side in draw(boxes())]
        image_id = draw(st.sampled_from([image["id"] for image in gt["images"]]))
        new["annotations"].append({
            "id": 100 + number, "image_id": image_id, "category_id": draw(st.sampled_from(ids)), "bbox": box,
            "area": box[2] * box[3], "iscrowd": 0,
        })  # fmt: skip
    return new


@settings(max_examples=120, deadline=None)
@given(cases(), st.data())
def test_a_table_matched_anew_is_that_of_the_new_labels(case, data):
    gt, results = on_a_grid(*case)
    table = detection_table(gt, results)
    new = data.draw(edited(gt))
    changed = different_images(table, detection_table(new, results))
    again = relabel(table, {image_id: as_labels(new, image_id) for image_id in changed})
    assert_same(again, detection_table(new, results))
    everywhere = relabel(table, {image["id"]: as_labels(new, image["id"]) for image in gt["images"]})
    assert_same(everywhere, again)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_its_own_labels_change_nothing(case):
    table = detection_table(*on_a_grid(*case))
    labels = labels_of(table, table_metadata(table).image_ids)
    assert_same(relabel(table, labels), table)
    assert different_images(table, relabel(table, labels)) == []


def test_what_the_table_does_not_have_is_left_out():
    gt = gt_of((1, 1, (0, 0, 10, 10)), images=2)
    table = detection_table(gt, [result(1, 1, (0, 0, 10, 10))])
    labels = {1: {7: Label("bird", (0, 0, 5, 5)), 1: Label("car", (0, 0, 10, 10))}, 9: {3: Label("car", (0, 0, 4, 4))}}
    assert_same(relabel(table, labels), table)
    assert relabel(table, {9: {}}) is table
    assert labels_of(table, [2, 9]) == {2: {}, 9: {}}


def test_a_label_that_says_no_area_has_that_of_its_box():
    table = relabel(detection_table(gt_of(images=1), []), {1: {5: Label("dog", (10, 10, 50, 30), crowd=True)}})
    [row] = rows(table, "ground_truth")
    assert (row["area"], row["size"], row["iscrowd"], row["gt_id"]) == (800, "small", True, 5)


def test_a_table_without_any_row_can_be_labelled():
    table = relabel(detection_table(gt_of(images=3), []), {2: {1: Label("car", (0, 0, 10, 10))}})
    assert [row["image_id"] for row in rows(table, "ground_truth")] == [2]
    assert relabel(table, {2: {}}).num_rows == 0


def test_ranks_stay_those_of_all_detections():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (2, 1, (0, 0, 10, 10)), images=2)
    results = [result(1, 1, (0, 0, 10, 10), 0.5), result(2, 1, (0, 0, 10, 10), 0.9), result(1, 2, (0, 0, 9, 9), 0.5)]
    table = detection_table(gt, results)
    again = relabel(table, {1: {}})
    assert [row["rank"] for row in rows(again)] == [row["rank"] for row in rows(table)] == [1, 2, 0]
