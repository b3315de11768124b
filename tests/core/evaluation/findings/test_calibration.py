import hotcoco
import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings

from core import DataError
from core.evaluation.findings.calibration import BINS, Bin, Reliability, calibration
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, result, rows

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))
NOWHERE = (0, 80, 9, 9)


def calibration_of(gt: dict, *results: dict, classes=None):
    return calibration(detection_table(gt, list(results)), classes)


def numbers(part: Reliability) -> list[int]:
    return [b.n for b in part.bins]


# Against independent judges


def judged(gt: dict, results: list[dict]) -> dict:
    truth = hotcoco.COCO(gt)
    run = hotcoco.COCOeval(truth, truth.load_res(results), "bbox")
    run.evaluate()
    return run.calibration(n_bins=BINS, iou_threshold=0.5)


def assert_equals_hotcoco(gt: dict, results: list[dict]) -> None:
    found, theirs = calibration_of(gt, *results), judged(gt, results)
    assert found.total.n == theirs["num_detections"]
    if found.total.n:
        assert found.total.ece == pytest.approx(theirs["ece"], abs=1e-12)
        assert found.total.mce == pytest.approx(theirs["mce"], abs=1e-12)
    for ours, part in zip(found.total.bins, theirs["bins"], strict=bool(found.total.n)):
        assert (ours.lower, ours.upper) == pytest.approx((part["bin_lower"], part["bin_upper"]), abs=1e-15)
        assert ours.n == part["count"]
        expected = (part["avg_confidence"], part["avg_accuracy"]) if ours.n else (None, None)
        assert (ours.score, ours.right) == pytest.approx(expected, abs=1e-12)
    by_class = {part.name: part.ece for part in found.by_class if part.n}
    assert by_class == pytest.approx(theirs["per_category"], abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_bins_ece_and_mce_equal_hotcoco_crowds_included(case):
    assert_equals_hotcoco(*case)


def test_many_scores_equal_hotcoco():
    rng = np.random.default_rng(4)
    gt = gt_of(*((1 + i % 9, 1 + i % 2, (20 * (i % 5), 10 * (i % 7), 18, 9)) for i in range(60)), images=9)
    results = [
        result(1 + i % 9, 1 + i % 2, (20 * (i % 5) + rng.integers(3), 10 * (i % 7), 18, 9), float(score))
        for i, score in enumerate(rng.random(600).astype(np.float32))
    ]
    assert_equals_hotcoco(gt, results)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_bins_equal_a_plain_count_over_the_rows(case):
    table = detection_table(*case)
    counted = [row for row in rows(table) if not row["ignored_all"] & 1]
    for part in calibration(table).by_class:
        own = [row for row in counted if row["class_name"] == part.name]
        assert part.n == len(own)
        for i, b in enumerate(part.bins):
            here = [row for row in own if min(int(row["score"] * 10), 9) == i]
            assert b.n == len(here)
            if here:
                assert b.score == pytest.approx(sum(row["score"] for row in here) / len(here))
                assert b.right == pytest.approx(sum(row["gt_id"] is not None for row in here) / len(here))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_table_of_one_class_gives_that_class_and_so_does_choosing_it(case):
    table = detection_table(*case)
    for whole in calibration(table).by_class:
        part = calibration(table.filter(pc.equal(table["class_name"], whole.name)))
        chosen = calibration(table, [whole.name])
        assert whole in part.by_class and chosen.by_class == (whole,)
        for total in (part.total, chosen.total):
            assert (total.n, total.ece, total.mce, total.bins) == (whole.n, whole.ece, whole.mce, whole.bins)


# Edges


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of(CAR)])
def test_without_predictions_nothing_is_defined(gt):
    found = calibration_of(gt)
    assert found.total == Reliability(None, 0, None, None, ())
    assert found.by_class == tuple(Reliability(name, 0, None, None, ()) for name in ("car", "dog"))
    assert found.total.from_score(0.5) == Bin(0.5, 1.0, 0, None, None)


def test_predictions_of_a_crowd_only_are_left_out():
    assert calibration_of(gt_of((*CAR, {"iscrowd": 1})), result(1, 1, CAR[2])).total.n == 0


def test_without_objects_every_prediction_is_wrong():
    total = calibration_of(gt_of(), result(1, 1, NOWHERE, 0.75)).total
    assert (total.ece, total.mce) == (0.75, 0.75)


def test_perfect_predictions_of_score_1_have_no_error():
    total = calibration_of(gt_of(CAR, DOG), result(1, 1, CAR[2], 1.0), result(1, 2, DOG[2], 1.0)).total
    assert (total.n, total.ece, total.mce) == (2, 0, 0)


@pytest.mark.parametrize("tenth", range(11))
def test_a_score_on_a_border_lies_in_the_upper_bin_and_1_in_the_last(tenth):
    total = calibration_of(gt_of(), result(1, 1, NOWHERE, tenth / 10)).total
    assert np.flatnonzero(numbers(total)).tolist() == [min(tenth, 9)]


def test_total_pools_the_predictions_and_is_no_mean_of_the_classes():
    found = calibration_of(
        gt_of(CAR, DOG), result(1, 1, CAR[2], 0.75), result(1, 2, NOWHERE, 0.75), result(1, 2, NOWHERE, 0.25)
    )
    car, dog = found.by_class
    assert (car.ece, dog.ece) == (0.25, 0.5)
    assert found.total.ece == pytest.approx((2 * abs(0.75 - 0.5) + 0.25) / 3)


def test_bins_from_a_score_are_taken_together():
    results = [result(1, 1, CAR[2], 0.75), result(1, 1, NOWHERE, 0.5), result(1, 1, NOWHERE, 0.25)]
    assert calibration_of(gt_of(CAR), *results).total.from_score(0.5) == Bin(0.5, 1.0, 2, 0.625, 0.5)


def test_scores_that_are_no_probabilities_are_told_in_a_sentence():
    found = calibration_of(gt_of(CAR), result(1, 1, CAR[2], 7.5), result(1, 1, NOWHERE, -2.0), result(1, 2, NOWHERE))
    assert found.total == Reliability(None, 3, None, None, ())
    assert [(part.n, part.ece, part.bins) for part in found.by_class] == [(2, None, ()), (1, None, ())]
    assert found.note.startswith("2 of 3 scores lie outside 0 to 1")


def test_only_scores_of_the_chosen_classes_have_to_be_probabilities():
    table = detection_table(gt_of(CAR), [result(1, 1, CAR[2], 7.5), result(1, 2, NOWHERE)])
    assert calibration(table, ["dog"]).note is None
    assert calibration(table, ["dog"]).total.n == 1


def test_an_unknown_class_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="no class 'cow'"):
        calibration_of(gt_of(CAR), classes=["cow"])


def test_classes_say_what_was_chosen_and_nothing_where_all_are():
    table = detection_table(gt_of(CAR), [])
    assert calibration(table).classes == calibration(table, ["dog", "car"]).classes == ()
    assert calibration(table, ["dog"]).classes == ("dog",)
