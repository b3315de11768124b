"""core/evaluation/experiments/learning_curve.py, against curves that are known and scipy's own fit."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from core.evaluation.experiments.learning_curve import fit_learning_curve

NUMBERS = [75, 150, 300, 600]


def power(n, a, b, c):
    return a - b * np.asarray(n, dtype=float) ** -c


def test_a_power_law_is_found_and_continued():
    curve = fit_learning_curve(NUMBERS, power(NUMBERS, 0.7, 2.2, 0.5).tolist())
    assert curve.is_power
    assert (curve.limit, curve.drop, curve.exponent) == pytest.approx((0.7, 2.2, 0.5), rel=1e-6)
    value, low, high = curve.doubled
    assert value == pytest.approx(power(1200, 0.7, 2.2, 0.5)) and low < value < high
    assert curve.gain[0] == pytest.approx(value - power(600, 0.7, 2.2, 0.5))


@pytest.mark.parametrize("seed", range(4))
def test_noisy_points_are_fitted_as_scipy_does(seed):
    n = np.array(NUMBERS * 3)
    y = power(n, 0.65, 2.0, 0.45) + np.random.default_rng(seed).normal(0, 0.01, len(n))
    theirs, _ = curve_fit(power, n, y, p0=(0.6, 2, 0.5), bounds=([-np.inf, 0, 0.05], [1, np.inf, 2]))
    ours = fit_learning_curve(n, y)

    def missed(parameters):
        return ((power(n, *parameters) - y) ** 2).sum()

    # the exponents that are tried lie 0.025 apart
    assert missed((ours.limit, ours.drop, ours.exponent)) <= 1.01 * missed(theirs)
    assert ours.doubled[0] == pytest.approx(power(1200, *theirs), abs=0.002)


def test_what_is_likely_holds_the_truth_about_as_often_as_it_says():
    truth, hits = power(1200, 0.7, 2.2, 0.5), 0
    for seed in range(40):
        y = power(NUMBERS * 3, 0.7, 2.2, 0.5) + np.random.default_rng(seed).normal(0, 0.01, 12)
        _, low, high = fit_learning_curve(NUMBERS * 3, y, seed=seed).doubled
        hits += low <= truth <= high
    assert hits >= 25  # of 40, at 80 %, with a spread that is estimated


def test_few_numbers_of_images_are_continued_by_the_logarithm():
    curve = fit_learning_curve([100, 200], [0.3, 0.4])
    assert not curve.is_power and curve.doubled[0] == pytest.approx(0.5)
    assert fit_learning_curve([100, 100], [0.3, 0.4]) is None
    assert fit_learning_curve([], []) is None


@pytest.mark.parametrize("aps", [[0.5] * 4, [0.6, 0.5, 0.4, 0.3], [0, 0, 0, 0], [1, 1, 1, 1], [0.1, 0.9, 0.95, 1]])
def test_odd_curves_stay_within_what_ap_may_be(aps):
    curve = fit_learning_curve(NUMBERS, aps)
    for bound in (curve.low, curve.aps, curve.high):
        assert (bound >= 0).all() and (bound <= 1).all()
    assert (curve.low <= curve.aps).all() and (curve.aps <= curve.high).all()


def test_more_seeds_make_it_surer():
    y = power(NUMBERS, 0.7, 2.2, 0.5)
    noise = np.array([-0.01, 0.01])
    two = fit_learning_curve(NUMBERS * 2, np.concatenate([y + one for one in noise]))
    eight = fit_learning_curve(NUMBERS * 8, np.concatenate([y + one for one in noise.tolist() * 4]))
    assert eight.doubled[2] - eight.doubled[1] < two.doubled[2] - two.doubled[1]
