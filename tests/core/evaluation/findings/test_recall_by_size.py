import math

import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.datasets.split import FEW
from core.evaluation.findings.curves import class_figures
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
from core.evaluation.table import ModelInput
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result, rows

thresholds = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.1])
seen = st.sampled_from([None, ModelInput(100, 400, 32), ModelInput(800, 1333, 16)])
AS_IT_IS = ModelInput(100, 10_000, 32)  # of an image of 200 x 100 pixels


def squares(*sides: float, class_id: int = 1) -> list[tuple]:
    """An object of each size, each on an image of its own."""
    return [(image_id, class_id, (0, 0, side, side)) for image_id, side in enumerate(sides, start=1)]


def table_of(objects: list[tuple], n_found: int = 0, score: float = 0.9, seen=None):
    """A table in which the first `n_found` objects are found."""
    images = max((image_id for image_id, *_ in objects), default=0)
    results = [result(image_id, c, box, score) for image_id, c, box, *_ in objects[:n_found]]
    return detection_table(gt_of(*objects, images=images), results, model_input=seen)


def of_sizes(found: dict[float, int], n: int = 40, seen=None):
    """`n` objects of each size, of which so many are found."""
    objects = [(side, i < hits) for side, hits in found.items() for i in range(n)]
    objects.sort(key=lambda pair: not pair[1])
    return table_of(squares(*(side for side, _ in objects)), sum(hit for _, hit in objects), seen=seen)


# Against a plain double loop over pycocotools' matches


def judged(gt: dict, results: list[dict], score: float) -> dict[int, tuple[bool, bool]]:
    """Of each object, by id: whether pycocotools finds it at IoU 0.5 from the score, and at any."""
    found = {a["id"]: (False, False) for a in gt["annotations"] if not a["iscrowd"]}
    for image in judge(gt, results).evalImgs if results else []:
        if image and tuple(image["aRng"]) == (0, 1e10):
            for truth, match in zip(image["gtIds"], image["gtMatches"][0], strict=True):
                if match and int(truth) in found:
                    found[int(truth)] = (results[int(match) - 1]["score"] >= score, True)
    return found


def scale_of(model_input: ModelInput, width: int, height: int) -> float:
    """As the model resizes: the shorter side to its edge, unless the longer one gets too long."""
    scale = min(model_input.shortest_edge / min(width, height), model_input.longest_edge / max(width, height))
    return round(width * scale) / width


@settings(max_examples=50, deadline=None)
@given(cases(), thresholds, seen)
def test_every_bin_and_cell_counts_the_objects_that_pycocotools_finds(case, score, model_input):
    gt, results = case
    by_size = recall_by_size(detection_table(gt, results, model_input=model_input), score)
    found = judged(gt, results, score)
    objects = [a for a in gt["annotations"] if not a["iscrowd"]]

    def counts(chosen):
        return len(chosen), sum(found[a["id"]][0] for a in chosen), sum(found[a["id"]][1] for a in chosen)

    def assert_counts(recall: Recall, chosen):
        assert (recall.n, recall.found, recall.at_any) == counts(chosen)

    assert_counts(by_size.total, objects)
    factors = {"pixels": 1}
    if model_input:
        factors["input"] = scale_of(model_input, 200, 200)
        factors["cells"] = factors["input"] / model_input.stride
    for which, times in factors.items():
        curve = getattr(by_size, which)
        assert curve.n == sum(part.recall.n for part in curve.bins) == len(objects)
        for i, part in enumerate(curve.bins):
            lower = 0 if i == 0 else part.lower  # the outermost hold also what is beyond
            assert_counts(part.recall, [a for a in objects if lower <= math.sqrt(a["area"]) * times < part.upper])
    limits = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, math.inf)}
    names = {c["id"]: c["name"] for c in gt["categories"]}
    for size, (low, high) in limits.items():
        of_size = [a for a in objects if low <= a["area"] < high]
        assert_counts(by_size.by_size[size], of_size)
        for name in by_size.classes:
            assert_counts(by_size.by_class[name, size], [a for a in of_size if names[a["category_id"]] == name])


@settings(max_examples=40, deadline=None)
@given(cases(), thresholds)
def test_it_counts_what_the_other_findings_count(case, score):
    table = detection_table(*case)
    found = recall_by_size(table, score)
    assert found.total.missed == count_errors(table, score)["missed"]
    for figures in class_figures(table, score):
        parts = [found.by_class[figures.name, size] for size in found.by_size if figures.name in found.classes]
        assert sum(part.n for part in parts) == figures.objects
        assert sum(part.found for part in parts) == figures.found
    for size in found.by_size:
        for part in ("n", "found", "at_any", "missed"):
            cells = [getattr(found.by_class[name, size], part) for name in found.classes]
            assert sum(cells) == getattr(found.by_size[size], part)


@settings(max_examples=40, deadline=None)
@given(cases(), thresholds, seen)
def test_a_table_filtered_to_a_class_says_what_the_whole_says_of_it(case, score, model_input):
    table = detection_table(*case, model_input=model_input)
    whole = recall_by_size(table, score)
    for name in whole.classes:
        part = recall_by_size(table.filter(pc.field("class_name") == name), score)
        assert part.by_size == {size: whole.by_class[name, size] for size in whole.by_size}
        assert part.classes == (name,)
        assert part.is_part == (len(case[0]["categories"]) > 1)


