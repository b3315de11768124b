import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.evaluation.coco_eval import evaluate
from core.evaluation.coco_files import read_ground_truth, read_results
from core.evaluation.findings.curves import RECALLS, average_precision, class_figures, coco_figures, precision_recall
from core.evaluation.findings.threshold_curve import threshold_counts, threshold_curve
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, from_env, gt_of, judge, result, rows
from tests.core.evaluation.test_coco_eval import FIXTURE

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))


def table_of(gt: dict, *results: dict):
    return detection_table(gt, list(results))


def defined(values) -> list:
    """pycocotools' -1 as None."""
    return [None if value == -1 else float(value) for value in values]


# COCO's figures


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_twelve_figures_equal_pycocotools_to_the_last_digit(case):
    gt, results = case
    figures = coco_figures(table_of(gt, *results))
    assert list(figures.to_dict().values())[:12] == defined(judge(gt, results).stats)


@settings(max_examples=80, deadline=None)
@given(cases(), st.data())
def test_the_figures_of_some_classes_equal_an_evaluation_of_these_alone(case, data):
    gt, results = case
    chosen = data.draw(st.lists(st.sampled_from(gt["categories"]), min_size=1, unique_by=lambda c: c["id"]))
    figures = coco_figures(table_of(gt, *results), [c["name"] for c in chosen])
    stats = judge(gt, results, [c["id"] for c in chosen]).stats
    assert list(figures.to_dict().values())[:12] == defined(stats)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_ap_by_class_equals_the_evaluation(case):
    gt, results = case
    assert coco_figures(table_of(gt, *results)).per_class == evaluate(gt, results).per_class


def test_the_coco_apis_own_pair_gives_its_figures_to_ten_places():
    folder = next(from_env("DETR_LAB_EVAL_FIXTURE").rglob("instances_val2014_100.json")).parent
    gt = read_ground_truth(folder / "instances_val2014_100.json")
    results = read_results(folder / "instances_val2014_fakebbox100_results.json")
    figures = coco_figures(detection_table(gt, results)).to_dict()
    assert {name: figures[name] for name in FIXTURE} == pytest.approx(FIXTURE, abs=1e-10, rel=0)


def test_without_objects_nothing_is_defined():
    figures = coco_figures(table_of(gt_of(), result(1, 1, (0, 0, 9, 9))))
    assert set(list(figures.to_dict().values())[:12]) == {None}


def test_perfect_predictions_have_every_figure_at_one():
    gt = gt_of(CAR, DOG)
    figures = coco_figures(table_of(gt, result(*CAR), result(*DOG)))
    assert [v for v in list(figures.to_dict().values())[:12] if v is not None] == pytest.approx([1.0] * 8)


def test_a_class_that_the_table_does_not_have_is_refused():
    with pytest.raises(DataError, match="no class 'bird'"):
        coco_figures(table_of(gt_of(CAR)), ["bird"])


def test_average_precision_without_objects_is_undefined():
    assert average_precision(np.array([False]), np.array([False]), 0) is None


# By class


@settings(max_examples=80, deadline=None)
@given(cases(), st.sampled_from([0.0, 0.25, 0.3, 1.1]))
def test_a_classes_figures_equal_pycocotools(case, threshold):
    gt, results = case
    run = judge(gt, results)
    shown = judge(gt, [row for row in results if row["score"] >= threshold])
    ids = {c["name"]: c["id"] for c in gt["categories"]}
    for found in class_figures(table_of(gt, *results), threshold):
        k = run.params.catIds.index(ids[found.name])
        precision, recall = run.eval["precision"][:, :, k, :, -1], shown.eval["recall"][0, k, :, -1]
        assert found.objects == sum(a["category_id"] == ids[found.name] and not a["iscrowd"] for a in gt["annotations"])
        for value, cells in ((found.AP, precision[..., 0]), (found.AP50, precision[0, :, 0])):
            assert value == (None if not found.objects else pytest.approx(cells.mean(), abs=1e-12))
        for a, size in enumerate(("small", "medium", "large"), start=1):
            objects = found.sizes[size].objects
            assert (None if not objects else pytest.approx(precision[..., a].mean(), abs=1e-12)) == found.sizes[size].AP
        if found.objects:
            assert found.recall == pytest.approx(recall[0], abs=1e-12)


