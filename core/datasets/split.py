"""One split of a data set in COCO layout, `CocoSplit`: read and cleaned.

In: a folder, in one of the layouts of `layouts.py`. Out: a split's images, annotations and categories as plain dicts,
every field that the project reads checked and of the right type, and `AnnotationColumns`, the same as arrays.
Boxes here are COCO's `xywh`.

Nothing in a file is trusted: what cannot be used is left out and counted, a broken file gives a DataError, and a
picture's path cannot leave its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core import DataError
from core.datasets.coco.areas import to_array
from core.datasets.coco.box_guess import box_format_problems
from core.datasets.coco.columns import AnnotationColumns
from core.datasets.coco.entries import Entry
from core.datasets.coco.placeholders import placeholders
from core.datasets.coco.sizes import with_pictures
from core.datasets.coco_json import CocoDict, read_coco
from core.datasets.folder.conversion_record import conversion_of, conversion_problems
from core.datasets.folder.located import NOWHERE_ELSE, Located, locate_pictures
from core.datasets.folder.testing import without_testing
from core.datasets.folder.totals import BOXES
from core.datasets.layouts import SPLITS, TEST, SplitLocation, find_splits, find_test_file
from core.datasets.names.part_names import part_of_folders
from core.datasets.picture_check import same_pictures
from core.datasets.pictures import path_inside
from core.datasets.problems import Example, Problem, ProblemKind, Severity, first_of, merged, problems_of
from core.datasets.sound_boxes import image_rows, image_sizes, sound_boxes
from core.datasets.stratify import part_masks
from core.files import real_path
from core.labels import LabelMap
from core.wording import short

SIZES = ("small", "medium", "large")
DROPPED_ANNOTATIONS = (
    ProblemKind.LOST, ProblemKind.UNKNOWN_IMAGE, ProblemKind.UNKNOWN_CATEGORY, ProblemKind.NO_NUMBERS,
    ProblemKind.NO_EXTENT, ProblemKind.OUTSIDE, ProblemKind.SAME_ANNOTATION,
)  # fmt: skip
FEW = 20  # objects or boxes: what rests on fewer is noise, so no sentence is made of it and charts grey it out
SIZE_LIMITS = (32**2, 96**2)  # px²: small < 32² ≤ medium < 96² ≤ large


@dataclass(frozen=True)
class CocoSplit:
    """One split of a data set. Its dicts are shared with other splits, so they must not be written to.

    images       id, file_name, width, height (pixels), and what else the file has
    annotations  id, image_id, category_id, bbox (xywh, pixels, w and h > 0), area (px²), iscrowd (0 or 1); no polygons
    categories   id, name
    problems     what is wrong with the file; annotations of DROPPED kinds are left out
    located      where the pictures lie that are not at their file_name in image_dir
    root         the folder that holds the pictures as `located` has them; image_dir if None
    """

    name: str
    json_path: Path
    image_dir: Path
    images: list[Entry]
    annotations: list[Entry]
    categories: list[Entry]
    problems: tuple[Problem, ...] = ()
    located: Located = NOWHERE_ELSE
    root: Path | None = None

    def label_map(self, chosen: Sequence[str] | None = None) -> LabelMap:
        """Return the label map of the split's classes, or of those chosen, in the file's order.

        Raises DataError for a class that the split does not have.
        """
        return LabelMap.from_categories(self.categories, chosen, f"The data set's part {self.name}")

    @cached_property
    def annotations_by_image(self) -> dict[int, list[Entry]]:
        """The annotations by image id, for every image, also those without any."""
        annotations: dict[int, list[Entry]] = {image["id"]: [] for image in self.images}
        for annotation in self.annotations:
            annotations[annotation["image_id"]].append(annotation)
        return annotations

    @cached_property
    def image_by_id(self) -> dict[int, Entry]:
        """The images by their id."""
        return {image["id"]: image for image in self.images}

    @property
    def used_names(self) -> set[str]:
        """The names of the categories with annotations."""
        used = {annotation["category_id"] for annotation in self.annotations}
        return {category["name"] for category in self.categories if category["id"] in used}

    @cached_property
    def columns(self) -> AnnotationColumns:
        """The annotations as arrays, which are made once and must not be written to."""
        rows, count = self.annotations, len(self.annotations)
        row = {category["id"]: i for i, category in enumerate(self.categories)}
        return AnnotationColumns(
            image_rows(self.images, rows),
            np.fromiter((row[a["category_id"]] for a in rows), dtype=np.int64, count=count),
            np.array([a["bbox"] for a in rows], dtype=np.float64).reshape(-1, 4),
            np.fromiter((a["area"] for a in rows), dtype=np.float64, count=count),
            np.fromiter((a["iscrowd"] for a in rows), dtype=bool, count=count),
            image_sizes(self.images),
        )

    @property
    def is_broken(self) -> bool:
        """Whether a FATAL problem of the file kept the annotations from being read."""
        return any(problem.kind.severity is Severity.FATAL for problem in self.problems)

    @property
    def dropped(self) -> int:
        """Number of the file's annotations that are left out."""
        return sum(problem.count for problem in self.problems if problem.kind in DROPPED_ANNOTATIONS)

    def image_path(self, image: Entry) -> Path:
        """Return the path of an image's picture; whether it exists is not checked.

        Raises DataError if its file name leads out of the image folder, absolute, through "..", or by a link, and no
        picture in the data set's folder has that name.
        """
        path = self.path_of(image)
        if path is None:
            name = short(repr(image["file_name"]))
            raise DataError(f"{self.json_path.name} names the picture {name}, which is not inside {self.image_dir}.")
        return path

    def path_of(self, image: Entry) -> Path | None:
        """Return the path of an image's picture, whether it exists or not; None if it leads out of the folder."""
        path = self.located.paths.get(image.get("id", -1))
        return path or path_inside(self.resolved_dir, image["file_name"])

    def with_hint(self, detail: str, image: Entry) -> str:
        """Return a few words on an image whose picture is missing, with what is there instead."""
        hint = self.located.hints.get(image["id"])
        return f"{detail}; {hint}" if hint else detail

    @cached_property
    def resolved_dir(self) -> Path:
        """The picture folder, without links."""
        return real_path(self.image_dir)

    def to_dict(self) -> CocoDict:
        """Return the split as a COCO dict, for evaluation; the lists are those of the split, no copies."""
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}