# Edges


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 50, 50), {"iscrowd": 1}))])
def test_without_objects_nothing_is_defined(gt):
    found = recall_by_size(detection_table(gt, [], model_input=AS_IT_IS))
    assert found.total == Recall(0, 0, 0, 0)
    assert (found.total.recall, found.total.interval, found.total.recall_at_any) == (None, None, None)
    assert (found.pixels.bins, found.input.n, found.cells.half) == ((), 0, None)
    assert verdict(found) == "There is no object: too few to say how finding depends on size."


def test_sizes_at_coco_borders_lie_in_the_bin_above_them():
    for side, size in ((31.9, "small"), (32, "medium"), (95.9, "medium"), (96, "large")):
        found = recall_by_size(table_of(squares(side)))
        assert found.by_size[size].n == 1
        (part,) = found.pixels.bins
        assert (part.lower == side) == (side in (32, 96)) and part.lower <= side < part.upper


def test_bins_have_no_gap_between_the_smallest_and_the_largest():
    bins = recall_by_size(table_of(squares(5, 90))).pixels.bins
    assert [part.recall.n for part in bins] == [1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert all(one.upper == next_.lower for one, next_ in zip(bins, bins[1:], strict=False))
    assert bins[1].recall.recall is None


def test_objects_of_no_and_of_any_area_have_a_bin():
    found = recall_by_size(table_of([(1, 1, (0, 0, 0, 0)), (2, 1, (0, 0, 1, 1), {"area": 1e14})]))
    assert found.pixels.n == 2
    assert [found.pixels.bins[i].recall.n for i in (0, -1)] == [1, 1]


def test_a_score_is_at_its_own_threshold_although_float32_rounds_it():
    assert recall_by_size(table_of(squares(20), 1, score=0.7), 0.7).total.found == 1


def test_a_poor_box_keeps_an_object_from_being_missed_but_does_not_find_it():
    table = detection_table(gt_of((1, 1, (0, 0, 20, 20))), [result(1, 1, (0, 0, 20, 6))])
    assert recall_by_size(table).total == Recall(1, 0, 0, 0)


# As the model sees them


def test_the_model_sees_objects_resized_and_in_cells():
    found = recall_by_size(table_of(squares(40), seen=ModelInput(400, 10_000, 32)))  # 200 x 100 becomes 800 x 400
    (pixels,), (seen,), (cells,) = found.pixels.bins, found.input.bins, found.cells.bins
    assert pixels.lower <= 40 < pixels.upper
    assert seen.lower <= 160 < seen.upper
    assert cells.lower <= 5 < cells.upper


def test_results_of_another_tool_have_pixels_only():
    found = recall_by_size(table_of(squares(40)))
    assert (found.stride, found.input, found.cells) == (None, None, None)
    assert found.pixels.n == 1


def test_objects_on_images_of_unknown_size_are_left_out_of_what_the_model_sees():
    gt = gt_of((1, 1, (0, 0, 40, 40)), (2, 1, (0, 0, 40, 40)), images=2)
    del gt["images"][0]["width"]
    found = recall_by_size(detection_table(gt, [], model_input=AS_IT_IS))
    assert (found.pixels.n, found.input.n, found.cells.n) == (2, 1, 1)


# From which size


def test_the_size_of_half_lies_between_the_bins_of_less_and_more():
    found = recall_by_size(of_sizes({20: 10, 40: 30}, seen=AS_IT_IS))
    first, last = found.pixels.bins[0], found.pixels.bins[-1]
    middles = [math.sqrt(part.lower * part.upper) for part in (first, last)]
    assert found.pixels.half == pytest.approx(math.sqrt(middles[0] * middles[1]))  # a quarter and three quarters
    assert found.input.half == pytest.approx(found.pixels.half)
    assert found.cells.half == pytest.approx(found.pixels.half / 32)


def test_one_unlucky_bin_among_large_objects_does_not_decide():
    half = recall_by_size(of_sizes({10: 0, 20: 40, 40: 40, 80: 18, 160: 40})).pixels.half
    assert 10 < half < 20


def test_bins_of_few_objects_are_taken_together():
    """The smallest object, found by chance, does not make all sizes found."""
    objects = [*squares(5), *squares(*[20] * 30)]
    objects = [(i, c, box) for i, (_, c, box) in enumerate([*objects, *squares(*[60] * 30)], start=1)]
    results = [result(i, c, box) for i, c, box in objects if box[2] != 20]
    found = recall_by_size(detection_table(gt_of(*objects, images=len(objects)), results)).pixels
    assert 20 < found.half < 60 and not found.all_above


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
    found = recall_difference(*(Recall(n, found, found, 0) for found, n in (one, other)))
    assert found == pytest.approx(expected, abs=1e-4)


# In words


def test_the_verdict_says_from_which_size_and_that_small_ones_are_found_less():
    said = verdict(recall_by_size(of_sizes({20: 10, 100: 40}, seen=AS_IT_IS)))
    assert said == (
        "Half of the objects are found from 34 pixels on (√area in the original): 34 pixels as the model sees them, "
        "1.1 of its cells. Of 40 small objects 25 % are found, of 40 large ones 100 %: 75 points fewer (57 to 86)."
    )


def test_the_verdict_says_how_many_small_ones_any_score_would_find():
    objects = squares(*[20] * 40, *[100] * 40)
    results = [result(i, c, box, 0.9 if i > 40 else 0.3) for i, c, box in objects]
    said = verdict(recall_by_size(detection_table(gt_of(*objects, images=80), results)))
    assert said.endswith("(88 to 100); counting predictions of every score, 100 % of the small ones are.")


def test_a_difference_within_the_noise_is_called_so():
    said = verdict(recall_by_size(of_sizes({20: 30, 100: 32})))
    assert said == (
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
