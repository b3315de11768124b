"""Masks in COCO's formats are what pycocotools reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from core.datasets.street.masks import polygons, uncompressed_rle

# pycocotools 2.0.11 has not caught up with NumPy 2 when it decodes a mask.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(MASKS)
def test_run_lengths_are_what_pycocotools_reads(mask):
    height, width = mask.shape
    read = coco_mask.decode(coco_mask.frPyObjects(uncompressed_rle(mask), height, width))
    assert np.array_equal(read.astype(bool), mask)


@given(MASKS)
def test_polygons_cover_the_mask_and_fill_nothing_but_its_holes(mask):
    height, width = mask.shape
    outlines = polygons(mask)
    assert all(len(polygon) >= 8 and len(polygon) % 2 == 0 for polygon in outlines)
    assert bool(outlines) == mask.any()
    read = np.zeros(mask.shape, dtype=bool)
    if outlines:
        rles = coco_mask.frPyObjects(outlines, height, width)
        read = coco_mask.decode(coco_mask.merge(rles)).astype(bool)
    # The outside, found by another way: what a flood from beyond the border reaches.
    flood = Image.fromarray(np.pad(mask, 1).astype(np.uint8) * 255)
    ImageDraw.floodfill(flood, (0, 0), 128)
    filled = np.asarray(flood)[1:-1, 1:-1] != 128
    assert (read >= mask).all()
    assert (read <= filled).all()


def test_polygons_are_moved_with_the_box():
    assert polygons(np.ones((2, 3), dtype=bool), left=10, top=20) == [[10, 20, 13, 20, 13, 22, 10, 22]]
