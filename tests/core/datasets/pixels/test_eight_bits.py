"""What a picture of more than eight bits a colour looks like, whoever wrote it, and to whoever reads it."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.datasets.picture_check import examine_picture
from core.datasets.pictures import read_picture
from core.datasets.pixels import eight_bits
from core.datasets.pixels.eight_bits import bits_that_hold
from core.datasets.problems import ProblemKind
from core.evaluation.draw import thumbnail
from core.inference.own_pictures import prepare_picture
from tests.core.datasets.pixels.deep_files import DEFLATE, INK, NONE, WHITE_IS_ZERO, write_png, write_tiff

SIZE = (60, 40)  # width, height
DEEP = [ProblemKind.DEEP]


def slopes(largest, channels=1, kind=np.uint16) -> np.ndarray:
    """Values from 0 to `largest`, another slope in each channel."""
    y, x = np.indices(SIZE[::-1]) / np.array(SIZE[::-1])[:, None, None]
    waves = [(x + y) / (x + y).max(), x / x.max(), 1 - y, y / y.max()][:channels]
    values = np.stack(waves, axis=2) * largest
    values = np.rint(values) if np.dtype(kind).kind in "ui" else values
    return (values if channels > 1 else values[..., 0]).astype(kind)


def as_rgb(grey_or_rgb: np.ndarray) -> np.ndarray:
    array = np.rint(grey_or_rgb).astype(int)
    return array if array.ndim == 3 else array[..., None].repeat(3, axis=2)


def read(path) -> np.ndarray:
    return np.asarray(read_picture(path, SIZE)).astype(int)


def kinds(path) -> list[ProblemKind]:
    return [kind for kind, _ in examine_picture(path, SIZE)]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["PNG", "TIFF", "big-endian TIFF", "packed TIFF", "planar TIFF", "packed big-endian"])
def test_whole_numbers_are_scaled_by_the_bits_that_hold_them(tmp_path, bits, channels, form):
    values = slopes(2**bits - 1, channels)
    path = tmp_path / "a.png"
    if form == "PNG":
        write_png(path, values)
    else:
        order, compression = ">" if "big" in form else "<", DEFLATE if "packed" in form else NONE
        write_tiff(path, values, order, compression, planar="planar" in form)
    assert np.array_equal(read(path), as_rgb(values >> bits - 8)) and kinds(path) == DEEP


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4096, 14), (16384, 16)]
)
def test_the_largest_value_decides(tmp_path, largest, bits):
    assert bits_that_hold(largest) == bits
    for channels in (1, 3):
        values = np.zeros((*SIZE[::-1], channels), np.uint16)
        values[7, 9, channels // 2] = largest
        seen = read(write_png(tmp_path / "a.png", values if channels > 1 else values[..., 0]))
        assert seen.max() == seen[7, 9, 1] == largest >> bits - 8


def test_sixteen_bits_with_alpha_keep_their_colours_and_stand_on_white(tmp_path):
    colours = slopes(4095, 3)
    alpha = np.full((*SIZE[::-1], 1), 65535, np.uint16)
    alpha[:5] = 0
    expected = as_rgb(colours >> 4)
    expected[:5] = 255
    path = write_png(tmp_path / "a.png", np.concatenate([colours, alpha], axis=2))
    assert np.array_equal(read(path), expected)
    assert kinds(path) == [ProblemKind.DEEP, ProblemKind.TRANSPARENT]
    grey = write_png(tmp_path / "b.png", np.concatenate([colours[..., :1], alpha], axis=2))
    assert np.array_equal(read(grey), expected[..., :1].repeat(3, axis=2))
    tiff = write_tiff(tmp_path / "c.tif", np.concatenate([colours, alpha], axis=2), alpha=True)
    assert np.array_equal(read(tiff), expected)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [NONE, DEFLATE])
@pytest.mark.parametrize("kind", ["i2", "i4", "u4", "f4", "f8"])
def test_numbers_of_any_other_range_reach_from_the_smallest_to_the_largest(tmp_path, kind, order, compression):
    if (kind, order) == ("u4", ">"):
        return  # see below
    low, high = {"i2": (-1000, 3000), "i4": (-70_000, 10**9), "u4": (0, 4 * 10**9)}.get(kind, (-2.5, 1e6))
    values = (slopes(high - low, kind=np.float64) + low).astype(kind)
    path = write_tiff(tmp_path / "a.tif", values, order, compression)
    expected = (values.astype(float) - values.min()) * 255 / (float(values.max()) - float(values.min()))
    assert np.abs(read(path) - as_rgb(expected)).max() <= 1 and kinds(path) == DEEP


@pytest.mark.parametrize(
    ("largest", "factor"), [(1.0, 255), (0.4, 255), (255.0, 1), (16.0, 1), (15.0, 17), (1.5, 170), (9e4, 255 / 9e4)]
)
def test_fractions_from_0_to_1_or_to_255_keep_their_meaning(tmp_path, largest, factor):
    values = slopes(largest, kind=np.float32)
    path = write_tiff(tmp_path / "a.tif", values)
    assert np.abs(read(path) - as_rgb(values * factor)).max() <= 1 and kinds(path) == DEEP


def test_no_number_and_infinite_ones_do_not_spoil_the_rest(tmp_path):
    values = slopes(1.0, kind=np.float32)
    expected = as_rgb(values * 255)
    values[0, :3] = np.nan, np.inf, -np.inf
    seen = read(write_tiff(tmp_path / "a.tif", values))
    assert np.array_equal(seen[1:], expected[1:]) and seen[0, :3, 0].tolist() == [0, 255, 0]
    assert not read(write_tiff(tmp_path / "b.tif", np.full(SIZE[::-1], np.nan, np.float32))).any()


def test_where_zero_is_white_it_stays_white(tmp_path):
    values = slopes(4095)
    path = write_tiff(tmp_path / "a.tif", values, photometric=WHITE_IS_ZERO)
    assert np.array_equal(read(path), as_rgb(255 - (values >> 4)))


def test_inks_of_sixteen_bits_are_scaled_too(tmp_path):
    inks = slopes(4095, 4)
    inks[..., 3] //= 4
    eight = Image.frombytes("CMYK", SIZE, (inks >> 4).astype(np.uint8).tobytes())
    assert np.array_equal(read(write_tiff(tmp_path / "a.tif", inks, photometric=INK)), np.asarray(eight.convert("RGB")))


@pytest.mark.parametrize("make", [write_png, write_tiff])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gallery_and_predict_see_what_the_training_sees(tmp_path, monkeypatch, make, channels):
    """The scale is the whole picture's: a dark part of it stays dark, also where it is read in bands."""
    values = slopes(4095, channels)
    path = make(tmp_path / "a", values)
    expected = read(path)
    monkeypatch.setattr(eight_bits, "BAND", 300)
    assert np.array_equal(read(path), expected)
    box = (2, 2, 22, 12)
    for size, crop in ((SIZE, None), ((20, 10), box)):
        shown = np.asarray(Image.open(io.BytesIO(thumbnail(path, 320, SIZE, crop))).convert("RGB")).astype(int)
        part = expected if crop is None else expected[crop[1] : crop[3], crop[0] : crop[2]]
        assert shown.shape[1::-1] == size and np.abs(shown - part).mean() < 4
    prepared = prepare_picture(path, tmp_path / "made.png")
    assert prepared.path == tmp_path / "made.png" and np.array_equal(read(prepared.path), expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), largest=st.integers(0, 65535), form=st.sampled_from(["PNG", "<", ">"]))
