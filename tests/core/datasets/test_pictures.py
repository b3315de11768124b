"""What is read of a picture file, at which size and turned how; where pictures may lie."""

import io
import os
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.datasets.picture_check import examine_picture
from core.datasets.pictures import FORMATS, path_inside, read_picture, read_pixels
from core.datasets.problems import ProblemKind
from tests.core.datasets import picture_cases
from tests.core.datasets.picture_cases import (
    SIZE,
    WHOLE,
    chunk,
    encoded,
    exif,
    photograph,
    picture_problem,
    refusal,
)

write = picture_cases.write  # a fixture


# Sizes and orientations


def test_another_size_than_stated_is_told_with_both_sizes(write):
    path = write(encoded())
    assert picture_problem(path, (50, 32)) == (ProblemKind.OTHER_SIZE, "48 × 32 instead of 50 × 32")
    assert refusal(path, (50, 32)) == (
        f"The picture {path} has 48 × 32 pixels, but its JSON 50 × 32: its boxes would be misplaced; "
        "put the original picture back."
    )


def test_width_and_height_exchanged_without_exif_is_another_size(write):
    told = "48 × 32 instead of 32 × 48: width and height are swapped"
    assert picture_problem(write(encoded()), SIZE[::-1]) == (ProblemKind.OTHER_SIZE, told)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_read_upright_unless_only_its_stored_size_is_stated(write, form, orientation):
    path = write(encoded(form=form, exif=exif(orientation)))
    with Image.open(path) as image:
        stored, upright = image.convert("RGB"), ImageOps.exif_transpose(image).convert("RGB")
    for read in (read_picture, read_pixels):
        assert np.array_equal(read(path), upright) and np.array_equal(read(path, upright.size), upright)
    turned = (ProblemKind.TURNED, f"stored as 48 × 32, EXIF orientation {orientation}")
    as_stored, oriented = ((kind, turned[1][-18:]) for kind in (ProblemKind.AS_STORED, ProblemKind.ORIENTED))
    expected = None if orientation == 1 else oriented if orientation < 5 else turned
    assert picture_problem(path, upright.size) == picture_problem(path, upright.size, whole=True) == expected
    if orientation >= 5:
        assert read_picture(path, SIZE) == stored and np.array_equal(read_pixels(path, SIZE), stored)
        assert picture_problem(path, SIZE) == picture_problem(path, SIZE, whole=True) == as_stored
    else:
        assert picture_problem(path, SIZE[::-1])[0] is ProblemKind.OTHER_SIZE and refusal(path, SIZE[::-1])
    assert picture_problem(path, (5, 6))[0] is ProblemKind.OTHER_SIZE and refusal(path, (5, 6))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_of_a_square_picture_no_size_tells_and_it_is_taken_upright(write, orientation):
    path = write(encoded(photograph((40, 40)), exif=exif(orientation)))
    with Image.open(path) as image:
        assert np.array_equal(read_picture(path, (40, 40)), ImageOps.exif_transpose(image).convert("RGB"))
    assert picture_problem(path, (40, 40)) == (ProblemKind.ORIENTED, f"EXIF orientation {orientation}")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_always_read_upright_as_pillow_does(write, orientation):
    path = write(encoded(form="TIFF", exif=exif(orientation)))
    upright = SIZE[::-1] if orientation >= 5 else SIZE
    assert read_picture(path, upright).size == upright and picture_problem(path, upright) is None
    if orientation >= 5:
        assert refusal(path, SIZE) and picture_problem(path, SIZE)[0] is ProblemKind.OTHER_SIZE


def test_an_orientation_behind_the_pixels_of_a_png_is_seen(write):
    data = encoded(form="PNG")
    path = write(data[:-12] + chunk(b"eXIf", exif(6).tobytes()[6:]) + data[-12:])
    assert picture_problem(path, SIZE[::-1])[0] is ProblemKind.TURNED
    assert read_picture(path, SIZE[::-1]).size == SIZE[::-1]


@pytest.mark.parametrize("value", [0, 9, 4000, -1])
def test_an_orientation_that_does_not_exist_is_none(write, value):
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01"
    data = encoded(exif=exif(6)).replace(entry + b"\0\6", entry + struct.pack(">h", value))
    path = write(data)
    assert data != encoded(exif=exif(6))
    assert picture_problem(path, SIZE) is None and picture_problem(path, SIZE[::-1])[0] is ProblemKind.OTHER_SIZE


