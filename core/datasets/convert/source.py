"""What is known of a user's YOLO or VOC folder before a picture is opened: `Listing`; and how its files are read.

In: the folder. Out: which picture belongs to which split and has which label file. Apart because both formats need it.

Damage to single files and lines is collected as sentences without a full stop, so that the user hears of all of it at
once; what makes the folder useless as a whole is a DataError. No name leads out of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from core import DataError, files
from core.datasets.folder.picture_index import is_picture
from core.datasets.pictures import PictureError, open_picture
from core.datasets.pixels.upright import orientation_of, upright_size

MOST_YAML_BYTES = 2**18  # of a description of a folder; one with 1,200 classes has a tenth of it
MOST_DAMAGE = 1000  # sentences: a folder with more is not read on
MOST_BYTES = 16 * 2**20  # of a label file or list; one with a thousand polygons has a tenth of it


@dataclass(frozen=True, order=True)
class Item:
    """One picture, its split ("train" or "val") and its label file; paths are relative to the folder, with "/"."""

    picture: str
    split: str
    label: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Listing:
    """What a folder holds, by the names of its files.

    folder    resolved
    format    "yolo" or "voc"
    items     in the order of their paths; at least one
    names     the classes by their number in the label files; None if the label files alone name them
    lists     files besides labels that decide what is read: class names, splits
    left_out  what is not converted: a description and how many
    points    how many numbers of keypoints follow a box (YOLO poses)
    """

    folder: Path
    format: str
    items: list[Item]
    names: dict[int, str] | None
    lists: list[Path]
    left_out: dict[str, int]
    points: int = 0


@dataclass(frozen=True)
class LabelledObject:
    """One object as its label file has it; corners (x1, y1, x2, y2) in pixels of the upright picture."""

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool = False


@dataclass(frozen=True)
class PictureSize:
    """(width, height) in pixels, as stored and as shown: an EXIF orientation (2 to 8) may turn a picture."""

    stored: tuple[int, int]
    upright: tuple[int, int]
    orientation: int = 1


def normalize_splits(items: list[Item]) -> list[Item]:
    """Return each picture of each split once, by path; all are "train" unless both splits hold pictures and differ."""
    train, val = ({item.picture for item in items if item.split == split} for split in ("train", "val"))
    if train and val and train != val:
        return sorted(set(items))
    return sorted({Item(item.picture, "train", item.label) for item in items})


def pictures_in(directory: Path, root: Path, deep: bool = True) -> Iterator[str]:
    """Yield the paths, relative to `root`, of the pictures in a folder and in the folders in it; no hidden ones.

    Raises DataError if a link leads out of `root`.
    """
    require_inside(directory, root)
    for folder, folders, names in os.walk(directory, onerror=_raise):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        inner = Path(folder).relative_to(root).as_posix()
        for name in names:
            if is_picture(name):
                path = os.path.join(folder, name)  # as text: objects would double the time of a large folder
                if os.path.islink(path):
                    require_inside(Path(path), root)
                yield name if inner == "." else f"{inner}/{name}"


def _raise(error: OSError) -> None:
    raise error


def is_inside(path: Path, root: Path) -> bool:
    """Check whether a path, links followed, is `root` or lies in it; `root` is resolved."""
    return "\0" not in os.fspath(path) and files.real_path(path).is_relative_to(root)


def require_inside(path: Path, root: Path) -> None:
    """Raise DataError unless the path, links followed, is `root` or lies in it."""
    if not is_inside(path, root):
        raise DataError(f"{path} leads out of {root}: put the files themselves into the folder.")


def files_in(directory: Path, suffix: str) -> list[Path]:
    """Return the files with a suffix directly in a folder, by name; no hidden ones, none if there is no such folder."""
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [directory / name for name in names if name.lower().endswith(suffix) and not name.startswith(".")]


def read_text(path: Path, damage: list[str], most_bytes: int = MOST_BYTES) -> str | None:
    """Return a label file's text; None, and a sentence in `damage`, if it is no text."""
    data = read_bytes(path, damage, most_bytes)
    try:
        return None if data is None else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        damage.append(f"{path} is not a text file in UTF-8: export it again or delete it")
        return None


def read_bytes(path: Path, damage: list[str], most_bytes: int = MOST_BYTES) -> bytes | None:
    """Return a label file's bytes; None, and a sentence in `damage`, if it cannot be read or is far too large."""
    try:
        return files.read_bytes(path, most_bytes)
    except files.FileTooLarge:
        damage.append(f"{path} has more than {most_bytes / 2**20:g} MB, too much for such a file: delete it")
        return None
    except files.FileRefused:
        damage.append(f"{path} is not a file: delete it or put a label file in its place")
        return None
    except OSError as error:
        damage.append(f"{path} cannot be read ({error.strerror}): give access to it or delete it")
        return None


def read_list(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return the text of a list of pictures or class names; raises DataError, as nothing can be read without it."""
    damage: list[str] = []
    text = read_text(path, damage, most_bytes)
    if text is None:
        raise DataError(f"{damage[0]}.")
    return text


class _PlainLoader(yaml.SafeLoader):
    """Reads no aliases, with which few bytes may mean gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> object:
    """Return what a YAML file describes, None if it is no YAML; raises DataError if it cannot be read."""
    text = read_list(path, MOST_YAML_BYTES)
    try:
        return yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):  # ValueError: the 31st of February
        return None


def to_class_name(value: object) -> str | None:
    """Return a class's name as text; None for what is none: empty, a truth value, a list, half a character."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    name = str(value).strip()
    return name if name and is_unicode(name) else None


def is_unicode(name: str) -> bool:
    """Check whether a name can be written into a JSON file: file names may hold bytes that are no characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_picture_size(path: Path, damage: list[str]) -> PictureSize | None:
    """Return a picture's size from its header; None, and a sentence in `damage`, if it is no picture or too large."""
    try:
        with open_picture(path) as image:
            stored, orientation = image.size, orientation_of(image)
    except PictureError as error:
        damage.append(f"{path} cannot be read ({error.reason}): replace or delete it")
        return None
    return PictureSize(stored, upright_size(stored, orientation), orientation)
