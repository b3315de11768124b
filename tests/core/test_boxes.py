"""Boxes: conversions there and back, IoU against pycocotools, Detections."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask

from core.boxes import (
    CONTEXT,
    Detections,
    area,
    clip,
    context_box,
    cxcywh_normalized_to_xyxy,
    iou,
    xywh_to_xyxy,
    xyxy_to_cxcywh_normalized,
    xyxy_to_xywh,
)

# whole numbers: sums of them are exact in float32, so that a round trip is too
whole = hnp.arrays(np.float32, st.tuples(st.integers(0, 8), st.just(4)), elements=st.integers(0, 1000).map(float))


def test_every_function_takes_no_boxes():
    for convert in (xywh_to_xyxy, xyxy_to_xywh, lambda b: clip(b, (9, 9))):
        assert convert([]).shape == (0, 4)
    for convert in (xyxy_to_cxcywh_normalized, cxcywh_normalized_to_xyxy):
        assert convert(np.empty((0, 4)), (640, 480)).shape == (0, 4)
    assert area([]).shape == (0,)
    assert iou([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert iou([[0, 0, 1, 1]], []).shape == (1, 0)


@given(whole)
def test_coco_boxes_come_back_from_corners(boxes):
    assert np.array_equal(xyxy_to_xywh(xywh_to_xyxy(boxes)), boxes)


@given(whole, st.integers(1, 2000), st.integers(1, 2000))
def test_normalised_boxes_come_back_within_a_hundredth_pixel(boxes, width, height):
    corners = xywh_to_xyxy(boxes)
    back = cxcywh_normalized_to_xyxy(xyxy_to_cxcywh_normalized(corners, (width, height)), (width, height))
    np.testing.assert_allclose(back, corners, atol=1e-2)


@given(whole, whole, st.data())
def test_iou_is_pycocotools(boxes, others, data):
    boxes[:, 2:] += 1
    others[:, 2:] += 1
    crowd = data.draw(st.lists(st.booleans(), min_size=len(others), max_size=len(others)))
    expected = mask.iou(boxes.astype(float), others.astype(float), [int(c) for c in crowd])
    found = iou(xywh_to_xyxy(boxes), xywh_to_xyxy(others), crowd)
    np.testing.assert_allclose(found, np.array(expected).reshape(found.shape), atol=1e-5)


def test_boxes_without_extent_overlap_nothing():
    point = [[5, 5, 5, 5]]
    assert iou(point, point).tolist() == [[0]]
    assert iou(point, [[0, 0, 9, 9]], [True]).tolist() == [[0]]


def test_clip_keeps_boxes_on_the_image():
    assert clip([[-5, 2, 700, 500]], (640, 480)).tolist() == [[0, 2, 640, 480]]


def test_detections_refuse_columns_of_different_length():
    with pytest.raises(ValueError, match="differ in length"):
        Detections([1, 2], [0, 1], [0, 0], [0.5], np.zeros((2, 4)))


def test_detections_are_joined_and_chosen_by_row():
    first = Detections([1], [0], [2], [0.5], [[0, 0, 1, 1]])
    second = Detections([7, 7], [0, 1], [1, 1], [0.9, 0.1], np.ones((2, 4)))
    joined = Detections.concat([first, Detections.empty(), second])
    assert joined.image_id.tolist() == [1, 7, 7]
    assert joined[joined.score > 0.4].label.tolist() == [2, 1]
    assert len(Detections.concat([])) == 0 and Detections.empty().boxes.shape == (0, 4)


sides = st.integers(1, 300).map(float)
sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))


@given(st.tuples(st.floats(-50, 400), st.floats(-50, 400), sides, sides), sizes)
def test_what_lies_around_a_box_is_a_square_with_the_box_in_it_as_far_as_the_image_goes(xywh, size):
    x, y, w, h = xywh
    left, top, right, bottom = context_box((x, y, x + w, y + h), size)
    side = right - left
    assert side == pytest.approx(bottom - top)
    assert side == pytest.approx(max(w, h, min(3 * max(w, h), *size))) or side == pytest.approx(min(CONTEXT, *size))
    for low, high, begin, end, limit in ((x, x + w, left, right, size[0]), (y, y + h, top, bottom, size[1])):
        assert begin >= 0 and (end <= limit + 1e-6 or (begin == 0 and side > limit))
        assert begin <= max(low, 0) + 1e-6 or end == pytest.approx(limit)
        assert end >= min(high, limit) - 1e-6 or begin == 0
