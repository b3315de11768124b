"""Where the pictures of a split lie: as its annotation file names them, or elsewhere in the data set's folder.

In: the images of a split and the folders in which its pictures may be. Out: the paths of those that do not lie where
the file says, and the problems that this makes. A name that could mean several pictures means none.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as shortened

from core.datasets.coco.entries import Entry
from core.datasets.folder.picture_index import PictureIndex
from core.datasets.names.name_index import Match, plain_parts
from core.datasets.names.part_names import part_of_folders
from core.datasets.pictures import path_inside
from core.datasets.problems import Example, Problem, ProblemKind, problems_of
from core.files import real_path

MOST_HINTS = 10  # missing pictures for which the nearest name is looked up


@dataclass(frozen=True)
class Located:
    """Where pictures lie that are not at their name in the picture folder, and what a user is told of it.

    paths     by image id
    parts     by image id, the part that the folders of a picture that was looked up mean
    hints     by image id, what is there instead of a missing picture, in a few words
    problems  pictures that were taken from elsewhere
    """

    paths: dict[int, Path] = field(default_factory=dict)
    parts: dict[int, str | None] = field(default_factory=dict)
    hints: dict[int, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


NOWHERE_ELSE = Located()  # every picture lies where the file says


def locate_pictures(
    images: list[Entry], image_dir: Path, bases: Iterable[Path], root: Path, part: str | None, split: str
) -> Located:
    """Return where the pictures of `split` lie that are not at their `file_name` in `image_dir`.

    First each of `bases` is tried, then whatever lies in `root`; of several, what is in a folder of `part`.
    """
    listing = _Listing()
    rest = [image for image in images if not listing.holds(image_dir, image["file_name"])]
    if not rest:
        return NOWHERE_ELSE
    paths: dict[int, Path] = {}
    for base in [real_path(base) for base in bases]:
        for image in rest:
            name = image["file_name"]
            if image["id"] not in paths and listing.holds(base, name) and (path := path_inside(base, name)):
                paths[image["id"]] = path
    parts: dict[int, str | None] = {}
    hints: dict[int, str] = {}
    examples: list[Example] = []
    for folder in dict.fromkeys((image_dir, real_path(root))):
        if not (missing := [image for image in rest if image["id"] not in paths]):
            break
        claims = _Claims(PictureIndex(folder), part, _places(images, image_dir, paths, missing))
        for image in missing:
            claims.add(image)
        moved = claims.settled()
        paths |= {image_id: claims.index.real_path(path) for image_id, path in moved.items()}
        parts |= {image_id: part_of_folders(path) for image_id, path in moved.items()}
        hints |= claims.hints
        examples += [
            Example(f"{shortened(image['file_name'])}: {place}", image["id"])
            for image in missing
            if (place := moved.get(image["id"])) and not _is_linked(image["file_name"], place, claims.index, root)
        ]
    return Located(paths, parts, hints, tuple(problems_of(ProblemKind.ELSEWHERE, split, examples)))


def _is_linked(name: str, path: str, index: PictureIndex, root: Path) -> bool:
    """Check whether a picture lies where its name says, in a folder that is a link."""
    return name.endswith(path) and any(
        real_path(os.path.join(folder, name)) == index.real_path(path) for folder in (root, index.folder)
    )


def _places(
    images: list[Entry], image_dir: Path, paths: Mapping[int, Path], missing: list[Entry]
) -> dict[str, set[str]]:
    """Return the paths of the pictures that are there, by the folder that the annotation file names for them."""
    absent = {image["id"] for image in missing}
    places: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        if image["id"] not in absent:
            path = paths.get(image["id"]) or os.path.join(image_dir, image["file_name"])
            places[_folder_of(image)].add(os.fspath(path))
    return places


def _folder_of(image: Entry) -> str:
    return "/".join(plain_parts(image["file_name"])[:-1])


class _Listing:
    """Tells whether a folder holds a file of a name; each folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[str, set[str] | None] = {}

    def holds(self, folder: Path, name: str) -> bool:
        """Check whether there is such a file; also where the folder cannot be listed, so that nobody can tell."""
        inner, _, last = name.rpartition("/")
        if not last or name.startswith("/") or (".." in name and ".." in name.split("/")):
            return False
        directory = os.path.join(folder, inner)
        if directory not in self._names:
            leads_out = not os.path.join(real_path(directory), "").startswith(os.path.join(folder, ""))
            self._names[directory] = set() if leads_out else _names_in(directory)
        names = self._names[directory]
        return names is None or last in names


def _names_in(directory: str) -> set[str] | None:
    try:
        return set(os.listdir(directory))
    except PermissionError:
        return None
    except (OSError, ValueError):  # there is none, or no folder can have such a name
        return set()


class _Claims:
    """Which picture of an index is which image's: a picture that several names may mean is that of the best one.

    places  the paths that are other images' already, by the folder that the annotation file names for them: no other
            of that folder is taken from elsewhere, as from the masks or the validation pictures of the same names
    hints   by image id, what is there instead
    """

    def __init__(self, index: PictureIndex, part: str | None, places: Mapping[str, set[str]]) -> None:
        self.hints: dict[int, str] = {}
        self.index, self._part = index, part
        self._used = {path for paths in places.values() for path in paths}
        self._folders = {name: set(map(os.path.dirname, paths)) for name, paths in places.items()}
        self._claims: dict[str, list[tuple[Match, Entry]]] = defaultdict(list)

    def add(self, image: Entry) -> None:
        """Look up an image's picture."""
        matches = self.index.matches(image["file_name"], self._part)
        paths = " and ".join(match.path for match in matches[:3])
        if len(matches) > 1:
            self.hints[image["id"]] = f"{paths} are there"
        elif matches and os.fspath(self.index.real_path(matches[0].path)) in self._used:
            self.hints[image["id"]] = f"{paths} is there, another image's"
        elif matches and self._may_be(matches[0].path, image):
            self._claims[matches[0].path].append((matches[0], image))
        elif matches:
            self.hints[image["id"]] = f"{paths} is there"
        elif len(self.hints) < MOST_HINTS and (nearest := self.index.nearest(image["file_name"])):
            self.hints[image["id"]] = f"{nearest} is there"

    def _may_be(self, path: str, image: Entry) -> bool:
        folders = self._folders.get(_folder_of(image), {""})
        real = os.fspath(self.index.real_path(path))
        if self._part and part_of_folders(path) not in (None, self._part):
            return False
        return any(real.startswith(os.path.join(folder, "")) for folder in folders)

    def settled(self) -> dict[int, str]:
        """Return the path in the index by image id; two names that fit a picture equally well get none."""
        paths: dict[int, str] = {}
        for path, claims in self._claims.items():
            best = max(match.rank for match, _ in claims)
            is_clear = len({image["file_name"] for match, image in claims if match.rank == best}) == 1
            for match, image in claims:
                if is_clear and match.rank == best:
                    paths[image["id"]] = path
                else:
                    self.hints[image["id"]] = f"{path} is there, which another image's name means as well"
        return paths
