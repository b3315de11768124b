"""`BoxName`: a box as an address names it, and several of them as one text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

QUERY, TRUTH = "query", "truth"
MOST_NAMED = 300  # boxes in an address
_BOX = re.compile(r"(?P<kind>query|truth)\.(?P<image>-?[0-9]{1,19})\.(?P<number>-?[0-9]{1,19})")
_LARGEST = 2**63 - 1
_BETWEEN = "_"  # of names in an address: a character that needs no escape there


@dataclass(frozen=True)
class BoxName:
    """A detection, "query.IMAGE.QUERY", or an object, "truth.IMAGE.ANNOTATION"."""

    kind: str
    image_id: int
    number: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.image_id}.{self.number}"

    @classmethod
    def from_text(cls, text: str) -> BoxName | None:
        """Make it from an address; None if that names no box.

        >>> BoxName.from_text("query.139.7")
        BoxName(kind='query', image_id=139, number=7)
        """
        match = _BOX.fullmatch(text)
        if match is None or max(abs(int(match[part])) for part in ("image", "number")) > _LARGEST:
            return None
        return cls(match["kind"], int(match["image"]), int(match["number"]))


def join_names(boxes: Iterable[BoxName]) -> str:
    """Return several names as one text for an address."""
    return _BETWEEN.join(map(str, boxes))


def split_names(text: str) -> tuple[BoxName, ...]:
    """Return the boxes that such a text names, each once and at most MOST_NAMED; what names none is left out.

    >>> split_names("query.139.7_what_truth.139.22")
    (BoxName(kind='query', image_id=139, number=7), BoxName(kind='truth', image_id=139, number=22))
    """
    names = map(BoxName.from_text, text.split(_BETWEEN, 2 * MOST_NAMED))
    return tuple(dict.fromkeys(name for name in names if name))[:MOST_NAMED]
