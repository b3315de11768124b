"""Looks applied: zoom, mosaic, copies, mixup. Oracle: objects painted in a colour of their own, found again by it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core import DataError
from core.augmentation.kinds import KINDS, draw_look
from core.augmentation.look import Light
from core.detr.input.augmented.compose import Source, compose
from core.detr.input.augmented.light import LIGHTS, lit
from core.detr.input.augmented.shown import Shown
from core.detr.input.transforms import choose_crop

COUNT = 6
KEYS = [kind.key for kind in KINDS]
MOVES = [key for key in KEYS if key not in ("colour", "blur and noise", "mixup")]


def painted(index: int, small: int = 0) -> Shown:
    """A picture of its own size with objects of its own label, each in a colour of its own."""
    random = np.random.default_rng(index)
    width, height = int(random.integers(60, 200)), int(random.integers(60, 200))
    pixels, boxes = np.full((height, width, 3), 10, np.uint8), []
    for number in range(3 + small):
        most = 12 if number >= 3 else min(width, height) // 2
        w, h = random.integers(8 if small else 12, most + 1, 2) if most > 12 else (10, 10)
        x, y = int(random.integers(width - w)), int(random.integers(height - h))
        pixels[y : y + h, x : x + w] = (255, 0, 40 * index + 10 * number)
        boxes.append([x, y, x + w, y + h])
    return Shown(torch.from_numpy(pixels).permute(2, 0, 1), np.array(boxes, np.float32), np.full(len(boxes), index))


def source(keys, index: int, seed: int, epoch: int = 0) -> Source:
    picture = painted(index)
    look = draw_look(keys, seed, epoch, index)
    natural = (96, 72) if picture.size[0] > picture.size[1] else (72, 96)
    return Source(picture, choose_crop(look, picture.size, 72, 96), natural)


def composed(keys, seed: int, index: int = 0) -> Shown:
    return compose(draw_look(keys, seed, 0, index), source(keys, index, seed), COUNT, lambda i: source(keys, i, seed))


@given(st.lists(st.sampled_from(KEYS), unique=True), st.integers(0, 10**6), st.integers(0, COUNT - 1))
def test_whatever_is_drawn_has_the_crops_size_and_boxes_within(keys, seed, index):
    shown = composed(keys, seed, index)
    assert shown.size == choose_crop(draw_look(keys, seed, 0, index), painted(index).size, 72, 96).size
    assert shown.pixels.dtype == torch.uint8 and shown.boxes.dtype == np.float32 and shown.labels.dtype == np.int64
    assert len(shown.boxes) == len(shown.labels)
    sides = shown.boxes[:, 2:] - shown.boxes[:, :2]
    assert (sides > 0).all() and (shown.boxes[:, :2] >= -1e-3).all()
    assert (shown.boxes[:, 2:] <= np.array(shown.size) + 1e-3).all()
    again = composed(keys, seed, index)
    assert torch.equal(shown.pixels, again.pixels) and np.array_equal(shown.boxes, again.boxes)


@pytest.mark.few(3)
@pytest.mark.parametrize("key", MOVES)
def test_each_object_lies_in_its_box_and_each_box_has_its_object(key):
    """The red of the objects: none outside the boxes but slivers, and in every box some."""
    misses = 0
    for seed in range(60):
        shown = composed([key], seed)
        red = (shown.pixels[0] > 180) & (shown.pixels[1] < 70)
        left = red.clone()
        for box in shown.boxes:
            x1, y1, x2, y2 = np.clip(np.array([*np.floor(box[:2]), *np.ceil(box[2:])]).astype(int), 0, None)
            if min(box[2] - box[0], box[3] - box[1]) >= 3:
                assert red[y1:y2, x1:x2].any(), (key, seed)
            left[max(0, y1 - 2) : y2 + 2, max(0, x1 - 2) : x2 + 2] = False
        misses += int(left.sum())
    assert misses < 60 * 72 * 96 * 0.004  # slivers


def test_a_mosaic_has_objects_of_several_images_and_smaller_ones():
    labels = [set(composed(["mosaic"], seed).labels.tolist()) for seed in range(40)]
    assert max(map(len, labels)) == 4 and 10 <= sum(len(one) > 1 for one in labels) <= 30


def test_mixup_has_the_pixels_and_boxes_of_both():
    seed = next(n for n in range(100) if draw_look(["mixup"], n, 0, 0).mixed)
    alone, mixed = composed([], seed), composed(["mixup"], seed)
    share = draw_look(["mixup"], seed, 0, 0).mixed
    assert len(mixed.boxes) > len(alone.boxes) and np.array_equal(mixed.boxes[: len(alone.boxes)], alone.boxes)
    other = (mixed.pixels.float() - (1 - share) * alone.pixels.float()) / share
    assert other.min() > -3 and other.max() < 258


def test_copies_are_small_objects_where_there_was_none():
    copied = 0
    for seed in range(40):
        look = draw_look(["copy-paste"], seed, 0, 0)
        image, donor = (Source(painted(i, small=8), choose_crop(look, painted(i).size, 144, 192), (192, 144))
                        for i in (0, 1))  # fmt: skip
        before, after = image.picture.cropped(image.crop), compose(look, image, 1, lambda i, donor=donor: donor)
        new = after.boxes[len(before.boxes) :]
        copied += len(new)
        assert len(new) <= look.pasted and set(after.labels[len(before.boxes) :]) <= {1}
        differs = (before.pixels != after.pixels).any(0)
        for x1, y1, x2, y2 in new:
            assert max(x2 - x1, y2 - y1) <= 0.2 * 144
            assert differs[int(y1) : int(y2), int(x1) : int(x2)].float().mean() > 0.7
            differs[int(y1) : int(y2) + 2, int(x1) : int(x2) + 2] = False
            differs[max(0, round(y1)) : round(y2) + 1, max(0, round(x1)) : round(x2) + 1] = False
        assert not differs.any()
    assert copied > 10


def test_an_image_stands_in_for_others_that_cannot_be_read():
    def broken(index):
        raise DataError("gone")

    for seed in range(20):
        shown = compose(draw_look(KEYS, seed, 0, 0), source(KEYS, 0, seed), COUNT, broken)
        assert set(shown.labels.tolist()) <= {0}


def test_nothing_of_its_sources_is_changed():
    sources = [source(KEYS, index, 1) for index in range(COUNT)]
    before = [(one.picture.pixels.clone(), one.picture.boxes.copy()) for one in sources]
    for seed in range(30):
        compose(draw_look(KEYS, seed, 0, 0), sources[0], COUNT, sources.__getitem__)
    for (pixels, boxes), one in zip(before, sources, strict=True):
        assert torch.equal(pixels, one.picture.pixels) and np.array_equal(boxes, one.picture.boxes)


@pytest.mark.parametrize("name", LIGHTS)
def test_a_light_changes_pixels_and_nothing_else(name):
    pixels = painted(1).pixels
    before, random = pixels.clone(), np.random.default_rng(0)
    amount = {"blur": 1.2, "noise": 9.0, "hue": 0.03}.get(name, 0.3)
    changed = lit(pixels, [Light(name, amount)], random)
    assert changed.shape == pixels.shape and changed.dtype == torch.uint8 and torch.equal(pixels, before)
    difference = (changed.float() - pixels.float()).abs().mean()
    assert 0.05 < difference < 80
    drawn = {light.name for seed in range(200) for light in draw_look(["colour", "blur and noise"], seed, 0, 0).lights}
    assert drawn == set(LIGHTS)
