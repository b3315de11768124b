import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.findings.curves import class_figures
from core.evaluation.findings.images import Duplicates, ImageFigures, per_image_figures
from core.evaluation.table import ERROR_TYPES, ErrorType
from core.evaluation.threshold import count_errors, worst_images
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result, rows

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))
NOWHERE = (0, 80, 9, 9)
NONE = dict.fromkeys(ERROR_TYPES, 0)
thresholds = st.sampled_from([0.0, 0.25, 0.3, 0.75, 1.0, 1.1])


def images_of(gt: dict, *results: dict, score=0.5):
    return per_image_figures(detection_table(gt, list(results)), score)


# Against independent judges, and the other counts


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_each_image_equals_pycocotools_on_the_predictions_from_the_threshold(case, threshold):
    gt, results = case
    run = judge(gt, [row for row in results if row["score"] >= threshold])
    cells = [cell for cell in run.evalImgs if cell and cell["aRng"] == [0, 1e10]]
    for image in images_of(gt, *results, score=threshold).figures:
        own = [cell for cell in cells if cell["image_id"] == image.image_id]
        assert image.objects == sum(int((cell["gtIgnore"] == 0).sum()) for cell in own)
        assert image.predictions == sum(len(cell["dtIds"]) for cell in own)
        assert image.ignored == sum(int(cell["dtIgnore"][0].sum()) for cell in own)
        found = sum(int(((cell["dtMatches"][0] > 0) & ~cell["dtIgnore"][0]).sum()) for cell in own)
        assert image.correct == found


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_images_add_up_to_the_figures_of_the_whole(case, threshold):
    table = detection_table(*case)
    found = per_image_figures(table, threshold)
    for kind, n in count_errors(table, threshold).items():
        assert sum(image.errors[kind] for image in found.figures) == n
    worst = dict(worst_images(table, threshold))
    assert all(sum(image.errors.values()) == worst.get(image.image_id, 0) for image in found.figures)
    classes = class_figures(table, threshold)
    for name, total in (("objects", "objects"), ("correct", "found"), ("predictions", "predictions")):
        assert sum(getattr(image, name) for image in found.figures) == sum(getattr(c, total) for c in classes)
    assert [part.found for part in found.by_class] == [c.found for c in classes]
    assert found.duplicates.boxes == count_errors(table, threshold)["duplicate"]


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_every_prediction_is_right_ignored_or_an_error(case, threshold):
    for image in images_of(case[0], *case[1], score=threshold).figures:
        wrong = sum(n for kind, n in image.errors.items() if kind != ErrorType.MISSED)
        assert image.predictions == image.correct + image.ignored + wrong


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_every_image_is_there_once_hardest_first(case, threshold):
    found = images_of(case[0], *case[1], score=threshold)
    assert sorted(image.image_id for image in found.figures) == sorted({image["id"] for image in case[0]["images"]})
    keys = [(-image.hardness, -sum(image.errors.values()), image.image_id) for image in found.figures]
    assert keys == sorted(keys)
    for name, counts in (("objects", found.objects), ("predictions", found.predictions)):
        values = [getattr(image, name) for image in found.figures]
        assert counts == tuple(values.count(n) for n in range(max(values) + 1))


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_duplicates_equal_a_plain_count_of_the_boxes_that_point_to_each_found_object(case, threshold):
    table = detection_table(*case)
    shown = [row for row in rows(table) if row["score"] >= threshold]
    again = [row["best_same_gt"] for row in shown if row["error"] == "duplicate"]
    for part in per_image_figures(table, threshold).by_class:
        found = [row["gt_id"] for row in shown if row["gt_id"] is not None and row["class_name"] == part.name]
        numbers = [again.count(gt_id) for gt_id in found]
        assert part.counts == (tuple(numbers.count(n) for n in range(max(numbers) + 1)) if numbers else ())


@settings(max_examples=100, deadline=None)
@given(cases(), thresholds)
def test_a_table_of_one_class_counts_that_class_on_all_images(case, threshold):
    table = detection_table(*case)
    of_classes = {}
    for whole in per_image_figures(table, threshold).by_class:
        part = per_image_figures(table.filter(pc.equal(table["class_name"], whole.name)), threshold)
        assert whole in part.by_class and part.duplicates.counts == whole.counts
        for image in part.figures:
            of_classes.setdefault(image.image_id, []).append(image)
    for image in per_image_figures(table, threshold).figures:
        own = of_classes[image.image_id]
        for name in ("objects", "predictions", "correct", "ignored"):
            assert getattr(image, name) == sum(getattr(part, name) for part in own)
        assert all(image.errors[kind] == sum(part.errors[kind] for part in own) for kind in ERROR_TYPES)