def test_of_any_values_the_order_stays_and_little_is_lost(tmp_path, seed, largest, form):
    values = np.random.default_rng(seed).integers(0, largest + 1, (*SIZE[::-1], 3)).astype(np.uint16)
    path = tmp_path / "a"
    _ = write_png(path, values) if form == "PNG" else write_tiff(path, values, form)
    assert np.array_equal(read(path), values >> bits_that_hold(values.max()) - 8)


@pytest.mark.parametrize("values", [slopes(1.0, 3, np.float32), slopes(9, kind=np.float16)], ids=["RGB", "half"])
def test_a_tiff_that_pillow_does_not_know_is_not_called_another_thing(tmp_path, values):
    path = write_tiff(tmp_path / "a.tif", values)
    reason = "a TIFF whose kind of colours is not known: save it as PNG"
    assert examine_picture(path, SIZE) == [(ProblemKind.UNREADABLE, reason)]
    assert kinds(write_tiff(path, slopes(9, kind=np.uint32), ">")) == [ProblemKind.UNREADABLE]


# Transparency


def transparent(mode: str) -> Image.Image:
    image = Image.new(mode, SIZE, {"RGBA": (0, 0, 0, 0), "LA": (0, 0)}[mode])
    image.paste({"RGBA": (200, 10, 10, 255), "LA": (90, 255)}[mode], (10, 10, 30, 30))
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white_for_all(tmp_path, mode):
    path = tmp_path / "a.png"
    transparent(mode).save(path)
    seen = read(path)
    assert seen[0, 0].tolist() == [255] * 3 and seen[20, 20].tolist() in ([200, 10, 10], [90] * 3)
    shown = Image.open(io.BytesIO(thumbnail(path, 320, SIZE)))
    assert min(shown.getpixel((1, 1))) > 240
    prepared = prepare_picture(path, tmp_path / "made.png")
    assert np.array_equal(read(prepared.path), seen)


def test_colours_behind_nothing_but_transparency_are_shown(tmp_path):
    """A fourth channel of zeros, as near infrared at night, hides nothing."""
    colours = slopes(255, 3, np.uint8)
    four = np.concatenate([colours, np.zeros((*SIZE[::-1], 1), np.uint8)], axis=2)
    Image.fromarray(four).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png"), colours)
