"""What a data set holds for testing: its pictures and boxes are counted and told, and not used.

In: the annotation files of a part for testing. Out: the problems of what they list.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from core import DataError
from core.datasets.json_reader import decode
from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind


class _Lists(msgspec.Struct):
    """A COCO file of which the entries are counted; one for testing may have no annotations."""

    images: list[msgspec.Raw] = []
    annotations: list[msgspec.Raw] = []


class _Named(msgspec.Struct):
    file_name: str = ""


def problems_of_testing(paths: Iterable[Path], split: str) -> list[Problem]:
    """Return how many pictures and boxes the files list, as problems of `split`; a file that is none is named."""
    problems = []
    for path in paths:
        try:
            lists = decode(path, _Lists)
            names = [msgspec.json.decode(raw, type=_Named).file_name for raw in lists.images[:MOST_EXAMPLES]]
        except (DataError, msgspec.ValidationError):
            problems.append(Problem(ProblemKind.UNUSED_FILE, split, 1, (Example(path.name),)))
            continue
        if lists.images:
            problems.append(Problem(ProblemKind.TEST_PART, split, len(lists.images), tuple(map(Example, names))))
        if lists.annotations:
            problems.append(Problem(ProblemKind.TEST_BOX, split, len(lists.annotations)))
    return problems
