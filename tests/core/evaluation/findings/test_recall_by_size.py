import math
from itertools import pairwise

import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.findings.curves import class_figures
from core.evaluation.findings.recall_by_size import (
    Recall,
    recall_by_size,
    verdict,
)
from core.evaluation.model_input import ModelInput
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result

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
    assert all(one.upper == next_.lower for one, next_ in pairwise(bins))
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
