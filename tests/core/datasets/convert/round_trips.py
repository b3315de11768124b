"""Data of which YOLO and VOC folders are written, and the judge of what came back."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from tests.core.datasets.convert.folders import NAMES

shares = st.floats(0, 1).map(lambda value: round(value, 6))
corners = st.tuples(shares, shares, shares, shares).map(
    lambda c: (min(c[::2]), min(c[1::2]), max(c[::2]), max(c[1::2]))
)
sizes = st.tuples(st.integers(1, 2000), st.integers(1, 2000))
datasets = st.lists(
    st.tuples(sizes, st.lists(st.tuples(st.integers(0, 2), corners), max_size=4)), min_size=1, max_size=4
)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_same(data: dict, expected: list, within: float):
    """Each image's boxes, in their order, are those of (size, [(class, corners in pixels)])."""
    ids = {c["name"]: c["id"] for c in data["categories"]}
    assert len(data["images"]) == len(expected)
    for image, (size, objects) in zip(data["images"], expected, strict=True):
        annotations = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        assert (image["width"], image["height"]) == size
        assert [a["category_id"] for a in annotations] == [ids[NAMES[k]] for k, _ in objects]
        for annotation, (_, (x1, y1, x2, y2)) in zip(annotations, objects, strict=True):
            assert annotation["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=within)
            assert all(round(value, 2) == value for value in annotation["bbox"])


def thin_picture(path: Path, size):
    """A picture of any size in a moment: its header is all that is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("1", size).save(path)
