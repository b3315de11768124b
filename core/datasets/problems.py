"""What can be wrong with a data set: `ProblemKind`, with what is done about it; `Problem`, one kind in one split.

Apart because readers and checks of data sets make problems; command line, pages and pre-flight only show them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from core.wording import short

PLURALS = {"category": "categories", "box": "boxes", "class": "classes", "entry": "entries"}
MOST_DETAIL = 100  # letters
MOST_TOLD = 4  # problems in one sentence
MOST_EXAMPLES = 200  # of a problem that are kept


class Severity(Enum):
    """What a problem means for a training; `label` is the user's word."""

    FATAL = "fatal"
    DROPPED = "left out"
    REPAIRED = "repaired"
    NOTED = "to be looked at"

    @property
    def label(self) -> str:
        """The word that a user reads."""
        return self.value


class ProblemKind(Enum):
    """A kind of problem: its severity, the unit that is counted, what is wrong, and what to do or what was done."""

    BOX_FORMAT = (
        Severity.FATAL, "box", "not written as x, y, width, height in pixels",
        "write a corrected copy: python -m core convert DATA --boxes FORMAT --out NEW; with --boxes xywh they stay",
    )  # fmt: skip
    OTHER_ID = Severity.FATAL, "class", "whose id in training is another one in validation", "give it one id"
    NO_SPLIT = Severity.FATAL, "split", "that is missing", "give training and validation, or one file to be split"
    NO_IMAGES = Severity.FATAL, "split", "without images", "give each split images with objects"
    NO_PICTURES = Severity.FATAL, "split", "most of whose pictures are missing", "is this the right folder?"
    ALL_CROWD = (
        Severity.FATAL, "split", "whose objects are all marked as crowds (iscrowd 1)",
        "nothing can be learned or found: set iscrowd to 0 where a box holds one object",
    )  # fmt: skip
    NO_OBJECTS = Severity.FATAL, "split", "without an object to learn or find", "add annotations"

    NO_ENTRY = Severity.DROPPED, "entry", "without the braces of a JSON object", "left out"
    IMAGE_ID = Severity.DROPPED, "image", "without an id", "left out"
    IMAGE_NAME = Severity.DROPPED, "image", "without file_name", "left out"
    SHARED_ID = Severity.DROPPED, "image", "sharing an id with another picture", "left out: whose boxes are whose?"
    NO_SIZE = Severity.DROPPED, "image", "without a size, in the file and in its picture", "left out"
    CATEGORY_ID = Severity.DROPPED, "category", "without an id of its own", "left out"
    LOST = Severity.DROPPED, "annotation", "of an image or a category that is left out", "left out"
    UNKNOWN_IMAGE = Severity.DROPPED, "annotation", "of an image that is not listed", "left out"
    UNKNOWN_CATEGORY = Severity.DROPPED, "annotation", "of a category that is not listed", "left out"
    NO_NUMBERS = Severity.DROPPED, "box", "without four finite numbers", "left out"
    NO_EXTENT = Severity.DROPPED, "box", "of zero or negative size", "left out"
    OUTSIDE = Severity.DROPPED, "box", "wholly outside the image", "left out"
    SAME_ANNOTATION = Severity.DROPPED, "annotation", "repeating another one", "left out"
    PATH = Severity.DROPPED, "picture", "outside the picture folder", "left out"
    MISSING = Severity.DROPPED, "picture", "missing", "left out"
    UNREADABLE = Severity.DROPPED, "picture", "that cannot be read", "left out"
    TEST_PART = Severity.DROPPED, "picture", "of a part for testing", "left out"
    TEST_BOX = Severity.DROPPED, "box", "of a part for testing", "left out"
    OTHER_SIZE = Severity.DROPPED, "picture", "of another size than stated", "left out"
    PLACEHOLDER = Severity.DROPPED, "category", "without objects, only a placeholder", "left out"

    # of folders in another format, which are converted
    UNLISTED = Severity.DROPPED, "picture", "in no part", "left out: put it into a list or a folder of one"
    LISTED_MISSING = Severity.DROPPED, "listed picture", "not in the folder", "left out"
    UNLABELLED = Severity.DROPPED, "picture", "without a label file", "left out"
    LABEL_ALONE = Severity.DROPPED, "label file", "without a picture", "left out"
    LABEL_FILE = Severity.DROPPED, "label file", "that cannot be read", "left out with its picture"
    LABEL_LINE = Severity.DROPPED, "label", "without the numbers of an object", "left out"
    NO_NAME = Severity.DROPPED, "label", "of a class without a name", "left out: add its name to the list of classes"
    LEADS_OUT = Severity.DROPPED, "link", "out of the folder", "left out: put the files themselves there"
    FILE_NAME = Severity.DROPPED, "picture", "with a name that is not UTF-8", "left out: rename the file"

    IMAGE_AGAIN = Severity.REPAIRED, "image", "listed again with the same id and file_name", "taken once"
    IMAGE_STATED = Severity.REPAIRED, "image", "without width and height", "taken from its picture"
    CATEGORY_NAME = Severity.REPAIRED, "category", "without a name", "named after its id"
    CATEGORY_AGAIN = Severity.REPAIRED, "category", "with the name of another one", "taken for the same class"
    TEXT_ID = Severity.REPAIRED, "id", "written as text", "replaced by a number, everywhere the same"
    TEXT_NUMBER = Severity.REPAIRED, "entry", "with numbers written as text", "read as numbers"
    BY_NAME = Severity.REPAIRED, "annotation", "with a name instead of an id", "assigned by it"
    ANNOTATION_ID = Severity.REPAIRED, "annotation", "without an id of its own", "given a new one"
    NO_BOX = Severity.REPAIRED, "annotation", "without bbox", "the box around its outline is taken"
    NO_AREA = Severity.REPAIRED, "annotation", "without area", "taken from its outline, else width × height"
    AREA = Severity.REPAIRED, "annotation", "whose area contradicts its box", "computed from its outline or box"
    ELSEWHERE = Severity.REPAIRED, "picture", "not where the annotations say", "taken from where it lies"
    BEYOND = Severity.REPAIRED, "box", "beyond the border of the image", "cut off there for the training"
    TURNED = Severity.REPAIRED, "picture", "stored turned (EXIF), its boxes upright", "turned when read"
    DEEP = Severity.REPAIRED, "picture", "of more than 8 bits a colour", "each scaled by what it holds, when read"
    SIZE_STATED = Severity.REPAIRED, "label file", "without the picture's right size", "taken from the picture"
    SAME_NAME = Severity.REPAIRED, "class", "with the name of an earlier one", "taken as that one"

    BOXES_LOOK = Severity.NOTED, "split", "whose few boxes may not be x, y, width, height in pixels", "look at them"
    ORIENTED = (
        Severity.NOTED,
        "picture",
        "turned by EXIF, its size the same",
        "boxes are taken as on the upright picture",
    )
    AS_STORED = Severity.NOTED, "picture", "turned by EXIF, its stated size not", "boxes are taken as pixels are stored"
    TRANSPARENT = Severity.NOTED, "picture", "with transparency", "what is transparent is read as white"
    FRAMES = Severity.NOTED, "picture", "of several pages or frames", "the first is read"
    UNUSED_FILE = Severity.NOTED, "file", "of annotations whose name says no part", "not used"
    ZERO_ID = Severity.NOTED, "annotation", "with the id 0", "pycocotools takes its object for missed; not so here"
    TWICE = Severity.NOTED, "object", "labelled twice (same class, IoU above 0.9)", "delete one of the two boxes"
    TINY = Severity.NOTED, "box", "narrower or lower than 2 pixels", "is there an object?"
    FEW_OBJECTS = Severity.NOTED, "class", "with fewer than 20 objects", "metrics on so few are chance"
    ONE_SPLIT = Severity.NOTED, "class", "in one split only", "either not learned or not judged"
    REPEATED = Severity.NOTED, "picture", "repeating another one of its split", "delete one, or each counts"
    LEAK = Severity.NOTED, "picture", "in training and validation alike", "AP is too good there"
    NEAR_REPEATED = (
        Severity.NOTED,
        "picture",
        "nearly the same as another one of its split",
        "delete one, or both count",
    )
    NEAR_LEAK = Severity.NOTED, "picture", "nearly the same in training and validation", "AP is too good there"
    BACKGROUND = Severity.NOTED, "image", "without a label file", "taken as one without objects"
    NO_FOLDER = Severity.NOTED, "part", "named by the description, but not in the folder", "the others are taken"
    MORE_NUMBERS = Severity.NOTED, "label", "with a number after the box", "not read: a score or a track"

    def __init__(self, severity: Severity, unit: str, fault: str, advice: str) -> None:
        self.severity, self.unit, self.fault, self.advice = severity, unit, fault, advice

    @property
    def key(self) -> str:
        """The name in JSON and in addresses, as "other-size"."""
        return self.name.lower().replace("_", "-")

    def counted(self, count: int) -> str:
        """Return the fault with how many there are of it.

        >>> ProblemKind.NO_EXTENT.counted(2)
        '2 boxes of zero or negative size'
        """
        plural = PLURALS.get(self.unit, self.unit + "s")
        return f"{count:,} {self.unit if count == 1 else plural} {self.fault}"


