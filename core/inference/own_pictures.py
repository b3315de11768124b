"""The user's own pictures, from any camera or program, made ready for a model: upright, RGB, 8 bits per channel.

In: a file of any picture format. Out: an `OwnPicture`, whose file `read_picture` opens as a data set's: the user's file
where it is upright, RGB and 8 bits already, else a lossless PNG. Apart from `core/datasets/pictures.py` because a data
set's pictures are read as its JSON states them, and these as a viewer shows them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import AvifImagePlugin, Image  # noqa: F401 (the plugin: see FORMATS in pictures.py)

from core import DataError
from core.datasets.decoding import MOST_PIXELS
from core.datasets.names.name_index import SUFFIXES
from core.datasets.pictures import FORMATS, PictureError, open_picture
from core.datasets.pixels.eight_bits import decode, depth_of
from core.datasets.pixels.upright import orientation_of, turn_upright, upright_size
from core.datasets.problems import ProblemKind
from core.wording import short

OWN_FORMATS = (*FORMATS, "AVIF")
ENDINGS = (*sorted(SUFFIXES), ".ppm", ".avif")
MEGAPIXELS = int(MOST_PIXELS / 1e6)
JPEGS = ("JPEG", "MPO")
UNCHANGED = (*JPEGS, "PNG", "WEBP", "BMP", "PPM")  # formats of which the user's file may be used as it is


@dataclass(frozen=True)
class OwnPicture:
    """A picture that `read_picture(path, size)` reads upright; `size` is (width, height), `name` the user's name."""

    name: str
    path: Path
    size: tuple[int, int]


def prepare_picture(path: str | Path, target: str | Path, name: str | None = None) -> OwnPicture:
    """Return the picture as a viewer shows it: its file, or if that is not upright, RGB and 8 bits, a PNG at `target`.

    Takes the first of several frames; more than 8 bits and transparency become what `decode` says. Decodes every pixel.
    Raises DataError, which begins with the name (default: the path), if the picture cannot be read.
    """
    path, target, name = Path(path), Path(target), str(path) if name is None else name
    try:
        with open_picture(path, OWN_FORMATS) as image:
            if image.format in JPEGS and (size := _size_if_unchanged(image)):
                image.draft(None, (1, 1))  # at an eighth of its size: twice as fast, and detects the same damage
                image.load()
                return OwnPicture(name, path, size)
            is_deep = depth_of(image) is not None
            pixels = decode(image)  # a PNG may state its orientation only after its pixels
            if image.format not in JPEGS and not is_deep and (size := _size_if_unchanged(image)):
                return OwnPicture(name, path, size)
            picture = turn_upright(pixels.convert("RGB"), orientation_of(image))
    except PictureError as error:
        raise DataError(_sentence(name, error)) from None
    try:
        picture.save(target, "PNG", compress_level=1)
    except OSError as error:
        with suppress(OSError):
            os.unlink(target)
        raise DataError(f"{name} cannot be kept in {target}: {error.strerror or error}.") from None
    return OwnPicture(name, target, picture.size)


def picture_files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the paths in their order, each folder replaced by the pictures in it, sorted by name.

    Raises DataError for a folder without pictures, and if none of the files is there: no model is then loaded for them.
    """
    files = []
    for path in map(Path, paths):
        if not os.path.isdir(path):
            files.append(path)
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise DataError(f"The folder {path} cannot be read: {error.strerror}.") from None
        inside = [path / name for name in names if _is_picture(name)]
        if not inside:
            raise DataError(f"There is no picture in the folder {path}: it needs files with {', '.join(ENDINGS)}.")
        files += inside
    if files and not any(os.path.exists(path) for path in files):
        raise DataError(
            f"{short(files[0], 120)} is not there: check its path." if len(files) == 1
            else f"None of the {len(files):,} pictures is there, as {short(files[0], 120)}: check their paths."
        )  # fmt: skip
    return files


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in ENDINGS and not name.startswith(".")


def _size_if_unchanged(image: Image.Image) -> tuple[int, int] | None:
    """Return the upright size if `read_picture` and `thumbnail` show the file itself correctly, else None."""
    if image.format not in UNCHANGED or image.mode not in ("RGB", "L") or image.has_transparency_data:
        return None
    return upright_size(image.size, orientation_of(image))


def _sentence(name: str, error: PictureError) -> str:
    if error.kind is ProblemKind.MISSING:
        return f"{name} is not there: check its path."
    if "megapixels" in error.reason:
        return f"{name} has {error.reason}; {MEGAPIXELS} are the most: make it smaller first."
    if "HEIC" in error.reason:
        return f"{name} is a HEIC picture, which cannot be read here: save it as JPEG first."
    return f"{name} cannot be read ({error.reason}): save it again as JPEG or PNG."
