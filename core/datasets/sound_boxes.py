"""Sound boxes: annotations whose box cannot be an object are left out, and unlikely boxes are reported.

In: images and annotations as `coco_json.examine_ground_truth` returns them; boxes are COCO's `xywh` in pixels. Out:
the annotations that stay, and `Problem`s. Vectorised, because a file may hold a million boxes.
"""

from __future__ import annotations

from operator import itemgetter
from reprlib import repr as shortened

import numpy as np
import numpy.typing as npt

from core.datasets.coco.areas import to_array
from core.datasets.coco.entries import Entry
from core.datasets.coco.ids import EXACT_LIMIT
from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind

ROUNDING = 1.0  # pixels by which a box may reach beyond its image
TINY_SIDE = 2.0  # pixels
SAME_IOU = 0.9
MOST_NEIGHBOURS, MOST_PAIRS = 1000, 1_000_000  # compared and found at most: a file may be made to take for ever


def sound_boxes(images: list[Entry], annotations: list[Entry], split: str) -> tuple[list[Entry], list[Problem]]:
    """Return the annotations whose box is four finite numbers, has an extent and lies on its image, each once.

    The others are the problems. Boxes that reach beyond their image stay as they are, and are reported.
    """
    xywh = to_array(annotations)  # (N, 4), NaN where there is no box
    rows = image_rows(images, annotations)
    width, height = image_sizes(images)[rows].T
    x, y, w, h = xywh.T
    with np.errstate(invalid="ignore"):
        checks = {
            ProblemKind.NO_NUMBERS: ~(np.abs(xywh) < EXACT_LIMIT).all(axis=1),
            ProblemKind.NO_EXTENT: (w <= 0) | (h <= 0),
            ProblemKind.OUTSIDE: (x >= width) | (y >= height) | (x + w <= 0) | (y + h <= 0),
            ProblemKind.SAME_ANNOTATION: _repeated(annotations, rows, xywh),
        }
        beyond = (x < -ROUNDING) | (y < -ROUNDING) | (x + w > width + ROUNDING) | (y + h > height + ROUNDING)
    kept = np.ones(len(annotations), dtype=bool)
    problems = []
    for kind, wrong in checks.items():
        problems += _problems_of(kind, split, np.flatnonzero(wrong & kept), annotations)
        kept &= ~wrong
    problems += _problems_of(ProblemKind.BEYOND, split, np.flatnonzero(beyond & kept), annotations)
    with_id_0 = [i for i, annotation in enumerate(annotations) if annotation["id"] == 0 and kept[i]]
    problems += _problems_of(ProblemKind.ZERO_ID, split, with_id_0, annotations)
    if kept.all():
        return annotations, problems
    return [annotations[i] for i in np.flatnonzero(kept).tolist()], problems


def noted_boxes(
    annotations: list[Entry], xywh: np.ndarray, image: np.ndarray, category: np.ndarray, split: str
) -> list[Problem]:
    """Return the NOTED problems of boxes that stay: tiny boxes, and objects that are labelled twice.

    xywh (N, 4), image and category (N,) are those of the annotations; crowds are left out of both.
    """
    objects = np.array([not a["iscrowd"] for a in annotations], dtype=bool)
    tiny = np.flatnonzero(objects & (xywh[:, 2:].min(axis=1, initial=np.inf) < TINY_SIDE))
    rows = np.flatnonzero(objects)
    pairs = rows[objects_labelled_twice(xywh[rows], image[rows], category[rows])]
    examples = []
    for first, second in pairs[:MOST_EXAMPLES].tolist():
        ids = (annotations[first]["id"], annotations[second]["id"])
        examples.append(Example(f"annotations {ids[0]} and {ids[1]}", annotations[first]["image_id"], ids))
    twice = [Problem(ProblemKind.TWICE, split, len(pairs), tuple(examples))] if len(pairs) else []
    return [*_problems_of(ProblemKind.TINY, split, tiny, annotations), *twice]


