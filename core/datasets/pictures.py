"""Reading picture files: where they lie, how they become RGB, and why one cannot be read.

In: paths and the sizes that a COCO file states. Out: RGB pictures, or an error that says what is wrong. Nothing in a
picture file is trusted: it may be missing, a pipe, cut off, huge, turned, or no picture at all. `open_picture` is the
only opener of pictures in the house, so that all agree on what can be read; how many may be decoded at a time is in
`decoding.py`, and `picture_check.py` checks many before a training.
"""

from __future__ import annotations

import logging
import math
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import (
    Image,
    ImageFile,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401 (see FORMATS)
)

from core import DataError
from core.datasets.decoding import DECODING, MOST_BYTES, MOST_FILE_BYTES, MOST_PIXELS, bytes_to_decode
from core.datasets.pixels.eight_bits import bands, decode, mend_tiles
from core.datasets.pixels.upright import Box, Size, meant_orientation, orientation_of, stored_box, turn_upright
from core.datasets.problems import ProblemKind
from core.files import LONGEST_PATH, FileRefused, open_file
from core.wording import short

# No others, because Pillow's readers of rare formats start programs or take any text for a picture. MPO comes as JPEG.
# Without the two plugins imported above, a file of another format would make Pillow import all it has.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
RGB_BYTES = 4  # a pixel as Pillow keeps it: of the copy that a decoded picture becomes
NO_COLOURS = {"LAB": "its colours are in the LAB model"}
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # ISO 23008-12, Annex B
SCAN, MOST_SCANS = b"\xff\xda", 500  # the marker that begins a JPEG's scan; encoders make some 10
TIFF_TILE = 322, 323  # tags: width and height
logging.getLogger("PIL").addHandler(logging.NullHandler())  # or its complaints of a picture are printed, without a name
_IGNORE_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # an entry of warnings.filters


