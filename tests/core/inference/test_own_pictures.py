"""Pictures of the user's own: of every kind and turn they come as a viewer shows them, or a sentence says why not."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core import DataError
from core.datasets.pictures import read_picture
from core.evaluation.draw import thumbnail
from core.inference.own_pictures import ENDINGS, MEGAPIXELS, picture_files, prepare_picture

ORIENTATION = 0x0112
# EXIF 2.3, tag 0x0112: how rows and columns of the stored array become those of the picture
UPRIGHT = {
    1: lambda s: s, 2: lambda s: s[:, ::-1], 3: lambda s: s[::-1, ::-1], 4: lambda s: s[::-1],
    5: lambda s: s.swapaxes(0, 1), 6: lambda s: s.swapaxes(0, 1)[:, ::-1],
    7: lambda s: s[::-1, ::-1].swapaxes(0, 1), 8: lambda s: s.swapaxes(0, 1)[::-1],
}  # fmt: skip
KINDS = {  # mode: the channels of its array, and the formats that keep it without loss
    "RGB": (3, ("PNG", "TIFF", "WEBP", "BMP", "PPM", "AVIF")), "L": (1, ("PNG", "TIFF", "BMP", "PPM", "GIF")),
    "1": (1, ("PNG", "TIFF", "BMP")), "RGBA": (4, ("PNG", "TIFF", "WEBP")), "LA": (2, ("PNG", "TIFF")),
    "I;16": (1, ("PNG", "TIFF")), "CMYK": (4, ("TIFF",)), "P": (1, ("PNG", "TIFF", "GIF", "BMP")),
}  # fmt: skip
TELLS = ("PNG", "TIFF", "WEBP")  # formats that are saved with an orientation here
LOSSLESS = {"WEBP": {"lossless": True, "exact": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
PALETTE = np.random.default_rng(5).integers(0, 256, (256, 3), dtype=np.uint8)


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def as_image(mode: str, stored: np.ndarray) -> Image.Image:
    if mode == "1":
        return Image.fromarray((stored[..., 0] > 127).astype(np.uint8) * 255).convert("1", dither=Image.Dither.NONE)
    if mode == "I;16":
        return Image.fromarray(stored[..., 0].astype(np.uint16) * 200 + 77)
    if mode == "P":
        image = Image.frombytes("P", stored.shape[1::-1], stored.tobytes())
        image.putpalette(PALETTE.tobytes())
        return image
    return Image.frombytes(mode, stored.shape[1::-1], stored.tobytes())


def seen(mode: str, stored: np.ndarray) -> np.ndarray:
    """What a viewer shows of the stored array, as RGB: in front of white."""
    s = stored.astype(float)
    if mode == "1":
        s = np.where(s > 127, 255.0, 0.0)
    if mode == "I;16":
        values = stored.astype(int) * 200 + 77
        s = values >> next(bits for bits in (8, 10, 12, 14, 16) if values.max() < 2**bits) - 8
    if mode == "P":
        return PALETTE[stored[..., 0]].astype(float)
    if mode in ("RGBA", "LA"):
        share = s[..., -1:] / 255
        s = s[..., :-1] * share + 255 * (1 - share)
    if mode == "CMYK":
        s = (255 - s[..., :3]) * (255 - s[..., 3:]) / 255
    return np.broadcast_to(s, (*s.shape[:2], 3))


@st.composite
def files(draw):
    mode = draw(st.sampled_from(list(KINDS)))
    channels, formats = KINDS[mode]
    form = draw(st.sampled_from(formats))
    orientation = draw(st.integers(1, 8)) if form in TELLS else 1
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    stored = np.random.default_rng(draw(st.integers(0, 999))).integers(0, 256, (height, width, channels))
    return mode, form, orientation, stored.astype(np.uint8)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files())
def test_every_kind_of_picture_comes_as_it_is_seen(tmp_path, file):
    mode, form, orientation, stored = file
    path = tmp_path / f"picture.{form.lower()}"
    how = {"exif": exif(orientation)} if form in TELLS and orientation > 1 else {}
    as_image(mode, stored).save(path, form, **how, **LOSSLESS.get(form, {}))
    own = prepare_picture(path, tmp_path / "made.png", "mine")
    expected = UPRIGHT[orientation](seen(mode, stored))
    picture = read_picture(own.path, own.size)
    assert (own.name, own.size) == ("mine", expected.shape[1::-1])
    assert (picture.mode, picture.size) == ("RGB", own.size)
    difference = np.abs(np.asarray(picture).astype(float) - expected)
    assert difference.max() <= (8 if form == "AVIF" else 1), (mode, form, orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(60, 40), (48, 48)])
def test_a_jpeg_is_upright_for_the_model_and_for_the_eye(tmp_path, orientation, size):
    stored = np.zeros((size[1], size[0], 3), np.uint8)
    stored[: size[1] // 2] += 90
    stored[:, : size[0] // 2] += 120
    path = tmp_path / "a.jpg"
    Image.fromarray(stored).save(path, exif=exif(orientation), quality=95)
    own = prepare_picture(path, tmp_path / "made.png")
    expected = UPRIGHT[orientation](stored).astype(float)
    shown = Image.open(io.BytesIO(thumbnail(own.path, 500, own.size)))
    for picture in (read_picture(own.path, own.size), shown):
        assert picture.size == own.size == expected.shape[1::-1]
        assert np.abs(np.asarray(picture) - expected).mean() < 4  # another turn: 40 at least


def test_a_photograph_that_is_upright_or_said_to_be_turned_stays_as_it_is(tmp_path):
    for orientation in (1, 6):
        path = tmp_path / f"{orientation}.jpg"
        Image.new("RGB", (60, 40), "navy").save(path, exif=exif(orientation))
        assert prepare_picture(path, tmp_path / "made.png").path == path
    assert not (tmp_path / "made.png").exists()


def test_a_damaged_orientation_is_none(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (60, 40), "navy").save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09damaged")
    assert prepare_picture(path, tmp_path / "made.png").size == (60, 40)


def test_16_bits_are_scaled_and_not_cut_off(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    for name in ("a.png", "a.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        own = prepare_picture(tmp_path / name, tmp_path / "made.png")
        assert np.asarray(read_picture(own.path, own.size))[0, :, 0].tolist() == (ramp[0] >> 8).tolist()


@pytest.mark.parametrize("mode, clear", [("P", 7), ("L", 7), ("RGB", (1, 2, 3))])
def test_a_colour_that_stands_for_nothing_is_white(tmp_path, mode, clear):
    image = Image.new(mode, (6, 4), clear)
    if mode == "P":
        image.putpalette(PALETTE.tobytes())
    image.putpixel((2, 1), (200, 100, 50) if mode == "RGB" else 9)
    image.save(tmp_path / "a.png", transparency=clear)
    own = prepare_picture(tmp_path / "a.png", tmp_path / "made.png")
    picture = read_picture(own.path, own.size)
    assert picture.getpixel((0, 0)) == (255, 255, 255) != picture.getpixel((2, 1))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(tmp_path, form):
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "a", form, save_all=True, append_images=frames[1:], **LOSSLESS.get(form, {}))
    own = prepare_picture(tmp_path / "a", tmp_path / "made.png")
    assert read_picture(own.path, own.size).getpixel((5, 5)) == (255, 0, 0)


def test_the_inverted_inks_of_a_cmyk_jpeg_are_turned_back(tmp_path):
    inks = Image.new("CMYK", (32, 32), (0, 200, 40, 30))
    inks.save(tmp_path / "a.jpg", quality=98)  # Pillow writes them inverted with Adobe's marker, as Photoshop does
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    own = prepare_picture(tmp_path / "a.jpg", tmp_path / "made.png")
    pixel = np.array(read_picture(own.path, own.size).getpixel((9, 9)))
    assert np.abs(pixel - [225, 225 * 55 / 255, 225 * 215 / 255]).max() <= 3


# What cannot be taken


def heic(brand=b"heic") -> bytes:
    return struct.pack(">I", 24) + b"ftyp" + brand + bytes(400)


def huge_png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 10_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(40))) + chunk(b"IEND", b"")


def encoded(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


PHOTO = encoded(Image.effect_noise((200, 150), 80).convert("RGB"), "JPEG")
REFUSED = {
    "HEIC": (heic(), "is a HEIC picture, which cannot be read here: save it as JPEG first."),
    "HEIF": (heic(b"mif1"), "is a HEIC picture"),
    "bomb": (huge_png(), f"has 120 megapixels: too large to be read safely; {MEGAPIXELS} are the most"),
    "empty": (b"", "cannot be read (an empty file): save it again as JPEG or PNG."),
    "text": (b"hello", "cannot be read (not a JPEG"),
    "cut off": (PHOTO[: len(PHOTO) // 2], "cannot be read (cut off)"),
    "LAB": (encoded(Image.new("LAB", (5, 5)), "TIFF"), "cannot be read (its colours are in the LAB model)"),
}


@pytest.mark.parametrize("data, sentence", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_taken_says_why_under_its_own_name(tmp_path, data, sentence):
    (tmp_path / "3").write_bytes(data)
    with pytest.raises(DataError) as refusal:
        prepare_picture(tmp_path / "3", tmp_path / "made.png", "holiday.jpg")
    assert str(refusal.value).startswith(f"holiday.jpg {sentence}")
    assert not (tmp_path / "made.png").exists()


def test_a_missing_picture_and_a_full_disk_say_so(tmp_path):
    with pytest.raises(DataError, match=r"none\.jpg is not there: check its path"):
        prepare_picture(tmp_path / "none.jpg", tmp_path / "made.png")
    Image.new("1", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png cannot be kept in .*: No such file or directory"):
        prepare_picture(tmp_path / "a.png", tmp_path / "no folder/made.png")


def test_every_cut_of_a_picture_is_refused_or_read(tmp_path):
    for cut in range(0, len(PHOTO), 97):
        (tmp_path / "a.jpg").write_bytes(PHOTO[:cut])
        with pytest.raises(DataError, match="cannot be read"):
            prepare_picture(tmp_path / "a.jpg", tmp_path / "made.png")


# Folders


def test_instead_of_a_folder_come_its_pictures_by_name(tmp_path):
    for name in ("b.PNG", "a.jpg", ".hidden.jpg", "notes.txt", "c.avif"):
        (tmp_path / name).write_bytes(b"x")
    single = tmp_path / "notes.txt"
    assert [p.name for p in picture_files([single, str(tmp_path)])] == ["notes.txt", "a.jpg", "b.PNG", "c.avif"]
    assert {".jpg", ".png", ".webp", ".tif", ".avif"} <= set(ENDINGS)


def test_a_folder_without_pictures_says_so(tmp_path):
    with pytest.raises(DataError, match="There is no picture in the folder"):
        picture_files([tmp_path])