def objects_labelled_twice(xywh: np.ndarray, image: np.ndarray, category: np.ndarray) -> npt.NDArray[np.int64]:
    """Return the pairs (P, 2) of rows, first < second, with the same image and class and an IoU above SAME_IOU.

    xywh (N, 4) float64, image and category (N,) int. In sorted order each row is compared with the one k places on,
    for k = 1, 2, … while any is of the same image and class and may still overlap enough. The search ends early at
    MOST_NEIGHBOURS or MOST_PAIRS.
    """
    order = np.lexsort((xywh[:, 0], category, image))
    x, y, w, h = xywh[order].T
    group = np.concatenate(([0], np.cumsum((np.diff(image[order]) != 0) | (np.diff(category[order]) != 0))))
    pairs, count = [], 0
    rows = np.arange(len(order))
    for step in range(1, MOST_NEIGHBOURS + 1):
        rows = rows[rows + step < len(order)]
        others = rows + step
        # sorted by x: a box that begins further right than this cannot overlap enough, nor can any after it
        near = (group[rows] == group[others]) & (x[others] - x[rows] <= (1 - SAME_IOU) * w[rows])
        rows, others = rows[near], others[near]
        if not len(rows) or count >= MOST_PAIRS:
            break
        width = np.minimum(x[rows] + w[rows], x[others] + w[others]) - np.maximum(x[rows], x[others])
        height = np.minimum(y[rows] + h[rows], y[others] + h[others]) - np.maximum(y[rows], y[others])
        intersection = np.clip(width, 0, None) * np.clip(height, 0, None)
        same = intersection > SAME_IOU * (w[rows] * h[rows] + w[others] * h[others] - intersection)
        pairs.append(np.sort(np.stack([order[rows[same]], order[others[same]]], axis=1), axis=1))
        count += len(pairs[-1])
    unsorted = np.concatenate(pairs) if pairs else np.zeros((0, 2), dtype=np.int64)
    return unsorted[np.lexsort((unsorted[:, 1], unsorted[:, 0]))]


def image_rows(images: list[Entry], annotations: list[Entry]) -> npt.NDArray[np.int64]:
    """Return for each annotation the row of its image in `images`, (N,)."""
    row = {image["id"]: i for i, image in enumerate(images)}
    return np.fromiter(map(row.get, map(itemgetter("image_id"), annotations)), dtype=np.int64, count=len(annotations))


def image_sizes(images: list[Entry]) -> npt.NDArray[np.float64]:
    """Return width and height of each image in pixels, (M, 2)."""
    sides = (np.fromiter(map(itemgetter(side), images), np.float64, len(images)) for side in ("width", "height"))
    return np.stack(list(sides), axis=1)


def _repeated(annotations: list[Entry], rows: np.ndarray, xywh: np.ndarray) -> npt.NDArray[np.bool_]:
    """Return which annotations repeat an earlier one in image, class, box and crowd, (N,)."""
    count = len(annotations)
    rest = [np.fromiter(map(itemgetter(key), annotations), np.int64, count) for key in ("category_id", "iscrowd")]
    keys = np.column_stack([rows, *rest, xywh.view(np.int64) if count else xywh.astype(np.int64)])
    hashes = np.zeros(len(keys), dtype=np.uint64)  # of each row; rows of the same hash are compared whole
    for column in keys.T:
        hashes = (hashes ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    order = np.argsort(hashes, kind="stable")
    equal = np.flatnonzero(np.diff(hashes[order]) == 0)
    repeated = np.zeros(len(keys), dtype=bool)
    repeated[order[equal + 1]] = (keys[order[equal]] == keys[order[equal + 1]]).all(axis=1)
    return repeated


def _problems_of(kind: ProblemKind, split: str, rows: npt.ArrayLike, annotations: list[Entry]) -> list[Problem]:
    """Return a list of one problem with these rows of the annotations as examples, or of none without a row."""
    indices = np.asarray(rows, dtype=np.int64)
    if not len(indices):
        return []
    examples = []
    for annotation in (annotations[i] for i in indices[:MOST_EXAMPLES].tolist()):
        detail = f"annotation {annotation['id']}: {shortened(annotation['bbox'])}"
        examples.append(Example(detail, annotation["image_id"], (annotation["id"],)))
    return [Problem(kind, split, len(indices), tuple(examples))]
