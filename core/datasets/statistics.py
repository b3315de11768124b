"""What is in a data set before any training: how many, how large, of which shape, where, and together with what.

In: a data set's splits as columns (`CocoSplit.columns`) and the chosen classes. Out: `DatasetStatistics`, counts as
arrays, from which every figure is a sum or a share. Crowds are counted apart and nowhere else.

Apart from `coco` because nothing here is needed to train: the Data page and its charts (`charts/contents.py`) show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from core.datasets.split import SIZE_LIMITS, SIZES, CocoSplit, size_indices
from core.labels import LabelMap

MOST_PER_IMAGE = 30  # objects; images with more are counted there
# px²: four steps from one of COCO's borders to the next, so that both are edges; from 1.2² to 7776²
AREA_EDGES = SIZE_LIMITS[0] * (SIZE_LIMITS[1] / SIZE_LIMITS[0]) ** (np.arange(-12, 21) / 4)
SIZE_OF_BIN = size_indices([0, *AREA_EDGES])  # the size of each bin of areas, by its lower edge
RATIO_STEPS = 3  # bins of aspect ratios to a factor of 2
RATIOS = 2 ** (np.arange(-4 * RATIO_STEPS, 4 * RATIO_STEPS + 1) / RATIO_STEPS)  # each bin's middle, 1:16 to 16:1
GRID = 24  # cells along width and along height
ROWS_AT_ONCE = 2**14  # images in one matrix product, so that memory stays small with many classes


@dataclass(frozen=True, eq=False)
class SplitStatistics:
    """Counts of one split, or of all together. K classes.

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
        """Images without anything of a chosen class."""
        return self.images - self.with_objects - self.crowd_only

    @property
    def objects(self) -> np.ndarray:
        """(K,) of each class."""
        return self.areas.sum(axis=1)

    @property
    def n(self) -> int:
        """All objects."""
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
    """What is in a data set.

    classes       the chosen ones, in the order of the files
    splits        by name, in the order given
    aspect_ratio  median width / height of the images; 1 without images
    """

    classes: tuple[str, ...]
    splits: dict[str, SplitStatistics]
    aspect_ratio: float

    @cached_property
    def total(self) -> SplitStatistics:
        """All splits together."""
        parts = list(self.splits.values())
        return SplitStatistics(*(sum(getattr(part, field.name) for part in parts) for field in fields(SplitStatistics)))


def dataset_statistics(splits: Mapping[str, CocoSplit], classes: Sequence[str] | None = None) -> DatasetStatistics:
    """Counts the splits' objects of the chosen `classes`, or of all that any split has. Boxes have w and h > 0.

    Raises DataError if there is no class at all, or for one that no split has.
    """
    names = list(dict.fromkeys(str(c["name"]) for split in splits.values() for c in split.categories))
    every = [{"name": name, "id": place} for place, name in enumerate(names)]
    chosen = LabelMap.from_categories(every, list(classes) if classes else None).names
    sizes = [split.columns.size for split in splits.values() if len(split.columns.size)]
    shape = float(np.median(np.concatenate([size[:, 0] / size[:, 1] for size in sizes]))) if sizes else 1.0
    return DatasetStatistics(chosen, {name: _count(split, chosen) for name, split in splits.items()}, shape)


def _count(split: CocoSplit, classes: tuple[str, ...]) -> SplitStatistics:
    columns, images, n = split.columns, len(split.columns.size), len(classes)
    place = {name: i for i, name in enumerate(classes)}
    lookup = np.array([place.get(str(c["name"]), -1) for c in split.categories], dtype=np.int64)
    label = lookup[columns.category]
    is_chosen = label >= 0
    crowds, kept = np.flatnonzero(is_chosen & columns.crowd), np.flatnonzero(is_chosen & ~columns.crowd)
    image, own, xywh = columns.image[kept], label[kept], columns.xywh[kept]
    per_image = np.bincount(image, minlength=images)
    has_crowd = np.zeros(images, dtype=bool)
    has_crowd[columns.image[crowds]] = True
    bins = len(AREA_EDGES) + 1
    by_area = np.searchsorted(AREA_EDGES, columns.area[kept], side="right")
    return SplitStatistics(
        images=images,
        with_objects=int(np.count_nonzero(per_image)),
        crowd_only=int(np.count_nonzero(has_crowd & (per_image == 0))),
        crowds=np.bincount(label[crowds], minlength=n),
        areas=np.bincount(own * bins + by_area, minlength=n * bins).reshape(n, bins),
        per_image=np.bincount(np.minimum(per_image, MOST_PER_IMAGE), minlength=MOST_PER_IMAGE + 1),
        aspect_ratios=_ratios(xywh),
        coverage=_cover(xywh, columns.size, image),
        cooccurrence=_together(image, own, images, n),
    )


def _ratios(xywh: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) counted by width / height; turning all of them by 90° mirrors the counts."""
    middle = len(RATIOS) // 2
    width, height = np.log2(xywh[:, 2:]).T
    steps = np.rint((width - height) * RATIO_STEPS).clip(-middle, middle).astype(np.int64)
    return np.bincount(steps + middle, minlength=len(RATIOS))


def _cover(xywh: np.ndarray, sizes: np.ndarray, image: np.ndarray) -> np.ndarray:
    """How many of the boxes (N, 4) reach into each cell of their images; what lies outside the image is left out.

    Each box adds 1 at its first cell and takes it away behind its last one, in both directions; running sums fill it.
    """
    size = sizes[image]  # (N, 2)
    low = np.floor(xywh[:, :2] * GRID / size).clip(0, GRID).astype(np.int64)
    high = np.ceil((xywh[:, :2] + xywh[:, 2:]) * GRID / size).clip(0, GRID).astype(np.int64)
    side = GRID + 1
    steps = np.zeros(side * side, dtype=np.int64)
    for rows, columns, sign in ((low, low, 1), (low, high, -1), (high, low, -1), (high, high, 1)):
        steps += sign * np.bincount(rows[:, 1] * side + columns[:, 0], minlength=side * side)
    return steps.reshape(side, side).cumsum(axis=0).cumsum(axis=1)[:GRID, :GRID]


def _together(image: np.ndarray, label: np.ndarray, images: int, classes: int) -> np.ndarray:
    """(K, K) how many images hold objects of both classes."""
    holds = np.zeros((images, classes), dtype=bool)
    holds[image, label] = True
    found = np.zeros((classes, classes), dtype=np.int64)
    for start in range(0, images, ROWS_AT_ONCE):
        part = holds[start : start + ROWS_AT_ONCE].astype(np.float32)  # whole numbers up to 2**24: exact
        found += (part.T @ part).astype(np.int64)
    return found


def images_with(
    split: CocoSplit, classes: Sequence[str], name: str | None = None, other: str | None = None, size: str | None = None
) -> list[int]:
    """The ids of the images with an object of class `name` (any of `classes` if None), and of that COCO size.

    With `other`, an object of that class is in the image too. In the file's order; crowds are no objects.
    """
    columns, names = split.columns, [str(c["name"]) for c in split.categories]

    def holding(wanted: Sequence[str], of_size: str | None) -> np.ndarray:
        kept = ~columns.crowd & np.isin(columns.category, [k for k, known in enumerate(names) if known in wanted])
        if of_size is not None:
            kept &= size_indices(columns.area) == SIZES.index(of_size)
        return np.unique(columns.image[kept])

    rows = holding([name] if name else classes, size)
    if other:
        rows = np.intersect1d(rows, holding([other], None))
    return [split.images[row]["id"] for row in rows.tolist()]
