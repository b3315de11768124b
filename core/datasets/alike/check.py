"""Pictures that are in training and validation alike, or repeat one of their split: the same bytes, or nearly the same.

In: both splits, and the files of their pictures that can be used, the training's first. Out: problems.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from core.datasets.alike.near import near_duplicates
from core.datasets.picture_check import same_pictures
from core.datasets.problems import Example, Problem, ProblemKind, problems_of
from core.datasets.split import CocoSplit

Picture = tuple[str, int]  # its split, and the image's id
Files = Sequence[tuple[Picture, Path]]


def check_same_pictures(splits: Mapping[str, CocoSplit], files: Files) -> list[Problem]:
    """Return the pictures that are in training and validation alike, byte for byte, or repeat one of their split."""
    leaks: list[Example] = []
    repeated: defaultdict[str, list[Example]] = defaultdict(list)
    for group in same_pictures(files):
        first: dict[str, str] = {}  # file name by split
        for name, image_id in group:
            file_name = splits[name].image_by_id[image_id]["file_name"]
            if name in first:
                repeated[name].append(Example(f"{file_name}: the same as {first[name]}", image_id))
            first.setdefault(name, file_name)
            if name == "val" and "train" in first:
                leaks.append(Example(f"{first['train']} and {file_name}", image_id))
    in_split = [problem for name in splits for problem in problems_of(ProblemKind.REPEATED, name, repeated[name])]
    return [*problems_of(ProblemKind.LEAK, "", leaks), *in_split]


def check_near_pictures(splits: Mapping[str, CocoSplit], files: Files) -> Generator[int, None, list[Problem]]:
    """Look at the pictures, yielding how many are done; return which are nearly the same.

    Of pictures that are the same byte for byte one counts: the others are another problem.
    """
    groups = yield from near_duplicates(files)
    paths = dict(files)
    leaks: list[Example] = []
    repeated: defaultdict[str, list[Example]] = defaultdict(list)
    for group in groups:
        first: dict[str, str] = {}  # file name by split
        for name, image_id in _different(group, paths):
            file_name = splits[name].image_by_id[image_id]["file_name"]
            if name == "val" and "train" in first:
                leaks.append(Example(f"{first['train']} and {file_name}", image_id))
            elif name in first:
                repeated[name].append(Example(f"{file_name}: nearly {first[name]}", image_id))
            first.setdefault(name, file_name)
    in_split = [one for name in splits for one in problems_of(ProblemKind.NEAR_REPEATED, name, repeated[name])]
    return [*problems_of(ProblemKind.NEAR_LEAK, "", leaks), *in_split]


def _different(group: Sequence[Picture], paths: Mapping[Picture, Path]) -> list[Picture]:
    """Return a group without those that are another one byte for byte; of these the first stays."""
    again = {one for same in same_pictures([(one, paths[one]) for one in group]) for one in same[1:]}
    return [one for one in group if one not in again]
