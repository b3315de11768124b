"""Statistics of a data set: its classes, the sizes, shapes and places of objects, and which classes occur together.

In: a data set's splits as columns (`CocoSplit.columns`) and the chosen classes. Out: `DatasetStatistics`, counts as
arrays, from which every figure is a sum or a share. Crowds are counted apart and nowhere else.

Apart from `split.py` because no training needs them: the Data page and its charts (`core/charts/datasets/`) show them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from core.datasets.split import SIZE_LIMITS, SIZES, CocoSplit, size_indices
from core.labels import LabelMap

MOST_PER_IMAGE = 30  # objects; images with more are counted as having so many
# px²: four steps from one of COCO's borders to the next, so that both are edges; from 1.2² to 7776²
AREA_EDGES = SIZE_LIMITS[0] * (SIZE_LIMITS[1] / SIZE_LIMITS[0]) ** (np.arange(-12, 21) / 4)
SIZE_OF_BIN = size_indices([0, *AREA_EDGES])  # the size of each bin of areas, by its lower edge
RATIO_STEPS = 3  # bins of aspect ratios for each factor of 2
RATIOS = 2 ** (np.arange(-4 * RATIO_STEPS, 4 * RATIO_STEPS + 1) / RATIO_STEPS)  # each bin's middle, 1:16 to 16:1
GRID = 24  # cells along width and along height
ROWS_AT_ONCE = 2**14  # images in one matrix product, so that memory stays small with many classes


@dataclass(frozen=True, eq=False)
class SplitStatistics:
    """Counts of one split, or of all splits together, for K classes.

    images         how many there are
    with_objects   images with at least one object of a chosen class
    crowd_only     images with crowds of a chosen class, but no object
    crowds         (K,) crowds of each class
    areas          (K, 34) objects by class and area: bin i holds AREA_EDGES[i - 1] ≤ area < AREA_EDGES[i]
    per_image      (31,) images with 0, 1, 2, … objects; the last with MOST_PER_IMAGE or more
    aspect_ratios  (25,) objects by width / height, each at the nearest of RATIOS on a logarithmic scale
    coverage       (GRID, GRID) how many objects' boxes reach into each cell of the picture, top row first
    cooccurrence   (K, K) images that hold objects of both classes; on the diagonal those of the class
    """

    images: int
    with_objects: int
    crowd_only: int
    crowds: np.ndarray
    areas: np.ndarray
    per_image: np.ndarray
    aspect_ratios: np.ndarray
    coverage: np.ndarray
    cooccurrence: np.ndarray

    @property
    def empty(self) -> int:
        """Number of images without an object or a crowd of a chosen class."""
        return self.images - self.with_objects - self.crowd_only

    @property
    def objects(self) -> np.ndarray:
        """(K,) objects of each class."""
        return self.areas.sum(axis=1)

    @property
    def n(self) -> int:
        """Number of all objects."""
        return int(self.areas.sum())

    @property
    def sizes(self) -> np.ndarray:
        """(K, 3) objects by class and SIZES."""
        return np.stack([self.areas[:, size == SIZE_OF_BIN].sum(axis=1) for size in range(len(SIZES))], axis=1)

    @property
    def class_images(self) -> np.ndarray:
        """(K,) images with at least one object of the class."""
        return self.cooccurrence.diagonal()


@dataclass(frozen=True, eq=False)
class DatasetStatistics:
    """Statistics of a data set.

    classes       the chosen classes, in the order of the files
    splits        by name, in the order given
    aspect_ratio  median width / height of the images; 1 without images
    """

    classes: tuple[str, ...]
    splits: dict[str, SplitStatistics]
    aspect_ratio: float

    @cached_property
    def total(self) -> SplitStatistics:
        """The counts of all splits together."""
        splits = self.splits.values()
        return SplitStatistics(
            *(sum(getattr(split, field.name) for split in splits) for field in fields(SplitStatistics))
        )


def dataset_statistics(splits: Mapping[str, CocoSplit], classes: Sequence[str] | None = None) -> DatasetStatistics:
    """Count the splits' objects of the chosen `classes`, or of all that any split has. Boxes have w and h > 0.

    Raises DataError if there is no class at all, or for one that no split has.
    """
    names = dict.fromkeys(str(c["name"]) for split in splits.values() for c in split.categories)
    categories = [{"name": name, "id": number} for number, name in enumerate(names)]
    chosen = LabelMap.from_categories(categories, classes).names
    sizes = [split.columns.size for split in splits.values() if len(split.columns.size)]
    aspect_ratio = float(np.median(np.concatenate([size[:, 0] / size[:, 1] for size in sizes]))) if sizes else 1.0
    return DatasetStatistics(chosen, {name: _count(split, chosen) for name, split in splits.items()}, aspect_ratio)


def _count(split: CocoSplit, classes: tuple[str, ...]) -> SplitStatistics:
    columns, images, n = split.columns, len(split.columns.size), len(classes)
    label_of = {name: i for i, name in enumerate(classes)}
    lookup = np.array([label_of.get(str(c["name"]), -1) for c in split.categories], dtype=np.int64)
    labels = lookup[columns.category]
    is_chosen = labels >= 0
    crowds, objects = np.flatnonzero(is_chosen & columns.crowd), np.flatnonzero(is_chosen & ~columns.crowd)
    image, label, xywh = columns.image[objects], labels[objects], columns.xywh[objects]
    per_image = np.bincount(image, minlength=images)
    has_crowd = np.zeros(images, dtype=bool)
    has_crowd[columns.image[crowds]] = True
    bins = len(AREA_EDGES) + 1
    by_area = np.searchsorted(AREA_EDGES, columns.area[objects], side="right")
    return SplitStatistics(
        images=images,
        with_objects=int(np.count_nonzero(per_image)),
        crowd_only=int(np.count_nonzero(has_crowd & (per_image == 0))),
        crowds=np.bincount(labels[crowds], minlength=n),
        areas=np.bincount(label * bins + by_area, minlength=n * bins).reshape(n, bins),
        per_image=np.bincount(np.minimum(per_image, MOST_PER_IMAGE), minlength=MOST_PER_IMAGE + 1),
        aspect_ratios=_aspect_ratios(xywh),
        coverage=_coverage(xywh, columns.size, image),
        cooccurrence=_cooccurrence(image, label, images, n),
    )


def _aspect_ratios(xywh: np.ndarray) -> np.ndarray:
    """Count boxes (N, 4) by width / height, (25,); turning all of them by 90° mirrors the counts."""
    middle = len(RATIOS) // 2
    width, height = np.log2(xywh[:, 2:]).T
    steps = np.rint((width - height) * RATIO_STEPS).clip(-middle, middle).astype(np.int64)
    return np.bincount(steps + middle, minlength=len(RATIOS))


def _coverage(xywh: np.ndarray, sizes: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Count how many boxes (N, 4) reach into each cell of their images, (GRID, GRID), without what lies outside.

    Each box adds 1 at its first cell and takes it away behind its last one, in both directions; running sums fill the
    cells between.
    """
    size = sizes[image]  # (N, 2)
    low = np.floor(xywh[:, :2] * GRID / size).clip(0, GRID).astype(np.int64)
    high = np.ceil((xywh[:, :2] + xywh[:, 2:]) * GRID / size).clip(0, GRID).astype(np.int64)
    side = GRID + 1
    steps = np.zeros(side * side, dtype=np.int64)
    for rows, columns, sign in ((low, low, 1), (low, high, -1), (high, low, -1), (high, high, 1)):
        steps += sign * np.bincount(rows[:, 1] * side + columns[:, 0], minlength=side * side)
    return steps.reshape(side, side).cumsum(axis=0).cumsum(axis=1)[:GRID, :GRID]


