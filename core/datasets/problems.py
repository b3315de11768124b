"""What can be wrong with a data set: `ProblemKind`, with what is done about each; `Problem`, one kind as it was found.

Apart because reading, pictures and check find problems, and command line, pages and pre-flight tell of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

MOST_EXAMPLES = 200  # of a problem that are kept


class Severity(Enum):
    """What a problem means for a training; `label` for people."""

    FATAL = "fatal"
    DROPPED = "left out"
    REPAIRED = "repaired"
    NOTED = "to be looked at"

    @property
    def label(self) -> str:
        return self.value


class ProblemKind(Enum):
    """A kind of problem: its severity, what it is a number of (one, several), and what to do or what was done."""

    IMAGE_ID = Severity.FATAL, "image", "without a whole number as id of its own", "give every image one"
    IMAGE_NAME = Severity.FATAL, "image", "without file_name", "name each picture's file"
    IMAGE_STATED = Severity.FATAL, "image", "without width and height", "state each picture's size in pixels"
    PATH = Severity.FATAL, "picture", "outside the picture folder", "name pictures by their path inside it"
    CATEGORY = Severity.FATAL, "category", "without a name and a whole number as the only id", "correct the categories"
    OTHER_ID = Severity.FATAL, "class", "whose id in training is another one in validation", "give it one id"
    NO_SPLIT = Severity.FATAL, "split", "that is missing", "give training and validation, or one file to be split"
    NO_IMAGES = Severity.FATAL, "split", "without images", "give each split images with objects"
    NO_PICTURES = Severity.FATAL, "split", "most of whose pictures are missing", "is this the right folder?"
    NO_OBJECTS = Severity.FATAL, "split", "without an object to learn or find", "add annotations"

    UNKNOWN_IMAGE = Severity.DROPPED, "annotation", "of an image that is not listed", "left out"
    UNKNOWN_CATEGORY = Severity.DROPPED, "annotation", "of a category that is not listed", "left out"
    NO_NUMBERS = Severity.DROPPED, "box", "without four finite numbers", "left out"
    NO_EXTENT = Severity.DROPPED, "box", "of zero or negative size", "left out"
    OUTSIDE = Severity.DROPPED, "box", "wholly outside the image", "left out"
    SAME_ANNOTATION = Severity.DROPPED, "annotation", "repeating another one", "left out"
    MISSING = Severity.DROPPED, "picture", "missing", "left out"
    UNREADABLE = Severity.DROPPED, "picture", "that cannot be read", "left out"
    OTHER_SIZE = Severity.DROPPED, "picture", "of another size than stated", "left out"
    PLACEHOLDER = Severity.DROPPED, "category", "that only stands above the others", "left out"

    ANNOTATION_ID = Severity.REPAIRED, "annotation", "without a whole number as id of its own", "given a new one"
    NO_AREA = Severity.REPAIRED, "annotation", "without area", "width × height is taken"
    BEYOND = Severity.REPAIRED, "box", "beyond the border of the image", "cut off there for the training"
    TURNED = Severity.REPAIRED, "picture", "stored turned (EXIF), its boxes upright", "turned when read"

    MIRRORED = Severity.NOTED, "picture", "with an EXIF orientation", "boxes are taken as the pixels are stored"
    ZERO_ID = Severity.NOTED, "annotation", "with the id 0", "pycocotools takes its object for missed; not so here"
    TWICE = Severity.NOTED, "object", "labelled twice (same class, IoU above 0.9)", "delete one of the two boxes"
    TINY = Severity.NOTED, "box", "narrower or lower than 2 pixels", "is there an object?"
    FEW_OBJECTS = Severity.NOTED, "class", "with fewer than 20 objects", "figures on so few are chance"
    ONE_SPLIT = Severity.NOTED, "class", "in one split only", "either not learned or not judged"
    LEAK = Severity.NOTED, "picture", "in training and validation alike", "AP is too good there"

    def __init__(self, severity: Severity, unit: str, what: str, advice: str):
        self.severity, self.unit, self.what, self.advice = severity, unit, what, advice

    @property
    def key(self) -> str:
        """As JSON and addresses name it: "other-size"."""
        return self.name.lower().replace("_", "-")

    def counted(self, count: int) -> str:
        """
        >>> Kind.NO_EXTENT.counted(2)
        '2 boxes of zero or negative size'
        """
        plural = {"category": "categories", "box": "boxes", "class": "classes"}.get(self.unit, self.unit + "s")
        return f"{count:,} {self.unit if count == 1 else plural} {self.what}"


@dataclass(frozen=True)
class Example:
    """One place where a problem is: image and annotation ids as the file has them, None or empty where there is none.

    detail says which value, file or class, in a few words.
    """

    detail: str
    image_id: int | None = None
    annotation_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A kind of problem in a split ("train", "val", or "" for both together), how often, and the first examples."""

    kind: ProblemKind
    split: str
    count: int
    examples: tuple[Example, ...] = ()

    @property
    def sentence(self) -> str:
        """
        >>> Problem(Kind.NO_EXTENT, "train", 2).sentence
        'train: 2 boxes of zero or negative size (left out)'
        """
        where = f"{self.split}: " if self.split else ""
        return f"{where}{self.kind.counted(self.count)} ({self.kind.advice})"

    def to_dict(self) -> dict:
        """For JSON."""
        examples = [
            {"detail": e.detail, "image_id": e.image_id, "annotation_ids": list(e.annotation_ids)}
            for e in self.examples[:MOST_EXAMPLES]
        ]
        return {
            "kind": self.kind.key, "severity": self.kind.severity.name.lower(), "split": self.split,
            "count": self.count, "sentence": self.sentence, "examples": examples,
        }  # fmt: skip


def problems_of(
    kind: ProblemKind, split: str, examples: Iterable[Example], most: int | None = MOST_EXAMPLES
) -> list[Problem]:
    """The problem with its first `most` examples in a list, or an empty list if there is no example."""
    examples = list(examples)
    return [Problem(kind, split, len(examples), tuple(examples[:most]))] if examples else []


def sort_by_severity(problems: Iterable[Problem]) -> list[Problem]:
    """The fatal ones first, then as the kinds stand above; of one kind the training split first."""
    kinds = list(ProblemKind)
    return sorted(problems, key=lambda p: (kinds.index(p.kind), ["train", "val"].index(p.split) if p.split else 2))
