import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError, RunError
from core.evaluation.coco_eval import FIGURES
from core.evaluation.findings.bootstrap import bootstrap
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.resampling import resample_weights, weighted_ap, weighted_figures
from core.evaluation.table import table_metadata
from core.evaluation.tide import detection_table
from core.labels import LabelMap
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


@settings(max_examples=80, deadline=None)
@given(cases(), st.data())
def test_a_weighted_image_counts_as_if_it_were_there_so_often(case, data):
    gt, results = case
    for i, row in enumerate(results):  # equal scores of two images would order copies otherwise
        row["score"] = row["score"] / 2 + i / 256
    table = detection_table(gt, results)
    times = {image["id"]: data.draw(st.integers(0, 3)) for image in gt["images"]}
    weights = np.array([[times[i] for i in table_metadata(table).image_ids]])
    names = table_metadata(table).classes
    by_class = weighted_figures(table, names, weights)  # (K, 12, 1)
    np.testing.assert_array_equal(weighted_ap(table, names, weights), by_class[:, :2])
    many, found = repeated(gt, results, times)
    if not many["images"]:
        return
    ids = {c["name"]: c["id"] for c in gt["categories"]}
    for k, name in enumerate(names):
        stats = [None if value == -1 else value for value in judge(many, found, [ids[name]]).stats]
        for f, expected in enumerate(stats):
            ours = by_class[k, f, 0]
            assert np.isnan(ours) if expected is None else ours == pytest.approx(expected, abs=2e-6), FIGURES[f]


def crowded(images: int, seed: int = 0) -> tuple[dict, list[dict]]:
    """Ten cars an image, two thirds of them found, more or less, and as many boxes on the road; no equal scores."""
    rng = np.random.default_rng(seed)
    spots = [(i, 1, (12 * j, 8 * j, 10, 10)) for i in range(1, images + 1) for j in range(10)]
    boxes = [np.add(spot[2], [*rng.normal(0, 1, 2), 0, 0]) for spot in spots] + [(120, 5, 10, 10)] * len(spots)
    rows = rng.choice(2 * len(spots), len(spots) * 5 // 3, replace=False).tolist()
    found = [result(1 + row // 10 % images, 1, boxes[row], (i + 1) / 4096) for i, row in enumerate(rows)]
    return gt_of(*spots, images=images), found


def test_long_rankings_are_summed_as_short_ones():
    gt, results = crowded(35)
    times = {image: int(n) for image, n in enumerate(np.random.default_rng(1).integers(0, 3, 35), start=1)}
    ours = weighted_figures(detection_table(gt, results), ["car"], np.array([list(times.values())]))[0, :, 0]
    expected = judge(*repeated(gt, results, times), [1]).stats
    assert expected[0] > 0.1
    assert ours == pytest.approx(np.where(expected == -1, np.nan, expected), abs=2e-6, nan_ok=True)


@pytest.mark.parametrize("images", [1, 2, 5, 10, 20])
def test_a_recall_of_whole_percents_reaches_what_it_reaches_in_pycocotools(images):
    table = detection_table(*crowded(images))
    ours = weighted_figures(table, ["car"], np.ones((1, images)))[0, :, 0]
    exact = [getattr(coco_figures(table, ["car"]), name) for name in FIGURES]
    assert ours.tolist() == pytest.approx([np.nan if v is None else v for v in exact], abs=1e-7, nan_ok=True)


def test_a_box_that_half_fits_a_crowd_counts_only_at_the_ious_where_it_does_not_fit():
    gt = gt_of(CAR, (1, 1, (50, 0, 10, 10), {"iscrowd": 1}))
    table = detection_table(gt, [result(1, 1, (54, 0, 10, 10), 0.9), result(*CAR, 0.5)])  # 0.6 of it
    ours = dict(zip(FIGURES, weighted_figures(table, ["car"], np.array([[3]]))[0, :, 0], strict=True))
    assert (ours["AP50"], ours["AP75"]) == pytest.approx((1, 0.5))


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
            assert 0 <= found.figures[name].low <= figures[name] <= found.figures[name].high <= 1
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


def test_the_figure_is_in_the_middle_although_copies_raise_ap():
    table = detection_table(*crowded(20))
    drawn = weighted_figures(table, ["car"], resample_weights(20, 300, seed=0))[0, 0]
    found = bootstrap(table, resamples=300).per_class["car"]
    assert drawn.mean() - found.value > 0.1 * (found.high - found.low)
    assert (found.low + found.high) / 2 == pytest.approx(found.value, abs=0.05 * (found.high - found.low))


def test_the_interval_mostly_holds_the_mean_of_repeating_the_experiment():
    found = [bootstrap(noisy(seed), resamples=100).figures["AP"] for seed in range(50)]
    mean = np.mean([interval.value for interval in found])
    assert np.mean([interval.low <= mean <= interval.high for interval in found]) > 0.85


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    table = noisy(3)
    first, again, other = (bootstrap(table, resamples=100, seed=s).figures["AP"] for s in (0, 0, 1))
    assert first == again != other


def test_images_are_drawn_with_replacement_as_many_as_there_are():
    weights = resample_weights(7, 50, seed=0)
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


def test_a_baseline_without_one_of_the_classes_is_refused():
    gt = gt_of(CAR)
    alone = detection_table(gt, [], LabelMap(("car",), (1,)))
    with pytest.raises(RunError, match="without the class 'dog'"):
        bootstrap(detection_table(gt, []), alone)
    assert bootstrap(detection_table(gt, []), alone, ["car"], resamples=9).differences["AP"].value == 0


def test_a_baseline_against_other_annotations_is_refused():
    with pytest.raises(RunError, match="other annotations"):
        bootstrap(detection_table(gt_of(CAR), []), detection_table(gt_of(CAR, CAR), []))


def test_a_difference_is_undefined_where_a_figure_is():
    table = detection_table(gt_of(CAR), [result(*CAR)])  # a small car alone
    found = bootstrap(table, table, resamples=9)
    assert found.differences["APl"].value is None and found.per_class_differences["dog"].low is None
    assert not found.differences["APl"].is_clear
    assert (found.differences["APs"].value, found.per_class_differences["car"].value) == (0, 0)


def test_an_unknown_class_is_refused():
    with pytest.raises(DataError, match="no class 'bird'"):
        bootstrap(noisy(0, 5), classes=["bird"])
