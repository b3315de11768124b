r"""Names of files as they are written elsewhere – in an annotation file, in a list, by another machine: `NameIndex`.

In: the paths that are there. Out: which of them a written name means, also one with the folders of another machine,
backslashes, percent-encoding or an address around it, in another case or Unicode form, or with a lost ending.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple
from urllib.parse import unquote

from core.datasets.names.part_names import part_of_folders
from core.files import LONGEST_PATH
from core.system.names import same_name

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
ENDINGS = {*SUFFIXES, ".xml", ".txt", ".json"}  # which a written name may have or lack
MOST_COMPARED = 500  # names that are compared with a missing one
MOST_NEAREST = 100  # missing names that are compared: each takes some milliseconds, and a list may have a million
LONGEST = 255  # characters of a file's name, on any system


class Match(NamedTuple):
    """A path that a name may mean; a better match has a larger `rank`."""

    path: str
    rank: tuple[int, ...]


def is_picture(name: str) -> bool:
    """Check whether a file name is that of a picture, and not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def plain_parts(name: str) -> list[str]:
    r"""Return the folders and the file that a path of any system or an address means, without drive, "." and "..".

    Nothing of a path that is too long for any file: its Unicode form could take minutes.

    >>> plain_parts(r"C:\data\..\images\a.jpg"), plain_parts("https://host/a.jpg?size=9")
    (['data', 'images', 'a.jpg'], ['host', 'a.jpg'])
    """
    if len(name) > LONGEST_PATH:
        return []
    name = name.rpartition("?d=")[2]  # "/data/local-files/?d=images/a.jpg", as Label Studio names its local files
    name = unicodedata.normalize("NFC", name.strip())
    name = re.sub(r"^([A-Za-z]:|file:|https?:)|(?:(?<=\.\w{3})|(?<=\.\w{4}))\?.*", "", name)
    return [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]


def spelling(path: str) -> str:
    r"""Return a path alike for all its spellings: of case, of Unicode's forms, of slashes, of ".jpeg", with "%20".

    >>> spelling(r"A\.\My%20Car.JPEG")
    'a/my car.jpg'
    """
    return "/".join(_key(part) for part in plain_parts(_decoded(path)))


def without_ending(name: str) -> str:
    """Return a name without the ending of a picture or label file; other dots belong to the name."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in ENDINGS and stem.rpartition("/")[2] else name


class NameIndex:
    """Paths with "/" by the names of their files."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = list(paths)
        self._compared = 0

    def matches(self, written: str, part: str | None = None, *, any_ending: bool = False) -> list[Match]:
        """Return the paths that a name may mean, the best ones alone: one, or several of the same rank, or none.

        Folders count from the end, so that those of another machine do no harm. Of several the one in a folder of
        `part`, "train" or "val", is better. A name with the ending of another picture means another picture, unless
        `any_ending`: then that of a label file means its picture, too.
        """
        unquoted = written.strip().strip("\"'")
        for variant in dict.fromkeys((written, unquoted, _decoded(unquoted))):
            parts = plain_parts(variant)
            if parts and (paths := self._named(parts[-1], any_ending)):
                matches = [Match(path, _rank(path, parts, part, any_ending)) for path in paths]
                best = max(match.rank for match in matches)
                return [match for match in matches if match.rank == best]
        return []

    def find(self, written: str) -> list[str]:
        """Return the paths that a name means whatever its ending, as `matches`."""
        return [match.path for match in self.matches(written, any_ending=True)]

    def nearest(self, written: str) -> str | None:
        """Return the path whose file name is most like one that is missing, for a message; None if none is alike.

        Also after MOST_NEAREST names, and of one that no file can have.
        """
        parts = plain_parts(written)
        if not parts or len(parts[-1]) > LONGEST or self._compared >= MOST_NEAREST:
            return None
        self._compared += 1
        if same := self._by_loose_stem.get(_loose(parts[-1])):
            return same[0]
        names = {_key(_last(path)): path for path in self.paths[:MOST_COMPARED]}
        close = difflib.get_close_matches(_key(parts[-1]), names, n=1, cutoff=0.8)
        return names[close[0]] if close else None

    def _named(self, name: str, any_ending: bool) -> list[str]:
        key, stem = _key(name), _key(without_ending(name))
        if any_ending:
            return self._by_stem.get(stem) or self._by_stem.get(key, [])
        if paths := self._by_name.get(key):
            return paths
        # without its ending, or of a file that has lost its own
        return self._by_name.get(stem, []) if is_picture(name) else self._by_stem.get(key, [])

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped((_key(name), path) for name, path in self._names())

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped((_key(without_ending(name)), path) for name, path in self._names())

    @cached_property
    def _by_loose_stem(self) -> dict[str, list[str]]:
        return _grouped((_loose(_last(path)), path) for path in self.paths)

    def _names(self) -> Iterator[tuple[str, str]]:
        for path in self.paths:
            name = _last(path)
            yield name, path
            if "%" in name and (decoded := _decoded(name)) != name:
                yield decoded, path


def _last(path: str) -> str:
    """Return the file's name in a path, also where a backslash has become part of it, as bad archives leave it."""
    return re.split(r"[/\\]", path)[-1]


def _decoded(name: str) -> str:
    return unquote(name, errors="surrogateescape") if "%" in name else name


def _key(name: str) -> str:
    """Return a name alike for all its spellings."""
    key = same_name(name)
    if key.endswith(".jpeg"):
        return key.removesuffix(".jpeg") + ".jpg"
    return key.removesuffix("f") if key.endswith(".tiff") else key


def _loose(name: str) -> str:
    """Return a name without its ending, leading zeros and signs: those of "img_001.jpg" and "IMG-1" are the same."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", " ", _key(without_ending(name))))


def _rank(path: str, parts: list[str], part: str | None, any_ending: bool) -> tuple[int, ...]:
    """Return how well a path fits: folders in common, the part of the data set, the ending, the letters, all folders.

    any_ending: a label file and its picture may lie in different folders, then as deep ones
    """
    *folders, name = re.split(r"[/\\]", unicodedata.normalize("NFC", path))
    *written_folders, written = parts
    pairs = list(zip(reversed(folders), reversed(written_folders), strict=False))
    common = next((i for i, (a, b) in enumerate(pairs) if _key(a) != _key(b)), len(pairs))
    part_of_path = part_of_folders(path)
    fits = 0 if part_of_path is None or part is None else 1 if part_of_path == part else -1
    same_letters = folders[len(folders) - common :] == written_folders[len(written_folders) - common :]
    as_deep = len(folders) == len(written_folders) and (any_ending or common == len(folders))
    return common, fits, int(_key(name) == _key(written)), int(name == written), int(same_letters), int(as_deep)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
