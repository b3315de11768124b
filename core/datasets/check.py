"""Checking whether a data set is fit for training: every problem of its files, and what a training leaves out.

    check_dataset(folder)  everything, for the user: annotations, pictures, what both splits share
    sound_splits(…)        for a training: both splits without the images whose picture cannot be used

Both are generators of (pictures done, pictures in all) that return their result, because checking 118,000 pictures
takes a while. The files themselves are never changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from core import DataError
from core.datasets.alike.check import check_near_pictures, check_same_pictures
from core.datasets.coco.annotations import all_crowd
from core.datasets.coco.entries import Entry
from core.datasets.convert.to_coco import convert, detect_format
from core.datasets.folder.totals import UNUSABLE, Totals, count_totals
from core.datasets.layouts import SPLITS
from core.datasets.picture_check import picture_problems
from core.datasets.problems import (
    Example,
    Problem,
    ProblemKind,
    Severity,
    first_of,
    problems_of,
    sort_by_severity,
)
from core.datasets.sound_boxes import noted_boxes
from core.datasets.split import FEW, CocoSplit, examine_splits
from core.keep_result import KeepResult

MOST_MISSING = 0.5  # of a split's pictures, beyond which it is the wrong folder rather than some lost files

PicturesDone = tuple[int, int]  # pictures done, pictures in all


@dataclass(frozen=True)
class CheckReport:
    """The problems of a data set's folder, and how much it holds.

    images       number of images by split
    annotations  number of annotations by split, without those left out
    totals       how many pictures and boxes of the folder are used
    """

    folder: Path
    images: dict[str, int]
    annotations: dict[str, int]
    problems: tuple[Problem, ...]
    totals: Totals

    @property
    def is_fit(self) -> bool:
        """Whether it can be trained on."""
        return not self.of(Severity.FATAL)

    def of(self, severity: Severity) -> list[Problem]:
        """Return the problems of one severity."""
        return [problem for problem in self.problems if problem.kind.severity is severity]

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "folder": str(self.folder), "fit": self.is_fit, "totals": self.totals.to_dict(), "images": self.images,
            "annotations": self.annotations, "problems": [problem.to_dict() for problem in self.problems],
        }  # fmt: skip


def check_dataset(folder: str | Path, whole: bool = False) -> Generator[PicturesDone, None, CheckReport]:
    """Check annotations and pictures, yielding (pictures done, pictures in all); return the report.

    `whole` decodes every picture, which finds more and takes minutes. A folder of another format is converted into a
    folder that is then deleted. Raises DataError if there is no data set, or a file is none of its format at all.
    """
    if not detect_format(folder):
        return (yield from _check(folder, folder, whole))
    with TemporaryDirectory() as directory:
        converted = Path(directory) / "converted"
        yield from convert(folder, converted)
        return (yield from _check(converted, folder, whole))


def _check(data: str | Path, folder: str | Path, whole: bool) -> Generator[PicturesDone, None, CheckReport]:
    """Check a data set in COCO layout, `folder` or what it was converted to."""
    splits = examine_splits(data)
    problems = check_annotations(splits)
    problems += yield from check_pictures_and_leaks(splits, whole)
    return _report(folder, splits, problems)


def report_on_annotations(folder: str | Path) -> CheckReport:
    """Return the report on a data set in COCO layout as far as its annotations tell; raises as `examine_splits`."""
    splits = examine_splits(folder)
    return _report(folder, splits, check_boxes(splits))


def _report(folder: str | Path, splits: Mapping[str, CocoSplit], problems: list[Problem]) -> CheckReport:
    return CheckReport(
        Path(folder),
        {name: len(split.images) for name, split in splits.items()},
        {name: len(split.annotations) for name, split in splits.items()},
        tuple(sort_by_severity(problems)),
        count_totals(splits, problems),
    )


def check_annotations(splits: Mapping[str, CocoSplit], classes: Collection[str] | None = None) -> list[Problem]:
    """Return what `check_boxes` and `check_classes` find, the most urgent problems first."""
    return sort_by_severity(dict.fromkeys([*check_boxes(splits), *check_classes(splits, classes)]))


def check_boxes(splits: Mapping[str, CocoSplit]) -> list[Problem]:
    """Return the problems that do not depend on the chosen classes: of the files, of boxes, of empty splits."""
    problems = [Problem(ProblemKind.NO_SPLIT, name, 1) for name in SPLITS if name not in splits]
    for name, split in splits.items():
        problems += split.problems
        if not split.is_broken:
            c = split.columns
            problems += noted_boxes(split.annotations, c.xywh, c.image, c.category, name)
            problems += _check_empty(split)
    return problems


def check_classes(splits: Mapping[str, CocoSplit], classes: Collection[str] | None = None) -> list[Problem]:
    """Return which of `classes` (None: of all) are rare, in one split only, or have another id in each split."""
    problems = []
    for name, split in splits.items():
        if not split.is_broken:
            counts = {k: n for k, n in objects_by_class(split).items() if 0 < n < FEW and _is_chosen(k, classes)}
            problems += problems_of(ProblemKind.FEW_OBJECTS, name, [Example(f"{k}: {n}") for k, n in counts.items()])
    return [*problems, *_compare_classes(splits, classes)]


def _check_empty(split: CocoSplit) -> list[Problem]:
    """Return the problem of a split without images, or without objects in them."""
    if not split.images:
        return [Problem(ProblemKind.NO_IMAGES, split.name, 1)]
    if not split.annotations:
        return [Problem(ProblemKind.NO_OBJECTS, split.name, 1)]
    return all_crowd(split.annotations, split.name)


def objects_by_class(split: CocoSplit) -> dict[str, int]:
    """Return the number of objects by class name, also where it is 0; crowds are no objects."""
    counts = np.bincount(split.columns.category[~split.columns.crowd], minlength=len(split.categories))
    return {c["name"]: int(n) for c, n in zip(split.categories, counts, strict=True)}


def _is_chosen(name: str, classes: Collection[str] | None) -> bool:
    return classes is None or name in classes


def _compare_classes(splits: Mapping[str, CocoSplit], classes: Collection[str] | None = None) -> list[Problem]:
    """Return which classes have other ids in the other split, and which are in one split only."""
    if set(splits) != set(SPLITS) or any(split.is_broken for split in splits.values()):
        return []
    train, val = (splits[name] for name in SPLITS)
    train_ids, val_ids = ({c["name"]: c["id"] for c in split.categories} for split in (train, val))
    other_ids = [
        Example(f"{name}: {train_id} and {val_ids[name]}")
        for name, train_id in train_ids.items()
        if name in val_ids and val_ids[name] != train_id
    ]
    train_counts, val_counts = objects_by_class(train), objects_by_class(val)
    in_one_split = []
    for name in sorted(k for k in {*train_counts, *val_counts} if _is_chosen(k, classes)):
        n, m = train_counts.get(name, 0), val_counts.get(name, 0)
        if bool(n) != bool(m):
            in_one_split.append(Example(f"{name}: {n or m:,} in {'training' if n else 'validation'}"))
    return [
        *problems_of(ProblemKind.OTHER_ID, "", other_ids),
        *problems_of(ProblemKind.ONE_SPLIT, "", in_one_split),
    ]


def check_pictures_and_leaks(
    splits: Mapping[str, CocoSplit], whole: bool = False
) -> Generator[PicturesDone, None, list[Problem]]:
    """Check pictures, yielding (pictures done, in all); return what is wrong with each, and which are (nearly) alike.

    Each is looked at twice, and counts half each time.
    """
    total = sum(len(split.images) for split in splits.values())
    pictures, begun = KeepResult(check_pictures(splits, whole)), 0
    for begun, _ in pictures:
        yield begun // 2, total
    files = _files(splits, pictures.result)
    near = KeepResult(check_near_pictures(splits, files))
    for looked in near:
        yield (begun + looked) // 2, total
    yield total, total
    return [*pictures.result, *check_same_pictures(splits, files), *near.result]


def check_pictures(
    splits: Mapping[str, CocoSplit], whole: bool = False
) -> Generator[PicturesDone, None, list[Problem]]:
    """Check each picture of the splits, yielding (pictures done, in all); return what is wrong with them.

    A problem keeps all its examples, because a training leaves out these images; a split of which nothing is left then
    is a problem, too.
    """
    total, done = sum(len(split.images) for split in splits.values()), 0
    problems: list[Problem] = []
    for name, split in splits.items():
        examples: defaultdict[ProblemKind, list[Example]] = defaultdict(list)
        inside = []
        for image in split.images:
            path = split.path_of(image)
            if path is None:
                examples[ProblemKind.PATH].append(
                    Example(split.with_hint(repr(image["file_name"]), image), image["id"])
                )
            else:
                inside.append((image["id"], path, _size(image)))
        for checked in picture_problems(inside, whole=whole):
            for image_id, kind, detail in checked.problems:
                image = split.image_by_id[image_id]
                if kind is ProblemKind.ORIENTED and image.get("upright") is True:  # converted: no doubt
                    kind = ProblemKind.TURNED
                examples[kind].append(Example(split.with_hint(f"{image['file_name']}: {detail}", image), image_id))
            yield done + checked.done, total
        done += len(split.images)
        for kind, some in examples.items():
            problems += problems_of(kind, name, some, most=None)
        if (missing := len(examples[ProblemKind.MISSING]) + len(examples[ProblemKind.PATH])) > MOST_MISSING * len(
            split.images
        ):
            example = Example(f"{missing:,} of {len(split.images):,} are not in {split.image_dir}")
            problems.append(Problem(ProblemKind.NO_PICTURES, name, 1, (example,)))
        elif not split.is_broken and not _check_empty(split):
            problems += _check_empty(_without_unusable(split, problems))
    return problems


def _size(image: Entry) -> tuple[int, int]:
    return int(image["width"]), int(image["height"])


def _files(splits: Mapping[str, CocoSplit], problems: list[Problem]) -> list[tuple[tuple[str, int], Path]]:
    """Return ((split, image id), path) of each picture inside its split's folder that is not UNUSABLE."""
    used = {name: _without_unusable(split, problems).images for name, split in splits.items()}
    files = [((name, image["id"]), splits[name].path_of(image)) for name, images in used.items() for image in images]
    return [(key, path) for key, path in files if path]


