"""How much of a data set is used: `Totals`, pictures and boxes, of how many, and why the others are not.

In: the splits as they are read, the problems with them and their pictures. Out: counts and sentences that are the same
wherever they are shown: on the command line, on Data, in the pre-flight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from core.datasets.folder.conversion_record import conversion_of
from core.datasets.problems import Problem, ProblemKind, Severity, sort_by_severity

PICTURES = ("picture", "image", "label file")  # units of problems that each concern one picture
BOXES = ("box", "annotation", "label")
TOLD_BEFORE_TRAINING = (
    ProblemKind.LEAK,
    ProblemKind.NEAR_LEAK,
    ProblemKind.ORIENTED,
)  # of what is only to be looked at
UNUSABLE = (ProblemKind.MISSING, ProblemKind.UNREADABLE, ProblemKind.OTHER_SIZE, ProblemKind.PATH)  # of listed images


class Split(Protocol):
    """A `CocoSplit`, as far as it is counted here."""

    @property
    def json_path(self) -> Path:
        """Its annotation file."""

    @property
    def resolved_dir(self) -> Path:
        """Its picture folder, without links."""

    @property
    def images(self) -> list[dict[str, Any]]:
        """Its images."""

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """Its annotations."""


@dataclass(frozen=True)
class Use:
    """How many pictures or boxes there are, how many of them are used, and how many of these are repaired.

    unit      "picture" or "box"
    reasons   why the others are left out, as "72 of a part for testing"
    """

    unit: str
    total: int
    used: int
    repaired: int
    reasons: tuple[str, ...]

    @property
    def left_out(self) -> int:
        """How many are not used."""
        return self.total - self.used

    @property
    def sentence(self) -> str:
        """The counts in words.

        >>> Use("picture", 364, 292, 0, ("72 of a part for testing",)).sentence
        '364 pictures: 292 used, 0 of them repaired; 72 left out (72 of a part for testing)'
        """
        units = {"box": "boxes"}.get(self.unit, self.unit + "s") if self.total != 1 else self.unit
        why = f" ({', '.join(self.reasons)})" if self.left_out and self.reasons else ""
        return (
            f"{self.total:,} {units}: {self.used:,} used, {self.repaired:,} of them repaired; "
            f"{self.left_out:,} left out{why}"
        )

    def to_dict(self) -> dict[str, int]:
        """Return the counts for JSON."""
        return {"total": self.total, "used": self.used, "repaired": self.repaired, "left_out": self.left_out}


@dataclass(frozen=True)
class Totals:
    """How many pictures and boxes of a data set's folder are used."""

    pictures: Use
    boxes: Use

    @property
    def sentences(self) -> list[str]:
        """The counts in words."""
        return [self.pictures.sentence, self.boxes.sentence]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        return {"pictures": self.pictures.to_dict(), "boxes": self.boxes.to_dict()}


def count_totals(splits: Mapping[str, Split], problems: Iterable[Problem]) -> Totals:
    """Count what of the splits is used, with all their problems known, those of pictures included.

    A picture in both splits counts once. Where a folder was converted, everything in it counts, used or not.
    """
    problems = sort_by_severity(dict.fromkeys(problems))
    listed: dict[tuple[str, str], int] = {}  # annotations by picture
    used: dict[tuple[str, str], int] = {}
    for name, split in splits.items():
        unusable = {e.image_id for p in problems if p.kind in UNUSABLE and p.split == name for e in p.examples}
        annotations = Counter(a["image_id"] for a in split.annotations)
        for image in split.images:
            key = str(split.resolved_dir), str(image.get("file_name"))
            listed.setdefault(key, annotations[image.get("id")])
            if image.get("id") not in unusable:
                used.setdefault(key, annotations[image.get("id")])
    left_out = [p for p in problems if p.kind.severity in (Severity.FATAL, Severity.DROPPED)]
    conversion = next((c for split in splits.values() if (c := conversion_of(split.json_path))), None)
    # images of UNUSABLE kinds are still listed, those of others are not; what no image is of was left out before
    unlisted = [p for p in left_out if p.kind.unit in PICTURES and (p.kind not in UNUSABLE or not _is_of_images(p))]
    pictures = len(listed) + sum(p.count for p in unlisted if p.kind is not ProblemKind.LABEL_ALONE)
    lost = [p for p in left_out if p.kind.unit in BOXES]
    boxes = sum(listed.values()) + sum(p.count for p in lost)
    if conversion is not None and conversion.pictures is not None and conversion.boxes is not None:
        pictures, boxes = conversion.pictures, conversion.boxes
    n_used, n_boxes = len(used), sum(used.values())
    reasons = _reasons(p for p in left_out if p.kind.unit in PICTURES and p.kind is not ProblemKind.LABEL_ALONE)
    of_boxes = _reasons(lost)
    if (rest := boxes - n_boxes - sum(p.count for p in lost)) > 0:
        of_boxes.append(f"{rest:,} of pictures that are left out or missing")
    return Totals(
        Use("picture", max(pictures, n_used), n_used, _repaired(problems, PICTURES, n_used), tuple(reasons)),
        Use("box", max(boxes, n_boxes), n_boxes, _repaired(problems, BOXES, n_boxes), tuple(of_boxes)),
    )


def _is_of_images(problem: Problem) -> bool:
    return any(example.image_id is not None for example in problem.examples)


def _reasons(problems: Iterable[Problem]) -> list[str]:
    counts: Counter[ProblemKind] = Counter()
    for problem in problems:
        counts[problem.kind] += problem.count
    plain = ("picture", "box")  # units that the sentence names already
    return [f"{n:,} {kind.fault}" if kind.unit in plain else kind.counted(n) for kind, n in counts.items()]


def _repaired(problems: Sequence[Problem], units: Collection[str], most: int) -> int:
    """Return how many pictures or boxes are repaired, each once where all examples are known."""
    chosen = [p for p in problems if p.kind.severity is Severity.REPAIRED and p.kind.unit in units]
    if all(p.count == len(p.examples) for p in chosen):
        return min(most, len({(p.split, e.image_id, e.annotation_ids) for p in chosen for e in p.examples}))
    return min(most, sum(p.count for p in chosen))


def summarize_problems(problems: Sequence[Problem]) -> str:
    """Return a sentence on what was left out, repaired or is TOLD_BEFORE_TRAINING; "" if there is nothing."""
    parts = []
    for severity in (Severity.DROPPED, Severity.REPAIRED, Severity.NOTED):
        counts: Counter[ProblemKind] = Counter()
        for problem in problems:
            kind = problem.kind
            if kind.severity is severity and (severity is not Severity.NOTED or kind in TOLD_BEFORE_TRAINING):
                counts[kind] += problem.count
        if counts:
            parts.append(f"{severity.label}: " + ", ".join(kind.counted(n) for kind, n in counts.items()))
    return "; ".join(parts)