def size_indices(areas: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Convert areas (N,) in px² of the original image to indices into SIZES, (N,).

    >>> [SIZES[i] for i in size_indices([32**2 - 1, 32**2, 96**2])]
    ['small', 'medium', 'large']
    """
    return np.searchsorted(SIZE_LIMITS, np.asarray(areas, dtype=np.float64), side="right")


def read_split(folder: str | Path, split: str) -> CocoSplit:
    """Read one split, "train", "val" or "test", of the data set in `folder`; its problems say what is left out.

    Raises DataError if there is no such split, its file is broken, or it has a FATAL problem.
    """
    if split == TEST:
        return _read_test(Path(folder))
    locations = find_splits(folder)
    if split not in locations:
        raise DataError(f"The data set {folder} has no {split} split; it has: {', '.join(locations)}.")
    if locations[split].shared:
        return require_usable(examine_splits(folder)[split])
    examined = require_usable(_examine(locations[split], split))
    if placeholders(examined.categories, examined.used_names, (Path(folder).name,)):  # used in the other split?
        others = [_examine(location, name) for name, location in locations.items() if name != split]
        examined = _without_placeholders(examined, Path(folder), others)
    return examined


def _read_test(folder: Path) -> CocoSplit:
    """Read the part for testing: of a file of its own, or those pictures of a shared file that lie in its folder."""
    if location := find_test_file(folder):
        examined = require_usable(_examine(location, TEST))
        return _without_placeholders(examined, folder, ())
    locations = find_splits(folder)
    shared = next((location for location in locations.values() if location.shared), None)
    whole = _without_placeholders(_examine(shared, "train"), folder, ()) if shared else None
    if whole and (split := require_usable(_divide(whole, (*SPLITS, TEST))[TEST])).images:
        return split
    raise DataError(f"The data set {folder} has no {TEST} split; it has: {', '.join(locations)}.")


def require_usable(split: CocoSplit) -> CocoSplit:
    """Return the split if it has no FATAL problem; raises DataError that lists these problems otherwise."""
    if split.is_broken:
        fatal = [problem for problem in split.problems if problem.kind.severity is Severity.FATAL]
        raise DataError(f"{split.json_path} cannot be used. {first_of(map(_with_example, fatal))}.")
    return split


def _with_example(problem: Problem) -> str:
    example = f", as {problem.examples[0].detail}" if problem.examples else ""
    return f"{problem.kind.counted(problem.count)}{example}: {problem.kind.advice}"


def examine_splits(folder: str | Path) -> dict[str, CocoSplit]:
    """Read all splits of the data set in `folder` as far as possible, with all their problems.

    Where a problem of a split is FATAL, it has no annotations. Raises DataError if a file is no COCO file at all.
    """
    locations = find_splits(folder)
    shared = next((location for location in locations.values() if location.shared), None)
    if shared:
        return _divide(_without_placeholders(_examine(shared, "train"), Path(folder), ()))
    splits = {name: _examine(location, name) for name, location in locations.items()}
    return {name: _without_placeholders(split, Path(folder), splits.values()) for name, split in splits.items()}


def examine_split(location: SplitLocation, split: str) -> CocoSplit:
    """Read a split as far as possible, with all its problems; see `examine_splits`."""
    folder = location.root or location.image_dir.parent
    examined = _without_placeholders(_examine(location, "train" if location.shared else split), folder, ())
    return _divide(examined)[split] if location.shared else examined


def _examine(location: SplitLocation, split: str) -> CocoSplit:
    """Read the whole file as one split, also where it is shared; placeholders are still among its classes."""
    file, image_dir, root = (
        read_coco(location.json_path, split),
        location.image_dir,
        location.root or location.image_dir,
    )
    part, named = None if location.shared else split, [image for image in file.images.kept if image["file_name"]]
    located = locate_pictures(named, real_path(image_dir), location.bases, root, part, split)
    whole = CocoSplit(split, location.json_path, image_dir, named, [], file.categories.kept, (), located, root)
    images, annotations, problems = with_pictures(file.images.kept, file.annotations, whole.path_of, split)
    images, annotations, of_testing = without_testing(location.testing, images, annotations, whole.path_of, split)
    problems = merged([*location.problems, *of_testing, *file.problems, *problems])
    sizes = image_sizes(images)[image_rows(images, annotations)]
    problems += box_format_problems(to_array(annotations), sizes, file.info, split)
    if any(p.kind.severity is Severity.FATAL for p in problems):  # of boxes that are not used nothing is repaired
        problems = [p for p in problems if p.kind.severity is not Severity.REPAIRED or p.kind.unit not in BOXES]
        return replace(whole, images=images, problems=tuple(problems))
    annotations, box_problems = sound_boxes(images, annotations, split)
    problems += [*box_problems, *located.problems, *conversion_problems(location.json_path, split)]
    return replace(whole, images=images, annotations=annotations, problems=tuple(problems))


def _without_placeholders(split: CocoSplit, folder: Path, others: Iterable[CocoSplit]) -> CocoSplit:
    """Remove the categories that stand for no class and have no objects, in none of the splits."""
    used = {name for one in (split, *others) for name in one.used_names}
    removed = placeholders(split.categories, used, (folder.name,))
    if split.is_broken or not removed:
        return split
    examples = [Example(repr(category["name"])) for category in removed]
    problems = merged([*split.problems, *problems_of(ProblemKind.PLACEHOLDER, split.name, examples)])
    ids = {category["id"] for category in removed}
    return replace(split, categories=[c for c in split.categories if c["id"] not in ids], problems=tuple(problems))


def _divide(whole: CocoSplit, names: Sequence[str] = SPLITS) -> dict[str, CocoSplit]:
    """Divide a file of all parts into those of these names; its problems go with the training split.

    By the folders of the pictures where these name a part for each; else validation is drawn, and pictures in a folder
    for testing are in neither.
    """
    if whole.is_broken:
        return {name: replace(whole, name=name) for name in names}
    c, folder = whole.columns, os.path.relpath(whole.image_dir, whole.root or whole.image_dir)
    paths = ((row, path) for row, image in enumerate(whole.images) if (path := whole.path_of(image)))
    parts = [whole.located.parts.get(i["id"]) or part_of_folders(f"{folder}/{i['file_name']}") for i in whole.images]
    if conversion_of(whole.json_path):  # which has read the folder's lists of parts
        parts = [None] * len(parts)
    of_part = part_masks(parts, c.image[~c.crowd], c.category[~c.crowd], lambda: same_pictures(paths, unread=True))
    is_left_out = ~(of_part["train"] | of_part["val"])
    examples = [Example(whole.images[i]["file_name"], whole.images[i]["id"]) for i in np.flatnonzero(is_left_out)]
    of_testing = problems_of(ProblemKind.TEST_PART, "train", examples)
    if n_boxes := int(is_left_out[c.image].sum()):
        of_testing.append(Problem(ProblemKind.TEST_BOX, "train", n_boxes))
    problems = {SPLITS[0]: (*whole.problems, *of_testing)}
    splits = {}
    for name in names:
        is_chosen = of_part.get(name, is_left_out)
        annotations = [a for a, image in zip(whole.annotations, c.image.tolist(), strict=True) if is_chosen[image]]
        images = [image for image, is_in in zip(whole.images, is_chosen.tolist(), strict=True) if is_in]
        splits[name] = replace(
            whole, name=name, images=images, annotations=annotations, problems=problems.get(name, ())
        )
    return splits
