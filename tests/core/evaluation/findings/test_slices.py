"""Slices: each is what evaluating its images alone gives, and random ones are noise."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets.attributes.attribute import NOTHING_KNOWN, Attribute, ImageAttributes
from core.datasets.split import FEW
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.slices import FEWEST_IMAGES, TOGETHER, Slices, slice_counts, take_slices, verdict
from core.evaluation.selection import Selection, selected_rows, table_of_images
from core.evaluation.table import ERROR_TYPES, table_metadata
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from core.keep_result import KeepResult
from tests.core.coco_cases import cases, gt_of, judge, result

CLASSES = ("car", "dog")


def attributes(ids, **members) -> ImageAttributes:
    """Attributes of one slice each, "yes": the ids that it has."""
    rows = [Attribute(name, "test", ("yes",), np.isin(ids, list(has))[None]) for name, has in members.items()]
    return ImageAttributes(np.array(ids, dtype=np.int64), tuple(rows))


def evaluated(table, known: ImageAttributes, classes=None, **options) -> Slices:
    work = KeepResult(take_slices(table, known, classes, **options))
    steps = list(work)
    assert steps == [(i, len(steps) - 1) for i in range(len(steps))]
    return work.result


def only(gt: dict, results: list[dict], ids: set[int]) -> tuple[dict, list[dict]]:
    """The pair with these images alone."""
    kept = copy.deepcopy(gt)
    kept["images"] = [image for image in kept["images"] if image["id"] in ids]
    kept["annotations"] = [a for a in kept["annotations"] if a["image_id"] in ids]
    return kept, [dict(r) for r in results if r["image_id"] in ids]


def street(images: int, seed: int = 0, bad=frozenset(), classes: int = 1):
    """A table of images with five objects each; a share is found, on `bad` images a smaller one."""
    rng = np.random.default_rng(seed)
    objects, found = [], []
    for image in range(1, images + 1):
        hard = rng.random()  # images differ, or resamples would say nothing
        for place in range(5):
            box, label = (40 * place, 0, 30, 30), 1 + int(rng.integers(classes))
            objects.append((image, label, box))
            if rng.random() > (0.7 if image in bad else 0.2 + 0.2 * hard):
                found.append(result(image, label, box, float(rng.uniform(0.3, 1))))
            if rng.random() < 0.2:
                found.append(result(image, label, (40 * place, 90, 30, 30), float(rng.uniform(0, 0.8))))
    return detection_table(gt_of(*objects, images=images), found)


# Against pycocotools


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_a_slice_is_what_pycocotools_says_of_exactly_its_images(case, data):
    gt, results = case
    table = detection_table(gt, results)
    ids = list(table_metadata(table).image_ids)
    chosen = set(data.draw(st.lists(st.sampled_from(ids), unique=True)))
    slices = evaluated(table, attributes(ids, a=chosen), resamples=4).slices
    if not chosen or chosen == set(ids):
        assert slices == ()
        return
    (one,) = slices
    inside, outside = (judge(*only(gt, results, part)).stats for part in (chosen, set(ids) - chosen))
    for ours, theirs in ((one.AP, inside[0]), (one.AP50, inside[1]), (one.elsewhere, outside[0])):
        assert ours == (None if theirs == -1 else pytest.approx(theirs, abs=1e-6))
    assert one.images == len(chosen)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_a_table_of_some_images_is_the_table_of_an_evaluation_of_these(case, data):
    gt, results = case
    table = detection_table(gt, results)
    chosen = set(data.draw(st.lists(st.sampled_from(table_metadata(table).image_ids), unique=True)))
    part = table_of_images(table, [*chosen, 10**9])
    assert table_metadata(part).image_ids == tuple(sorted(chosen))
    if chosen:
        anew = detection_table(*only(gt, results, chosen))
        assert coco_figures(part) == coco_figures(anew)
        assert count_errors(part, 0.5) == count_errors(anew, 0.5)
        assert part.drop_columns(["rank"]).equals(anew.drop_columns(["rank"]))


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([0.0, 0.25, 0.5, 1.1]), st.data())
def test_counts_are_those_of_errors_filtered_by_the_slice(case, score, data):
    table = detection_table(*case)
    ids, names = list(table_metadata(table).image_ids), table_metadata(table).classes
    chosen = set(data.draw(st.lists(st.sampled_from(ids), unique=True, min_size=1)))
    classes = data.draw(st.sampled_from([None, names[:1]]))
    slices = evaluated(table, attributes(ids, a=chosen), classes, resamples=4)
    for counted in slice_counts(table, slices, score):
        selection = Selection(min(score, 1.0), classes or ()).on_images(chosen)
        if score <= 1:
            errors = count_errors(table, score, selected_rows(table, selection))
            assert {kind: errors[kind.value] for kind in ERROR_TYPES} == counted.errors
        assert 0 <= counted.found <= counted.objects
        assert counted.recall is None or 0 <= counted.recall <= 1


# What is noise


def test_a_slice_that_is_worse_is_named_with_its_numbers():
    bad = set(range(1, 31))
    table = street(120, bad=bad)
    known = attributes(range(1, 121), night=bad, other=set(range(1, 121, 3)))
    slices = evaluated(table, known)
    worst = slices.worst
    assert worst is not None and worst.key == ("night", "yes") and worst.images == 30
    assert worst.elsewhere > worst.AP
    assert worst.difference.value == pytest.approx(worst.AP - worst.elsewhere)
    assert worst.difference.low < worst.difference.value < worst.difference.high < 0
    sentence = verdict(slices)
    assert "“night: yes”" in sentence and "on its 30 images" in sentence and "2 comparisons" in sentence


def test_random_slices_are_noise():
    """Of 16 data sets with 12 random slices each, hardly one may have a slice that seems worse or better."""
    alarms = 0
    for seed in range(16):
        rng = np.random.default_rng(1000 + seed)
        members = {f"a{i}": np.flatnonzero(rng.random(80) < rng.uniform(0.2, 0.6)) + 1 for i in range(12)}
        slices = evaluated(street(80, seed), attributes(range(1, 81), **members), resamples=80)
        alarms += any(one.difference.is_clear for one in slices.slices)
    assert alarms <= 3


def test_without_a_worse_slice_that_is_said():
    table = street(60)
    slices = evaluated(table, attributes(range(1, 61), a=set(range(1, 31))))
    assert slices.worst is None
    assert verdict(slices) == "No slice of the images is worse than the other images by more than noise (1 comparison)."


def test_intervals_are_wider_the_more_slices_are_looked_at():
    table, ids = street(80), range(1, 81)
    half = set(range(1, 41))
    alone = evaluated(table, attributes(ids, a=half))
    more = {f"x{i}": set(np.random.default_rng(i).permutation(80)[:40] + 1) for i in range(20)}
    among = evaluated(table, attributes(ids, a=half, **more))
    assert (alone.compared, alone.confidence) == (1, TOGETHER)
    assert among.compared == 21 and among.confidence == pytest.approx(TOGETHER ** (1 / 21))
    (one, *_), (other, *_) = alone.slices, among.slices
    assert one.difference.value == other.difference.value
    assert other.difference.low < one.difference.low and one.difference.high < other.difference.high


def test_the_same_images_twice_and_their_opposite_are_one_comparison():
    half = set(range(1, 31))
    slices = evaluated(street(60), attributes(range(1, 61), a=half, again=half, rest=set(range(31, 61))))
    assert slices.compared == 1
    values = [one.difference.value for one in slices.slices]
    assert values[0] == values[1] == pytest.approx(-values[2])


@pytest.mark.parametrize("images", [FEWEST_IMAGES - 1, 60 - FEWEST_IMAGES + 1])
def test_few_images_on_either_side_have_no_interval(images):
    slices = evaluated(street(60), attributes(range(1, 61), a=set(range(1, images + 1))))
    (one,) = slices.slices
    assert one.difference.value is not None and one.difference.low is None and slices.compared == 0
    assert slices.worst is None and verdict(slices) == ""


def test_few_objects_have_no_interval():
    images, objects = 40, FEW - 1
    boxes = [(image, 1, (0, 0, 30, 30)) for image in range(1, objects + 1)]
    boxes += [(image, 1, (40 * k, 0, 30, 30)) for image in range(21, 41) for k in range(3)]
    table = detection_table(gt_of(*boxes, images=images), [result(*box) for box in boxes])
    (one,) = evaluated(table, attributes(range(1, 41), a=set(range(1, 21)))).slices
    assert one.objects == objects and one.difference.low is None


def test_classes_that_only_one_side_has_are_no_difference():
    """Cars are easy and dogs are missed everywhere; the slice has cars alone and is no better for that."""
    boxes, found = [], []
    for image in range(1, 61):
        boxes.append((image, 1, (0, 0, 30, 30)))
        found.append(result(image, 1, (0, 0, 30, 30)))
        if image > 30:
            boxes.append((image, 2, (60, 0, 30, 30)))
    (one,) = evaluated(
        detection_table(gt_of(*boxes, images=60), found), attributes(range(1, 61), a=range(1, 31))
    ).slices
    assert (one.AP, one.elsewhere) == (pytest.approx(1), pytest.approx(0.5))
    assert one.difference.value == pytest.approx(0)


def test_a_slice_without_objects_has_no_figures():
    boxes = [(image, 1, (0, 0, 30, 30)) for image in range(21, 61)]
    table = detection_table(gt_of(*boxes, images=60), [result(*box) for box in boxes])
    (one,) = slices = evaluated(table, attributes(range(1, 61), a=set(range(1, 21)))).slices
    assert one.AP is None and one.difference.value is None and one.objects == 0 and len(slices) == 1


def test_where_nothing_is_known_there_is_nothing():
    slices = evaluated(street(20), NOTHING_KNOWN)
    assert slices.slices == () and verdict(slices) == "" and slice_counts(street(20), slices) == []


def test_only_the_classes_asked_for_count():
    table = street(60, classes=2)
    known = attributes(range(1, 61), a=set(range(1, 31)))
    names = table_metadata(table).classes
    both, one = evaluated(table, known), evaluated(table, known, names[:1])
    part = coco_figures(table_of_images(table, range(1, 31)), names[:1])
    assert pytest.approx(part.AP, abs=1e-6) == one.slices[0].AP
    assert one.slices[0].objects < both.slices[0].objects and one.objects < both.objects == 300
    with pytest.raises(DataError, match="no class"):
        evaluated(table, known, ["bird"])


def test_it_says_the_same_each_time():
    table, known = street(60), attributes(range(1, 61), a=set(range(1, 31)))
    first, again = (evaluated(table, known).slices[0].difference for _ in range(2))
    assert first == again
