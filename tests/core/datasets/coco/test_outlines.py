"""The box and the area of an outline are those that COCO's own tools give."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as masks

from core.datasets.coco.outlines import outline_of, outline_of_json
from tests.core.coco_cases import from_env


def uncompressed(mask: np.ndarray) -> dict:
    """COCO's run lengths of a mask, as plain numbers."""
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *edges, flat.size]).tolist()}


@settings(max_examples=200, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 1)))
def test_a_mask_is_read_as_pycocotools_reads_it(mask):
    rle = masks.encode(np.asfortranarray(mask))
    packed = {"size": rle["size"], "counts": rle["counts"].decode()}
    expected = (masks.toBbox(rle).tolist(), float(masks.area(rle))) if mask.any() else None
    assert outline_of(packed) == outline_of(uncompressed(mask)) == expected


RING = [0, 0, 10, 0, 10, 5, 0, 5]


@pytest.mark.parametrize(
    "polygons",
    [
        [RING],
        RING,
        [[[0, 0], [10, 0], [10, 5], [0, 5]]],
        [[0, 0], [10, 0], [10, 5], [0, 5]],
        [[], RING, [1, 2], ["a"] * 8],
    ],
)
def test_a_polygon_may_be_a_list_of_numbers_or_of_points(polygons):
    assert outline_of(polygons) == outline_of_json(json.dumps(polygons).encode()) == ([0, 0, 10, 5], 50)


def test_several_polygons_are_one_outline():
    assert outline_of([RING, [20, 10, 30, 10, 30, 20]]) == ([0, 0, 30, 20], 100)


@pytest.mark.parametrize(
    "nothing",
    [
        None, [], [[]], [[1, 2, 3, 4]], [[1] * 6], "abc", 7, {}, {"size": [2, 2]}, {"size": [2, 2], "counts": "\n"},
        {"size": [2, 2], "counts": [1, 1]}, {"size": [2, 2], "counts": [-1, 5]}, {"size": ["a", 2], "counts": [4]},
        {"size": [2, 2], "counts": [4]}, {"size": [2, 2], "counts": "é"}, {"size": None, "counts": []},
        [[float("nan")] * 8], [[1e300, 0, -1e300, 0, 5, 1e300]], [[[[[[0, 0, 1, 0, 1, 1]]]]]],
        {"size": [2**40, 2**40], "counts": [2**63]},
    ],
)  # fmt: skip
def test_what_encloses_nothing_is_none(nothing):
    assert outline_of(nothing) is None


values = st.recursive(
    st.integers(-9, 9) | st.floats() | st.text(max_size=3) | st.none(), lambda v: st.lists(v, max_size=8)
)


@given(values | st.fixed_dictionaries({}, optional={"size": values, "counts": values}))
def test_anything_is_an_outline_or_none(value):
    outline = outline_of(value)
    assert outline is None or (np.isfinite([*outline.box, outline.area]).all() and min(outline.box[2:]) > 0)


def test_cocos_own_boxes_and_areas_are_those_of_its_outlines():
    alike = []
    for path in from_env("DETR_LAB_COCO").glob("annotations/instances_*.json"):
        for annotation in json.loads(path.read_text())["annotations"]:
            outline = outline_of_json(json.dumps(annotation["segmentation"]).encode())
            assert outline == outline_of(annotation["segmentation"])
            assert outline.box == pytest.approx(annotation["bbox"], abs=1.01)
            alike.append(abs(outline.area - annotation["area"]) <= 0.05 * annotation["area"] + 3)
    assert np.mean(alike) > 0.95  # but for polygons that cross or cover each other
