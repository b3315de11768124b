"""What is known of a user's YOLO or VOC folder before a picture is opened: `Listing`, and how its files are read.

In: the folder. Out: which picture belongs to which part and has which label file. Apart because both kinds need it.

Damage to single files and lines is collected as texts without a full stop, so that the user hears of all of it at once;
what makes the folder useless as a whole is a DataError. No name leads out of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from core import DataError
from core.datasets.layouts import SUFFIXES
from core.datasets.pictures import FORMATS, MOST_PIXELS, TURNS

MOST_BYTES = 16 * 2**20  # of a label file or list; one with a thousand polygons has a tenth of it
ORIENTATION = 0x0112


@dataclass(frozen=True, order=True)
class Item:
    """One picture, "train" or "val", and its label file, None without one; paths relative to the folder, with "/"."""

    picture: str
    part: str
    label: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Listing:
    """What a folder holds, by the names of its files.

    folder    resolved
    kind      "yolo" or "voc"
    items     in the order of their paths; at least one
    names     the classes in their order; None if the label files alone name them
    lists     files besides labels that decide what is read: class names, parts
    left_out  how many of what are not converted
    points    of YOLO poses: how many numbers follow a box
    """

    folder: Path
    kind: str
    items: list[Item]
    names: dict[int, str] | None
    lists: list[Path]
    left_out: dict[str, int]
    points: int = 0


@dataclass(frozen=True)
class Labelled:
    """One object as its label file has it: class name, corners (x1, y1, x2, y2) in pixels of the upright picture."""

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool = False


@dataclass(frozen=True)
class Size:
    """(width, height) in pixels, as stored in the file and as shown: an EXIF orientation may turn a picture."""

    stored: tuple[int, int]
    upright: tuple[int, int]


def parts_or_one(items: list[Item]) -> list[Item]:
    """The items with their parts if these are two different sets of pictures, else every picture once, as "train"."""
    by_part = {part: {item.picture for item in items if item.part == part} for part in ("train", "val")}
    if by_part["train"] and by_part["val"] and by_part["train"] != by_part["val"]:
        return sorted(set(items))
    return sorted({Item(item.picture, "train", item.label) for item in items})


def pictures_in(place: Path, root: Path, deep: bool = True) -> Iterator[str]:
    """Paths relative to `root` of the pictures in a folder, and in the folders in it; hidden ones are left out.

    Raises DataError if a link leads out of `root`.
    """
    check_inside(place, root)
    for folder, folders, names in os.walk(place, onerror=_not_read):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        inner = Path(folder).relative_to(root).as_posix()
        for name in names:
            if is_picture(name):
                path = os.path.join(folder, name)  # as text: objects would double the time of a large folder
                if os.path.islink(path):
                    check_inside(Path(path), root)
                yield name if inner == "." else f"{inner}/{name}"


def _not_read(error: OSError):
    raise error


def is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path, links followed, is `root` or lies in it; `root` is resolved."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # a ring of links, a NUL byte
        return False


def check_inside(path: Path, root: Path):
    if not is_inside(path, root):
        raise DataError(f"{path} leads out of {root}: put the files themselves into the folder.")


def files_in(place: Path, suffix: str) -> list[Path]:
    """The files with a suffix directly in a folder, by name, hidden ones left out; none if there is no such folder."""
    try:
        names = sorted(os.listdir(place))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [place / name for name in names if name.lower().endswith(suffix) and not name.startswith(".")]


def text_of(path: Path, damage: list[str]) -> str | None:
    """A label file's text; None, and a word in `damage`, if it is no text."""
    data = bytes_of(path, damage)
    try:
        return None if data is None else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        damage.append(f"{path} is not a text file in UTF-8: export it again or delete it")
        return None


def bytes_of(path: Path, damage: list[str]) -> bytes | None:
    """A label file's bytes; None, and a word in `damage`, if it cannot be read or is far too large."""
    try:
        if not path.is_file():
            damage.append(f"{path} is not a file: delete it or put a label file in its place")
            return None
        if path.stat().st_size > MOST_BYTES:
            damage.append(f"{path} has more than {MOST_BYTES // 2**20} MB, too much for a label file: delete it")
            return None
        return path.read_bytes()
    except OSError as error:
        damage.append(f"{path} cannot be read ({error.strerror}): give access to it or delete it")
        return None


def list_text(path: Path) -> str:
    """The text of a list or of class names, without which nothing can be read; raises DataError."""
    damage: list[str] = []
    text = text_of(path, damage)
    if text is None:
        raise DataError(f"{damage[0]}.")
    return text


def class_name(value) -> str | None:
    """A class's name as text; None for what is none: empty, a truth value, a list, half a character."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    name = str(value).strip()
    return name if name and is_unicode(name) else None


def is_unicode(name: str) -> bool:
    """Whether a name can be written into a JSON file: file names may hold bytes that are no characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def picture_size(path: Path, damage: list[str]) -> Size | None:
    """A picture's size from its header; None, and a word in `damage`, if it is not a picture or far too large."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise OSError
        with Image.open(path, formats=FORMATS) as image:
            stored, turned = image.size, _is_turned(image)
    except Exception:  # the decoders raise almost anything at a file that was made or damaged for it
        damage.append(f"{path} is not a picture that can be read: replace or delete it")
        return None
    if stored[0] * stored[1] > MOST_PIXELS:
        damage.append(f"{path} has {stored[0]} × {stored[1]} pixels, too many to be read safely: replace or delete it")
        return None
    return Size(stored, stored[::-1] if turned else stored)


def _is_turned(image: Image.Image) -> bool:
    """Whether an EXIF orientation swaps width and height; damaged EXIF data say nothing."""
    if image.format == "TIFF":  # Pillow turns it itself
        return False
    try:
        # not PngImageFile's own, which decodes the picture to look for EXIF behind it
        return Image.Image.getexif(image).get(ORIENTATION) in TURNS
    except Exception:
        return False
