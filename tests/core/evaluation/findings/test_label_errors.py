import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.boxes import iou
from core.evaluation.findings.label_errors import BESIDE, COVERED, SAME_PLACE, LabelErrorKind, label_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, result, rows

CAR, DOG = 1, 2


def found(gt: dict, results: list[dict], **how) -> list[tuple]:
    """Each suspect as (kind, left edge, predicted class, annotated class)."""
    listed = label_errors(detection_table(gt, results), **how)
    return [(s.kind, s.box[0], s.predicted, s.annotated) for s in listed]


def plainly(table: pa.Table, score: float) -> list[tuple[str, int, int]]:
    """(kind, image, query) of every suspect, as the docstring says it, row by row."""
    truths = {row["gt_id"]: row for row in rows(table, "ground_truth")}
    candidates = []
    for row in rows(table):
        other, rival = row["best_other_iou"], None
        if row["error"] == "classification":
            rival = truths[row["best_other_gt"]]["match_score"]
            is_suspect = other >= np.float32(COVERED) and not (rival is not None and rival >= score)
        else:
            is_suspect = row["error"] == "background" or (row["error"] == "both" and other <= np.float32(BESIDE))
        has_extent = row["x2"] > row["x1"] and row["y2"] > row["y1"]
        if row["score"] >= score and is_suspect and has_extent:
            candidates.append((row["score"] * (other if row["error"] == "classification" else 1), row))
    kept = []
    for _, row in sorted(candidates, key=lambda c: (-c[0], c[1]["image_id"], c[1]["query"])):
        is_wrong = row["error"] == "classification"
        rivals = [k for k in kept if k["image_id"] == row["image_id"] and (k["error"] == "classification") == is_wrong]
        box = [[row[side] for side in ("x1", "y1", "x2", "y2")]]
        if is_wrong and any(k["best_other_gt"] == row["best_other_gt"] for k in rivals):
            continue
        others = [[k[side] for side in ("x1", "y1", "x2", "y2")] for k in rivals]
        if not is_wrong and others and iou(box, others).max() >= SAME_PLACE:
            continue
        kept.append(row)
    kinds = {True: "wrong label", False: "missing label"}
    return [(kinds[row["error"] == "classification"], row["image_id"], row["query"]) for row in kept]


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from([0.0, 0.25, 0.75, 1.0]))
def test_suspects_are_those_that_a_plain_loop_finds_likeliest_first(case, score):
    table = detection_table(*case)
    assert [(s.kind.value, s.image_id, s.query) for s in label_errors(table, score)] == plainly(table, score)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_fewer_are_the_first_of_all(case):
    table = detection_table(*case)
    assert [label_errors(table, 0, most) for most in (0, 1, 3)] == [label_errors(table, 0)[:most] for most in (0, 1, 3)]


def test_without_objects_or_predictions_there_is_nothing_or_all_to_doubt():
    assert found(gt_of(), []) == found(gt_of((1, CAR, (0, 0, 9, 9))), []) == []
    assert found(gt_of(), [result(1, CAR, (0, 0, 9, 9))]) == [(LabelErrorKind.MISSING, 0, "car", None)]


def test_a_suspect_tells_all_of_itself():
    gt = gt_of((1, DOG, (50, 0, 10, 10)), (1, CAR, (90, 0, 10, 10)))
    missing, wrong = label_errors(
        detection_table(gt, [result(1, CAR, (0, 0, 9, 9)), result(1, CAR, (50, 0, 10, 9), 0.8)])
    )
    assert (missing.kind, missing.image_id, missing.query, missing.gt_id) == (LabelErrorKind.MISSING, 1, 0, None)
    assert (missing.predicted, missing.annotated, missing.iou, missing.box) == ("car", None, None, (0, 0, 9, 9))
    assert (wrong.kind, wrong.image_id, wrong.query, wrong.gt_id) == (LabelErrorKind.WRONG, 1, 1, 1)
    assert (wrong.predicted, wrong.annotated, wrong.box) == ("car", "dog", (50, 0, 60, 9))
    assert (wrong.score, wrong.iou) == pytest.approx((0.8, 0.9))


