import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets.split import CocoSplit
from core.evaluation.findings.relabel import Label
from core.evaluation.tide import detection_table
from core.runs.corrections.corrected import corrected_split, corrected_table, fitting, highest_id, label_of
from core.runs.corrections.journal import Correction, CorrectionKind
from tests.core.coco_cases import cases, gt_of, result, rows
from tests.core.evaluation.findings.test_relabel import as_labels, assert_same, edited, on_a_grid

GT = gt_of((1, 1, (0, 0, 10, 10), {"area": 55}), (1, 2, (20, 0, 10, 10)), (2, 1, (5, 5, 30.3, 30.7)), images=2)
CAR, NEW = Label("car", (0.0, 0.0, 10.0, 10.0), 55.0), Label("dog", (1.0, 2.0, 21.0, 12.0))
DOG = Label("dog", (20.0, 0.0, 30.0, 10.0), 100.0)


def split_of(gt: dict, **more) -> CocoSplit:
    return CocoSplit("val", **{"json_path": None, "image_dir": None, **more}, **gt)


def correction(image_id, label_id, before, after, number=1, state="done") -> Correction:
    return Correction(number, image_id, label_id, CorrectionKind.CLASS, before, after, state, 0.0)


def test_labels_are_deleted_changed_and_added():
    corrections = [
        correction(1, 1, CAR, replace(CAR, class_name="dog")), correction(1, 2, DOG, None),
        correction(2, 9, None, NEW), correction(2, 3, CAR, None, state="undone"),
    ]  # fmt: skip
    split = corrected_split(split_of(GT), corrections).split
    assert [(a["id"], a["category_id"], a["bbox"], a["area"], a["iscrowd"]) for a in split.annotations] == [
        (1, 2, [0, 0, 10, 10], 55, 0), (3, 1, [5, 5, 30.3, 30.7], 30.3 * 30.7, 0), (9, 2, [1, 2, 20, 10], 200, 0),
    ]  # fmt: skip
    assert split.annotations[-1]["image_id"] == 2 and len(GT["annotations"]) == 3  # which stay as they were


def test_a_label_whose_class_or_crowd_alone_changes_keeps_its_box_to_the_last_digit():
    was = label_of(split_of(GT), [], 2, 3)
    split = corrected_split(split_of(GT), [correction(2, 3, was, replace(was, crowd=True))]).split
    assert split.annotations[2] == GT["annotations"][2] | {"iscrowd": 1}


def test_what_does_not_fit_the_file_any_more_is_lost_and_told():
    corrections = [
        correction(1, 77, CAR, NEW), correction(1, 78, CAR, None), correction(1, 2, DOG, Label("bird", NEW.box)),
        correction(9, 5, None, NEW), correction(2, 9, None, Label("bird", NEW.box)),
    ]  # fmt: skip
    corrected = corrected_split(split_of(GT), corrections)
    assert corrected.lost == (2, 9, 77, 78) and corrected.split.annotations == GT["annotations"]


@pytest.mark.parametrize(("change", "fits"), [
    ({}, True), ({"before": replace(CAR, box=(0.4, 0.0, 10.0, 10.4))}, True), ({"file_name": "1.jpg"}, True),
    ({"before": replace(CAR, box=(0.0, 0.0, 10.0, 11.0))}, False), ({"before": DOG}, False),
    ({"before": replace(CAR, crowd=True)}, False), ({"file_name": "another.jpg"}, False), ({"before": None}, False),
])  # fmt: skip
def test_a_file_that_was_made_anew_takes_the_corrections_that_still_fit_it(change, fits):
    one = replace(correction(1, 1, CAR, NEW), **change)
    undone = replace(correction(1, 2, DOG, None, number=2, state="undone"), file_name=one.file_name)
    assert fitting(split_of(GT), [one]) == [one] * fits
    assert (undone in fitting(split_of(GT), [one, undone])) == (one.file_name != "another.jpg")
    corrected = corrected_split(split_of(GT), [one])
    assert (corrected.split.annotations != GT["annotations"]) == fits
    assert corrected.lost == (() if fits else (1,))


def test_a_label_that_was_drawn_corrected_and_deleted_again_is_not_there():
    drawn = [correction(1, 9, None, NEW), correction(1, 9, NEW, CAR), correction(1, 9, CAR, None)]
    assert corrected_split(split_of(GT), drawn).split.annotations == GT["annotations"]
    assert corrected_split(split_of(GT), drawn[:2]).split.annotations[-1]["category_id"] == 1
    table = detection_table(GT, [])
    assert corrected_table(table, drawn) is table


def test_the_label_of_now_is_what_the_corrections_left():
    split = split_of(GT)
    assert label_of(split, [], 1, 1) == CAR
    assert label_of(split, [correction(1, 1, CAR, NEW)], 1, 1) == NEW
    for image_id, label_id, corrections in ((1, 3, []), (9, 1, []), (1, 1, [correction(1, 1, CAR, None)])):
        with pytest.raises(DataError, match=f"has no label {label_id} any more"):
            label_of(split, corrections, image_id, label_id)


def test_new_ids_are_above_all_of_the_file_also_of_those_that_are_left_out(tmp_path):
    path = tmp_path / "instances.json"
    path.write_text('{"annotations": [{"id": 400, "bbox": "broken"}, {"id": "x"}, {"id": 3, "segmentation": [[1]]}]}')
    assert highest_id(split_of(GT, json_path=path)) == 400
    path.write_text('{"annotations": [')
    os.utime(path, ns=(1, 1))
    assert highest_id(split_of(GT, json_path=path)) == 3
    assert highest_id(split_of(gt_of(), json_path=path)) == 0


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_the_corrected_table_is_that_of_the_corrected_split(case, data):
    gt, results = on_a_grid(*case)
    new = data.draw(edited(gt))
    corrections = []
    for image in gt["images"]:
        before, after = as_labels(gt, image["id"]), as_labels(new, image["id"])
        for label_id in {**before, **after}:
            if before.get(label_id) != after.get(label_id):
                change = correction(image["id"], label_id, before.get(label_id), after.get(label_id))
                corrections.append(change)
    corrected = corrected_split(split_of(gt), corrections)
    assert not corrected.lost
    table = corrected_table(detection_table(gt, results), corrections)
    assert_same(table, detection_table(corrected.split.to_dict(), results))


def test_a_class_that_was_not_evaluated_takes_the_object_out_of_the_table():
    table = detection_table(GT, [result(1, 1, (0, 0, 10, 10))])
    after = corrected_table(table, [correction(1, 1, CAR, Label("bird", CAR.box))])
    assert [row["gt_id"] for row in rows(after, "ground_truth")] == [2, 3]
    assert rows(after)[0]["error"] == "background"