@dataclass(frozen=True)
class Example:
    """One image, annotation or class that has a problem.

    detail          which value, file or class, in a few words
    image_id        the image's id in the file; None if no image is meant
    annotation_ids  the annotations' ids in the file
    """

    detail: str
    image_id: int | None = None
    annotation_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", short(self.detail, MOST_DETAIL))


@dataclass(frozen=True)
class Problem:
    """A kind of problem in a split: how often it occurs, and the first examples.

    `split` is "train", "val", or "" for a problem of both together.
    """

    kind: ProblemKind
    split: str
    count: int
    examples: tuple[Example, ...] = ()

    @property
    def sentence(self) -> str:
        """The problem in words.

        >>> Problem(ProblemKind.NO_EXTENT, "train", 2).sentence
        'train: 2 boxes of zero or negative size (left out)'
        """
        where = f"{self.split}: " if self.split else ""
        return f"{where}{self.kind.counted(self.count)} ({self.kind.advice})"

    def to_dict(self, most: int = MOST_EXAMPLES) -> dict[str, Any]:
        """Return the problem for JSON, with its first `most` examples."""
        examples = [
            {"detail": e.detail, "image_id": e.image_id, "annotation_ids": list(e.annotation_ids)}
            for e in self.examples[:most]
        ]
        return {
            "kind": self.kind.key, "severity": self.kind.severity.name.lower(), "split": self.split,
            "count": self.count, "sentence": self.sentence, "examples": examples,
        }  # fmt: skip


