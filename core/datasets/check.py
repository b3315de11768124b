"""Is a data set fit for training? Every problem of its files, listed and counted; and what a training makes of them.

    check(folder)      all of it, for people: labels, pictures, what both splits share
    sound_splits(…)    for a training: both splits without the images whose picture cannot be used

Both are generators of progress that return their result, because looking at 118,000 pictures takes a while. The files
themselves are never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core import DataError
from core.datasets.layouts import SPLITS
from core.datasets.pictures import leaked_pictures, path_inside, picture_problems
from core.datasets.problems import Example, Problem, ProblemKind, Severity, problems_of, sort_by_severity
from core.datasets.sound_boxes import noted_boxes
from core.datasets.split import FEW, CocoSplit, examine_splits

MOST_MISSING = 0.5  # of a split's pictures, beyond which it is the wrong folder rather than some lost files
UNUSABLE = (ProblemKind.MISSING, ProblemKind.UNREADABLE, ProblemKind.OTHER_SIZE)

Looking = Generator[tuple[int, int], None, list[Problem]]  # (pictures done, in all)


@dataclass(frozen=True)
class CheckReport:
    """What was found in a data set's folder, and how much it holds."""

    folder: Path
    images: dict[str, int]  # by split
    annotations: dict[str, int]  # those that stay
    problems: tuple[Problem, ...]

    @property
    def is_fit(self) -> bool:
        """Whether it can be trained on."""
        return not self.of(Severity.FATAL)

    def of(self, severity: Severity) -> list[Problem]:
        return [p for p in self.problems if p.kind.severity is severity]

    def to_dict(self) -> dict:
        """For JSON."""
        return {
            "folder": str(self.folder), "fit": self.is_fit, "images": self.images,
            "annotations": self.annotations, "problems": [p.to_dict() for p in self.problems],
        }  # fmt: skip


def check_dataset(folder, whole: bool = False) -> Generator[tuple[int, int], None, CheckReport]:
    """Looks at everything, yielding (pictures done, pictures in all); returns the Report.

    `whole` decodes every picture, which finds more and takes minutes.
    Raises DataError if there is no data set, or a file is not COCO's at all.
    """
    splits = examine_splits(folder)
    problems = check_annotations(splits)
    problems += yield from check_pictures_and_leaks(splits, whole)
    return CheckReport(
        Path(folder),
        {name: len(split.images) for name, split in splits.items()},
        {name: len(split.annotations) for name, split in splits.items()},
        tuple(sort_by_severity(problems)),
    )


def check_annotations(splits: Mapping[str, CocoSplit], classes: Collection[str] | None = None) -> list[Problem]:
    """What the files say of themselves: `check_boxes` and `check_classes`, the most urgent first."""
    return sort_by_severity(dict.fromkeys([*check_boxes(splits), *check_classes(splits, classes)]))


def check_boxes(splits: Mapping[str, CocoSplit]) -> list[Problem]:
    """The files' own problems, doubtful boxes, splits without anything: whatever classes are chosen."""
    problems = [Problem(ProblemKind.NO_SPLIT, name, 1) for name in SPLITS if name not in splits]
    for name, split in splits.items():
        problems += split.problems
        if not split.is_broken:
            c = split.columns
            problems += noted_boxes(split.annotations, c.xywh, c.image, c.category, name)
            problems += _nothing_in(split)
    return problems


def check_classes(splits: Mapping[str, CocoSplit], classes: Collection[str] | None = None) -> list[Problem]:
    """Which of `classes`, or of all, are rare or in one split only; and those that have two ids."""
    problems = []
    for name, split in splits.items():
        if not split.is_broken:
            few = [(k, n) for k, n in objects_by_class(split).items() if 0 < n < FEW and _is_chosen(k, classes)]
            problems += problems_of(ProblemKind.FEW_OBJECTS, name, [Example(f"{k}: {n}") for k, n in few])
    return [*problems, *_across(splits, classes)]


def _nothing_in(split: CocoSplit) -> list[Problem]:
    """What a split is without: images, or objects on them."""
    if split.images and not split.columns.crowd.all():
        return []
    return [Problem(ProblemKind.NO_OBJECTS if split.images else ProblemKind.NO_IMAGES, split.name, 1)]


def objects_by_class(split: CocoSplit) -> dict[str, int]:
    """Class name to its objects, crowds apart, 0 included."""
    counts = np.bincount(split.columns.category[~split.columns.crowd], minlength=len(split.categories))
    return {c["name"]: int(n) for c, n in zip(split.categories, counts, strict=True)}


def _is_chosen(name: str, classes: Collection[str] | None) -> bool:
    return classes is None or name in classes


def _across(splits: Mapping[str, CocoSplit], classes: Collection[str] | None = None) -> list[Problem]:
    """Classes that are in one split only, or have other ids there."""
    if set(splits) != set(SPLITS) or any(split.is_broken for split in splits.values()):
        return []
    train, val = (splits[name] for name in SPLITS)
    ids = [{c["name"]: c["id"] for c in split.categories} for split in (train, val)]
    both = [(name, own, ids[1][name]) for name, own in ids[0].items() if name in ids[1]]
    other = [Example(f"{name}: {own} and {another}") for name, own, another in both if own != another]
    counts = [objects_by_class(split) for split in (train, val)]
    single = []
    for name in sorted(k for k in {*counts[0], *counts[1]} if _is_chosen(k, classes)):
        n, m = (count.get(name, 0) for count in counts)
        if bool(n) != bool(m):
            single.append(Example(f"{name}: {n or m:,} in {'training' if n else 'validation'}"))
    return [*problems_of(ProblemKind.OTHER_ID, "", other), *problems_of(ProblemKind.ONE_SPLIT, "", single)]