def test_predictions_are_counted_from_the_score_although_float32_rounds_it():
    car, dog = class_figures(table_of(gt_of(CAR), result(*CAR, 0.7), result(*CAR, 0.69), result(*DOG, 0.7)), 0.7)
    assert (car.predictions, car.found, car.recall) == (1, 1, 1.0)
    assert (dog.predictions, dog.found, dog.recall, dog.AP) == (1, 0, None, None)


def test_an_object_on_a_border_of_sizes_counts_on_both_sides_as_in_coco():
    (car, _) = class_figures(table_of(gt_of((1, 1, (0, 0, 32, 32)))))
    assert {size: part.objects for size, part in car.sizes.items()} == {"small": 1, "medium": 1, "large": 0}
    assert car.objects == 1


# Curves


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([(0.5, 0), (0.75, 5), (0.95, 9)]))
def test_precision_at_each_recall_equals_pycocotools(case, iou):
    gt, results = case
    run, table = judge(gt, results), table_of(gt, *results)
    for category in gt["categories"]:
        curve = precision_recall(table, category["name"], iou[0])
        k = run.params.catIds.index(category["id"])
        if curve.n:
            assert curve.precision.tolist() == run.eval["precision"][iou[1], :, k, 0, -1].tolist()
            assert pytest.approx(curve.precision.mean()) == curve.AP


def test_each_recall_has_the_score_that_reaches_it():
    gt = gt_of(CAR, (1, 1, (30, 0, 10, 10)))
    table = table_of(gt, result(*CAR, 0.75), result(1, 1, (80, 50, 9, 9), 0.625), result(1, 1, (30, 0, 10, 10), 0.5))
    curve = precision_recall(table, "car")
    scores = dict(zip(RECALLS.round(2).tolist(), curve.score, strict=True))
    assert (scores[0.0], scores[0.5], scores[0.51], scores[1.0]) == (0.75, 0.75, 0.5, 0.5)
    assert curve.raw_precision.tolist() == [1, 0.5, pytest.approx(2 / 3)]


def test_a_recall_that_is_never_reached_has_no_score():
    curve = precision_recall(table_of(gt_of(CAR, (1, 1, (30, 0, 10, 10))), result(*CAR)), "car")
    assert curve.score[50] == pytest.approx(0.9) and curve.score[51] is None


def test_a_class_without_objects_has_no_curve():
    curve = precision_recall(table_of(gt_of(CAR), result(*DOG)), "dog")
    assert (curve.n, curve.AP, curve.score) == (0, None, ())
    assert len(curve.recall) == len(curve.precision) == len(curve.raw_score) == 0


def test_an_iou_that_coco_does_not_have_is_refused():
    with pytest.raises(DataError, match=r"IoU 0.52"):
        precision_recall(table_of(gt_of(CAR)), "car", 0.52)


@settings(max_examples=80, deadline=None)
@given(cases(), st.sampled_from([0, 25, 30, 75, 100]))
def test_precision_and_recall_from_a_score_are_counts_of_its_predictions(case, percent):
    gt, results = case
    table, threshold = table_of(gt, *results), percent / 100
    curve = threshold_curve(table)
    run = judge(gt, [row for row in results if row["score"] >= threshold])
    cells = [c for c in run.evalImgs if c and c["aRng"] == [0, 1e10]]
    matched = [(m > 0, i) for c in cells for m, i in zip(c["dtMatches"][0], c["dtIgnore"][0], strict=True)]
    right, counted = sum(bool(m and not i) for m, i in matched), sum(not i for _, i in matched)
    objects = sum(not a["iscrowd"] for a in gt["annotations"])
    assert curve.n == objects
    assert curve.precision[percent] == (right / counted if counted else None)
    assert curve.recall[percent] == (right / objects if objects else None)


def test_the_best_threshold_has_the_highest_f1_and_is_the_highest_of_equals():
    gt = gt_of(CAR, (1, 1, (30, 0, 10, 10)))
    table = table_of(gt, result(*CAR, 0.8125), result(1, 1, (30, 0, 10, 10), 0.75), result(1, 1, (80, 50, 9, 9), 0.5))
    curve = threshold_curve(table)
    assert (curve.best, curve.best_f1, curve.peak, curve.peak_f1) == (0.75, 1.0, 0.75, 1.0)
    assert count_errors(table, curve.best) == dict.fromkeys(count_errors(table), 0)


