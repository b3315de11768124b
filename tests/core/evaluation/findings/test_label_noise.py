import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.findings.bootstrap import bootstrap
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.label_noise import DEVIATIONS, RESAMPLES, LabelledEvaluation
from core.evaluation.findings.relabel import Label, labels_of, relabel
from core.evaluation.findings.resampling import resample_weights, weighted_ap
from core.evaluation.table import table_metadata
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, result
from tests.core.evaluation.findings.test_relabel import as_labels, edited, on_a_grid

BOX = (0, 0, 10, 10)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_the_difference_is_that_of_cocos_figures_and_of_every_resample(case, data):
    gt, results = on_a_grid(*case)
    new = data.draw(edited(gt))
    table = detection_table(gt, results)
    after = relabel(table, {image["id"]: as_labels(new, image["id"]) for image in gt["images"]})
    noise = LabelledEvaluation(table).label_noise(after)
    first, second = coco_figures(table), coco_figures(after)
    assert (noise.ap.before, noise.ap.after) == (pytest.approx(first.AP), pytest.approx(second.AP))
    assert noise.errors == (count_errors(table, 0.5), count_errors(after, 0.5))
    untouched = set(table_metadata(table).classes) - set(noise.per_class)
    assert all(first.per_class[name] == second.per_class[name] for name in untouched)
    for name, change in noise.per_class.items():
        assert (change.before, change.after) == (first.per_class[name], second.per_class[name])
    weights = resample_weights(len(gt["images"]), RESAMPLES, 0)
    drawn = [mean(weighted_ap(one, table_metadata(table).classes, weights)[:, 0]) for one in (table, after)]
    differences = drawn[1] - drawn[0]
    differences = differences[~np.isnan(differences)]
    if noise.ap.difference.value is not None and len(differences) > 1:
        value, reach = noise.ap.difference.value, DEVIATIONS * differences.std(ddof=1)
        assert noise.ap.difference.low == pytest.approx(max(value - reach, -1), abs=1e-6)
        assert noise.ap.difference.high == pytest.approx(min(value + reach, 1), abs=1e-6)


def mean(by_class: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.nansum(by_class, axis=0) / (~np.isnan(by_class)).sum(axis=0)


def test_a_missing_label_that_is_added_is_what_it_cost():
    gt = gt_of(*((i, 1, BOX) for i in range(1, 9)), images=16)
    results = [result(i, 1, BOX, 0.99 - i / 100) for i in range(1, 17)]  # half of them on nothing, as it seems
    table = detection_table(gt, results)
    labels = {i: {100 + i: Label("car", BOX)} for i in range(9, 17)}
    noise = LabelledEvaluation(table).label_noise(relabel(table, labels))
    assert (noise.ap.before, noise.ap.after) == (pytest.approx(1.0), 1.0)  # the wrong ones come last
    assert noise.errors[0]["background"] == 8 and noise.errors[1]["background"] == 0
    results = [result(i, 1, BOX, 0.5 + i / 100) for i in range(1, 17)]  # and now first
    table = detection_table(gt, results)
    noise = LabelledEvaluation(table).label_noise(relabel(table, labels))
    assert (noise.ap.before, noise.points) == (pytest.approx(0.5), pytest.approx(50))
    assert noise.ap.difference.is_clear and list(noise.per_class) == ["car"]


def test_nothing_corrected_is_no_difference():
    table = detection_table(gt_of((1, 1, BOX), images=2), [result(1, 1, BOX)])
    evaluation = LabelledEvaluation(table)
    for after in (table, relabel(table, labels_of(table, [1, 2]))):
        noise = evaluation.label_noise(after)
        assert noise.points == 0 and not noise.per_class and not noise.ap.difference.is_clear


def test_without_labels_there_is_no_figure():
    table = detection_table(gt_of(images=1), [result(1, 1, BOX)])
    noise = LabelledEvaluation(table).label_noise(relabel(table, {1: {1: Label("car", BOX)}}))
    assert noise.points is None and noise.ap.before is None and noise.ap.after == pytest.approx(1)


def test_classes_are_taken_anew_only_once_they_change(monkeypatch):
    gt = gt_of((1, 1, BOX), (1, 2, BOX), (2, 1, BOX), (2, 2, BOX), images=2)
    away = (50, 50, 70, 70)
    table = detection_table(gt, [result(1, 1, BOX), result(2, 2, BOX), result(2, 1, (50, 50, 20, 20))])
    evaluation = LabelledEvaluation(table)
    labels = labels_of(table, [2])
    first = relabel(table, {2: labels[2] | {9: Label("car", away)}})
    asked = []
    monkeypatch.setattr(
        "core.evaluation.findings.label_noise.weighted_ap",
        lambda one, names, *rest: (asked.append((one, *names)), weighted_ap(one, names, *rest))[1],
    )
    evaluation.label_noise(first)
    assert asked == [(table, "car"), (first, "car")]
    evaluation.label_noise(relabel(first, {2: {3: Label("car", BOX), 9: Label("car", away), 4: Label("dog", away)}}))
    assert [names for _, *names in asked[2:]] == [["dog"], ["dog"]]


def test_the_interval_is_about_as_wide_as_the_bootstraps():
    gt = gt_of(*((i, 1, BOX) for i in range(1, 31)), images=60)
    results = [result(i, 1, BOX, 0.9 - (i * 7 % 60) / 100) for i in range(1, 61)]
    table = detection_table(gt, results)
    after = relabel(table, {i: {100 + i: Label("car", BOX)} for i in range(31, 46)})
    quick = LabelledEvaluation(table).label_noise(after).ap.difference
    whole = bootstrap(after, None).figures["AP"]
    assert quick.low < quick.value < quick.high and 0 < quick.high - quick.low < 4 * (whole.high - whole.low)
