"""The annotations of a COCO file: their ids as whole numbers, each of an image and a category that are listed.

In: the list as a file has it, and its images and categories. Out: dicts of the ANNOTATION_FIELDS, and what was wrong.
Their boxes and areas are completed in `areas.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from operator import itemgetter
from reprlib import repr as shortened
from typing import Any

from core.datasets.coco.entries import Entries, Entry, resolve
from core.datasets.coco.ids import is_number, is_text_id, to_id, to_number
from core.datasets.problems import Example, Problem, ProblemKind, problems_of

ANNOTATION_FIELDS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
UNKNOWN = {"image_id": ProblemKind.UNKNOWN_IMAGE, "category_id": ProblemKind.UNKNOWN_CATEGORY}

References = Mapping[str, Entries]  # images and categories, by the keys of UNKNOWN


class Repair:
    """Annotations of which any may be odd, made plain one by one; what was odd about them is collected.

    stated    a reference that means no entry, as the file has it, by the annotation's `id()` and the key
    examples  of what was repaired or left out
    """

    def __init__(self, references: References) -> None:
        self._references = [(key, entries, entries.ids) for key, entries in references.items()]
        self.stated: dict[tuple[int, str], str] = {}
        self.examples: defaultdict[ProblemKind, list[Example]] = defaultdict(list)

    def listed(self, split: str) -> list[Problem]:
        """Return the problems of a split."""
        return [problem for kind, some in self.examples.items() for problem in problems_of(kind, split, some)]

    def plain(self, row: Any, place: int) -> Entry | None:
        """Return the annotation's ANNOTATION_FIELDS with their types, None for what is no dict.

        References that mean nothing are None, as is a box that is missing; `area` is left out where there is none.
        """
        if not isinstance(row, dict):
            self.examples[ProblemKind.NO_ENTRY].append(Example(f"annotation number {place + 1}: {shortened(row)}"))
            return None
        plain = {key: row.get(key) for key in ANNOTATION_FIELDS}
        kinds = [self._refer(plain, *reference) for reference in self._references]
        plain["iscrowd"], area = int(to_number(plain["iscrowd"]) == 1 or plain["iscrowd"] is True), plain["area"]
        if not is_number(area):
            plain["area"] = to_number(area)
            if plain["area"] is None:
                del plain["area"]
        box = plain["bbox"]
        if isinstance(box, list) and len(box) == 4 and any(isinstance(side, str) for side in box):
            plain["bbox"] = [side if (number := to_number(side)) is None else number for side in box]
        if plain["bbox"] != box or (isinstance(area, str) and "area" in plain):
            kinds.append(ProblemKind.TEXT_NUMBER)
        for kind in {kind for kind in kinds if kind}:
            detail = f"annotation {shortened(plain['id'])}"
            self.examples[kind].append(Example(detail, plain["image_id"]))
        return plain

    def _refer(self, plain: Entry, key: str, entries: Entries, kept: set[int]) -> ProblemKind | None:
        """Put the id of the entry that the annotation refers to in its place; return what was odd about it."""
        stated = plain[key]
        if type(stated) is int and stated in kept:
            return None
        plain[key] = number = resolve(stated, entries)
        if number is None:
            self.stated[id(plain), key] = shortened(stated)
        elif isinstance(stated, str):
            by_id = to_id(stated)
            if is_text_id(stated) and by_id in entries.known:
                return None
            return ProblemKind.TEXT_NUMBER if by_id in entries.known or by_id in entries.same else ProblemKind.BY_NAME
        return None


def with_references(
    annotations: list[Entry], references: References, stated: Mapping[tuple[int, str], str], split: str
) -> tuple[list[Entry], list[Problem]]:
    """Return the annotations whose image and category are kept, the others as problems.

    stated: a reference that means no entry, as the file has it, by the annotation's `id()` and the key.
    """
    problems = []
    for key, entries in references.items():
        ids, same = entries.ids, entries.same
        if ids.issuperset(map(itemgetter(key), annotations)):
            continue
        if same:
            for annotation in annotations:
                annotation[key] = same.get(annotation[key], annotation[key])
        examples: defaultdict[ProblemKind, list[Example]] = defaultdict(list)
        for annotation in annotations:
            if (reference := annotation[key]) not in ids:
                kind = ProblemKind.LOST if reference in entries.lost else UNKNOWN[key]
                detail = f"annotation {annotation['id']}: {key} {stated.get((id(annotation), key), reference)}"
                examples[kind].append(Example(detail, annotation_ids=(annotation["id"],)))
        annotations = [a for a in annotations if a[key] in ids]
        problems += [problem for kind, some in examples.items() for problem in problems_of(kind, split, some)]
    return annotations, problems


def all_crowd(annotations: list[Entry], split: str) -> list[Problem]:
    """Return the problem of annotations that are all crowds, of which nothing is learned or found; none without any."""
    if not annotations or not all(map(itemgetter("iscrowd"), annotations)):
        return []
    example = Example(f"{len(annotations):,} of {len(annotations):,} annotations")
    return [Problem(ProblemKind.ALL_CROWD, split, 1, (example,))]


def renumber(annotations: list[Entry], split: str) -> list[Problem]:
    """Give each annotation an int of its own as id: that of the file, or one made of its text, or the next free one."""
    strange, seen, texts = [], set(), []
    for annotation in annotations:
        stated = annotation["id"]
        annotation["id"] = number = to_id(stated)
        if number is None or number in seen:
            strange.append((annotation, stated))
        elif isinstance(stated, str):
            texts.append((annotation, stated))
        seen.add(number)
    free = 1 + max(0, max((a["id"] for a in annotations if a["id"] is not None), default=0))
    for number, (annotation, _) in enumerate(strange, start=free):
        annotation["id"] = number
    problems = []
    for kind, some in ((ProblemKind.ANNOTATION_ID, strange), (ProblemKind.TEXT_ID, texts)):
        examples = [Example(f"the id {shortened(stated)}", a["image_id"], (a["id"],)) for a, stated in some]
        problems += problems_of(kind, split, examples)
    return problems