def problems_of(
    kind: ProblemKind, split: str, examples: Iterable[Example], most: int | None = MOST_EXAMPLES
) -> list[Problem]:
    """Return a list of one problem that keeps the first `most` examples (None: all), or of none without an example."""
    examples = list(examples)
    return [Problem(kind, split, len(examples), tuple(examples[:most]))] if examples else []


def merged(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems with those of one kind and split as one, each in the place of the first."""
    by_kind: dict[tuple[ProblemKind, str], Problem] = {}
    for problem in problems:
        key = problem.kind, problem.split
        if before := by_kind.get(key):
            examples = (before.examples + problem.examples)[:MOST_EXAMPLES]
            problem = Problem(*key, before.count + problem.count, examples)
        by_kind[key] = problem
    return list(by_kind.values())


def first_of(sentences: Iterable[str]) -> str:
    """Return the first MOST_TOLD of some sentences as one, with how many there are besides.

    >>> first_of("abcdef")
    'a; b; c; d; and 2 more problems'
    """
    told = list(sentences)
    rest = len(told) - MOST_TOLD
    more = f"and {rest} more problem{'s' * (rest != 1)}"
    return "; ".join([*told[:MOST_TOLD], *([more] if rest > 0 else [])])


def sort_by_severity(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems in the order of ProblemKind, fatal ones first; of one kind the training split first."""
    kinds = list(ProblemKind)
    return sorted(problems, key=lambda p: (kinds.index(p.kind), ["train", "val"].index(p.split) if p.split else 2))
