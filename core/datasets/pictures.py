"""Reading picture files: where they lie, how they become RGB, and why one cannot be read.

In: paths and the sizes that a COCO file states. Out: RGB pictures, or an error that says what is wrong. Nothing in a
picture file is trusted: it may be missing, cut off, huge, turned, or no picture at all. Apart from `picture_check.py`,
which checks many pictures before a training and opens them in the same way, so that both agree.
"""

from __future__ import annotations

import math
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import (
    Image,
    ImageFile,
    TiffImagePlugin,  # noqa: F401 (see FORMATS)
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401 (see FORMATS)
)

from core import DataError
from core.datasets.problems import ProblemKind

Size = tuple[int, int]  # width, height

# No others, because Pillow's readers of rare formats start programs or take any text for a picture. MPO comes as JPEG.
# Without the two plugins imported above, a file of another format would make Pillow import all it has.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 1024**3 // 4 // 3  # Pillow's limit, unless somebody in this process has lifted it
ORIENTATION = 0x0112  # EXIF tag

# EXIF orientations that swap width and height, each with what turns the picture upright
TURNS = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_IGNORE_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # an entry of warnings.filters


class PictureError(Exception):
    """A picture is missing or cannot be read: `kind` is MISSING or UNREADABLE, `reason` a few words."""

    def __init__(self, kind: ProblemKind, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def resized(size: Size, shortest_edge: float, longest_edge: float = math.inf) -> Size:
    """Return the (width, height) to which DETR resizes an image of `size`, keeping its aspect ratio.

    The shorter side becomes `shortest_edge`, unless the longer one would exceed `longest_edge`
    (facebookresearch/detr, datasets/transforms.py: get_size_with_aspect_ratio).

    >>> resized((640, 480), 800, 1333), resized((1000, 300), 800, 1333)
    ((1067, 800), (1333, 400))
    """
    scale = min(shortest_edge / min(size), longest_edge / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def path_inside(root: str | Path, name: str) -> Path | None:
    """Return the path of the picture that a JSON names, inside `root`, a resolved folder; it need not exist.

    None if the name leads out of the folder: absolute, through "..", by a link; or if no file can have such a name.
    """
    root = os.fspath(root)
    if not name or "\0" in name or os.path.isabs(name) or os.path.splitdrive(name)[0]:
        return None
    path, plain = root, True
    for part in re.split(r"[/\\]" if os.sep == "\\" else "/", name):
        path = os.path.join(path, part)
        plain = plain and not os.path.islink(path)
    # the system is only asked where a link makes a difference: it takes far longer
    path = os.path.normpath(path) if plain else os.path.realpath(path)
    return Path(path) if path.startswith(os.path.join(root, "")) else None


def read_picture(path: str | Path, size: Size | None = None) -> Image.Image:
    """Read a picture as RGB; one that has `size`, as its JSON states it, only when EXIF turns it, is turned upright.

    Of several frames the first is read, of 16 bits the upper 8. Raises DataError if the picture is missing, cut off,
    too large or none at all, or has another size than stated, whether turned or not.
    """
    try:
        with open_picture(path) as image:
            image.load()
            turn = TURNS.get(orientation_of(image)) if size and image.size != tuple(size) else None
            picture = to_rgb(image)
    except PictureError as error:
        if error.kind is ProblemKind.MISSING:
            raise DataError(f"The picture {path} is missing: restore it or take its image out of the JSON.") from None
        raise DataError(f"The picture {path} cannot be read ({error.reason}): replace the file.") from None
    if not size or picture.size == tuple(size):
        return picture
    if turn is not None and picture.size[::-1] == tuple(size):
        return picture.transpose(turn)
    raise DataError(
        f"The picture {path} has {size_text(picture.size)} pixels, but its JSON {size_text(size)}"
        ": its boxes would be misplaced; put the original picture back."
    )


@contextmanager
def open_picture(path: str | Path, formats: tuple[str, ...] = FORMATS) -> Iterator[ImageFile.ImageFile]:
    """Open a picture, of which only the header is read; whatever goes wrong until the block ends is a PictureError."""
    with _ignore_warnings():
        try:
            _check_file(path)
            with open(path, "rb") as file, Image.open(file, formats=formats) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise PictureError(ProblemKind.UNREADABLE, _too_large(image.width * image.height))
                yield image
        except PictureError:
            raise
        except Image.DecompressionBombError:  # Pillow's own, at twice its limit
            raise PictureError(ProblemKind.UNREADABLE, "more than " + _too_large(2 * MOST_PIXELS)) from None
        except UnidentifiedImageError:
            raise PictureError(ProblemKind.UNREADABLE, "not a JPEG, PNG, WebP, BMP, GIF, TIFF or PPM picture") from None
        except Exception as error:  # the decoders raise almost anything at a file that was made or damaged for it
            raise PictureError(ProblemKind.UNREADABLE, _reason(error)) from None


def _check_file(path: str | Path) -> None:
    """Raise PictureError if there is no file to open; to open a pipe would wait for ever."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no file can have such a name
        raise PictureError(ProblemKind.MISSING, "no such file") from None
    if not stat.S_ISREG(status.st_mode):
        raise PictureError(ProblemKind.UNREADABLE, "a folder" if stat.S_ISDIR(status.st_mode) else "not a file")
    if not status.st_size:
        raise PictureError(ProblemKind.UNREADABLE, "an empty file")


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


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied, 1 to 8; 1 if there is none or it makes no sense."""
    if image.format == "TIFF":  # Pillow applies it itself
        return 1
    try:
        # not PngImageFile's own, which decodes the picture to look for EXIF behind it
        orientation: Any = Image.Image.getexif(image).get(ORIENTATION)
    except Exception:  # damaged EXIF data: anything
        return 1
    return orientation if orientation in range(1, 9) else 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a picture to RGB, 8 bits a colour: of 16 bits the upper 8; what is transparent keeps its colour."""
    if image.mode.startswith("I"):  # 16 bits, which convert() would cut off at 255: almost all white
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def size_text(size: Size) -> str:
    """Return a size as the user reads it: "640 × 480"."""
    return f"{size[0]} × {size[1]}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # the system's, not Pillow's
        return error.strerror.lower()
    return "cut off" if "truncated" in str(error).lower() else f"damaged: {error}"


def _too_large(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f} megapixels: too large to be read safely"
