"""A data set in COCO layout, split by split: `CocoSplit`, read, cleaned and filtered to chosen classes.

In: a folder (`layouts.py` says where things lie). Out: one split's images, annotations and categories as plain dicts,
every field that the project reads checked and of the right type, and `AnnotationColumns`, the same as arrays.
Boxes here are COCO's `xywh`.

Nothing in a file is trusted: what cannot be used is left out and counted, a broken file gives a DataError, and a
picture's path cannot leave its folder.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core import DataError
from core.datasets import coco_json
from core.datasets.layouts import SPLITS, SplitLocation, find_splits
from core.datasets.pictures import path_inside
from core.datasets.problems import Example, Problem, ProblemKind, Severity, problems_of
from core.datasets.sound_boxes import image_rows, image_sizes, sound_boxes
from core.datasets.stratify import stratified_validation_mask
from core.labels import LabelMap

SIZES = ("small", "medium", "large")
DROPPED_ANNOTATIONS = (
    ProblemKind.UNKNOWN_IMAGE,
    ProblemKind.UNKNOWN_CATEGORY,
    ProblemKind.NO_NUMBERS,
    ProblemKind.NO_EXTENT,
    ProblemKind.OUTSIDE,
    ProblemKind.SAME_ANNOTATION,
)
FEW = 20  # objects or boxes; a sentence about fewer would be read into noise, and what rests on fewer is greyed out
SIZE_LIMITS = (32**2, 96**2)  # px²: small < 32² ≤ medium < 96² ≤ large


@dataclass(frozen=True, eq=False)
class AnnotationColumns:
    """A split's annotations as arrays of N, and its images' sizes as one of M.

    image     (N,) int64, the row of its image in `images`
    category  (N,) int64, the row of its class in `categories`
    xywh      (N, 4) float64, pixels
    area      (N,) float64, px²
    crowd     (N,) bool
    size      (M, 2) float64, width and height of each image in pixels
    """

    image: np.ndarray
    category: np.ndarray
    xywh: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    size: np.ndarray


@dataclass(frozen=True)
class CocoSplit:
    """One split of a data set, as its COCO file says it. The dicts are shared between splits: read, never write.

    images       id, file_name, width, height (pixels), and what else the file has
    annotations  id, image_id, category_id, bbox (xywh, pixels, w and h > 0), area (px²), iscrowd (0 or 1); no polygons
    categories   id, name
    problems     what was found in the file; annotations of DROPPED kinds are not here
    """

    name: str
    json_path: Path
    image_dir: Path
    images: list[dict]
    annotations: list[dict]
    categories: list[dict]
    problems: tuple[Problem, ...] = ()

    def label_map(self, chosen: list[str] | None = None) -> LabelMap:
        """The split's classes in the file's order, or those chosen; raises DataError for a class it does not have."""
        return LabelMap.from_categories(self.categories, chosen)

    @cached_property
    def annotations_by_image(self) -> dict[int, list[dict]]:
        """Image id to its annotations, for every image, also those without any."""
        found: dict[int, list[dict]] = {image["id"]: [] for image in self.images}
        for annotation in self.annotations:
            found[annotation["image_id"]].append(annotation)
        return found

    @cached_property
    def image_by_id(self) -> dict[int, dict]:
        return {image["id"]: image for image in self.images}

    @cached_property
    def columns(self) -> AnnotationColumns:
        """The annotations as arrays; made once, read and never write."""
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
        """Whether a problem with its file, about which nothing can be done, kept the annotations from being read."""
        return any(p.kind.severity is Severity.FATAL for p in self.problems)

    @property
    def dropped(self) -> int:
        """How many annotations of the file are not here."""
        return sum(p.count for p in self.problems if p.kind in DROPPED_ANNOTATIONS)

    def image_path(self, image: dict) -> Path:
        """Where the picture lies; whether it exists is not checked.

        Raises DataError if its file name leads out of the image folder: absolute, through "..", or by a link.
        """
        path = path_inside(self.resolved_dir, image["file_name"])
        if path is None:
            raise DataError(
                f"{self.json_path.name} names the picture {image['file_name']!r}, which is not inside {self.image_dir}."
            )
        return path

    @cached_property
    def resolved_dir(self) -> Path:
        """The picture folder, without links."""
        return self.image_dir.resolve()

    def to_dict(self) -> dict:
        """The split as a COCO dict, for evaluation; its lists are the split's own."""
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}


def size_indices(areas) -> np.ndarray:
    """Areas (N,) in px² of the original image to indices into SIZES, (N,).

    >>> [SIZES[i] for i in size_indices([32**2 - 1, 32**2, 96**2])]
    ['small', 'medium', 'large']
    """
    return np.searchsorted(SIZE_LIMITS, np.asarray(areas, dtype=np.float64), side="right")


