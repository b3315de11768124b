"""From which size objects are found, whether a difference is more than noise, and what is said of both."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.datasets.split import FEW
from core.evaluation.findings.recall_by_size import (
    Recall,
    SizeBin,
    _half,
    isotonic,
    recall_by_size,
    recall_difference,
    verdict,
    wilson_interval,
)
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result, rows
from tests.core.evaluation.findings.test_recall_by_size import AS_IT_IS, of_sizes, squares, table_of


def test_the_size_of_half_lies_between_the_bins_of_less_and_more():
    recalls = recall_by_size(of_sizes({20: 10, 40: 30}, seen=AS_IT_IS))
    first, last = recalls.pixels.bins[0], recalls.pixels.bins[-1]
    middles = [math.sqrt(part.lower * part.upper) for part in (first, last)]
    assert recalls.pixels.half == pytest.approx(math.sqrt(middles[0] * middles[1]))  # a quarter and three quarters
    assert recalls.input.half == pytest.approx(recalls.pixels.half)
    assert recalls.cells.half == pytest.approx(recalls.pixels.half / 32)


def test_one_unlucky_bin_among_large_objects_does_not_decide():
    half = recall_by_size(of_sizes({10: 0, 20: 40, 40: 40, 80: 18, 160: 40})).pixels.half
    assert 10 < half < 20


def test_bins_of_few_objects_are_taken_together():
    """The smallest object, found by chance, does not make all sizes found."""
    objects = [*squares(5), *squares(*[20] * 30)]
    objects = [(i, c, box) for i, (_, c, box) in enumerate([*objects, *squares(*[60] * 30)], start=1)]
    results = [result(i, c, box) for i, c, box in objects if box[2] != 20]
    by_pixels = recall_by_size(detection_table(gt_of(*objects, images=len(objects)), results)).pixels
    assert 20 < by_pixels.half < 60 and not by_pixels.all_above


@pytest.mark.parametrize(("sizes", "all_above"), [({20: 0, 60: 10}, False), ({20: 30, 60: 40}, True)])
def test_where_no_size_or_every_size_is_found_there_is_no_half(sizes, all_above):
    curve = recall_by_size(of_sizes(sizes)).pixels
    assert (curve.half, curve.all_above) == (None, all_above)


counts = st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(deadline=None)
@given(st.lists(counts, max_size=8))
def test_rising_is_the_isotonic_regression(parts):
    def mean(first, last):
        return sum(found for _, found in parts[first : last + 1]) / sum(n for n, _ in parts[first : last + 1])

    every = range(len(parts))  # the min-max formula
    expected = [max(min(mean(j, k) for k in every if k >= i) for j in every if j <= i) for i in every]
    assert isotonic(parts) == pytest.approx(expected)


# Sure or noise


@settings(deadline=None)
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(counts):
    theirs = binomtest(*counts).proportion_ci(0.95, "wilson")
    assert wilson_interval(*counts) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((56, 70), (48, 80), (0.2, 0.0524, 0.3339)), ((9, 10), (3, 10), (0.6, 0.1705, 0.8090))],
)
def test_the_interval_of_a_difference_is_newcombes(one, other, expected):
    difference = recall_difference(*(Recall(n, hits, hits, 0) for hits, n in (one, other)))
    assert difference == pytest.approx(expected, abs=1e-4)


# In words


def test_the_verdict_says_from_which_size_and_that_small_ones_are_found_less():
    sentence = verdict(recall_by_size(of_sizes({20: 10, 100: 40}, seen=AS_IT_IS)))
    assert sentence == (
        "Half of the objects are found from 34 pixels on (√area in the original): 34 pixels as the model sees them, "
        "1.1 of its cells. Of 40 small objects 25 % are found, of 40 large ones 100 %: 75 points fewer (57 to 86)."
    )


def test_the_verdict_says_how_many_small_ones_any_score_would_find():
    objects = squares(*[20] * 40, *[100] * 40)
    results = [result(i, c, box, 0.9 if i > 40 else 0.3) for i, c, box in objects]
    sentence = verdict(recall_by_size(detection_table(gt_of(*objects, images=80), results)))
    assert sentence.endswith("(88 to 100); counting predictions of every score, 100 % of the small ones are.")


def test_a_difference_within_the_noise_is_called_so():
    sentence = verdict(recall_by_size(of_sizes({20: 30, 100: 32})))
    assert sentence == (
        "At least half of the objects are found at every size. Of 40 small objects 75 % are found, of 40 large ones "
        "80 %: a difference that may be noise."
    )


def test_small_ones_are_compared_with_medium_ones_where_large_ones_are_few():
    assert "of 40 medium ones 100 %" in verdict(recall_by_size(of_sizes({20: 10, 60: 40})))


def test_where_there_are_no_small_ones_nothing_is_compared():
    assert verdict(recall_by_size(of_sizes({60: 10}))) == "At no size are half of the objects found from score 0.5."


@pytest.mark.parametrize(("n", "said"), [(1, "is only 1 object"), (FEW - 1, "are only 19 objects")])
def test_of_few_objects_it_says_only_that_they_are_few(n, said):
    assert verdict(recall_by_size(table_of(squares(*[20] * n)))).startswith(f"There {said}: too few")


def test_a_crowd_is_no_object():
    table = table_of([(1, 1, (0, 0, 9, 9), {"iscrowd": 1}), (2, 1, (0, 0, 9, 9))])
    assert len(rows(table, "ground_truth")) == 2
    assert recall_by_size(table).total.n == 1


@pytest.mark.parametrize("counts", [[(1000, 900), (100, 10)], [(1000, 100), (1000, 900), (200, 20)]])
def test_where_larger_objects_are_found_less_often_no_size_is_named(counts):
    recalls = [Recall(n, found, found, n - found) for n, found in counts]
    bins = [SizeBin(10.0 * 2**i, 20.0 * 2**i, recall) for i, recall in enumerate(recalls)]
    assert _half(bins) == (None, False, True)
