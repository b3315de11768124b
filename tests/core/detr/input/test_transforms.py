"""What of a picture the model is shown: DETR's sizes and cut-outs, and boxes that go with the pixels."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.image_transforms import get_size_with_aspect_ratio

from core.augmentation.kinds import KINDS, draw_look
from core.datasets.pictures import resized
from core.detr.input.pixels import crop_pixels
from core.detr.input.transforms import MIN_SIDE, ResizedCrop, choose_crop, crop_boxes

RECIPE = ("flip", "scale and crop")
TURNED = ("flip", "upside down", "quarter turns")
# of seed 1, epoch 2, images 0 to 3, as long as there were only these two kinds
FLIPS = (True, False, False, False)
CROPS = [
    ResizedCrop((0, 0, 640, 480), (256, 192), True), ResizedCrop((15, 10, 610, 470), (188, 146)),
    ResizedCrop((16, 20, 432, 392), (206, 184)), ResizedCrop((0, 10, 635, 475), (251, 184)),
]  # fmt: skip
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(40, 400)


def crops(size, edges, count=400, augment=RECIPE) -> list[ResizedCrop]:
    return [choose_crop(draw_look(augment, seed, 0, 0), size, *edges) for seed in range(count)]


def crop_image(image: Image.Image, crop: ResizedCrop) -> Image.Image:
    """What `crop_pixels` shows of a picture, as one."""
    pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    return Image.fromarray(crop_pixels(pixels, crop).permute(1, 2, 0).contiguous().numpy())


def boxes_in(size, random: np.random.Generator, count: int) -> np.ndarray:
    """Boxes on whole pixels within a picture."""
    corners = [np.sort(random.choice(side + 1, (count, 2)), axis=1) for side in size]
    low, high = (np.stack([c[:, end] for c in corners], axis=1) for end in (0, 1))
    return np.concatenate([low, np.maximum(high, low + 1).clip(max=size)], axis=1).astype(np.float32)


@given(st.integers(10, 4000), st.integers(10, 4000), st.integers(32, 900), st.integers(0, 900))
@example(640, 480, 800, 533).via("a side that is no whole number of pixels is cut")
@example(1334, 500, 800, 533).via("a pixel too long, but the shorter side has its size")
@example(3, 4000, 32, 0).via("a sliver")
def test_a_picture_is_resized_to_the_pixel_as_transformers_does(width, height, shortest, more):
    new = resized((width, height), shortest, shortest + more)
    assert new == tuple(
        max(1, side) for side in get_size_with_aspect_ratio((height, width), shortest, shortest + more)[::-1]
    )
    scale = max(new) / max(width, height)
    assert abs(min(new) - min(width, height) * scale) <= 1


@settings(max_examples=150, deadline=None)
@given(
    sides,
    sides,
    seeds,
    st.sampled_from([(), RECIPE, TURNED, RECIPE + TURNED]),
    st.sampled_from([(192, 256), (64, 64), (300, 500)]),
)
def test_a_box_keeps_exactly_what_is_visible_of_it(width, height, seed, augment, edges):
    """Oracle: a box painted into an empty picture; where its colour is afterwards, there the new box must be."""
    random = np.random.default_rng(seed)
    size = (width, height)
    boxes, crop = boxes_in(size, random, 3), choose_crop(draw_look(augment, seed, 0, 0), size, *edges)
    shown, left = crop_boxes(boxes, np.arange(3), crop)
    for i, box in enumerate(boxes.astype(int).tolist()):
        picture = Image.new("RGB", size)
        picture.paste((255, 255, 255), tuple(box))
        pixels = np.asarray(crop_image(picture, crop))[:, :, 0]
        assert pixels.shape == crop.size[::-1]
        scale = crop.upright[0] / (crop.region[2] - crop.region[0])
        if i in left:
            x1, y1, x2, y2 = shown[list(left).index(i)]
            assert 0 <= x1 < x2 <= crop.size[0] and 0 <= y1 < y2 <= crop.size[1]
            # exact to the pixel, and for what bilinear sampling blurs
            near = 1 + max(1, scale)
            ys, xs = np.nonzero(pixels > 64)
            if len(xs):  # a box thinner than a new pixel may have become too dark
                painted = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
                assert np.abs(painted - (x1, y1, x2, y2)).max() <= near
            else:
                assert min(x2 - x1, y2 - y1) < 2
        else:  # nothing visible is without its box
            ys, xs = np.nonzero(pixels > 200)
            assert not len(xs) or min(np.ptp(xs), np.ptp(ys)) + 1 <= MIN_SIDE + max(1, scale)


def test_the_oracle_would_notice_a_box_that_stays_where_the_picture_is_mirrored():
    """Else the test above would hold nothing."""
    crop = ResizedCrop((0, 0, 100, 80), (100, 80), flipped=True)
    picture = Image.new("L", (100, 80))
    picture.paste(255, (10, 20, 30, 40))
    shown, _ = crop_boxes(np.array([[10, 20, 30, 40]]), np.array([0]), crop)
    assert shown.tolist() == [[70, 20, 90, 40]]
    assert crop_image(picture, crop).getbbox() == (70, 20, 90, 40)


def test_a_cut_box_ends_where_the_picture_ends_and_a_hidden_one_leaves_with_its_label():
    crop = ResizedCrop((50, 0, 100, 80), (100, 160))
    boxes = [[40, 10, 70, 20], [0, 0, 50, 80], [60, 30, 70, 40]]
    shown, labels = crop_boxes(np.array(boxes), np.array([7, 8, 9]), crop)
    assert shown.tolist() == [[0, 20, 40, 40], [20, 60, 40, 80]] and labels.tolist() == [7, 9]


def test_slivers_of_a_cut_box_leave_but_small_objects_stay():
    crop = ResizedCrop((50, 0, 100, 80), (50, 80))
    boxes = [[0, 10, 50.9, 60], [0, 10, 51.1, 60], [60, 10, 60.5, 10.5], [70, 70, 70, 75]]
    _, labels = crop_boxes(np.array(boxes), np.arange(4), crop)
    assert labels.tolist() == [1, 2]


@pytest.mark.parametrize("boxes", [np.zeros((0, 4), np.float32), np.array([[0, 0, 5, 5]], np.float32)])
def test_a_view_without_objects_has_empty_boxes_and_labels(boxes):
    shown, labels = crop_boxes(boxes, np.zeros(len(boxes), np.int64), ResizedCrop((10, 10, 60, 60), (100, 100), True))
    assert shown.shape == (0, 4) and shown.dtype == np.float32
    assert labels.shape == (0,) and labels.dtype == np.int64


def test_boxes_that_are_no_numbers_leave():
    _, labels = crop_boxes(np.array([[np.nan, 0, 5, 5], [1, 1, 3, 3]]), np.arange(2), ResizedCrop((0, 0, 9, 9), (9, 9)))
    assert labels.tolist() == [1]


def test_nothing_of_its_caller_is_changed():
    boxes, image = np.array([[1, 2, 30, 40]], np.float32), Image.new("RGB", (90, 60), (1, 2, 3))
    before = boxes.copy(), image.tobytes()
    for crop in crops(image.size, (30, 60), 10):
        crop_boxes(boxes, np.array([0]), crop)
        crop_image(image, crop)
    assert (boxes == before[0]).all() and image.tobytes() == before[1] and image.size == (90, 60)


def test_the_recipes_numbers_are_detrs_at_its_own_size():
    """480, 512 … 800 for the shortest edge; cut-outs of 384 … 600 pixels from a picture of 400, 500 or 600."""
    drawn = crops((1000, 1000), (800, 1333), 3000)
    whole = [v for v in drawn if v.region == (0, 0, 1000, 1000)]
    cut = [v for v in drawn if v not in whole]
    assert {min(v.size) for v in drawn} == set(range(480, 801, 32))
    shares = [(v.region[2] - v.region[0]) / 1000 for v in cut]
    assert min(shares) == pytest.approx(384 / 600, abs=0.01) and max(shares) == 1
    for about, part in ((0.5, len(whole)), (0.5, sum(v.flipped for v in drawn))):
        assert abs(part / len(drawn) - about) < 0.05


def test_the_recipe_fits_small_pictures():
    drawn = crops((256, 192), (192, 256))
    assert {min(v.size) for v in drawn if v.region == (0, 0, 256, 192)} == {round(192 * n / 25) for n in range(15, 26)}
    assert max(max(v.size) for v in drawn) <= 256
    widths = [v.region[2] - v.region[0] for v in drawn]
    assert min(widths) < 0.6 * 256  # it does cut


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(32, 800), st.integers(0, 600), seeds)
def test_a_cut_out_lies_within_any_picture_and_keeps_the_limits(width, height, shortest, more, seed):
    crop = choose_crop(draw_look(RECIPE, seed, 0, 0), (width, height), shortest, shortest + more)
    x1, y1, x2, y2 = crop.region
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert 1 <= min(crop.size) <= shortest
    # a side that rounding leaves as it is may be a pixel longer, as transformers has it
    assert max(crop.size) <= shortest + more + (crop.size == (width, height))


@pytest.mark.parametrize("size", [(3000, 4), (4, 3000), (1, 1)])
def test_a_cut_out_of_a_sliver_of_a_picture_can_be_made(size):
    for crop in crops(size, (64, 96), 20):
        assert crop_image(Image.new("RGB", size), crop).size == crop.size


def test_a_view_is_the_same_for_the_same_chance_alone():
    assert crops((256, 192), (192, 256), 50) == crops((256, 192), (192, 256), 50)
    assert len(set(crops((256, 192), (192, 256), 50))) > 20


def test_without_augmentation_all_of_the_picture_is_shown():
    assert choose_crop(draw_look((), 1, 0, 0), (40, 30), 60, 90) == ResizedCrop((0, 0, 40, 30), (80, 60))


def test_flips_and_crops_are_those_of_trainings_before_there_were_other_kinds():
    whole = (0, 0, 640, 480)
    for others in ((), tuple(kind.key for kind in KINDS if kind.key not in (*RECIPE, *TURNED))):
        flips, crops = (
            [choose_crop(draw_look((*keys, *others), 1, 2, index), (640, 480), 192, 256) for index in range(4)]
            for keys in (("flip",), RECIPE)
        )
        assert flips == [ResizedCrop(whole, (256, 192), flipped) for flipped in FLIPS]
        assert crops == CROPS


@pytest.mark.parametrize("turns", range(4))
def test_a_turn_is_pillows(turns):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    picture.paste((255, 255, 255), (3, 5, 10, 9))
    crop = ResizedCrop((0, 0, 30, 20), (20, 30) if turns % 2 else (30, 20), turns=turns)
    shown, _ = crop_boxes(np.array([[3, 5, 10, 9]]), np.array([0]), crop)
    turned = picture.rotate(90 * turns, expand=True)
    assert crop_image(picture, crop).tobytes() == turned.tobytes()
    assert turned.crop(tuple(shown[0].astype(int))).getextrema() == ((255, 255),) * 3


def test_a_picture_cut_once_looks_as_if_it_was_resized_cut_and_resized():
    """DETR's three steps, up to the blur that its first resizing adds."""
    ramp = np.stack(np.meshgrid(np.linspace(0, 255, 320), np.linspace(0, 255, 240)), axis=2)
    picture = Image.fromarray(np.dstack([ramp, ramp[:, :, :1]]).astype(np.uint8))
    for crop in crops(picture.size, (200, 320), 60):
        corners = np.array(crop.region) / 2  # its middle picture would be smaller than this
        three = picture.resize((160, 120), Image.Resampling.BILINEAR)
        three = three.resize(crop.size, Image.Resampling.BILINEAR, box=tuple(corners))
        once = crop_image(picture, ResizedCrop(crop.region, crop.size))
        assert np.abs(np.asarray(once, dtype=int) - np.asarray(three, dtype=int)).max() <= 5
