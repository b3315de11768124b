import hotcoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.findings.confusion import ClassConfusion, confusion_matrix
from core.evaluation.selection import BACKGROUND, Selection, selected_rows
from core.evaluation.tide import detection_table
from core.labels import LabelMap
from tests.core.coco_cases import cases, gt_of, result

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))
thresholds = st.sampled_from([0.0, 0.25, 0.3, 0.75, 1.0, 1.1])


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_counts_and_shares_equal_hotcoco(case, threshold):
    gt, results = case
    truth = hotcoco.COCO(gt)
    run = hotcoco.COCOeval(truth, truth.load_res(results), "bbox")
    judged = run.confusion_matrix(iou_thr=0.5, max_det=10**6, min_score=threshold)
    by_id = sorted(gt["categories"], key=lambda c: c["id"])
    found = confusion_matrix(detection_table(gt, results, LabelMap.from_categories(by_id)), threshold)
    assert found.classes == tuple(judged["cat_names"])
    assert (found.counts == judged["matrix"]).all()
    assert np.allclose(found.normalized, judged["normalized"], rtol=0, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_each_cell_counts_the_boxes_that_its_link_opens(case, threshold):
    table = detection_table(*case)
    found = confusion_matrix(table, threshold)
    for i, annotated in enumerate(found.names):
        for j, predicted in enumerate(found.names):
            pair = (annotated, predicted)
            boxes = (
                0 if pair == (BACKGROUND, BACKGROUND) else selected_rows(table, Selection(threshold, pair=pair)).sum()
            )
            assert found.counts[i, j] == boxes
    assert found.objects == sum(not a["iscrowd"] for a in case[0]["annotations"])


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1}))])
def test_without_objects_and_predictions_all_is_zero(gt):
    found = confusion_matrix(detection_table(gt, []))
    assert found.counts.shape == (len(gt["categories"]) + 1,) * 2
    assert not found.counts.any() and not found.normalized.any()
    assert (found.objects, found.worst()) == (0, [])


def test_without_predictions_every_object_is_taken_for_background():
    found = confusion_matrix(detection_table(gt_of(CAR, DOG), []))
    assert found.counts.tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert found.worst() == []


def test_perfect_predictions_lie_on_the_diagonal():
    found = confusion_matrix(detection_table(gt_of(CAR, DOG), [result(1, 1, CAR[2]), result(1, 2, DOG[2])]))
    assert found.counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_score_is_at_its_own_threshold_although_float32_rounds_it():
    found = confusion_matrix(detection_table(gt_of(CAR), [result(1, 1, CAR[2], 0.7)]), 0.7)
    assert found.counts[0].tolist() == [1, 0, 0]


def test_a_right_box_of_another_class_takes_the_object_from_a_lower_score():
    found = confusion_matrix(detection_table(gt_of(CAR), [result(1, 1, CAR[2], 0.6), result(1, 2, CAR[2], 0.8)]))
    assert found.counts.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_the_most_frequent_confusions_come_first_without_background_and_diagonal():
    spots = [(1, c, (20 * i, 0, 10, 10)) for i, c in enumerate([1, 1, 1, 2, 2, 3])]
    predicted = [2, 3, 2, 1, 2, 9]
    shown = [result(1, c, spot[2]) for spot, c in zip(spots, predicted, strict=True) if c < 9]
    found = confusion_matrix(detection_table(gt_of(*spots, categories=("car", "dog", "bus")), shown))
    expected = [
        ClassConfusion("car", "dog", 2, 2 / 3),
        ClassConfusion("car", "bus", 1, 1 / 3),
        ClassConfusion("dog", "car", 1, 1 / 2),
    ]
    assert found.worst() == expected
    assert found.worst(2) == expected[:2]
