"""What a data set holds for testing: its pictures and boxes are counted and told, and not used.

In: the annotation files of a part for testing, and what another part lists. Out: the problems of what they list, and
the other part without the pictures that are theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from core import DataError, typed_json
from core.datasets.coco.entries import Entry
from core.datasets.json_reader import decode
from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind
from core.files import real_path


class ForTesting(NamedTuple):
    """An annotation file of a part for testing, and the folders from which it may name its pictures."""

    json_path: Path
    folders: tuple[Path, ...]


class _Lists(msgspec.Struct):
    """A COCO file of which the entries are counted; one for testing may have no annotations."""

    images: list[msgspec.Raw] = []
    annotations: list[msgspec.Raw] = []


class _Named(msgspec.Struct):
    file_name: str = ""


def without_testing(
    files: Iterable[ForTesting],
    images: list[Entry],
    annotations: list[Entry],
    path_of: Callable[[Entry], Path | None],
    split: str,
) -> tuple[list[Entry], list[Entry], list[Problem]]:
    """Return the images and annotations of `split` without those on pictures that the files list, and the problems.

    path_of: where an image's picture lies. What is for validation stays in it, whatever else it is for. The problems
    say how many pictures and boxes the files list, and which file is none.
    """
    by_name: dict[str, list[Entry]] = {}
    for image in images if split == "train" else ():
        by_name.setdefault(_last(image["file_name"]), []).append(image)
    problems, tested = [], dict[int, str]()
    for file in files:
        try:
            lists = decode(file.json_path, _Lists)
            names = [typed_json.decode(raw, _Named).file_name for raw in lists.images]
        except (DataError, msgspec.ValidationError):
            problems.append(Problem(ProblemKind.UNUSED_FILE, split, 1, (Example(file.json_path.name),)))
            continue
        for name in names:
            if alike := by_name.get(_last(name)):
                path = _path(file, name)
                tested |= {i["id"]: name for i in alike if (other := path_of(i)) and real_path(other) == path}
        examples = tuple(map(Example, names[:MOST_EXAMPLES]))
        problems += [Problem(ProblemKind.TEST_PART, split, len(names), examples)] if names else []
        if lists.annotations:
            problems.append(Problem(ProblemKind.TEST_BOX, split, len(lists.annotations)))
    if tested:
        lost = [a for a in annotations if a["image_id"] in tested]
        details = (f"{tested[a['image_id']]} is for testing, too" for a in lost[:MOST_EXAMPLES])
        problems += [Problem(ProblemKind.TEST_BOX, split, len(lost), tuple(map(Example, details)))] if lost else []
        images = [image for image in images if image["id"] not in tested]
        annotations = [a for a in annotations if a["image_id"] not in tested]
    return images, annotations, problems


def _last(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _path(file: ForTesting, name: str) -> Path | None:
    """Return where a picture of a file lies; None if it is in none of its folders."""
    paths = (os.path.join(folder, name.replace("\\", "/")) for folder in file.folders)
    return next((real_path(path) for path in paths if "\0" not in path and os.path.isfile(path)), None)
