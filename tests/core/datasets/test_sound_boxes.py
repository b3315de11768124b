"""Which boxes stay and which are told of, against loops that look at one box, or one pair of boxes, at a time."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets import sound_boxes as module
from core.datasets.coco.ids import EXACT_LIMIT
from core.datasets.problems import MOST_EXAMPLES, ProblemKind
from core.datasets.sound_boxes import (
    ROUNDING,
    SAME_IOU,
    image_rows,
    image_sizes,
    noted_boxes,
    objects_labelled_twice,
    sound_boxes,
)
from tests.core.coco_cases import gt_of

WIDTH, HEIGHT = 200, 100  # of the images of gt_of
NAN, INFINITE = float("nan"), float("inf")


def sound(*boxes, images=1):
    """Ids that stay, and the ids of each kind of problem."""
    gt = gt_of(*boxes, images=images, categories=("car", "dog", "bus"))
    kept, problems = sound_boxes(gt["images"], gt["annotations"], "val")
    assert all(p.split == "val" and len(p.examples) == p.count for p in problems)
    assert kept == [a for a in gt["annotations"] if a in kept]  # the dicts as they were, in their order
    return [a["id"] for a in kept], {p.kind: [e.annotation_ids[0] for e in p.examples] for p in problems}


@pytest.mark.parametrize(
    "box, kind",
    [
        ((0, 0, WIDTH, HEIGHT), None),
        ((0, 0, 0.001, 0.001), None),
        ((WIDTH - 1, HEIGHT - 1, 1, 1), None),
        ((-ROUNDING, -ROUNDING, WIDTH + 2 * ROUNDING, HEIGHT + 2 * ROUNDING), None),
        ((-1.01, 0, 10, 10), ProblemKind.BEYOND),
        ((0, -1.01, 10, 10), ProblemKind.BEYOND),
        ((0, 0, WIDTH + 1.01, 10), ProblemKind.BEYOND),
        ((0, 0, 10, HEIGHT + 1.01), ProblemKind.BEYOND),
        ((-500, -500, 1000, 1000), ProblemKind.BEYOND),
        ((WIDTH - 0.001, 0, 50, 50), ProblemKind.BEYOND),
        ((WIDTH, 0, 1, 1), ProblemKind.OUTSIDE),
        ((0, HEIGHT, 1, 1), ProblemKind.OUTSIDE),
        ((-5, 0, 5, 5), ProblemKind.OUTSIDE),
        ((0, -5, 5, 5), ProblemKind.OUTSIDE),
        ((-0.5, 0, 0.5, 5), ProblemKind.OUTSIDE),
        ((1e9, 1e9, 5, 5), ProblemKind.OUTSIDE),
        ((0, 0, 0, 5), ProblemKind.NO_EXTENT),
        ((0, 0, 5, 0), ProblemKind.NO_EXTENT),
        ((0, 0, 5, -0.0), ProblemKind.NO_EXTENT),
        ((50, 50, -5, -5), ProblemKind.NO_EXTENT),
        ((500, 500, 0, -5), ProblemKind.NO_EXTENT),  # outside as well: told once
        ((0, 0, NAN, 5), ProblemKind.NO_NUMBERS),
        ((0, 0, INFINITE, 5), ProblemKind.NO_NUMBERS),
        ((-INFINITE, 0, INFINITE, 5), ProblemKind.NO_NUMBERS),
        ((0, 0, float(EXACT_LIMIT), 5), ProblemKind.NO_NUMBERS),
        ((0, 0, 1e300, 1e300), ProblemKind.NO_NUMBERS),
    ],
)
@pytest.mark.parametrize("crowd", [0, 1])
def test_a_box_is_judged_by_its_place_on_its_image(box, kind, crowd):
    kept, problems = sound((1, 1, (7, 7, 7, 7)), (1, 1, box, {"iscrowd": crowd}), (1, 2, (8, 8, 8, 8)))
    assert kept == ([1, 2, 3] if kind in (None, ProblemKind.BEYOND) else [1, 3])
    assert problems == ({kind: [2]} if kind else {})


@pytest.mark.parametrize(
    "box",
    [None, [], [1, 2, 3], [1, 2, 3, 4, 5], "box", {}, 7, ["1", "2", "3", "4"], [1, 2, None, 4], [[1, 2], [3, 4]],
     [[1], [2], [3], [4]], [1, 2, 10**400, 4], [0.5, 2, 10**400, 4], [1, 2, 2**64, 4], [1, 2, [3], 4]],
)  # fmt: skip
@pytest.mark.parametrize("others", [[], [[1, 2, 3, 4]], [[1.5, 2, 3, 4], None]])
def test_what_is_not_four_numbers_is_no_box(box, others):
    gt = gt_of(*((1, 1, (0, 0, 1, 1)) for _ in range(1 + len(others))))
    for annotation, bbox in zip(gt["annotations"], [box, *others], strict=True):
        annotation["bbox"] = bbox
    kept, problems = sound_boxes(gt["images"], gt["annotations"], "train")
    assert kept == [a for a in gt["annotations"] if a["bbox"] in others and a["bbox"]]
    assert [(p.kind, p.count) for p in problems] == [(ProblemKind.NO_NUMBERS, 1 + (None in others))]
    assert all(len(e.detail) < 300 for e in problems[0].examples)


def test_each_image_has_its_own_border():
    gt = gt_of((1, 1, (0, 0, 150, 50)), (2, 1, (0, 0, 150, 50)), images=2)
    gt["images"][1].update(width=100.5)
    _, (found,) = sound_boxes(gt["images"], gt["annotations"], "train")
    assert (found.kind, [e.image_id for e in found.examples]) == (ProblemKind.BEYOND, [2])


def test_no_annotations_and_no_images_have_no_problem():
    assert sound() == ([], {})
    assert sound_boxes([], [], "train") == ([], [])
    assert noted_boxes([], np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, int), "train") == []
    assert (image_rows([], []).shape, image_sizes([]).shape) == ((0,), (0, 2))


def test_the_id_0_is_told_of_unless_its_box_is_left_out():
    zero = {"id": 0}
    assert sound((1, 1, (0, 0, 5, 5), zero)) == ([0], {ProblemKind.ZERO_ID: [0]})
    assert sound((1, 1, (0, 0, 5, 0), zero)) == ([], {ProblemKind.NO_EXTENT: [0]})


def test_of_many_problems_the_first_are_examples():
    gt = gt_of(*((1, 1, (i, 0, 0, 0)) for i in range(MOST_EXAMPLES + 1)))
    kept, (found,) = sound_boxes(gt["images"], gt["annotations"], "train")
    assert (kept, found.count, len(found.examples)) == ([], MOST_EXAMPLES + 1, MOST_EXAMPLES)
    assert found.examples[0].detail == "annotation 1: [0, 0, 0, 0]"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 2),
            st.integers(1, 2),
            st.tuples(*[st.sampled_from([1, 2])] * 4) | st.sampled_from([(0.0, 1, 1, 1), (-0.0, 1, 1, 1)]),
            st.fixed_dictionaries({"iscrowd": st.integers(0, 1), "area": st.integers(1, 3)}),
        ),
        max_size=30,
    )
)
def test_what_is_said_twice_is_kept_once(rows):
    said, again = set(), []
    for number, (image, category, box, fields) in enumerate(rows, start=1):
        key = (image, category, tuple(float(v) for v in box), fields["iscrowd"])
        again += [number] if key in said else []
        said.add(key)
    kept, problems = sound(*rows, images=2)
    assert problems == ({ProblemKind.SAME_ANNOTATION: again} if again else {})
    assert kept == [number for number in range(1, len(rows) + 1) if number not in again]


def test_large_and_negative_ids_of_classes_are_told_apart():
    gt = gt_of(
        *((1, category, (1, 1, 5, 5)) for category in (EXACT_LIMIT - 1, EXACT_LIMIT - 2, 1 - EXACT_LIMIT, -1, 0, 1))
    )
    assert sound_boxes(gt["images"], gt["annotations"], "train") == (gt["annotations"], [])


# Doubtful ones


def exact_iou(one, other) -> Fraction:
    (x, y, w, h), (X, Y, W, H) = ([Fraction(v) for v in box] for box in (one, other))
    across, down = min(x + w, X + W) - max(x, X), min(y + h, Y + H) - max(y, Y)
    shared = max(across, 0) * max(down, 0)
    return shared / (w * h + W * H - shared)


def pairs_one_by_one(boxes, image, category):
    """Pairs that IoU decides, and those so near to the limit that rounding may."""
    found = []
    for i in range(len(boxes)):
        for j in range(i + 1, len(boxes)):
            same_place = (image[i], category[i]) == (image[j], category[j])
            if same_place and exact_iou(boxes[i], boxes[j]) > Fraction(9, 10):
                found.append([i, j])
    return found


coarse = st.tuples(*[st.integers(0, 3)] * 2, *[st.sampled_from([1, 9, 10, 18, 19, 20, 40])] * 2)
halves = coarse.map(lambda box: tuple(v / 2 for v in box))
labelled = st.lists(st.tuples(coarse | halves, st.integers(0, 1), st.integers(0, 1)), max_size=25)


@settings(max_examples=300, deadline=None)
@given(labelled)
def test_objects_labelled_twice_are_found_as_by_looking_at_every_pair(rows):
    boxes, image, category = ([row[i] for row in rows] for i in range(3))
    pairs = objects_labelled_twice(
        np.array(boxes, dtype=float).reshape(-1, 4), np.array(image, dtype=int), np.array(category, dtype=int)
    )
    assert pairs.shape == (len(pairs), 2)
    assert pairs.tolist() == pairs_one_by_one(boxes, image, category)


@pytest.mark.parametrize(
    "one, other, is_same",
    [
        ((0, 0, 10, 10), (0, 0, 10, 9), False),  # IoU 0.9
        ((0, 0, 10, 10), (1, 0, 9, 10), False),
        ((0, 0, 19, 10), (1, 0, 19, 10), False),  # 18 / 20
        ((0, 0, 39, 10), (1, 0, 39, 10), True),
        ((0, 0, 100, 100), (0, 0, 100, 90.001), True),
        ((5, 5, 5, 5), (5, 5, 5, 5), True),
        ((0, 0, 10, 10), (10, 0, 10, 10), False),
        ((0, 0, 10, 10), (50, 50, 10, 10), False),
    ],
)
def test_the_limit_itself_is_not_above_it(one, other, is_same):
    assert SAME_IOU == 0.9
    for boxes in ((one, other), (other, one)):
        pairs = objects_labelled_twice(np.array(boxes, dtype=float), np.array([3, 3]), np.array([5, 5]))
        assert pairs.tolist() == ([[0, 1]] if is_same else [])


def test_many_boxes_in_one_place_are_all_pairs():
    count = 40
    pairs = objects_labelled_twice(np.tile([1.0, 2, 3, 4], (count, 1)), np.zeros(count, int), np.zeros(count, int))
    assert len(pairs) == math.comb(count, 2) and (pairs[:, 0] < pairs[:, 1]).all()


def test_a_file_made_of_twins_does_not_take_all_time_and_memory(monkeypatch):
    count = 5000
    rows = np.zeros(count, int)
    boxes = np.tile([1.0, 2, 3, 4], (count, 1))
    monkeypatch.setattr(module, "MOST_PAIRS", 20_000)
    assert 20_000 <= len(objects_labelled_twice(boxes, rows, rows)) < 20_000 + count
    boxes[:, 1] = 10 * np.arange(count)  # none overlaps, but only `y` tells
    monkeypatch.setattr(module, "MOST_NEIGHBOURS", 10)
    assert len(objects_labelled_twice(boxes, rows, rows)) == 0
    boxes[10] = boxes[9]
    assert objects_labelled_twice(boxes, rows, rows).tolist() == [[9, 10]]


def doubts(*boxes, images=1):
    gt = gt_of(*boxes, images=images)
    rows = gt["annotations"]
    xywh = np.array([a["bbox"] for a in rows], dtype=float).reshape(-1, 4)
    category = np.array([a["category_id"] for a in rows], dtype=int)
    problems = noted_boxes(rows, xywh, image_rows(gt["images"], rows), category, "val")
    return {p.kind: (p.count, [e.annotation_ids for e in p.examples], p.examples[0].image_id) for p in problems}


def test_tiny_objects_and_twins_are_told_of_and_crowds_are_not():
    crowd = {"iscrowd": 1}
    boxes = [
        (2, 1, (0, 0, 50, 50)), (2, 1, (0, 0, 50, 50), crowd), (2, 1, (0, 0, 50, 50.1)), (2, 2, (0, 0, 50, 50)),
        (1, 1, (0, 0, 50, 50)), (1, 1, (0, 0, 1.9, 50)), (1, 1, (9, 9, 50, 1.9)), (1, 1, (9, 0, 2, 2)),
        (1, 2, (0, 0, 1, 1), crowd),
    ]  # fmt: skip
    assert doubts(*boxes, images=2) == {ProblemKind.TINY: (2, [(6,), (7,)], 1), ProblemKind.TWICE: (1, [(1, 3)], 2)}


def test_only_crowds_are_no_doubt():
    assert doubts(*((1, 1, (0, 0, 1, 1), {"iscrowd": 1}) for _ in range(3))) == {}