@settings(max_examples=80, deadline=None)
@given(cases(), st.booleans(), st.data())
def test_no_threshold_on_the_grid_or_among_the_scores_has_a_higher_f1(case, finely, data):
    gt, results = case
    for row in results if finely else ():
        row["score"] = data.draw(st.integers(0, 512)) / 512
    table = table_of(gt, *results)
    curve = threshold_curve(table)
    found = rows(table)

    def f1(threshold):
        counted = [r for r in found if r["score"] >= threshold and not r["ignored_all"] & 1]
        return 2 * sum(r["hits_all"] & 1 for r in counted) / (len(counted) + curve.n)

    if not any(r["hits_all"] & 1 for r in found):
        assert (curve.best, curve.best_f1, curve.peak, curve.peak_f1) == (None,) * 4
        return
    grid, scores = (np.arange(101) / 100).tolist(), [r["score"] for r in found]
    for threshold, value, others in ((curve.best, curve.best_f1, grid), (curve.peak, curve.peak_f1, scores)):
        assert value == pytest.approx(f1(threshold), abs=1e-12)
        assert value >= max(map(f1, others)) - 1e-12
    assert curve.best_f1 == curve.f1[round(100 * curve.best)] <= curve.peak_f1


@settings(max_examples=40, deadline=None)
@given(cases())
def test_the_overall_curve_counts_all_classes_together(case):
    gt, results = case
    table = table_of(gt, *results)
    of_classes = [threshold_curve(table, [c["name"]]) for c in gt["categories"]]
    together = threshold_curve(table)
    assert together.n == sum(curve.n for curve in of_classes)
    for i in (0, 25, 50, 100):
        right = [(curve.recall[i] or 0) * curve.n for curve in of_classes]
        assert (together.recall[i] or 0) * together.n == pytest.approx(sum(right))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_counts_by_class_are_what_the_curves_divide_and_add_up_to_all_classes(case):
    gt, results = case
    table = table_of(gt, *results)
    counts = threshold_counts(table)

    def divided(n, found, predictions):
        precision = tuple(r / p if p else None for r, p in zip(found.tolist(), predictions.tolist(), strict=True))
        return int(n), precision, tuple(r / n if n else None for r in found.tolist())

    for name, *of_class in zip(counts.names, counts.n, counts.found, counts.predictions, strict=True):
        curve = threshold_curve(table, [name])
        assert divided(*of_class) == (curve.n, curve.precision, curve.recall)
    together = threshold_curve(table)
    summed = divided(counts.n.sum(), counts.found.sum(axis=0), counts.predictions.sum(axis=0))
    assert summed == (together.n, together.precision, together.recall)


def test_without_objects_recall_and_f1_are_undefined_and_without_predictions_precision():
    nothing = threshold_curve(table_of(gt_of(), result(*CAR, 0.5)))
    assert (nothing.n, nothing.precision[50], nothing.precision[51]) == (0, 0, None)
    assert set(nothing.recall) == set(nothing.f1) == {None}
    silent = threshold_curve(table_of(gt_of(CAR)))
    assert (set(silent.precision), set(silent.recall), set(silent.f1)) == ({None}, {0}, {0})


def test_a_prediction_on_a_crowd_counts_neither_way():
    crowd = (1, 1, (50, 0, 10, 10), {"iscrowd": 1})
    table = table_of(gt_of(CAR, crowd), result(*CAR, 0.5), result(1, 1, crowd[2], 0.75))
    curve = precision_recall(table, "car")
    assert threshold_curve(table).precision[50] == 1 and threshold_curve(table).precision[60] is None
    assert (curve.n, curve.raw_score.tolist(), curve.raw_precision.tolist()) == (1, [0.5], [1])


def test_where_nothing_is_found_there_is_no_best_threshold():
    assert threshold_curve(table_of(gt_of(CAR), result(1, 1, (80, 50, 9, 9)))).best is None
