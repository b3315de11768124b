from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageChops

from core import DataError
from core.boxes import CONTEXT
from core.datasets.split import read_split
from core.evaluation.draw import (
    BEHIND,
    CROWDED,
    GREEN,
    LARGEST,
    RED,
    ROOMY,
    SMALLEST,
    draw_analysis,
    draw_crop,
    thumbnail,
)
from core.evaluation.threshold import image_rows, worst_images
from core.evaluation.tide import detection_table
from tests.core.coco_cases import from_env, gt_of, result

GREY = (128, 128, 128)


def drawn(gt: dict, *results: dict, size=(200, 100), **more) -> Image.Image:
    return draw_analysis(Image.new("RGB", size, GREY), image_rows(detection_table(gt, list(results)), 1), **more)


def has(picture: Image.Image, colour) -> int:
    return int((np.asarray(picture) == colour).all(axis=2).sum())


def colours(picture: Image.Image, box) -> set:
    """The colours along the left edge of an `xyxy` box of a 200 px wide picture, without its corners and labels."""
    x1, y1, _, y2 = (round(value * SMALLEST / 200) for value in box)
    line = np.asarray(picture)[y1 + 30 : y2 - 30, x1]
    return {tuple(map(int, pixel)) for pixel in line}


def test_expected_is_green_and_predicted_is_red():
    picture = drawn(gt_of((1, 1, (20, 30, 60, 50))), result(1, 2, (120, 30, 60, 50)))
    assert colours(picture, (20, 30, 80, 80)) & {GREEN, RED} == {GREEN}
    assert colours(picture, (120, 30, 180, 80)) == {RED}
    for ground in BEHIND.values():  # of the labels
        assert (np.asarray(picture) == ground).all(axis=2).sum() > 400


def test_a_picture_of_a_given_size_has_no_labels_where_there_is_no_room_for_them():
    grounds = []
    for n in (2, CROWDED + 1):
        boxes = [(1, 1, (3 + 14 * i, 30, 10, 40)) for i in range(n)]
        picture = drawn(gt_of(*boxes), legend=False, longest=480)
        assert picture.size == (480, 240) and has(picture, GREEN)
        grounds.append(has(picture, BEHIND[GREEN]))
    assert grounds[0] > 400 and grounds[1] == 0


def test_a_found_object_has_a_whole_line_and_a_missed_one_dashes():
    gt = gt_of((1, 1, (20, 30, 60, 50)))
    assert colours(drawn(gt, result(1, 1, (20, 32, 60, 48))), (20, 30, 80, 80)) == {GREEN}
    assert {GREEN, GREY} <= colours(drawn(gt), (20, 30, 80, 80))


def test_a_prediction_under_its_exact_truth_still_shows():
    box = (20, 30, 60, 50)
    pixels = np.asarray(drawn(gt_of((1, 1, box)), result(1, 1, box)))
    middle = round(50 * SMALLEST / 200)
    column = {tuple(map(int, pixel)) for pixel in pixels[90:110, middle]}
    assert {GREEN, RED} <= column


@pytest.mark.parametrize(
    "size, longest",
    [((256, 192), SMALLEST), ((192, 256), SMALLEST), ((1, 1), SMALLEST), ((1000, 500), 1000), ((4000, 3000), LARGEST)],
)
def test_pictures_are_brought_to_a_readable_size(size, longest):
    picture = draw_analysis(Image.new("RGB", size), [])
    assert longest in (picture.width, picture.height) or picture.height > longest == SMALLEST
    assert picture.width >= 320


def test_many_boxes_get_more_room():
    gt = gt_of(*((1, 1, (10 * i, 10, 8, 8)) for i in range(15)))
    assert drawn(gt).width == ROOMY


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_kind_of_picture_becomes_rgb_and_is_left_as_it_was(mode):
    image = Image.new(mode, (40, 30))
    before = image.copy()
    assert draw_analysis(image, []).mode == "RGB"
    assert (image.mode, image.size, image.tobytes()) == (before.mode, before.size, before.tobytes())


@pytest.mark.parametrize("box", [(-50, -50, 400, 300), (199.9, 99.9, 0.05, 0.05), (300, 300, 10, 10), (5, 5, 0, 0)])
def test_boxes_without_extent_or_outside_are_drawn_at_the_border(box):
    plain = drawn(gt_of())
    picture = drawn(gt_of(), result(1, 1, box))
    assert ImageChops.difference(picture.crop((0, 0, 640, 320)), plain.crop((0, 0, 640, 320))).getbbox()


@pytest.mark.parametrize("name", ["x" * 500, "two\nlines\tand\0more", "<b>bold</b>", "自転車", " "])
def test_any_class_name_and_title_can_be_written(name):
    picture = drawn(gt_of((1, 1, (20, 30, 60, 50)), categories=(name,)), title=name)
    assert picture.width == SMALLEST


def test_labels_choose_free_places():
    gt = gt_of()
    one, two = result(1, 1, (20, 30, 60, 50), 0.9), result(1, 1, (20, 30, 60, 50), 0.8)
    red = [(np.asarray(drawn(gt, *found)) == (200, 0, 24)).all(axis=2).sum() for found in ([one], [two], [one, two])]
    assert red[2] >= 0.95 * (red[0] + red[1])  # neither label covers the other


