"""Pictures as bytes: of any format, size and orientation, whole or made to do harm."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck
from PIL import Image

from core import DataError
from core.datasets.picture_check import examine_picture
from core.datasets.pictures import read_picture, read_pixels

SIZE = (48, 32)
ORIENTATION = 0x0112
READABLE = HealthCheck.function_scoped_fixture  # each example writes the same file anew


def photograph(size=SIZE, seed=0) -> Image.Image:
    """Something with edges, slopes and noise, unlike itself however it is turned."""
    noise = np.random.default_rng(seed).integers(0, 60, (size[1], size[0], 3))
    noise[: size[1] // 3, : size[0] // 4] += 120
    noise[..., 0] += np.linspace(0, 70, size[0], dtype=int)
    return Image.fromarray(noise.astype(np.uint8))


def encoded(image=None, form="JPEG", **how) -> bytes:
    file = io.BytesIO()
    (image or photograph()).save(file, form, **how)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that says it is as large as that."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(40))) + chunk(b"IEND", b"")


def picture_problem(path, size, whole=False):
    """The first of what examine_picture says of a picture; None if it says nothing."""
    return next(iter(examine_picture(path, size, whole)), None)


def refusal(path, size=None) -> str | None:
    """What read_picture and read_pixels say to the picture, None if they read it."""
    sentences = []
    for read in (read_picture, read_pixels):
        try:
            read(path, size)
            sentences.append(None)
        except DataError as error:
            sentences.append(str(error))
    assert sentences[0] == sentences[1]
    return sentences[0]


WHOLE = {
    "JPEG": encoded(), "progressive JPEG": encoded(progressive=True), "JPEG with thumbnail": None,
    "PNG": encoded(form="PNG"), "WebP": encoded(form="WEBP"), "BMP": encoded(form="BMP"), "GIF": encoded(form="GIF"),
    "TIFF": encoded(form="TIFF"), "PPM": encoded(form="PPM"),
}  # fmt: skip
# a comment with a whole JPEG in it stands for the thumbnail of a camera
WHOLE["JPEG with thumbnail"] = encoded(comment=encoded(photograph((16, 12)), quality=30))


@pytest.fixture
def write(tmp_path):
    """Writes a file: `write(bytes, name)` gives its path."""

    def write(data: bytes, name="a.jpg") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write
