import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError, RunError
from core.errors import detection_table
from core.findings.bootstrap import FIGURES, bootstrap, drawn_weights, weighted_figures
from core.findings.curves import coco_figures
from core.table import about
from tests.core.coco_cases import cases, gt_of, judge, result

CAR = (1, 1, (0, 0, 10, 10))


def repeated(gt: dict, results: list[dict], times: dict[int, int]) -> tuple[dict, list[dict]]:
    """The pair with each image as often as `times` says, copies under new ids."""
    images, annotations, found = [], [], []
    for image in gt["images"]:
        for copy_number in range(times[image["id"]]):
            new = image["id"] * 1000 + copy_number
            images.append(image | {"id": new})
            annotations += [a | {"image_id": new} for a in gt["annotations"] if a["image_id"] == image["id"]]
            found += [r | {"image_id": new} for r in results if r["image_id"] == image["id"]]
    annotations = [a | {"id": number} for number, a in enumerate(annotations, start=1)]
    return copy.deepcopy(gt) | {"images": images, "annotations": annotations}, found


@settings(max_examples=120, deadline=None)
@given(cases(), st.data())
def test_a_weighted_image_counts_as_if_it_were_there_so_often(case, data):
    gt, results = case
    for i, row in enumerate(results):  # equal scores of two images would order copies otherwise
        row["score"] = row["score"] / 2 + i / 256
    table = detection_table(gt, results)
    times = {image["id"]: data.draw(st.integers(0, 3)) for image in gt["images"]}
    weights = np.array([[times[i] for i in about(table).image_ids]])
    names = about(table).classes
    by_class = weighted_figures(table, names, weights)  # (K, 12, 1)
    many, found = repeated(gt, results, times)
    if not many["images"]:
        return
    ids = {c["name"]: c["id"] for c in gt["categories"]}
    for k, name in enumerate(names):
        stats = [None if value == -1 else value for value in judge(many, found, [ids[name]]).stats]
        for f, expected in enumerate(stats):
            ours = by_class[k, f, 0]
            assert np.isnan(ours) if expected is None else ours == pytest.approx(expected, abs=2e-6), FIGURES[f]


@settings(max_examples=30, deadline=None)
@given(cases())
def test_the_value_is_the_tables_figure_and_lies_where_it_is_defined(case):
    table = detection_table(*case)
    figures, found = coco_figures(table).to_dict(), bootstrap(table, resamples=40)
    for name in FIGURES:
        assert found.figures[name].value == figures[name]
        if figures[name] is None:
            assert (found.figures[name].low, found.figures[name].high) == (None, None)
        elif found.figures[name].low is not None:
            assert found.figures[name].low <= found.figures[name].high
    assert {name: i.value for name, i in found.per_class.items()} == figures["per_class"]


def noisy(seed: int, images: int = 60, shift: float = 0.0):
    """Objects found with boxes that are off by chance, and by `shift`."""
    rng = np.random.default_rng(seed)
    gt = gt_of(*((i, 1, (20, 20, 30, 30)) for i in range(1, images + 1)), images=images)
    off = rng.normal(shift, 4, (images, 2))
    results = [
        result(i + 1, 1, (20 + dx, 20 + dy, 30, 30), float(rng.random())) for i, (dx, dy) in enumerate(off.tolist())
    ]
    return detection_table(gt, results)


def test_a_model_does_not_differ_from_itself():
    table = noisy(0)
    found = bootstrap(table, table, resamples=200)
    assert {(i.value, i.low, i.high) for i in found.differences.values() if i.value is not None} == {(0, 0, 0)}


def test_noise_is_not_taken_for_progress():
    assert not bootstrap(noisy(1), noisy(2), resamples=300).differences["AP"].is_clear


def test_a_model_that_is_clearly_better_is_said_to_be():
    difference = bootstrap(noisy(1), noisy(2, shift=12), resamples=300).differences["AP"]
    assert difference.is_clear and difference.low > 0


def test_a_difference_on_the_same_images_is_surer_than_two_models_by_themselves():
    one, other = noisy(1), noisy(1, shift=1)
    found, alone = bootstrap(one, other, resamples=300), bootstrap(other, resamples=300)
    width = found.differences["AP"].high - found.differences["AP"].low
    apart = sum((i.high - i.low) ** 2 for i in (found.figures["AP"], alone.figures["AP"])) ** 0.5
    assert width < apart


def test_the_interval_is_about_as_wide_as_repeating_the_experiment_says():
    spread = np.quantile([coco_figures(noisy(seed)).AP for seed in range(60)], [0.025, 0.975])
    found = bootstrap(noisy(0), resamples=400).figures["AP"]
    assert 0.5 < (found.high - found.low) / (spread[1] - spread[0]) < 2


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    table = noisy(3)
    first, again, other = (bootstrap(table, resamples=100, seed=s).figures["AP"] for s in (0, 0, 1))
    assert first == again != other


def test_images_are_drawn_with_replacement_as_many_as_there_are():
    weights = drawn_weights(7, 50, seed=0)
    assert weights.shape == (50, 7)
    assert set(weights.sum(axis=1).tolist()) == {7}


def test_a_single_image_has_an_interval_without_width():
    found = bootstrap(detection_table(gt_of(CAR), [result(*CAR)]), resamples=20).figures["AP50"]
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


def test_without_objects_or_predictions_nothing_fails():
    assert bootstrap(detection_table(gt_of(images=3), []), resamples=10).figures["AP"].value is None
    assert bootstrap(detection_table(gt_of(CAR), []), resamples=10).figures["AP"].high == 0


def test_images_without_anything_are_drawn_too():
    few, many = (bootstrap(detection_table(gt_of(CAR, images=n), [result(*CAR)]), resamples=10) for n in (1, 9))
    assert (few.images, many.images) == (1, 9)


def test_a_baseline_on_other_images_is_refused():
    with pytest.raises(RunError, match="other images"):
        bootstrap(noisy(0, 10), noisy(0, 11))


def test_an_unknown_class_is_refused():
    with pytest.raises(DataError, match="no class 'bird'"):
        bootstrap(noisy(0, 5), classes=["bird"])