def sound_splits(
    train: CocoSplit, val: CocoSplit
) -> Generator[PicturesDone, None, tuple[CocoSplit, CocoSplit, list[Problem]]]:
    """Remove from both splits the images whose picture is missing, cannot be read or has another size than stated.

    Yields (pictures done, in all); returns the splits, and every problem that a training should report.
    Raises DataError that lists the problems about which nothing can be done.
    """
    splits = {"train": train, "val": val}
    problems = sort_by_severity([*train.problems, *val.problems, *_compare_classes(splits)])
    pictures = yield from check_pictures(splits)
    sound_train, sound_val = (_without_unusable(split, pictures) for split in (train, val))
    empty = [p for split in splits.values() if not split.is_broken for p in _check_empty(split)]
    problems = sort_by_severity([*problems, *pictures, *empty, *check_same_pictures(splits, _files(splits, pictures))])
    fatal = [problem for problem in problems if problem.kind.severity is Severity.FATAL]
    if fatal:
        raise DataError("The data cannot be trained on. " + first_of(map(_with_example, fatal)) + ".")
    return sound_train, sound_val, problems


def _with_example(problem: Problem) -> str:
    return problem.sentence + (f": {problem.examples[0].detail}" if problem.examples else "")


def _without_unusable(split: CocoSplit, problems: list[Problem]) -> CocoSplit:
    """Return the split without the images that have an UNUSABLE problem."""
    unusable = {e.image_id for p in problems if p.kind in UNUSABLE and p.split == split.name for e in p.examples}
    if not unusable:
        return split
    return replace(
        split,
        images=[image for image in split.images if image["id"] not in unusable],
        annotations=[a for a in split.annotations if a["image_id"] not in unusable],
    )