@pytest.mark.parametrize("data", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01", b"Exif\0\0garbage" * 9], ids=len)
def test_damaged_exif_data_does_not_spoil_a_picture(write, data):
    path = write(encoded(exif=data))
    assert picture_problem(path, SIZE) is None and read_picture(path, SIZE).size == SIZE
    assert picture_problem(path, SIZE[::-1])[0] is ProblemKind.OTHER_SIZE and "misplaced" in refusal(path, SIZE[::-1])


# What is read


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "RGB"])
def test_every_mode_is_read_as_rgb(write, mode):
    form = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    path = write(encoded(photograph().convert(mode), form))
    picture = read_picture(path, SIZE)
    assert picture.mode == "RGB" and picture.size == SIZE
    with Image.open(path) as image:
        assert picture == image.convert("RGB")
    pixels = read_pixels(path, SIZE)
    assert np.array_equal(pixels, picture) and pixels.dtype == np.uint8 and pixels.flags.writeable
    kinds = [ProblemKind.TRANSPARENT] * (mode in ("LA", "RGBA"))
    assert [kind for kind, _ in examine_picture(path, SIZE)] == kinds
    assert [kind for kind, _ in examine_picture(path, SIZE, whole=True)] == kinds


@pytest.mark.parametrize("form", ["GIF", "MPO", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_read(write, form):
    frames = [photograph(seed=seed) for seed in (1, 2, 3)]
    pixels = [np.array(frame, int) for frame in frames]
    path = write(encoded(frames[0], form, save_all=True, append_images=frames[1:]))
    apart = [np.abs(np.array(read_picture(path, SIZE), int) - frame).mean() for frame in pixels]
    assert apart[0] + 3 < min(apart[1:])
    expected = None if form == "MPO" else (ProblemKind.FRAMES, form)
    assert picture_problem(path, SIZE) == picture_problem(path, SIZE, whole=True) == expected


def test_a_palette_with_transparency_and_other_oddities_warn_nobody(write):
    palette = encoded(photograph().convert("P"), "PNG", transparency=bytes(range(200)))
    with Image.open(io.BytesIO(palette)) as image, pytest.warns(UserWarning, match="Transparency"):
        image.convert("RGB")
    before = list(warnings.filters)
    assert read_picture(write(palette), SIZE).size == SIZE  # warnings are errors in these tests
    assert warnings.filters == before


@pytest.mark.parametrize("name", ["Straße 犬 🐕.jpg", "with space.jpg", "no-ending", "a.txt", "-x.jpg", "a\nb.jpg"])
def test_a_picture_may_have_any_name(write, name):
    path = write(encoded(), name)
    assert (
        picture_problem(path, SIZE) is None
        and picture_problem(str(path), list(SIZE)) is None
        and read_picture(path, SIZE)
    )


def test_the_file_is_closed_whatever_happens(write):
    paths = [write(data[:cut], f"{name}-{cut}") for name, data in WHOLE.items() for cut in (9, len(data) // 2, None)]
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else pytest.skip("needs /proc")
    kept = [(picture_problem(path, SIZE, whole), refusal(path)) for path in paths for whole in (False, True)]
    assert kept and len(os.listdir("/proc/self/fd")) == before


def test_only_the_formats_that_are_named_are_opened(write, monkeypatch):
    opened, open_ = [], Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, formats=None: opened.append(formats) or open_(file, formats=formats)
    )
    picture_problem(write(encoded()), SIZE)
    assert opened == [FORMATS] and not {"EPS", "PSD", "WMF", "FITS"} & set(FORMATS)


# Where pictures may lie


@pytest.mark.parametrize(
    "name",
    ["../a.jpg", "/etc/passwd", "b/../../a.jpg", "..", ".", "", "out/a.jpg", "out.jpg", "up/train/x", "a\0b.jpg"],
)
def test_a_name_that_leads_out_of_the_folder_leads_nowhere(tmp_path, write, name):
    root = write(b"", "data/train/b/a.jpg").parent.parent
    write(b"", "elsewhere/a.jpg")
    (root / "out").symlink_to(tmp_path / "elsewhere")
    (root / "out.jpg").symlink_to(tmp_path / "elsewhere/a.jpg")
    (root / "up").symlink_to(tmp_path / "data/../elsewhere")
    assert path_inside(root, name) is None


@pytest.mark.parametrize("name", ["a.jpg", "b/a.jpg", "./a.jpg", "b//a.jpg", "b/../a.jpg", "in.jpg", "in/a.jpg", "..a"])
def test_a_name_inside_the_folder_leads_where_the_system_leads(write, name):
    root = write(b"", "data/train/b/a.jpg").parent.parent
    (root / "in").symlink_to("b")
    (root / "in.jpg").symlink_to(root / "b/a.jpg")
    assert path_inside(root, name) == (root / name).resolve()


def test_a_folder_whose_name_begins_alike_is_outside(write):
    root = write(b"", "data/train/a.jpg").parent
    write(b"", "data/train2/a.jpg")
    assert path_inside(root, "../train2/a.jpg") is None