def test_the_same_rows_give_the_same_picture():
    gt = gt_of((1, 1, (20, 30, 60, 50)))
    assert drawn(gt).tobytes() == drawn(gt).tobytes()


# A cut-out

SIDE = 240


def speckled(width: int, height: int) -> Image.Image:
    """A picture in which each pixel tells its place: red grows to the right, green downwards; blue is 255."""
    y, x = np.indices((height, width))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 255)], axis=2).astype(np.uint8))


def shown_part(crop: Image.Image) -> tuple[float, float, float, float]:
    """What part of a `speckled` picture a cut-out without boxes shows, by its middle and its pixels' distance."""
    pixels = np.asarray(crop).astype(float)
    a, b = len(pixels) // 4, 3 * len(pixels) // 4
    x, y, step = pixels[a:b, a:b, 0].mean(), pixels[a:b, a:b, 1].mean(), pixels[a, b, 0] - pixels[a, a, 0]
    half = step / (b - a) * len(pixels) / 2
    return x - half, y - half, x + half, y + half


@pytest.mark.parametrize("side", [1, 64, SIDE])
@pytest.mark.parametrize("size", [(200, 100), (100, 200), (1, 1), (7, 300)])
def test_a_cut_out_is_square_and_of_the_size_asked_for(size, side):
    rows = image_rows(detection_table(gt_of((1, 1, (1, 1, 5, 5))), [result(1, 1, (0, 0, 5, 5))]), 1)
    crop = draw_crop(Image.new("RGB", size, GREY), rows, (0, 0, 5, 5), side)
    assert (crop.size, crop.mode) == ((side, side), "RGB")


def test_a_cut_out_shows_three_times_the_longer_side_around_the_box():
    part = shown_part(draw_crop(speckled(250, 250), [], (100, 110, 140, 130), SIDE))
    assert part == pytest.approx((60, 60, 180, 180), abs=1)


def test_around_a_tiny_box_a_cut_out_shows_some_of_the_picture():
    part = shown_part(draw_crop(speckled(250, 250), [], (100, 100, 102, 102), SIDE))
    middle, half = 101, CONTEXT / 2
    assert part == pytest.approx((middle - half, middle - half, middle + half, middle + half), abs=1)


@pytest.mark.parametrize(
    "box, corner",
    [((0, 0, 20, 20), (0, 0)), ((230, 0, 250, 20), (190, 0)), ((0, 220, 20, 240), (0, 180)),
     ((230, 220, 250, 240), (190, 180))],
)  # fmt: skip
def test_a_cut_out_at_a_corner_stays_inside_the_picture(box, corner):
    part = shown_part(draw_crop(speckled(250, 240), [], box, SIDE))
    assert part == pytest.approx((*corner, corner[0] + 60, corner[1] + 60), abs=1)


@pytest.mark.parametrize("size", [(30, 20), (20, 30), (300, 20)])
def test_of_a_picture_smaller_than_the_context_as_much_is_shown_as_there_is(size):
    crop = draw_crop(Image.new("RGB", size, GREY), [], (5, 5, 9, 9), SIDE)
    assert has(crop, GREY) == SIDE * SIDE  # nothing of what lies beside the picture


def test_a_box_longer_than_the_picture_is_high_is_shown_whole():
    row = image_rows(detection_table(gt_of(), [result(1, 1, (10, 2, 150, 16))]), 1)
    crop = draw_crop(Image.new("RGB", (200, 20), GREY), row, (10, 2, 160, 18), SIDE)
    ys, xs = np.nonzero((np.asarray(crop) == RED).all(axis=2))
    assert (xs.min(), xs.max()) == (0, SIDE - 1) and ys.max() < SIDE / 4


def test_boxes_of_a_cut_out_lie_where_they_are_in_the_picture():
    gt = gt_of((1, 1, (90, 40, 20, 20)))
    rows = image_rows(detection_table(gt, [result(1, 2, (80, 30, 40, 40))]), 1)
    pixels = np.asarray(draw_crop(Image.new("RGB", (250, 240), GREY), rows, (80, 30, 120, 70), SIDE))
    left, top, scale = 40, 0, 2  # what is shown: 40 to 160, and 0 to 120, since -10 is outside
    for colour, (x1, y1, x2, y2) in ((RED, (80, 30, 120, 70)), (GREEN, (90, 40, 110, 60))):
        ys, xs = np.nonzero((pixels == colour).all(axis=2))
        edges = [(x1 - left) * scale, (y1 - top) * scale, (x2 - left) * scale, (y2 - top) * scale]
        assert (xs.min(), ys.min(), xs.max(), ys.max()) == pytest.approx(edges, abs=2)


