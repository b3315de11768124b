"""Reading a user's folder of another format: the names of its files, its label files, lists and descriptions.

In: a folder. Out: paths relative to it, text, YAML, the sizes of pictures. Apart because every format needs it. No name
leads out of the folder: a file that is a link out of it is none of its files.
"""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path

import yaml

from core import DataError, files
from core.datasets.convert.format import Item, PictureSize, ProblemCounter
from core.datasets.names.name_index import is_picture
from core.datasets.names.part_names import part_of
from core.datasets.pictures import PictureError, open_picture
from core.datasets.pixels.upright import orientation_of, upright_size
from core.datasets.problems import ProblemKind

MOST_YAML_BYTES = 2**18  # of a description of a folder; one with 1,200 classes has a tenth of it
MOST_BYTES = 16 * 2**20  # of a label file or list; one with a thousand polygons has a tenth of it
MOST_PROBES = 20  # files of a kind whose beginnings are read, to tell what a folder is
MOST_NAMES, MOST_OF_FOLDER = 5000, 100  # files that are listed for it: in all, and directly in one folder
BEGINNING = 4096  # bytes
# a value in double quotes that begins as a path of Windows; "K\u00e4se" and "K\xe4se" do not
QUOTED_PATH = re.compile(r'"(?:[A-Za-z]:|\.\.?|\w+(?=\\[^uUx]))\\[^"\n]*"')
LINK_DEPTH = 2  # of folders: images/ and images/train/ may be links that lead out


class LabelFileError(Exception):
    """A label file cannot be read; the text says why, in a few words."""


class FolderFiles:
    """The names of all files in a folder, found once; hidden ones and links out of the folder are left out.

    folder     resolved
    problems   told of links out of the folder
    is_sample  list a bounded number of files, which is enough to tell what the folder is
    """

    def __init__(self, folder: Path, problems: ProblemCounter | None = None, is_sample: bool = False) -> None:
        self.folder = folder
        walk = _walk(folder, problems, MOST_OF_FOLDER if is_sample else None)
        self.names = list(islice(walk, MOST_NAMES if is_sample else None))  # relative to the folder, with "/"

    @cached_property
    def pictures(self) -> list[str]:
        """The files whose names end as a picture's, by path."""
        return sorted(name for name in self.names if is_picture(name))

    def ending(self, *suffixes: str) -> list[str]:
        """Return the files with one of these endings, whatever their case, by path."""
        return sorted(name for name in self.names if name.lower().endswith(suffixes))

    def path(self, name: str) -> Path:
        """Return the path of one of the files."""
        return self.folder / name


def _walk(root: Path, problems: ProblemCounter | None, most: int | None) -> Iterator[str]:
    """Yield the files in a folder and in those in it, also those that links lead to, each folder once.

    A picture folder may be a link to another disk, so folders at the top may lead out; deeper ones and files may not.
    most: how many of each folder
    """
    seen = {os.path.realpath(root)}
    for folder, folders, names in os.walk(root, onerror=_raise, followlinks=True):
        inner = os.path.relpath(folder, root)
        prefix = "" if inner == "." else inner.replace(os.sep, "/") + "/"
        kept = []
        for name in sorted(folders):
            path = os.path.join(folder, name)
            if name.startswith(".") or name == "__MACOSX":
                continue
            if prefix.count("/") >= LINK_DEPTH and not _stays_inside(path, prefix + name, root, problems):
                continue
            if (real := os.path.realpath(path)) not in seen:
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        for name in sorted(names)[:most]:
            if not name.startswith(".") and _stays_inside(os.path.join(folder, name), prefix + name, root, problems):
                yield prefix + name


def _stays_inside(path: str, name: str, root: Path, problems: ProblemCounter | None) -> bool:
    if not os.path.islink(path) or is_inside(Path(path), root):
        return True
    if problems is not None:
        problems.add(ProblemKind.LEADS_OUT, name)
    return False


def _raise(error: OSError) -> None:
    raise error


def is_inside(path: Path, root: Path) -> bool:
    """Check whether a path, links followed, is `root` or lies in it; `root` is resolved."""
    return "\0" not in os.fspath(path) and files.real_path(path).is_relative_to(root)


def splits_by_folder(names: Collection[str]) -> dict[str, str]:
    """Return the part of each path by the first folder in it that is named like one; folders of all paths do not count.

    Paths without such a folder are not in the result.
    """
    above = os.path.commonpath([os.path.dirname(name) for name in names]) if names else ""
    first = above.count("/") + 1 if above else 0
    inner = {name: s for name in names if (s := _split_of_folders(name.split("/")[first:-1]))}
    return inner or {name: s for name in names if (s := _split_of_folders(name.split("/")[:-1]))}


