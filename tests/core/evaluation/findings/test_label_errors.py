import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.boxes import iou
from core.datasets.split import FEW
from core.evaluation.findings.label_errors import (
    BESIDE,
    COVERED,
    ONE_OBJECT,
    SAME_PLACE,
    LabelErrorKind,
    label_errors,
)
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
    listed = [s for s in label_errors(table, score) if s.kind in (LabelErrorKind.MISSING, LabelErrorKind.WRONG)]
    assert [(s.kind.value, s.image_id, s.query) for s in listed] == plainly(table, score)


@settings(max_examples=100, deadline=None)
@given(cases(), st.sampled_from([0.0, 0.5, 1.0]))
def test_duplicates_are_those_that_a_plain_loop_finds_and_all_lie_in_one_order(case, score):
    table = detection_table(*case)
    truths = [row for row in rows(table, "ground_truth") if not row["iscrowd"]]
    expected = []
    for i, one in enumerate(truths):
        for other in truths[i + 1 :]:
            corners = [[row[side] for side in ("x1", "y1", "x2", "y2")] for row in (one, other)]
            overlap = iou(corners[:1], corners[1:])[0, 0]
            if one["image_id"] == other["image_id"] and overlap >= np.float32(ONE_OBJECT):
                seen = [np.float32(row["match_score"] or 0) for row in (one, other)]
                spare = one if seen[0] < seen[1] else other
                if min(seen) < np.float32(score):
                    expected.append((spare["image_id"], spare["gt_id"]))
    listed = label_errors(table, score, 1000)
    assert [s.likelihood for s in listed] == sorted((s.likelihood for s in listed), reverse=True)
    doubled = [(s.image_id, s.gt_id) for s in listed if s.kind is LabelErrorKind.DUPLICATE]
    assert sorted(doubled) == sorted(expected)


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


def well_placed(count=FEW, iou=0.9):
    """Images with a car each of which the model is sure, and which it fits like that."""
    gt = [(image, CAR, (0, 0, 100, 100)) for image in range(1, count + 1)]
    return gt, [result(image, CAR, (0, 0, 100, 100 * iou)) for image in range(1, count + 1)]


def test_a_label_that_its_prediction_fits_far_less_than_usual_is_badly_placed():
    objects, results = well_placed()
    gt = gt_of(*objects, (99, CAR, (40, 0, 100, 100)), (98, CAR, (15, 0, 100, 100)), images=99)
    more = [result(99, CAR, (0, 0, 100, 100), 0.8), result(98, CAR, (0, 0, 100, 100), 0.8)]
    (suspect,) = label_errors(detection_table(gt, results + more))  # of the other the IoU is 0.74: near the usual
    assert (suspect.kind, suspect.image_id, suspect.annotated) == (LabelErrorKind.PLACE, 99, "car")
    assert suspect.gt_id == FEW + 1 and suspect.iou == pytest.approx(60 / 140) and suspect.box == (0, 0, 100, 100)
    assert suspect.likelihood == pytest.approx(0.8 * (1 - 60 / 140 / 0.9))


def test_it_is_not_where_another_confident_one_fits_it_or_none_is_sure_or_few_are_known():
    objects, results = well_placed()
    gt = gt_of(*objects, (99, CAR, (40, 0, 100, 100)), images=99)
    shifted, fitting = result(99, CAR, (0, 0, 100, 100), 0.8), result(99, CAR, (41, 0, 100, 100), 0.75)
    assert label_errors(detection_table(gt, [*results, shifted, fitting])) == []
    assert label_errors(detection_table(gt, [*results, shifted | {"score": 0.6}])) == []
    objects, results = well_placed(FEW - 1)
    gt = gt_of(*objects, (99, CAR, (40, 0, 100, 100)), images=99)
    assert label_errors(detection_table(gt, [*results, shifted])) == []


def test_two_labels_on_one_object_are_told_of_the_one_that_the_model_does_not_see():
    gt = gt_of((1, CAR, (0, 0, 10, 10)), (1, DOG, (0, 0, 10, 9)))
    (suspect,) = label_errors(detection_table(gt, [result(1, CAR, (0, 0, 10, 10), 0.95)]))
    assert (suspect.kind, suspect.gt_id, suspect.annotated) == (LabelErrorKind.DUPLICATE, 2, "dog")
    assert (suspect.predicted, suspect.query, suspect.score, suspect.box) == ("car", None, None, (0, 0, 10, 9))
    both = [result(1, CAR, (0, 0, 10, 10), 0.95), result(1, DOG, (0, 0, 10, 9), 0.9)]
    assert label_errors(detection_table(gt, both)) == [], "the model sees two objects"
    crowd = gt_of((1, CAR, (0, 0, 10, 10)), (1, CAR, (0, 0, 10, 9), {"iscrowd": 1}))
    assert label_errors(detection_table(crowd, both[:1])) == []


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
