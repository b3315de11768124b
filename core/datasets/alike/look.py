"""How a picture looks in short: two hashes by which near duplicates are sought, and small grey copies to compare them.

In: a path. Out: a `Look`, of some bytes, and `Windows`, which are made again of the few pictures that a hash pairs.
Both are of the picture shrunk to a square and grey. The hash is of 64 bits: which of its low frequencies are above
their median (Zauner 2010, pHash). A second hash is of the picture without its edges, so that one that was cut a little
meets the first hash of its original.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.datasets.pictures import PictureError, open_picture
from core.datasets.pixels.eight_bits import decode
from core.datasets.pixels.upright import orientation_of, turn_upright

SIDE = 80  # pixels of the grey square
CUT = 0.04  # of each side, that the second hash is without
HASHED = 32  # pixels of the square whose frequencies are taken
FREQUENCIES = 8  # in each direction
COMPARED = 24  # pixels of the squares that are compared
SHARES = (0.96, 0.92, 0.88)  # of the sides, that a window shows
FLAT = 4.0  # grey levels by which a picture must differ from a smooth one to be told from others

_waves = np.cos(np.pi * np.outer(np.arange(FREQUENCIES), 2 * np.arange(HASHED) + 1) / (2 * HASHED)).astype(np.float32)
_x, _y = (axis.ravel() for axis in np.meshgrid(np.linspace(-1, 1, COMPARED), np.linspace(-1, 1, COMPARED)))
_smooth = np.linalg.qr(np.stack([np.ones_like(_x), _x, _y, _x * _y, _x**2, _y**2], axis=1))[0].astype(np.float32)


class Look(NamedTuple):
    """The hashes of a picture, as a whole and without its edges."""

    whole: int
    inner: int


def look_at(path: str | Path) -> Look | None:
    """Return how a picture looks; None of one that cannot be read, or is too smooth to be told from others."""
    square = grey_square(path)
    if square is None or _contrast(np.asarray(square.resize((COMPARED, COMPARED), Image.Resampling.BOX))) < FLAT:
        return None
    return Look(_hash(square, 0.0), _hash(square, CUT))


def grey_square(path: str | Path) -> Image.Image | None:
    """Read a picture as a grey square of SIDE pixels, turned as its EXIF says; None if it cannot be read."""
    try:
        with open_picture(path) as image:
            orientation = orientation_of(image)
            image.draft("L", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded at an eighth of its size: many times as fast
            grey = decode(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
            return turn_upright(grey, orientation)
    except PictureError:
        return None


def _hash(square: Image.Image, cut: float) -> int:
    box = (cut * SIDE, cut * SIDE, (1 - cut) * SIDE, (1 - cut) * SIDE)
    pixels = np.asarray(square.resize((HASHED, HASHED), Image.Resampling.BOX, box), dtype=np.float32)
    spectrum = (_waves @ pixels @ _waves.T).ravel()
    bits = spectrum > np.median(spectrum[1:])  # the first is the brightness
    bits[0] = False
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def windows(square: Image.Image) -> npt.NDArray[np.float32]:
    """Return the whole and parts of it that a cut may have left, (W, COMPARED²), the whole first, each of length 1.

    What is smooth is taken away: brightness, and a gradient as of a sky or a lens, in which different pictures agree.
    """
    boxes = [(0.0, 0.0, float(SIDE), float(SIDE))]
    for share in SHARES:
        starts = [(1 - share) * SIDE * place for place in (0, 0.5, 1)]
        boxes += [(x, y, x + share * SIDE, y + share * SIDE) for x in starts for y in starts]
    size = (COMPARED, COMPARED)
    parts = [np.asarray(square.resize(size, Image.Resampling.BOX, box)).ravel() for box in boxes]
    rough = _without_smooth(np.stack(parts))
    length = np.linalg.norm(rough, axis=1, keepdims=True)
    lengths: npt.NDArray[np.float32] = np.divide(rough, length, out=np.zeros_like(rough), where=length > 0)
    return lengths


def likeness(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Return the highest correlation of either's whole with a window of the other, from -1 to 1."""
    return float(max((one @ other[0]).max(), (other @ one[0]).max()))


def _contrast(pixels: npt.NDArray[np.uint8]) -> float:
    """Return by how many grey levels a picture differs from a smooth one, as a standard deviation."""
    return float(_without_smooth(pixels.reshape(1, -1)).std())


def _without_smooth(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return pictures (N, COMPARED²) without the part that is a quadratic function of the place."""
    values = pixels.astype(np.float32)
    return np.asarray(values - (values @ _smooth) @ _smooth.T, dtype=np.float32)
