"""What is kept of a conversion, in source.json beside the annotations: of which folder, how much, and what is wrong.

In: the folder, or the path of one of its annotation files. Out: `Conversion`. Apart because whoever reads a converted
data set tells what its conversion left out, without knowing how it was made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.datasets.problems import Example, Problem, ProblemKind, Severity
from core.files import read_bytes

MADE_BY = "DETR Lab: converted"
CONVERTING = 5  # raise it whenever the result changes: folders converted before are then converted anew
SOURCE = "source.json"
MOST_SOURCE_BYTES = 4_000_000
MOST_KEPT = 50  # examples of a problem
MOST_COUNT = 10**9
BEFORE = {  # what conversions of version 1 kept of a problem: a description and how many
    "labels without a picture": ProblemKind.LABEL_ALONE,
    "pictures without a label file": ProblemKind.UNLABELLED,
    "labelled pictures in no list": ProblemKind.UNLISTED,
    "listed pictures that are missing": ProblemKind.LISTED_MISSING,
    "pictures of a test part": ProblemKind.TEST_PART,
    "labels of a test part": ProblemKind.TEST_PART,
    "val folders that are not there": ProblemKind.NO_FOLDER,
    "test folders that are not there": ProblemKind.NO_FOLDER,
}


@dataclass(frozen=True)
class Conversion:
    """Where a converted data set comes from.

    source       the user's folder
    format       its key in FORMATS
    fingerprint  of the labels, lists and names of pictures that were read
    problems     what was left out, repaired or noted; their image ids are those of the converted files
    pictures     how many the user's folder holds, used or not
    boxes        how many its label files have, used or not; None if that was not counted (version 1)
    version      the CONVERTING that made it
    """

    source: str
    format: str
    fingerprint: str
    problems: tuple[Problem, ...] = ()
    pictures: int | None = None
    boxes: int | None = None
    version: int = CONVERTING

    def is_of(self, other: Conversion) -> bool:
        """Check whether both were made of the same files in the same way."""
        mine, theirs = ((c.source, c.format, c.fingerprint, c.version) for c in (self, other))
        return mine == theirs


def write_conversion(out: Path, conversion: Conversion) -> None:
    """Write source.json into a folder."""
    data = {
        "made_by": MADE_BY,
        "converting": conversion.version,
        "source": conversion.source,
        "kind": conversion.format,
        "fingerprint": conversion.fingerprint,
        "pictures": conversion.pictures,
        "boxes": conversion.boxes,
        "problems": [problem.to_dict(MOST_KEPT) for problem in conversion.problems],
    }
    (out / SOURCE).write_text(json.dumps(data, indent=1), encoding="utf-8")


def read_conversion(out: Path) -> Conversion | None:
    """Return what a folder's source.json says; None if it is missing, broken or another program's."""
    try:
        data = json.loads(read_bytes(out / SOURCE, MOST_SOURCE_BYTES))
        if data["made_by"] != MADE_BY:
            return None
        problems = [p for one in data.get("problems", ()) if (p := _problem(one))]
        problems += [
            Problem(BEFORE[text], "", n)
            for text, n in data.get("left_out", {}).items()
            if text in BEFORE and _is_count(n)
        ]
        return Conversion(
            str(data["source"]), str(data["kind"]), str(data["fingerprint"]), tuple(problems),
            _count(data.get("pictures")), _count(data.get("boxes")), data["converting"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def conversion_of(json_path: Path) -> Conversion | None:
    """Return the conversion that made an annotation file; None if it is nothing that was converted."""
    return read_conversion(json_path.parent.parent) if json_path.parent.name == "annotations" else None


def conversion_problems(json_path: Path, split: str) -> list[Problem]:
    """Return what is known since the conversion of an annotation file, if it was converted; else nothing.

    Problems of the whole folder belong to the training split, those of one file for both splits as well.
    """
    conversion = conversion_of(json_path)
    if conversion is None:
        return []
    shared = json_path.stem == "instances"
    splits = {"train": {"", "train", "val"} if shared else {"", "train"}}.get(split, {split})
    return [problem for problem in conversion.problems if problem.split in splits]


def _problem(data: Any) -> Problem | None:
    """Return a problem as `Problem.to_dict` wrote it; None if this version does not know it, or it is damaged."""
    kind = next((kind for kind in ProblemKind if kind.key == data["kind"]), None)
    if kind is None or kind.severity is Severity.FATAL or data["split"] not in ("", "train", "val", "test"):
        return None
    if not _is_count(data["count"]):
        return None
    examples = [
        Example(str(one["detail"]), one["image_id"] if _is_count(one["image_id"]) else None)
        for one in data["examples"][:MOST_KEPT]
    ]
    return Problem(kind, data["split"], data["count"], tuple(examples))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < MOST_COUNT


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_COUNT else None
