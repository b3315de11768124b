"""From a picture's file to eight bits a colour: what holds more is scaled by what it holds, transparency becomes white.

In: a picture that is opened, but not decoded. Out: its pixels, of any mode that `convert("RGB")` shows as it is meant.
The scale is that of the whole picture, so that its parts and thumbnails look like itself:

    whole numbers from 0 to 65,535   the smallest of 8, 10, 12, 14 and 16 bits that holds the largest of them
    fractions from 0 to 1            0 to 1
    fractions from 0 to 255          0 to 255, if one is at least DARK
    all others                       from the smallest to the largest; NaN counts as the smallest

Pillow alone would cut whole numbers and fractions off at 255, and of 16 bits a colour read the upper 8.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

Box = tuple[int, int, int, int]  # xyxy, whole pixels
Scale = Callable[[np.ndarray], np.ndarray]  # from any values to 0 … 255

BAND = 2**22  # pixels of a large picture that are converted at a time, so that it is not held twice
DEPTHS = 8, 10, 12, 14, 16  # bits in which cameras and scanners measure
DARK = 16  # of 255: a picture of fractions without a lighter pixel is none of 0 to 255
WHITE = (255, 255, 255)  # as on the pages
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # tags of a TIFF, and a value
NATIVE = "L" if sys.byteorder == "little" else "B"
OTHER_BYTE = {"L": "B", "B": "L"}
GREY_AND_ALPHA = "LA;16B"  # a PNG's, which Pillow has no way to read the lower bytes of
# libtiff gives numbers in the machine's byte order, and Pillow turns these once more
TURNED_TWICE = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F", "F;64BF": "F;64F"}
# fractions of 64 bits, as NumPy has them, which Pillow can read, but does not expect in a TIFF
TiffImagePlugin.OPEN_INFO[(b"II", 1, (3,), 1, (64,), ())] = ("F", "F;64F")
TiffImagePlugin.OPEN_INFO[(b"MM", 1, (3,), 1, (64,), ())] = ("F", "F;64BF")
UNSIGNED = "I;32N"  # Pillow keeps 32 bits with a sign


def depth_of(image: ImageFile.ImageFile) -> str | None:
    """Return in words how much more than eight bits a colour has, from a picture's header; None if it has no more."""
    if image.mode == "F":
        return "fractions"
    if image.mode == "I":
        return "whole numbers of more than 8 bits"
    return "16 bits a colour" if image.mode.startswith("I;16") or has_two_bytes(image) else None


def mend_tiles(image: ImageFile.ImageFile) -> None:
    """Correct how Pillow is going to read a TIFF of more than eight bits, of which it mistakes two kinds."""
    if image.format != "TIFF":
        return
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of Pillow's class for TIFF
    order = "L" if tags.prefix == b"II" else "B"
    is_deep = max(tags.get(BITS_PER_SAMPLE, (1,))) == 16
    tiles = []
    for tile in image.tile:
        rawmode, rest = _rawmode(tile), tile.args[1:] if isinstance(tile.args, tuple) else ()
        if is_deep and tile.codec_name == "raw" and len(rawmode) == 1:  # a colour on its own
            whole = image.mode if image.mode.startswith("I") else f"{rawmode};16{order}"
            tile = tile._replace(args=(whole, *rest))
        elif tile.codec_name == "libtiff" and order != NATIVE and rawmode in TURNED_TWICE:
            tile = tile._replace(args=(TURNED_TWICE[rawmode], *rest))
        tiles.append(tile)
    image.tile = tiles


def decode(image: ImageFile.ImageFile) -> Image.Image:
    """Decode an opened picture: eight bits a colour, nothing transparent; itself if it is so already.

    Where all is transparent, but not of one colour, "alpha" is something else, and the colours are taken.
    """
    rawmode = next(map(_rawmode, image.tile), "")
    if has_two_bytes(image):
        _decode_two_bytes(image)
        image.info.pop("transparency", None)  # a colour of 16 bits
    image.load()
    if image.mode[0] in "IF":
        return _scaled(image, is_unsigned=rawmode == UNSIGNED)
    return _on_white(image) if image.has_transparency_data else image


