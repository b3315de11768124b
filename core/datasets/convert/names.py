"""Names of files as they are written elsewhere: in a list, in a label file, by another machine: `NameIndex`.

In: the names that a folder holds. Out: which of them a written name means, whatever its folders, case, Unicode form,
slashes, "%20" and ending.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from urllib.parse import unquote

from core.datasets.folder.picture_index import SUFFIXES

ENDINGS = {*SUFFIXES, ".xml", ".txt", ".json"}  # which a written name may have or lack
MOST_COMPARED = 20_000  # names among which the nearest is looked for


def spelling(name: str) -> str:
    r"""Return a name alike for all its spellings: of case, of Unicode's forms, of slashes, with "%20".

    >>> spelling(r"A\My%20Car.JPG")
    'a/my car.jpg'
    """
    name = name.replace("\\", "/")
    if "%" in name:
        name = unquote(name, errors="surrogateescape")
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).casefold()


def without_ending(name: str) -> str:
    """Return a name without the ending of a picture or label file; other dots belong to the name."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in ENDINGS and stem.rpartition("/")[2] else name


class NameIndex:
    """Files by the spelling of their last part."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            self._by_stem[without_ending(spelling(name)).rpartition("/")[2]].append(name)

    def find(self, written: str) -> list[str]:
        """Return the files that a written name means as nearly as any: one, several that are alike in it, or none.

        Of files with the same last part, those with the most folders in common count, and then those with the same
        ending.
        """
        key = spelling(written.strip().strip("\"'"))
        for whole in dict.fromkeys((without_ending(key), key)):
            candidates = self._by_stem.get(whole.rpartition("/")[2], [])
            if len(candidates) > 1:
                ranks = [_rank(whole, key, candidate) for candidate in candidates]
                candidates = [name for name, rank in zip(candidates, ranks, strict=True) if rank == max(ranks)]
            if candidates:
                return list(candidates)
        return []

    def nearest(self, written: str) -> str | None:
        """Return the file whose name is most like a written one, for a message; None if there is nothing like it."""
        stem = without_ending(spelling(written)).rpartition("/")[2]
        stems = list(self._by_stem)[:MOST_COMPARED]
        close = get_close_matches(stem, stems, n=1)
        return self._by_stem[close[0]][0] if close else None


def _rank(stem: str, key: str, candidate: str) -> tuple[int, bool, bool]:
    """Return how well a candidate fits: folders in common from the end, same ending, exactly as many folders."""
    spelt = spelling(candidate)
    parts, others = stem.split("/")[-2::-1], without_ending(spelt).split("/")[-2::-1]
    return _common(parts, others), spelt.endswith(key.rpartition("/")[2]), len(parts) == len(others)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many items two sequences have in common from their beginning."""
    pairs = zip(first, second, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