def test_a_box_outside_a_cut_out_is_not_drawn_and_one_across_its_edge_is_cut():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 1, (60, 40, 120, 20)))
    rows = image_rows(detection_table(gt, []), 1)
    around = (150, 40, 170, 60)  # of which 130 to 190 is shown
    plain = draw_crop(Image.new("RGB", (200, 100), GREY), [], around, SIDE)
    both = draw_crop(Image.new("RGB", (200, 100), GREY), rows, around, SIDE)
    only = draw_crop(Image.new("RGB", (200, 100), GREY), [row for row in rows if row["x1"] == 60], around, SIDE)
    assert both.tobytes() == only.tobytes() != plain.tobytes()
    _ys, xs = np.nonzero((np.asarray(only) == GREEN).all(axis=2))
    assert xs.min() < 12 and xs.max() == pytest.approx(4 * (180 - 130), abs=3)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_a_cut_out_of_any_kind_of_picture_leaves_it_as_it_was(mode):
    image = Image.new(mode, (60, 60))
    before = image.copy()
    assert draw_crop(image, [], (0, 0, 9, 9), 50).mode == "RGB"
    assert (image.mode, image.tobytes()) == (before.mode, before.tobytes())


# Thumbnails


@pytest.mark.parametrize("size, expected", [((400, 200), (100, 50)), ((200, 400), (50, 100)), ((40, 20), (40, 20))])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_thumbnail_is_jpeg_no_longer_than_asked_and_never_enlarged(tmp_path, kind, size, expected):
    Image.new("RGB", size, (200, 30, 30)).save(tmp_path / "picture", kind)
    with Image.open(BytesIO(thumbnail(tmp_path / "picture", 100))) as small:
        assert (small.format, small.size) == ("JPEG", expected)
        assert np.allclose(np.asarray(small.convert("RGB")).mean(axis=(0, 1)), (200, 30, 30), atol=8)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_a_thumbnail_of_any_kind_of_picture(tmp_path, mode):
    Image.new(mode, (40, 30)).save(tmp_path / "picture.png")
    assert thumbnail(tmp_path / "picture.png", 20)


def test_a_missing_or_broken_picture_is_said_to_be_so(tmp_path):
    with pytest.raises(DataError, match="There is no picture"):
        thumbnail(tmp_path / "none.jpg", 100)
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    for content in (b"", b"not a picture", whole[: len(whole) // 2]):
        (tmp_path / "cut.jpg").write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            thumbnail(tmp_path / "cut.jpg", 100)
    with pytest.raises(DataError, match="cannot be read"):
        thumbnail(tmp_path, 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "crop, size",
    [((10, 20, 210, 70), (200, 50)), ((0, 0, 600, 400), (300, 200)), ((-50, 380, 40, 9999), (40, 20)),
     ((599, 399, 600, 400), (1, 1)), ((-(10**30), -1, 10**30, 10**30), (300, 200))],
)  # fmt: skip
def test_a_thumbnail_of_a_part_shows_what_is_there(tmp_path, kind, crop, size):
    """Each of its pixels tells its place, as in `speckled`: from 0 to 200 across and down."""
    y, x = np.indices((400, 600))
    places = np.stack([x / 3, y / 2, np.zeros_like(x)], axis=2)
    Image.fromarray(places.astype(np.uint8)).save(
        tmp_path / "picture", kind, **({"quality": 95} if kind == "JPEG" else {})
    )
    with Image.open(BytesIO(thumbnail(tmp_path / "picture", 300, crop=crop))) as small:
        assert small.size == size
        shown = np.asarray(small.convert("RGB"), float)[..., :2].mean(axis=(0, 1))
    x1, y1, x2, y2 = (min(max(value, 0), most) for value, most in zip(crop, (600, 400) * 2, strict=True))
    assert shown == pytest.approx((places[y1:y2, x1:x2, 0].mean(), places[y1:y2, x1:x2, 1].mean()), abs=8)


@pytest.mark.parametrize(
    "crop", [(40, 0, 60, 20), (0, 20, 40, 30), (-9, -9, 0, 0), (9, 5, 9, 15), (20, 5, 10, 15), (10, 15, 20, 5)]
)
def test_a_part_without_a_pixel_of_the_picture_is_refused(tmp_path, crop):
    Image.new("RGB", (40, 20)).save(tmp_path / "picture.png")
    with pytest.raises(DataError, match="outside the picture, which has 40 × 20 pixels"):
        thumbnail(tmp_path / "picture.png", 100, crop=crop)


@pytest.mark.parametrize("longest", [0, -5])
def test_a_thumbnail_without_extent_is_refused(tmp_path, longest):
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    with pytest.raises(DataError, match="must be at least 1"):
        thumbnail(tmp_path / "picture.png", longest)


def test_real_photographs_are_drawn_with_their_annotations():
    split = read_split(from_env("DETR_LAB_COCO"), "val")
    table = detection_table(split.to_dict(), [])
    images = {image["id"]: image for image in split.images}
    for image_id, missed in worst_images(table)[:3]:
        path = split.image_path(images[image_id])
        with Image.open(path) as image:
            picture = draw_analysis(image, image_rows(table, image_id), path.name)
        assert missed and (np.asarray(picture) == GREEN).all(axis=2).sum() > 1000
        assert len(thumbnail(path, 320)) < 40_000