class PictureError(Exception):
    """A picture is missing or cannot be read: `kind` is MISSING or UNREADABLE, `reason` a few words."""

    def __init__(self, kind: ProblemKind, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def resized(size: Size, shortest_edge: float, longest_edge: float = math.inf, square: bool = False) -> Size:
    """Return the (width, height) to which DETR resizes an image of `size`, keeping its aspect ratio.

    The shorter side becomes `shortest_edge`, unless the longer one would exceed `longest_edge`; the longer one is cut
    to whole pixels. To the pixel as in transformers, whose image processors show a saved model the same pictures
    (image_transforms.py: get_size_with_aspect_ratio, after facebookresearch/detr, datasets/transforms.py); so an image
    whose shorter side has its size already stays as it is. A `square` has sides of `longest_edge`.

    >>> resized((640, 480), 800, 1333), resized((1000, 300), 800, 1333)
    ((1066, 800), (1333, 400))
    """
    if square:
        return max(1, round(longest_edge)), max(1, round(longest_edge))
    shorter, longer = min(size), max(size)
    edge = shortest_edge
    if longer / shorter * edge > longest_edge:
        edge = longest_edge * shorter / longer
    if round(edge) == shorter:
        return size
    sides = max(1, round(edge)), max(1, int(edge * longer / shorter))
    return sides if size[0] < size[1] else sides[::-1]


def path_inside(root: str | Path, name: str) -> Path | None:
    """Return the path of the picture that a JSON names, inside `root`, a resolved folder; it need not exist.

    None if the name leads out of the folder: absolute, through "..", by a link; or if no file can have such a name.
    """
    root = os.fspath(root)
    if not name or len(name) > LONGEST_PATH or "\0" in name or os.path.isabs(name) or os.path.splitdrive(name)[0]:
        return None
    path, plain = root, True
    for part in re.split(r"[/\\]" if os.sep == "\\" else "/", name):
        path = os.path.join(path, part)
        plain = plain and not os.path.islink(path)
    # the system is only asked where a link makes a difference: it takes far longer
    path = os.path.normpath(path) if plain else os.path.realpath(path)
    return Path(path) if path.startswith(os.path.join(root, "")) else None


def read_picture(path: str | Path, size: Size | None = None) -> Image.Image:
    """Read a picture as RGB, upright as `meant_orientation` decides by the `size` that its JSON states.

    Of several frames the first is read; what has more than 8 bits a colour or is transparent, as `decode` says.
    Raises DataError if the picture is missing, cut off, too large or none at all, or has another size than stated,
    whether turned or not.
    """
    with _decoded(path, size) as (pixels, orientation):
        is_file = isinstance(pixels, ImageFile.ImageFile)  # which is about to be closed
        return turn_upright(pixels.convert("RGB") if is_file or pixels.mode != "RGB" else pixels, orientation)


def read_pixels(path: str | Path, size: Size | None = None) -> npt.NDArray[np.uint8]:
    """Read a picture as `read_picture` does, as an array (height, width, 3), without a copy between; raises as that."""
    with _decoded(path, size) as (pixels, orientation):
        if pixels.mode == "RGB" and orientation == 1:
            return np.array(pixels)
        return np.array(turn_upright(pixels.convert("RGB"), orientation))


@contextmanager
def _decoded(path: str | Path, size: Size | None) -> Iterator[tuple[Image.Image, int]]:
    """Decode a picture, of whatever mode, and say how it is to be turned; raise DataError as `read_picture`."""
    try:
        with open_picture(path) as image:
            pixels = decode(image)
            orientation = meant_orientation(orientation_of(image), image.size, size)
            if orientation is None:
                assert size is not None  # without one, every orientation is meant
                raise DataError(
                    f"The picture {path} has {size_text(pixels.size)} pixels, but its JSON {size_text(size)}"
                    ": its boxes would be misplaced; put the original picture back."
                )
            yield pixels, orientation
    except PictureError as error:
        if error.kind is ProblemKind.MISSING:
            raise DataError(f"The picture {path} is missing: restore it or take its image out of the JSON.") from None
        raise DataError(f"The picture {path} cannot be read ({error.reason}): replace the file.") from None


@contextmanager
def open_picture(path: str | Path, formats: tuple[str, ...] = FORMATS) -> Iterator[ImageFile.ImageFile]:
    """Open a picture, of which only the header is read; whatever goes wrong until the block ends is a PictureError.

    Its pixels are decoded at their first use, as by `image.load`, which waits its turn if it is large.
    """
    with _ignore_warnings():
        try:
            with ExitStack() as stack:
                image = stack.enter_context(_opened(path, formats))
                _refuse_too_large(image)
                _decode_in_turn(image, stack)
                yield image
        except (PictureError, DataError):
            raise
        except (FileNotFoundError, NotADirectoryError):
            raise PictureError(ProblemKind.MISSING, "no such file") from None
        except Image.DecompressionBombError:  # Pillow's own, at twice its limit
            raise PictureError(ProblemKind.UNREADABLE, "more than " + _too_large(2 * MOST_PIXELS)) from None
        except UnidentifiedImageError:
            raise PictureError(ProblemKind.UNREADABLE, _unidentified(path)) from None
        except Exception as error:  # the decoders raise almost anything at a file that was made or damaged for it
            raise PictureError(ProblemKind.UNREADABLE, _reason(error)) from None


@contextmanager
def _opened(path: str | Path, formats: tuple[str, ...]) -> Iterator[ImageFile.ImageFile]:
    with open_file(path, MOST_FILE_BYTES) as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise PictureError(ProblemKind.UNREADABLE, "an empty file")
        with DECODING.turn(size):  # some readers take a whole file to read its header
            image = Image.open(file, formats=formats)
        with image:
            if image.mode in NO_COLOURS:
                raise PictureError(ProblemKind.UNREADABLE, NO_COLOURS[image.mode])
            mend_tiles(image)
            yield image


def _refuse_too_large(image: ImageFile.ImageFile) -> None:
    pixels = image.width * image.height
    tile = getattr(image, "tag_v2", {})  # of a TIFF, whose tiles may be larger than itself
    if pixels > MOST_PIXELS or bytes_to_decode(image, image.size) > MOST_BYTES:
        raise PictureError(ProblemKind.UNREADABLE, _too_large(pixels))
    if tile.get(TIFF_TILE[0], 0) * tile.get(TIFF_TILE[1], 0) > MOST_PIXELS:
        raise PictureError(ProblemKind.UNREADABLE, "tiles that are too large to be read safely")


def _refuse_many_scans(image: ImageFile.ImageFile) -> None:
    """Refuse a JPEG of many scans, each of which goes over all of its pixels: a small file might take hours."""
    if image.format not in ("JPEG", "MPO") or not image.info.get("progressive") or image.fp is None:
        return
    place, scans, last = image.fp.tell(), 0, b""
    image.fp.seek(0)
    while part := image.fp.read(2**20):
        scans += (last + part).count(SCAN)
        last = part[-1:]
    image.fp.seek(place)
    if scans > MOST_SCANS:
        raise PictureError(ProblemKind.UNREADABLE, f"{scans:,} scans, more than the {MOST_SCANS} that are read")


def _decode_in_turn(image: ImageFile.ImageFile, stack: ExitStack) -> None:
    """Let the picture's pixels be decoded only when it is its turn, which ends with `stack`."""
    load, full_size = image.load, image.size

    def load_in_turn() -> Any:
        del image.load
        _refuse_many_scans(image)
        stack.enter_context(DECODING.turn(bytes_to_decode(image, full_size) + RGB_BYTES * image.width * image.height))
        return load()

    image.load = load_in_turn  # type: ignore[method-assign]  # whatever needs pixels calls it
    stack.callback(image.__dict__.pop, "load", None)


@contextmanager
def _ignore_warnings() -> Iterator[None]:
    """Ignore Pillow's warnings meanwhile: those that matter are problems with a kind of their own here.

    Each reader adds a filter of its own, because warnings.catch_warnings mixes up the filters of threads.
    """
    filters: list[Any] = warnings.filters  # type: ignore[assignment]  # a list, which typeshed does not say
    filters.insert(0, _IGNORE_PILLOW)
    try:
        yield
    finally:
        with suppress(ValueError):  # somebody has emptied the list
            filters.remove(_IGNORE_PILLOW)


def shrink(pixels: Image.Image, box: Box, size: Size, orientation: int = 1) -> Image.Image:
    """Return the part `box` of a picture as `decode` gives it, turned upright by `orientation`, as RGB of `size`.

    The box is in pixels of the upright picture, and no smaller. Only bands of a large picture are converted at a time.
    """
    x1, y1, x2, y2 = box
    by_x, by_y = max(1, (x2 - x1) // size[0]), max(1, (y2 - y1) // size[1])
    reduced = Image.new("RGB", (-(-(x2 - x1) // by_x), -(-(y2 - y1) // by_y)))
    for band in bands(box, by_y):
        part = pixels.crop(stored_box(band, pixels.size, orientation)).convert("RGB")
        reduced.paste(turn_upright(part, orientation).reduce((by_x, by_y)), (0, (band[1] - y1) // by_y))
    return reduced.resize(size, Image.Resampling.BICUBIC, (0, 0, (x2 - x1) / by_x, (y2 - y1) / by_y))


def size_text(size: Size) -> str:
    """Return a size as the user reads it: "640 × 480"."""
    return f"{size[0]} × {size[1]}"


def _reason(error: Exception) -> str:
    if isinstance(error, FileRefused):
        return str(error.strerror)
    if isinstance(error, OSError) and error.strerror:  # the system's, not Pillow's
        return error.strerror.lower()
    return "cut off" if "truncated" in str(error).lower() else f"damaged: {short(error)}"


def _unidentified(path: str | Path) -> str:
    """Return what a file is by its first bytes, as far as people have it under a picture's name."""
    with suppress(OSError), open_file(path) as file:
        start = file.read(200)
        if start[:4] in TiffImagePlugin.PREFIXES:
            return "a TIFF whose kind of colours is not known: save it as PNG"
        if start.startswith(b"version https://git-lfs"):
            return "only a pointer of Git LFS: run git lfs pull in its folder"
        if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
            return "a web page: download the picture again"
        if start[4:8] == b"ftyp" and start[8:12] in HEIC:
            return "a HEIC picture: save it as JPEG"
    return "not a JPEG, PNG, WebP, BMP, GIF, TIFF or PPM picture"


def _too_large(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f} megapixels: too large to be read safely"