# Edges


def test_without_images_there_is_nothing():
    found = images_of(gt_of(images=0))
    assert (found.figures, found.objects, found.predictions, found.easiest()) == ([], (), (), [])
    assert found.duplicates == Duplicates(None, ()) and found.duplicates.share is None


def test_an_empty_image_without_predictions_is_right():
    (image,) = images_of(gt_of()).figures
    assert image == ImageFigures(1, 0, 0, 0, 0, NONE)
    assert (image.precision, image.recall, image.f1, image.hardness) == (None, None, None, 0)


def test_an_empty_image_with_a_prediction_is_as_hard_as_one_on_which_all_is_missed():
    first, second = images_of(gt_of(CAR, images=2), result(2, 1, NOWHERE)).figures
    assert (first.hardness, second.hardness) == (1, 1)
    assert (first.precision, first.recall, second.precision, second.recall) == (None, 0, 0, None)


def test_a_crowd_and_what_only_fits_it_count_neither_way():
    (image,) = images_of(gt_of((*CAR, {"iscrowd": 1})), result(1, 1, CAR[2])).figures
    assert image == ImageFigures(1, 0, 1, 0, 1, NONE)
    assert image.f1 is None and image.hardness == 0


def test_perfect_predictions_leave_no_image_hard():
    (image,) = images_of(gt_of(CAR, DOG), result(1, 1, CAR[2]), result(1, 2, DOG[2])).figures
    assert (image.precision, image.recall, image.f1, image.hardness) == (1, 1, 1, 0)


def test_f1_weighs_missed_and_wrong_alike():
    (image,) = images_of(gt_of(CAR, DOG), result(1, 1, CAR[2]), result(1, 1, NOWHERE), result(1, 2, NOWHERE)).figures
    assert (image.precision, image.recall) == (1 / 3, 1 / 2)
    assert image.f1 == pytest.approx(2 / 5) and image.hardness == pytest.approx(3 / 5)
    assert image.errors == NONE | {ErrorType.BACKGROUND: 2, ErrorType.MISSED: 1}


def test_of_equally_hard_images_the_one_with_more_errors_leads_then_the_lower_id():
    gt = gt_of((2, 1, CAR[2]), (3, 1, CAR[2]), (3, 2, DOG[2]), (4, 1, CAR[2]), images=5)
    found = images_of(gt)
    assert [image.image_id for image in found.figures] == [3, 2, 4, 1, 5]


def test_the_easiest_images_have_most_that_is_right():
    gt = gt_of((2, 1, CAR[2]), (3, 1, CAR[2]), (3, 2, DOG[2]), (4, 1, CAR[2]), images=4)
    found = images_of(gt, result(2, 1, CAR[2]), result(3, 1, CAR[2]), result(3, 2, DOG[2]))
    assert [image.image_id for image in found.easiest(3)] == [3, 2, 1]


def test_a_score_is_at_its_own_threshold_although_float32_rounds_it():
    found = images_of(gt_of(CAR), result(1, 1, CAR[2], 0.7), result(1, 1, CAR[2], 0.7), score=0.7)
    assert (found.figures[0].correct, found.duplicates.counts) == (1, (0, 1))


def test_duplicates_say_how_often_each_found_object_is_predicted_again():
    gt = gt_of(CAR, (1, 1, (100, 0, 10, 10)), DOG)
    again = [result(1, 1, CAR[2], score) for score in (0.9, 0.8, 0.7, 0.4)]
    found = images_of(gt, *again, result(1, 1, (100, 0, 10, 10), 0.6), result(1, 2, NOWHERE))
    car, dog = found.by_class
    assert car == Duplicates("car", (1, 0, 1)) and (car.found, car.boxes, car.share) == (2, 2, 0.5)
    assert dog == Duplicates("dog", ()) and (dog.found, dog.boxes, dog.share) == (0, 0, None)
    assert found.duplicates == Duplicates(None, (1, 0, 1))


def test_boxes_of_zero_size_are_counted_and_never_found():
    (image,) = images_of(gt_of((1, 1, (5, 5, 0, 0))), result(1, 1, (5, 5, 0, 0))).figures
    assert (image.objects, image.predictions, image.correct, image.hardness) == (1, 1, 0, 1)
