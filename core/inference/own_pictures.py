"""A picture of the user's own, from whatever camera or program: upright, RGB, 8 bits a colour.

In: a file of any kind. Out: an `OwnPicture`, whose file `read_picture` gives as everything else here expects pictures:
the file itself where it is like that already, else a PNG without loss. Apart from `pictures.py` because the pictures of
a data set are read as their JSON means them, and those of nobody's JSON as a viewer would show them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import AvifImagePlugin, Image  # noqa: F401 (the plugin: see FORMATS in pictures.py)

from core import DataError
from core.datasets.layouts import SUFFIXES
from core.datasets.pictures import FORMATS, MOST_PIXELS, TURNS, PictureError, open_picture, orientation_of, to_rgb
from core.datasets.problems import ProblemKind

OWN_FORMATS = (*FORMATS, "AVIF")
ENDINGS = (*sorted(SUFFIXES), ".ppm", ".avif")
MEGAPIXELS = int(MOST_PIXELS / 1e6)
JPEGS = ("JPEG", "MPO")
AS_IT_IS = (*JPEGS, "PNG", "WEBP", "BMP", "PPM")  # formats of which a file may stay as it is
GROUND = (255, 255, 255)  # what shows through where a picture is transparent: the page on which it was seen
MIRRORS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
}  # with TURNS, what turns a picture upright, by EXIF orientation
NO_COLOURS = {"F": "its pixels are fractions", "LAB": "its colours are in the LAB model"}
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # ISO 23008-12, Annex B


@dataclass(frozen=True)
class OwnPicture:
    """A picture that `read_picture(path, size)` gives upright; `size` is (width, height), `name` the user's own."""

    name: str
    path: Path
    size: tuple[int, int]


def prepare_picture(path, made, name: str | None = None) -> OwnPicture:
    """The picture as the user sees it: its file as it is, or if it is not upright, RGB and 8 bits, a PNG in `made`.

    Of several frames the first, of 16 bits the upper 8; what is transparent becomes white. All of it is decoded.
    Raises DataError, which begins with the name (default: the path), if it cannot be read.
    """
    path, name = Path(path), str(path) if name is None else name
    try:
        with open_picture(path, OWN_FORMATS) as image:
            if image.format in JPEGS and (size := _size_as_it_is(image)):
                image.draft(None, (1, 1))  # at an eighth of its size: twice as fast, and finds the same damage
                image.load()
                return OwnPicture(name, path, size)
            image.load()  # a PNG may tell its orientation only after its pixels
            if image.format not in JPEGS and (size := _size_as_it_is(image)):
                return OwnPicture(name, path, size)
            picture = _as_seen(image)
    except PictureError as broken:
        raise DataError(_sentence(path, name, broken)) from None
    try:
        picture.save(made, "PNG", compress_level=1)
    except OSError as error:
        with suppress(OSError):
            os.unlink(made)
        raise DataError(f"{name} cannot be kept in {made}: {error.strerror or error}.") from None
    return OwnPicture(name, Path(made), picture.size)


def picture_files(paths: Iterable) -> list[Path]:
    """The files among the paths, in their order; instead of a folder the pictures in it, by name.

    Raises DataError for a folder without any.
    """
    found = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
        if not inside:
            raise DataError(f"There is no picture in the folder {path}: it needs files with {', '.join(ENDINGS)}.")
        found += inside
    return found


def _size_as_it_is(image: Image.Image) -> tuple[int, int] | None:
    """The upright size of a picture whose file `read_picture` and `thumbnail` show rightly as it is, else None."""
    if image.format not in AS_IT_IS or image.mode not in ("RGB", "L") or image.has_transparency_data:
        return None
    orientation = orientation_of(image)
    if orientation == 1:
        return image.size
    # they tell a turned picture by its size, which a square one does not show
    is_told = orientation in TURNS and image.width != image.height and image.format in JPEGS
    return image.size[::-1] if is_told else None


def _as_seen(image: Image.Image) -> Image.Image:
    if image.mode in NO_COLOURS:
        raise PictureError(ProblemKind.UNREADABLE, NO_COLOURS[image.mode])
    turn = (MIRRORS | TURNS).get(orientation_of(image))
    if image.has_transparency_data and not image.mode.startswith("I"):
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        picture = Image.new("RGB", image.size, GROUND)
        picture.paste(clear, mask=clear)
    else:
        picture = image if image.mode == "RGB" else to_rgb(image)
    return picture if turn is None else picture.transpose(turn)


def _sentence(path: Path, name: str, broken: PictureError) -> str:
    if broken.kind is ProblemKind.MISSING:
        return f"{name} is not there: check its path."
    if _is_heic(path):
        return f"{name} is a HEIC picture, which cannot be read here: save it as JPEG first."
    if "megapixels" in broken.why:
        return f"{name} has {broken.why}; {MEGAPIXELS} are the most: make it smaller first."
    return f"{name} cannot be read ({broken.why}): save it again as JPEG or PNG."


def _is_heic(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[4:8] == b"ftyp" and head[8:12] in HEIC