def read_split(folder, split: str) -> CocoSplit:
    """One split ("train" or "val") of the data set in `folder`; what had to be left out or repaired is counted.

    Raises DataError if it is not there, its file is broken, or if it has a problem that nothing can be done about.
    """
    places = find_splits(folder)
    if split not in places:
        raise DataError(f"The data set {folder} has no {split} split; it has: {', '.join(places)}.")
    return require_usable(examine_split(places[split], split))


def require_usable(split: CocoSplit) -> CocoSplit:
    """The split, if it has no problem that nothing can be done about; raises DataError that lists those otherwise."""
    if split.is_broken:
        fatal = [p for p in split.problems if p.kind.severity is Severity.FATAL]
        raise DataError(f"{split.json_path} cannot be used. " + "; ".join(map(_with_example, fatal)) + ".")
    return split


def _with_example(found: Problem) -> str:
    example = f", as {found.examples[0].detail}" if found.examples else ""
    return f"{found.kind.counted(found.count)}{example}: {found.kind.advice}"


def examine_splits(folder) -> dict[str, CocoSplit]:
    """All splits of the data set in `folder`, as far as they can be read, with their problems; see `examine_split`."""
    places = find_splits(folder)
    shared = next((place for place in places.values() if place.shared), None)
    if shared:
        return _parts(_examine(shared, "train"))
    return {name: _examine(place, name) for name, place in places.items()}


def examine_split(place: SplitLocation, split: str) -> CocoSplit:
    """A split as far as it can be read, with all its problems; where one is FATAL, it has no annotations.

    Raises DataError if the file is no COCO file at all.
    """
    return _parts(_examine(place, "train"))[split] if place.shared else _examine(place, split)


def _examine(place: SplitLocation, split: str) -> CocoSplit:
    """All that is in the file."""
    data, problems = coco_json.examine_ground_truth(place.json_path, split)
    if any(p.kind.severity is Severity.FATAL for p in problems):
        return CocoSplit(split, *place[:2], data["images"], [], data["categories"], tuple(problems))
    annotations, found = sound_boxes(data["images"], data["annotations"], split)
    categories, unused = _without_placeholder(data["categories"], annotations, split)
    problems = (*problems, *found, *unused)
    return CocoSplit(split, *place[:2], data["images"], annotations, categories, problems)


def _parts(whole: CocoSplit) -> dict[str, CocoSplit]:
    """Both splits of a file that has none; its problems are told once, with the training split."""
    if whole.is_broken:
        return {name: replace(whole, name=name) for name in SPLITS}
    c = whole.columns
    is_val = stratified_validation_mask(c.image[~c.crowd], c.category[~c.crowd], len(whole.images))
    parts = {}
    for name, chosen, problems in (("train", ~is_val, whole.problems), ("val", is_val, ())):
        annotations = [a for a, image in zip(whole.annotations, c.image.tolist(), strict=True) if chosen[image]]
        images = [image for image, is_in in zip(whole.images, chosen.tolist(), strict=True) if is_in]
        parts[name] = replace(whole, name=name, images=images, annotations=annotations, problems=problems)
    return parts


def _without_placeholder(categories: list[dict], annotations: list[dict], split: str):
    """Without a category that has no objects and whose name is the others' supercategory, as Roboflow writes one."""
    names = {c["name"] for c in categories} & {_above(c) for c in categories}
    if not names:
        return categories, []
    used = {a["category_id"] for a in annotations}
    kept = [c for c in categories if c["name"] not in names or c["id"] in used]
    examples = [Example(repr(c["name"])) for c in categories if c not in kept]
    return kept, problems_of(ProblemKind.PLACEHOLDER, split, examples)


def _above(category: dict) -> str | None:
    """The name of another category that the file puts above this one; COCO's person stands above itself."""
    name = category.get("supercategory")
    return name if isinstance(name, str) and name != category["name"] else None


def filter_to_classes(split: CocoSplit, names, empty_share: float | None = 0.0, seed: int = 0) -> CocoSplit:
    """The split with the classes in `names` only, all ids and crowds kept, images in the file's order.

    Of the images without any of these classes, as many are drawn as make up `empty_share` (0 to below 1) of the
    result, or all there are; None keeps every one.
    Raises DataError for a class the split does not have.
    """
    if empty_share is not None and not 0 <= empty_share < 1:
        raise DataError(f"The share of images without a chosen class is {empty_share}, but must be from 0 to below 1.")
    chosen = set(split.label_map(list(names)).category_ids)
    annotations = [a for a in split.annotations if a["category_id"] in chosen]
    categories = [c for c in split.categories if c["id"] in chosen]
    keep = {a["image_id"] for a in annotations}
    empty = [image["id"] for image in split.images if image["id"] not in keep]
    wanted = len(empty) if empty_share is None else round(len(keep) * empty_share / (1 - empty_share))
    keep.update(random.Random(seed).sample(empty, min(wanted, len(empty))))
    images = [image for image in split.images if image["id"] in keep]
    return replace(split, images=images, annotations=annotations, categories=categories)