def _split_of_folders(folders: list[str]) -> str | None:
    return next((split for folder in folders if (split := part_of(folder))), None)


def nearest_to(place: str, names: Iterable[str]) -> list[str]:
    """Return those of the names, in order, that share the most folders with a path, from the top.

    Parts of a data set, and data sets beside each other, may each have a picture of the same name.

    >>> nearest_to("b/lists/train.txt", ["a/images/1.jpg", "b/images/1.jpg"])
    ['b/images/1.jpg']
    """
    above = place.split("/")[:-1]
    shared: dict[str, int] = {}
    for name in sorted(names):
        pairs = zip(above, name.split("/")[:-1], strict=False)
        shared[name] = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    most = max(shared.values(), default=0)
    return [name for name, count in shared.items() if count == most]


def strays(labels: Mapping[str, str]) -> set[str]:
    """Return the pictures whose label file lies among those of other pictures, with names that both have.

    labels: the label file of each picture. The picture of such a file is missing, and it is that of another one.

    >>> sorted(strays({"a/1.jpg": "a/l/1.txt", "b/1.jpg": "b/l/1.txt", "b/3.jpg": "b/l/3.txt", "a/2.jpg": "b/l/2.txt"}))
    ['a/2.jpg']
    """
    pairs = {picture: (os.path.dirname(picture), os.path.dirname(label)) for picture, label in labels.items()}
    names: defaultdict[str, set[str]] = defaultdict(set)
    pictures_of: defaultdict[str, Counter[str]] = defaultdict(Counter)
    labels_of: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for picture, (folder, place) in pairs.items():
        names[folder].add(os.path.splitext(os.path.basename(picture))[0].lower())
        pictures_of[place][folder] += 1
        labels_of[folder][place] += 1
    usual = {place: counts.most_common(1)[0][0] for place, counts in pictures_of.items()}
    return {
        picture
        for picture, (folder, place) in pairs.items()
        if usual[place] != folder
        and labels_of[folder].most_common(1)[0][0] != place
        and names[folder] & names[usual[place]]
    }


def beginning(path: Path) -> str:
    """Return the first characters of a file, "" if it cannot be read; what is no UTF-8 is replaced."""
    try:
        with files.open_file(path) as file:
            return decode(file.read(BEGINNING), errors="replace")
    except (OSError, LabelFileError):
        return ""


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return a label file's text; raises LabelFileError if it cannot be read or is no text."""
    return decode(read_bytes(path, most_bytes))


def decode(data: bytes, errors: str = "strict") -> str:
    """Decode text in UTF-8, or in UTF-16 where its first bytes say so; raises LabelFileError if it is neither."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding, errors)
    except UnicodeDecodeError:
        raise LabelFileError("not a text file in UTF-8") from None


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return a label file's bytes; raises LabelFileError if it cannot be read or is far too large."""
    try:
        return files.read_bytes(path, most_bytes)
    except files.FileTooLarge:
        raise LabelFileError(f"more than {most_bytes / 2**20:g} MB, too much for such a file") from None
    except OSError as error:
        raise LabelFileError(error.strerror or "not to be read") from None


def read_list(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return the text of a list of pictures or class names; raises DataError, as nothing can be read without it."""
    try:
        return read_text(path, most_bytes)
    except LabelFileError as error:
        raise DataError(f"{path} cannot be read ({error}): save it as text in UTF-8 or delete it.") from None


def lines_of(text: str) -> list[str]:
    """Return the lines of a text; unlike `splitlines`, only at its line ends, which no name can hold."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class _PlainLoader(yaml.BaseLoader):
    """Reads every value as text, so that a class "no" stays one, and no aliases: few bytes may mean gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> object:
    r"""Return what a YAML file describes, its values as text; raises LabelFileError if it is no YAML.

    Backslashes of a path in double quotes, which YAML takes for signs such as "\t", are meant as they stand.
    """
    try:
        text = read_text(path, MOST_YAML_BYTES)
        return yaml.load(QUOTED_PATH.sub(lambda match: match[0].replace("\\", "/"), text), _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise LabelFileError(f"line {mark.line + 1}" if mark else "not YAML") from None


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


def read_picture_size(path: Path, item: Item, problems: ProblemCounter) -> PictureSize | None:
    """Return a picture's size from its header; None, and a problem of the item, if it is none or too large."""
    try:
        with open_picture(path) as image:
            stored, orientation = image.size, orientation_of(image)
    except PictureError as error:
        problems.add(error.kind, f"{item.picture}: {error.reason}", item)
        return None
    return PictureSize(stored, upright_size(stored, orientation), orientation)
