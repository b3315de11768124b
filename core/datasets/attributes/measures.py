"""What is measured from a picture: `MEASURES`, each a function from its grey pixels to a number.

In: the path of a picture. Out: its numbers. A picture is scaled so that its longer side has SIDE pixels, so that the
same photograph has the same sharpness at every size; a JPEG is decoded no larger than that asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.datasets.pictures import PictureError, open_picture
from core.datasets.pixels.eight_bits import decode

SIDE = 512  # pixels of the longer side
Grey = npt.NDArray[np.float32]  # (height, width), 0 to 255


@dataclass(frozen=True)
class Measure:
    """One number of a picture.

    name         what the user calls it
    description  what it is, in a few words
    of           computes it from the grey pixels
    """

    name: str
    description: str
    of: Callable[[Grey], float]


def brightness(grey: Grey) -> float:
    """Return the mean luma, 0 (black) to 255 (white)."""
    return float(grey.mean(dtype=np.float64))


def sharpness(grey: Grey) -> float:
    """Return the variance of the Laplacian (Pech-Pacheco et al., 2000); 0 of a picture without an inner pixel."""
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var(dtype=np.float64))


MEASURES = (
    Measure("brightness", "mean luma, 0 to 255", brightness),
    Measure("sharpness", f"variance of the Laplacian at {SIDE} pixels", sharpness),
)


def measure_picture(path: Path) -> tuple[float, ...] | None:
    """Return the MEASURES of a picture; None if it cannot be read."""
    try:
        grey = _grey_pixels(path)
    except (PictureError, OSError):
        return None
    return tuple(measure.of(grey) for measure in MEASURES)


def _grey_pixels(path: Path) -> Grey:
    with open_picture(path) as image:
        longest = max(image.size)
        size = (max(1, round(image.width * SIDE / longest)), max(1, round(image.height * SIDE / longest)))
        if image.format in ("JPEG", "MPO"):
            image.draft("L", size)  # decoded at a fraction of its size, the smallest that suffices
        pixels = decode(image).convert("L")
        return np.asarray(pixels.resize(size, Image.Resampling.BILINEAR, reducing_gap=2), dtype=np.float32)