def check_pictures_and_leaks(splits: Mapping[str, CocoSplit], whole: bool = False) -> Looking:
    """Everything about the pictures: what is wrong with each, and which are in both splits."""
    problems = yield from check_pictures(splits, whole)
    return problems + check_leaks(splits)


def check_pictures(splits: Mapping[str, CocoSplit], whole: bool = False) -> Looking:
    """Looks at each picture of the splits, and returns what is wrong with them."""
    total, done, problems = sum(len(split.images) for split in splits.values()), 0, []
    for name, split in splits.items():
        found: dict[ProblemKind, list[Example]] = {}
        inside = []
        for image in _listed(split):
            path = path_inside(split.resolved_dir, image["file_name"])
            if path is None:
                found.setdefault(ProblemKind.PATH, []).append(Example(repr(image["file_name"]), image["id"]))
            else:
                inside.append((image["id"], path, _size(image)))
        for looked in picture_problems(inside, whole=whole):
            for image_id, kind, detail in looked.found:
                file_name = split.image_by_id[image_id]["file_name"]
                found.setdefault(kind, []).append(Example(f"{file_name}: {detail}", image_id))
            yield done + looked.done, total
        done += len(split.images)
        if any(p.kind is ProblemKind.PATH for p in split.problems):
            found.pop(ProblemKind.PATH, None)  # told of already
        # all examples, because a training leaves out these images
        problems += [p for kind, examples in found.items() for p in problems_of(kind, name, examples, most=None)]
        if len(found.get(ProblemKind.MISSING, ())) > MOST_MISSING * len(split.images):
            example = Example(
                f"{len(found[ProblemKind.MISSING]):,} of {len(split.images):,} are not in {split.image_dir}"
            )
            problems.append(Problem(ProblemKind.NO_PICTURES, name, 1, (example,)))
    return problems


def _listed(split: CocoSplit) -> list[dict]:
    """The images, unless their entries are so broken that no picture can be looked for."""
    broken = (ProblemKind.IMAGE_ID, ProblemKind.IMAGE_NAME, ProblemKind.IMAGE_STATED)
    return [] if any(p.kind in broken for p in split.problems) else split.images


def _size(image: dict) -> tuple[int, int]:
    return int(image["width"]), int(image["height"])


def check_leaks(splits: Mapping[str, CocoSplit]) -> list[Problem]:
    """Pictures that are in training and validation alike, byte for byte."""
    if set(splits) != set(SPLITS):
        return []
    paths = (
        [(image["id"], path_inside(splits[name].resolved_dir, image["file_name"])) for image in _listed(splits[name])]
        for name in SPLITS
    )
    pairs = leaked_pictures(*([(key, path) for key, path in some if path] for some in paths))
    names = [splits[name].image_by_id for name in SPLITS]
    examples = [
        Example(f"{names[0][ours]['file_name']} and {names[1][theirs]['file_name']}", theirs) for ours, theirs in pairs
    ]
    return problems_of(ProblemKind.LEAK, "", examples)


def sound_splits(
    train: CocoSplit, val: CocoSplit
) -> Generator[tuple[int, int], None, tuple[CocoSplit, CocoSplit, list[Problem]]]:
    """Both splits without the images whose picture is missing, cannot be read or has another size than stated.

    Yields (pictures done, in all); returns the splits, and every problem of which a training should speak.
    Raises DataError that lists the problems about which nothing can be done.
    """
    splits = {"train": train, "val": val}
    problems = sort_by_severity([*train.problems, *val.problems, *_across(splits)])
    pictures = yield from check_pictures(splits)
    sound = [_without(split, pictures) for split in (train, val)]
    nothing = [p for split in sound if not split.is_broken for p in _nothing_in(split)]
    problems = sort_by_severity([*problems, *pictures, *nothing, *check_leaks(splits)])
    fatal = [p for p in problems if p.kind.severity is Severity.FATAL]
    if fatal:
        raise DataError("The data cannot be trained on. " + "; ".join(_told(p) for p in fatal) + ".")
    return *sound, problems


def _told(found: Problem) -> str:
    return found.sentence + (f": {found.examples[0].detail}" if found.examples else "")


def _without(split: CocoSplit, problems: list[Problem]) -> CocoSplit:
    gone = {e.image_id for p in problems if p.kind in UNUSABLE and p.split == split.name for e in p.examples}
    if not gone:
        return split
    return replace(
        split,
        images=[image for image in split.images if image["id"] not in gone],
        annotations=[a for a in split.annotations if a["image_id"] not in gone],
    )


def summarize_problems(problems: list[Problem]) -> str:
    """What was left out and repaired, and pictures that are in both splits, in a sentence; empty if nothing was."""
    parts = []
    for severity in (Severity.DROPPED, Severity.REPAIRED, Severity.NOTED):
        counts = Counter()
        for p in problems:
            if p.kind.severity is severity and (severity is not Severity.NOTED or p.kind is ProblemKind.LEAK):
                counts[p.kind] += p.count
        if counts:
            parts.append(f"{severity.label}: " + ", ".join(kind.counted(n) for kind, n in counts.items()))
    return "; ".join(parts)