def _cooccurrence(image: np.ndarray, label: np.ndarray, images: int, classes: int) -> np.ndarray:
    """Count the images that hold objects of both classes, (K, K)."""
    holds = np.zeros((images, classes), dtype=bool)
    holds[image, label] = True
    counts = np.zeros((classes, classes), dtype=np.int64)
    for start in range(0, images, ROWS_AT_ONCE):
        rows = holds[start : start + ROWS_AT_ONCE].astype(np.float32)  # whole numbers up to 2**24: exact
        counts += (rows.T @ rows).astype(np.int64)
    return counts


def images_with(
    split: CocoSplit, classes: Sequence[str], name: str | None = None, other: str | None = None, size: str | None = None
) -> list[int]:
    """Return the ids of the images with an object of class `name`, or of any of `classes`, in the file's order.

    `size`, one of SIZES, is the size of this object; with `other`, an object of that class is in the image too. Crowds
    are no objects.
    """
    columns, names = split.columns, [str(c["name"]) for c in split.categories]

    def rows_with(wanted: Sequence[str], of_size: str | None) -> np.ndarray:
        is_asked = ~columns.crowd & np.isin(columns.category, [k for k, known in enumerate(names) if known in wanted])
        if of_size is not None:
            is_asked &= size_indices(columns.area) == SIZES.index(of_size)
        return np.unique(columns.image[is_asked])

    rows = rows_with([name] if name else classes, size)
    if other:
        rows = np.intersect1d(rows, rows_with([other], None))
    return [split.images[row]["id"] for row in rows.tolist()]
