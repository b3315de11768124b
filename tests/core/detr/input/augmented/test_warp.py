"""Rotation and perspective: a box is the tightest around what can be seen of it."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from core.detr.input.augmented.shown import GREY, LEAST, Shown
from core.detr.input.augmented.warp import moved_corners, warp_boxes, warped
from core.detr.input.transforms import MIN_SIDE

shifts = st.lists(st.tuples(st.floats(-0.15, 0.15), st.floats(-0.15, 0.15)), min_size=4, max_size=4)
places = st.tuples(st.integers(0, 140), st.integers(0, 90), st.integers(4, 80), st.integers(4, 60))


def painted(size, box) -> Shown:
    """An empty frame with one white object."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 255
    boxes, labels = np.array([box], np.float32), np.array([3])
    return Shown(torch.from_numpy(pixels).permute(2, 0, 1), boxes, labels)


def extent(pixels: torch.Tensor) -> np.ndarray:
    """The box around what is white by half."""
    ys, xs = np.nonzero(pixels.numpy()[0] >= 128)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) if len(xs) else np.zeros(4)


@given(places, st.floats(-50, 50), shifts)
def test_a_box_is_the_tightest_around_its_visible_part(place, angle, moved):
    """Oracle: a painted box; where it is white afterwards, there the new box must be, to the pixel."""
    size = (160, 120)
    x, y, width, height = place
    box = (x, y, min(x + width, size[0]), min(y + height, size[1]))
    shown = warped(painted(size, box), moved_corners(size, angle, moved))
    assert shown.size == size
    pixels = shown.pixels.clone()
    pixels[(pixels == torch.tensor(GREY, dtype=torch.uint8)[:, None, None]).all(0).expand_as(pixels)] = 0
    if len(shown.boxes):
        x1, y1, x2, y2 = shown.boxes[0]
        assert 0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]
        assume(min(x2 - x1, y2 - y1) > 3)  # else a corner is thinner than a pixel
        assert np.abs(extent(pixels) - shown.boxes[0]).max() <= 2.5
    else:
        seen = extent(pixels)
        whole = warp_boxes(painted(size, box).boxes, *ends(size, angle, moved), (10**6, 10**6))[0][0]
        room = np.prod(seen[2:] - seen[:2])
        assert min(seen[2:] - seen[:2]) <= MIN_SIDE + 2 or room <= 1.5 * LEAST * np.prod(whole[2:] - whole[:2]) + 30


def ends(size, angle, moved):
    width, height = size
    start = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    return start, moved_corners(size, angle, moved)


def test_the_oracle_would_notice_a_box_that_stays():
    shown = warped(painted((160, 120), (10, 50, 40, 60)), moved_corners((160, 120), 90, ()))
    assert np.abs(extent(shown.pixels) - (10, 50, 40, 60)).max() > 20
    np.testing.assert_allclose(extent(shown.pixels), shown.boxes[0], atol=1.5)


def test_nothing_moved_is_nothing_changed():
    before = painted((64, 48), (3, 4, 20, 30))
    after = warped(before, moved_corners((64, 48), 0, ()))
    np.testing.assert_allclose(after.boxes, before.boxes, atol=1e-4)
    assert (after.pixels.int() - before.pixels.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("angle", "expected"), [(90, [10, 60, 40, 90]), (-90, [60, 10, 90, 40]), (180, [60, 60, 90, 90])]
)
def test_a_quarter_turn_is_to_the_left_and_exact(angle, expected):
    boxes, kept = warp_boxes(np.array([[10, 10, 40, 40]], np.float32), *ends((100, 100), angle, ()), (100, 100))
    np.testing.assert_allclose(boxes[0], expected, atol=1e-3)
    assert kept.tolist() == [True]


def test_a_box_that_covers_the_frame_still_does():
    larger = [(-0.1, -0.1), (0.1, -0.1), (0.1, 0.1), (-0.1, 0.1)]
    boxes, kept = warp_boxes(np.array([[0, 0, 100, 100]], np.float32), *ends((100, 100), 0, larger), (100, 100))
    np.testing.assert_allclose(boxes[0], [0, 0, 100, 100], atol=1e-3)
    assert kept.tolist() == [True]


def test_slivers_and_what_left_the_frame_have_no_box():
    """All moves by 90 of 100 pixels: of the first box nothing stays, of the others a twentieth and half."""
    start = ends((100, 100), 0, ())[0]
    boxes = np.array([[20, 0, 40, 20], [0, 0, 10.5, 200], [5, 40, 15, 60]], np.float32)
    _, kept = warp_boxes(boxes, start, start + np.array([90, 0]), (100, 100))
    assert kept.tolist() == [False, True, True]
    _, kept = warp_boxes(np.array([[9.2, 0, 29.2, 20]], np.float32), start, start + np.array([90, 0]), (100, 100))
    assert kept.tolist() == [False]


def test_without_boxes_there_are_none():
    empty = Shown(torch.zeros(3, 40, 60, dtype=torch.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    shown = warped(empty, moved_corners((60, 40), 7, ()))
    assert shown.boxes.shape == (0, 4) and shown.labels.shape == (0,) and shown.boxes.dtype == np.float32
