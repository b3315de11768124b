"""core/evaluation/experiments/noise.py, against scipy.stats and the bootstrap of two tables."""

import numpy as np
import pytest
from scipy import stats

from core.evaluation.experiments.noise import Group, best_differences, image_differences, mean_interval
from core.evaluation.findings.bootstrap import bootstrap
from tests.core.evaluation.findings.test_slices import street

RNG = np.random.default_rng(0)


def groups(*values, first=0):
    return [Group(str(i), {first * i + seed: ap for seed, ap in enumerate(of)}) for i, of in enumerate(values)]


def test_the_mean_of_seeds_has_student_s_interval():
    values = RNG.normal(0.5, 0.02, 5).tolist()
    interval = mean_interval(values)
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (interval.value, interval.low, interval.high) == pytest.approx((np.mean(values), *expected))
    one = mean_interval([0.4])
    assert (one.value, one.low, one.high) == (0.4, None, None)
    assert mean_interval([]).value is None


def test_folds_have_the_wider_interval_of_nadeau_and_bengio():
    values = [0.4, 0.5, 0.45, 0.48, 0.52]
    plain, corrected = mean_interval(values), mean_interval(values, share=1 / 4)
    ratio = (corrected.high - corrected.low) / (plain.high - plain.low)
    assert ratio == pytest.approx(np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))


def test_settings_with_the_same_seeds_are_compared_seed_by_seed():
    good, bad = RNG.normal(0.6, 0.05, 6), RNG.normal(0.5, 0.05, 6)
    (difference,) = best_differences(groups(bad.tolist(), good.tolist()))
    expected = stats.ttest_rel(good, bad).confidence_interval(0.95)
    assert (difference.best, difference.other, difference.seeds) == (1, 0, 6)
    assert (difference.interval.low, difference.interval.high) == pytest.approx((expected.low, expected.high))


def test_others_by_welch():
    good, bad = RNG.normal(0.6, 0.05, 6), RNG.normal(0.5, 0.01, 4)
    (difference,) = best_differences(groups(bad.tolist(), good.tolist(), first=100))
    expected = stats.ttest_ind(good, bad, equal_var=False).confidence_interval(0.95)
    assert difference.seeds == 4
    assert (difference.interval.low, difference.interval.high) == pytest.approx((expected.low, expected.high))


def test_several_comparisons_widen_each_interval_so_that_equal_settings_are_rarely_told_apart():
    wrong = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = rng.normal(0.5, 0.02, (6, 4)).tolist()
        wrong += any(one.is_clear for one in best_differences(groups(*values)))
    assert wrong / 300 < 0.12  # the best of six is chosen by looking; without widening it is more than 0.2


def test_one_training_of_each_says_nothing_of_seeds():
    (difference,) = best_differences(groups([0.5], [0.6]))
    assert difference.interval.value == pytest.approx(0.1) and difference.interval.low is None
    assert not difference.is_clear
    assert best_differences(groups([0.5])) == [] and best_differences([]) == []


def test_equal_seeds_have_no_difference():
    (difference,) = best_differences(groups([0.5, 0.5], [0.5, 0.5]))
    assert not difference.is_clear


def test_with_one_seed_the_images_decide_as_on_compare():
    bad, good = street(60, bad=set(range(1, 40))), street(60, bad=set(range(1, 5)))
    (difference,) = image_differences([bad, good], resamples=300)
    expected = bootstrap(good, bad, resamples=300).differences["AP"]
    assert (difference.best, difference.other, difference.seeds) == (1, 0, 0)
    assert difference.interval.value == pytest.approx(expected.value, abs=1e-5)
    assert (difference.interval.low, difference.interval.high) == pytest.approx((expected.low, expected.high), abs=1e-5)
    assert difference.is_clear


def test_tables_of_other_images_are_not_compared():
    assert image_differences([street(60, bad=set()), street(50, bad=set())]) == []
    assert image_differences([street(60, bad=set())]) == []
