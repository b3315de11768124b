"""The pictures that lie in a folder, listed once, so that a picture is found under whatever name a tool wrote for it.

In: a folder. Out: for a name as an annotation file has it the path of the picture that is meant, inside the folder. The
name may have the folders of another machine, backslashes, percent-encoding, another case or Unicode form, and lack its
extension. Links to folders are followed; nothing that lies outside of what they lead to is listed.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from core.datasets.folder.part_names import part_of_folders
from core.files import real_path
from core.wording import is_utf8

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
MOST_PICTURES = 2_000_000  # that are listed, and folders
MOST_DEPTH = 12  # of folders in folders
MOST_COMPARED = 500  # names that are compared with a missing one


class Match(NamedTuple):
    """A picture that a name may mean, by its path in the folder; a better match has a larger `rank`."""

    path: str
    rank: tuple[int, ...]


def is_picture(name: str) -> bool:
    """Check whether a file name is that of a picture, and not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def plain_parts(name: str) -> list[str]:
    r"""Return the folders and the file that a path of any system or an address means, without drive, "." and "..".

    >>> plain_parts(r"C:\data\..\images\a.jpg"), plain_parts("https://host/a.jpg?size=9")
    (['data', 'images', 'a.jpg'], ['host', 'a.jpg'])
    """
    name = name.rpartition("?d=")[2]  # "/data/local-files/?d=images/a.jpg", as Label Studio names its local files
    name = unicodedata.normalize("NFC", name.strip())
    name = re.sub(r"^([A-Za-z]:|file:|https?:)|(?<=\.\w{3}|\w{4})\?.*", "", name)
    return [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]


class PictureIndex:
    """The pictures under a folder, by their paths relative to it, with "/"."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = real_path(folder)

    @cached_property
    def paths(self) -> list[str]:
        """The paths of all pictures, and of files without an extension, in order; none of hidden ones."""
        return sorted(self._real_paths)

    def real_path(self, path: str) -> Path:
        """Return where a picture of the index lies, without links."""
        return Path(self._real_paths[path])

    def find(self, name: str, part: str | None = None) -> list[Match]:
        """Return the pictures that a name may mean, the best ones alone: one, or several of the same rank, or none.

        Folders count from the end, so that those of another machine do no harm. Of several the one in a folder of
        `part`, "train" or "val", is better.
        """
        for variant in dict.fromkeys((name, unquote(name))):
            parts = plain_parts(variant)
            if parts and (matches := self._named(parts, part)):
                best = max(match.rank for match in matches)
                return [match for match in matches if match.rank == best]
        return []

    def nearest(self, name: str) -> str | None:
        """Return the path of the picture whose name is most like one that is missing; None if none is alike."""
        parts = plain_parts(name)
        if not parts:
            return None
        if same := self._by_loose_stem.get(_loose(_stem(parts[-1]))):
            return same[0]
        names = {_key(path.rsplit("/", 1)[-1]): path for path in self.paths[:MOST_COMPARED]}
        close = difflib.get_close_matches(_key(parts[-1]), names, n=1, cutoff=0.8)
        return names[close[0]] if close else None

    def _named(self, parts: list[str], part: str | None) -> list[Match]:
        key = _key(parts[-1])
        paths = self._by_name.get(key, [])
        if not paths and not is_picture(parts[-1]):
            paths = self._by_stem.get(key, [])
        if not paths and is_picture(parts[-1]):  # a file that has lost its extension
            paths = self._by_name.get(_key(_stem(parts[-1])), [])
        return [Match(path, _rank(path, parts, part)) for path in paths]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        names = [(path.rsplit("/", 1)[-1], path) for path in self.paths]
        encoded = [(unquote(name), path) for name, path in names if "%" in name]
        return _grouped((_key(name), path) for name, path in (*names, *encoded))

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped((_key(_stem(path.rsplit("/", 1)[-1])), path) for path in self.paths)

    @cached_property
    def _by_loose_stem(self) -> dict[str, list[str]]:
        return _grouped((_loose(_stem(path.rsplit("/", 1)[-1])), path) for path in self.paths)

    @cached_property
    def _real_paths(self) -> dict[str, str]:
        """The real paths by the paths; each real folder is gone through once, under the first path to it."""
        paths: dict[str, str] = {}
        folders = [("", os.fspath(self.folder), 0)]
        visited, listed = set(), 0
        while folders and listed < MOST_PICTURES:
            inner, folder, depth = folders.pop(0)
            real = os.path.realpath(folder)
            if real in visited:
                continue
            visited.add(real)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:  # closed, or a link to nowhere
                continue
            for entry in entries:
                if entry.name.startswith(".") or not is_utf8(entry.name):
                    continue
                listed += 1
                if os.path.isdir(entry.path):  # entry.is_dir() raises at a link in a circle
                    if depth < MOST_DEPTH:
                        folders.append((f"{inner}{entry.name}/", entry.path, depth + 1))
                elif is_picture(entry.name) or "." not in entry.name:
                    is_link = entry.is_symlink()
                    path = os.path.realpath(entry.path) if is_link else os.path.join(real, entry.name)
                    if is_link and not (path.startswith(os.path.join(real, "")) and os.path.isfile(path)):
                        continue  # it leads out of the folder, or nowhere
                    paths[inner + entry.name] = path
        return paths


def _key(name: str) -> str:
    key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return (
        key[: -len(".jpeg")] + ".jpg"
        if key.endswith(".jpeg")
        else key.removesuffix("f")
        if key.endswith(".tiff")
        else key
    )


def _stem(name: str) -> str:
    return name[: -len(os.path.splitext(name)[1])] if is_picture(name) else name


def _loose(stem: str) -> str:
    """Return a name without leading zeros and signs: those of "img_001" and "IMG-1" are the same."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", " ", _key(stem)))


def _rank(path: str, parts: list[str], part: str | None) -> tuple[int, ...]:
    """Return how well a path fits: folders in common, then the part of the data set, then the very letters."""
    names = unicodedata.normalize("NFC", path).split("/")
    pairs = list(zip(reversed(names[:-1]), reversed(parts[:-1]), strict=False))
    common = next((i for i, (a, b) in enumerate(pairs) if _key(a) != _key(b)), len(pairs))
    part_of_path = part_of_folders(path)
    fits = 0 if part_of_path is None or part is None else 1 if part_of_path == part else -1
    same_letters = names[len(names) - 1 - common :] == parts[len(parts) - 1 - common :]
    return common, fits, int(names[-1] == parts[-1]), int(same_letters)


def _grouped(pairs: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