def bands(box: Box, multiple: int = 1) -> Iterator[Box]:
    """Yield parts of a box, as wide as it, of about BAND pixels; their heights are multiples, but for the last.

    >>> list(bands((0, 0, 2**21, 5)))
    [(0, 0, 2097152, 2), (0, 2, 2097152, 4), (0, 4, 2097152, 5)]
    """
    x1, y1, x2, y2 = box
    height = max(1, BAND // (x2 - x1) // multiple) * multiple
    for top in range(y1, y2, height):
        yield x1, top, x2, min(top + height, y2)


def bits_that_hold(largest: float) -> int:
    """Return the smallest of DEPTHS that holds a whole number.

    >>> bits_that_hold(255), bits_that_hold(256), bits_that_hold(4095), bits_that_hold(65535)
    (8, 10, 12, 16)
    """
    return next(bits for bits in DEPTHS if largest < 2**bits)


def _rawmode(tile: Any) -> str:
    """Return how the pixels of a part of the file are laid out, as Pillow calls it; "" where it does not say."""
    rawmode = tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args
    return rawmode if isinstance(rawmode, str) else ""


def has_two_bytes(image: ImageFile.ImageFile) -> bool:
    """Check whether the file has 16 bits a colour, of which Pillow will read the upper 8."""
    return not image.mode.startswith("I") and any(";16" in _rawmode(tile) for tile in image.tile)


def _decode_two_bytes(image: ImageFile.ImageFile) -> None:
    """Decode 16 bits a colour as the bits that they hold; the lower bytes are only read where they count."""
    file, tiles = image.fp, image.tile
    image.load()  # the upper bytes, and of alpha no more are needed
    has_alpha = "A" in image.getbands()
    highest = [high for _, high in _extrema(image)]
    bits = bits_that_hold(256 * max(highest[:-1] if has_alpha else highest))
    if bits == 16 or file is None or "a" in _rawmode(tiles[0]):  # colours that are multiplied by alpha
        return
    with Image.open(file, formats=(image.format or "",)) as lower:
        lower.tile = [_of_lower_bytes(tile) for tile in tiles]
        lower.load()
        for box in bands((0, 0, *image.size)):
            upper_bytes, lower_bytes = np.array(image.crop(box)), np.asarray(lower.crop(box))
            if _rawmode(tiles[0]) == GREY_AND_ALPHA:
                lower_bytes = lower_bytes[..., 1:2]
            colours = upper_bytes[..., :3] if has_alpha else upper_bytes
            colours[...] = colours << 16 - bits | lower_bytes[..., : colours.shape[-1]] >> bits - 8
            image.paste(Image.frombytes(image.mode, lower.crop(box).size, upper_bytes.tobytes()), box)


def _of_lower_bytes(tile: Any) -> Any:
    """Return a part of the file to be read as if its bytes stood the other way round, which gives the lower ones."""
    rawmode = _rawmode(tile)
    if rawmode == GREY_AND_ALPHA:  # as four channels of 8 bits: upper and lower byte of grey, then of alpha
        other = "RGBA"
    else:
        other = rawmode[:-1] + OTHER_BYTE[NATIVE if rawmode[-1] == "N" else rawmode[-1]]
    return tile._replace(args=(other, *tile.args[1:]) if isinstance(tile.args, tuple) else other)


def _extrema(image: Image.Image) -> list[tuple[float, float]]:
    """Return the smallest and the largest value of each channel."""
    extrema: Any = image.getextrema()
    return list(extrema) if isinstance(extrema[0], tuple) else [extrema]


def _scaled(image: ImageFile.ImageFile, is_unsigned: bool) -> Image.Image:
    """Return a decoded picture of numbers as grey."""

    def values(box: Box) -> np.ndarray:
        array = np.asarray(image.crop(box))
        return array.view(np.uint32) if is_unsigned else array

    boxes = list(bands((0, 0, *image.size)))
    scale = _scale_of([_limits(values(box)) for box in boxes], image.mode == "F")
    tags: Any = getattr(image, "tag_v2", {})  # of a TIFF
    is_inverted = image.format == "TIFF" and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    picture = Image.new("L", image.size)
    for box in boxes:
        grey = scale(values(box)).astype(np.uint8)
        picture.paste(Image.fromarray(255 - grey if is_inverted else grey), box)
    return picture


def _limits(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and the largest of some values; NaN and infinite ones, which have none, give (inf, -inf)."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else (np.inf, -np.inf)


def _scale_of(limits: list[tuple[float, float]], are_fractions: bool) -> Scale:
    """Return the scale of a picture from the smallest and the largest value of each part; see above."""
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    if low >= 0 and not are_fractions and high < 2 ** DEPTHS[-1]:
        shift = bits_that_hold(high) - 8
        return lambda values: values >> shift
    if low >= 0 and high <= 1:
        low, high = 0, 1
    elif low >= 0 and DARK <= high <= 255:
        low, high = 0, 255
    if low >= high:  # nothing to tell apart
        return np.zeros_like
    factor = 255 / (high - low)

    def stretch(values: np.ndarray) -> np.ndarray:
        known = np.array(values, np.float64)
        np.nan_to_num(known, copy=False, nan=low, posinf=high, neginf=low)
        known -= low
        known *= factor
        return np.rint(known, out=known)

    return stretch


def _on_white(image: Image.Image) -> Image.Image:
    """Return a decoded picture in front of white; one with alpha is changed itself, as a copy might be large."""
    has_alpha = image.mode == "RGBA"
    boxes = list(bands((0, 0, *image.size)))
    if has_alpha:
        limits = [_extrema(image.crop(box)) for box in boxes]
        lowest, highest = min(limit[3][0] for limit in limits), max(limit[3][1] for limit in limits)
        has_colours = any(limit[:3] != limits[0][:3] or any(low < high for low, high in limit[:3]) for limit in limits)
        if lowest == 255 or (highest == 0 and has_colours):
            return image
    picture = image if has_alpha else Image.new("RGB", image.size)
    for box in boxes:
        rgba = image.crop(box).convert("RGBA")
        band = Image.new("RGB", rgba.size, WHITE)
        band.paste(rgba, mask=rgba)
        picture.paste(band, box)  # of all of alpha that is left, 255
    return picture