def test_a_score_at_the_threshold_counts_and_one_below_does_not():
    gt, results = gt_of(), [result(1, CAR, (0, 0, 9, 9), 0.7), result(1, CAR, (50, 0, 9, 9), 0.69)]
    assert found(gt, results) == [(LabelErrorKind.MISSING, 0, "car", None)]


def test_two_predictions_in_one_place_are_one_missing_label():
    where = ((CAR, 0, 0.8), (DOG, 1, 0.9), (CAR, 7, 0.85))
    results = [result(1, label, (x, 0, 10, 10), score) for label, x, score in where]
    assert found(gt_of(), results) == [
        (LabelErrorKind.MISSING, 1, "dog", None),
        (LabelErrorKind.MISSING, 7, "car", None),
    ]


def test_an_object_beside_one_of_another_class_may_miss_its_label_but_not_one_that_hides_it():
    gt = gt_of((1, DOG, (0, 0, 10, 10)))
    assert found(gt, [result(1, CAR, (6, 0, 10, 10))]) == [(LabelErrorKind.MISSING, 6, "car", None)]  # IoU 0.25
    assert found(gt, [result(1, CAR, (4, 0, 10, 10))]) == []  # IoU 0.43


def test_a_poor_box_or_a_duplicate_is_no_missing_label():
    gt = gt_of((1, CAR, (0, 0, 10, 10)))
    results = [result(1, CAR, (0, 0, 10, 10)), result(1, CAR, (0, 0, 10, 9)), result(1, CAR, (6, 0, 10, 10))]
    assert found(gt, results) == []


def test_an_object_of_which_the_model_is_sure_has_no_wrong_label():
    gt, other = gt_of((1, DOG, (0, 0, 10, 10))), result(1, CAR, (0, 0, 10, 10), 0.9)
    assert found(gt, [other]) == [(LabelErrorKind.WRONG, 0, "car", "dog")]
    assert found(gt, [other, result(1, DOG, (0, 0, 10, 10), 0.75)]) == []
    assert found(gt, [other, result(1, DOG, (0, 0, 10, 10), 0.6)]) == [(LabelErrorKind.WRONG, 0, "car", "dog")]


def test_an_object_is_doubted_once_by_the_likeliest_prediction():
    gt = gt_of((1, DOG, (0, 0, 10, 10)), categories=("car", "dog", "cat"))
    results = [result(1, CAR, (0, 0, 10, 8), 0.95), result(1, 3, (0, 0, 10, 10), 0.9)]
    assert found(gt, results) == [(LabelErrorKind.WRONG, 0, "cat", "dog")]


def test_a_crowd_is_not_doubted_and_its_own_class_in_it_neither():
    gt = gt_of((1, DOG, (0, 0, 100, 100), {"iscrowd": 1}))
    assert found(gt, [result(1, DOG, (0, 0, 10, 10))]) == []
    assert found(gt, [result(1, CAR, (0, 0, 100, 100))]) == [(LabelErrorKind.MISSING, 0, "car", None)]


def test_a_prediction_without_extent_is_no_label():
    assert found(gt_of(), [result(1, CAR, (5, 5, 0, 9)), result(1, CAR, (5, 5, 9, 0))]) == []


def test_ids_may_be_negative_or_nought():
    gt = gt_of((1, DOG, (0, 0, 10, 10), {"id": -1}), (1, CAR, (50, 0, 10, 10), {"id": 0}))
    results = [result(1, CAR, (0, 0, 10, 10)), result(1, DOG, (50, 0, 10, 10))]
    assert {(s.gt_id, s.annotated) for s in label_errors(detection_table(gt, results))} == {(-1, "dog"), (0, "car")}


def test_every_doubt_explains_itself():
    for doubt in LabelErrorKind:
        assert doubt == doubt.value == str(doubt)
        assert doubt.label and doubt.description.endswith(".")
