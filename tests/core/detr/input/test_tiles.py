"""Images in tiles: the regions cover an image, and what is found in them is put together once and where it is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from core.boxes import Detections, iou
from core.datasets.pixels.tiling import OVERLAP, tile_regions, tile_size
from core.datasets.split import read_split
from core.detr.input.loader import loader
from core.detr.input.tiles import MOST_KEPT, SAME, TiledDataset, merge_tiles

# Regions


@given(st.tuples(st.integers(1, 200), st.integers(1, 200)), st.integers(1, 8))
@example((1, 5), 4).via("a fifth of a tile's side more would be no pixel")
def test_regions_cover_the_image_and_lie_in_it(size, tiles):
    covered = np.zeros(size[::-1], dtype=bool)
    regions = tile_regions(size, tiles)
    assert len(regions) == tiles**2
    for x1, y1, x2, y2 in regions:
        assert 0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]
        assert (x2 - x1, y2 - y1) == tile_size(size, tiles)
        covered[y1:y2, x1:x2] = True
    assert covered.all()


@given(st.integers(100, 4000), st.integers(2, 8))
def test_neighbours_overlap_by_their_share(side, tiles):
    width, _ = tile_size((side, side), tiles)
    lefts = sorted({region[0] for region in tile_regions((side, side), tiles)})
    shared = [left + width - after for left, after in pairwise(lefts)]
    assert np.allclose(shared, OVERLAP * width, atol=2)


# Samples


@pytest.fixture(scope="module")
def data(street):
    split = read_split(street, "val")
    return TiledDataset(split, split.label_map(), 64, 90, 2, False)


def test_each_sample_shows_its_region(data):
    assert len(data) == 5 * 6 and data.per_image == 5
    for index in range(10):
        sample, (x1, y1, x2, y2) = data[index], data.region(index)
        assert sample["size"] == (x2 - x1, y2 - y1) and sample["image_id"] == index
        assert sample["pixel_values"].shape[1:] == data.shown_size(index)[::-1]
        assert data.image_id(index) == data.split.images[index // 5]["id"]
    whole, tile = data[0]["pixel_values"], data[1]["pixel_values"]
    assert whole.shape[1] == tile.shape[1] and whole.float().mean() != tile.float().mean()


def test_several_processes_read_the_same_in_the_same_order(data):
    alone, together = (list(loader(data, 3, workers)) for workers in (0, 2))
    assert [batch["image_id"] for batch in alone] == [batch["image_id"] for batch in together]
    assert all((a["pixel_values"] == b["pixel_values"]).all() for a, b in zip(alone, together, strict=True))


# Merging


@st.composite
def objects(draw):
    """Boxes in images of 96 × 72, whose overlap with others of their class no suppression would touch."""
    count = draw(st.integers(0, 6))
    boxes = []
    for _ in range(count):
        x, y = draw(st.integers(0, 90)), draw(st.integers(0, 66))
        boxes.append([x, y, min(x + draw(st.integers(2, 60)), 96), min(y + draw(st.integers(2, 50)), 72)])
    labels = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    same = (iou(boxes, boxes) >= SAME - 0.05) & np.equal.outer(labels, labels)
    assume(same.sum() == count)
    return boxes, np.array(labels)


def seen(data, index, boxes, labels):
    """What a perfect model says of a sample: each object as far as it is in its region, surer of whole ones."""
    x1, y1, x2, y2 = data.region(index)
    cut = np.clip(boxes, [x1, y1, x1, y1], [x2, y2, x2, y2])
    sides = cut[:, 2:] - cut[:, :2]
    kept = (sides > 0).all(1)
    share = sides.prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)
    n = kept.sum()
    return Detections(np.full(n, index), np.arange(n), labels[kept], 0.9 * share[kept], cut[kept] - [x1, y1, x1, y1])


@settings(deadline=None, max_examples=60)
@given(st.lists(objects(), min_size=1, max_size=3), st.integers(1, 7))
def test_a_perfect_model_finds_each_object_once_and_exactly(data, images, batch):
    samples = [
        seen(data, place * data.per_image + n, *one) for place, one in enumerate(images) for n in range(data.per_image)
    ]
    parts = [Detections.concat(samples[i : i + batch]) for i in range(0, len(samples), batch)]
    merged = Detections.concat(merge_tiles(data, parts))
    for place, (boxes, labels) in enumerate(images):
        of_image = merged[merged.image_id == data.split.images[place]["id"]]
        assert sorted(zip(labels, boxes.tolist(), strict=True)) == sorted(
            zip(of_image.label, of_image.boxes.tolist(), strict=True)
        )
        assert sorted(of_image.query) == list(range(len(boxes)))


def test_what_only_a_tile_shows_is_found_and_what_it_cuts_is_not(data):
    x2 = data.region(1)[2]  # its left and top are those of the image
    inside, at_border, cut = [10, 10, 20, 20], [0, 5, 9, 9], [x2 - 12, 10, x2, 20]
    tile = Detections([1, 1, 1], [0, 1, 2], [0, 0, 0], [0.9, 0.8, 0.7], [inside, at_border, cut])
    (merged,) = merge_tiles(data, [tile])
    assert merged.boxes.tolist() == [inside, at_border]


def test_within_one_region_nothing_is_suppressed_and_between_two_the_surer_stays(data):
    box, near = [10, 10, 30, 30], [11, 10, 31, 30]
    one = Detections([0, 0], [0, 1], [0, 0], [0.5, 0.6], [box, near])
    (merged,) = merge_tiles(data, [one])
    assert len(merged) == 2
    two = Detections([0, 1, 1], [0, 0, 1], [0, 0, 1], [0.5, 0.6, 0.4], [box, near, box])
    (merged,) = merge_tiles(data, [two])
    assert merged.score.tolist() == pytest.approx([0.6, 0.4]) and merged.label.tolist() == [0, 1]


def test_without_any_or_with_very_many(data):
    assert list(merge_tiles(data, [])) == []
    n = 2000
    many = Detections(np.zeros(n), np.arange(n), np.zeros(n), np.linspace(0, 1, n), np.tile([10, 10, 30, 30], (n, 1)))
    (merged,) = merge_tiles(data, [many])
    assert len(merged) == MOST_KEPT and merged.score.min() > 0.8
