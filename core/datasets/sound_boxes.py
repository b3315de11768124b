"""Which boxes of a file can be objects: those that cannot are left out, doubtful ones are told of.

In: images and annotations as `cocofile.read` gives them; boxes are COCO's `xywh` in pixels. Out: the annotations that
stay, and `Problem`s. Vectorised, because a file may hold a million boxes.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from reprlib import repr as shortened

import numpy as np

from core.datasets.coco_json import EXACT_LIMIT, is_box
from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind

SPARE = 1.0  # pixels by which a box may reach beyond its image through rounding
TINY_SIDE = 2.0  # pixels
SAME_IOU = 0.9
MOST_NEIGHBOURS, MOST_PAIRS = 1000, 1_000_000  # that are looked at and found, in a file made to keep us busy


def sound_boxes(images: list[dict], annotations: list[dict], split: str) -> tuple[list[dict], list[Problem]]:
    """The annotations whose box is four finite numbers, has an extent and lies on its image, each once.

    Boxes that reach beyond their image stay as they are, and are told of.
    """
    xywh = _to_array(annotations)  # (N, 4), NaN where there is no box
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
        beyond = (x < -SPARE) | (y < -SPARE) | (x + w > width + SPARE) | (y + h > height + SPARE)
    kept = np.ones(len(annotations), dtype=bool)
    problems = []
    for kind, wrong in checks.items():
        problems += _problem(kind, split, np.flatnonzero(wrong & kept), annotations)
        kept &= ~wrong
    problems += _problem(ProblemKind.BEYOND, split, np.flatnonzero(beyond & kept), annotations)
    zero = [i for i, annotation in enumerate(annotations) if annotation["id"] == 0 and kept[i]]
    problems += _problem(ProblemKind.ZERO_ID, split, zero, annotations)
    if kept.all():
        return annotations, problems
    return [annotations[i] for i in np.flatnonzero(kept).tolist()], problems


def noted_boxes(annotations: list[dict], xywh: np.ndarray, image: np.ndarray, category: np.ndarray, split: str):
    """Problems of boxes that stay: tiny ones, and objects that are labelled twice.

    xywh (N, 4), image and category (N,) are those of the annotations; crowds are left out of both.
    """
    objects = np.array([not a["iscrowd"] for a in annotations], dtype=bool)
    tiny = np.flatnonzero(objects & (xywh[:, 2:].min(axis=1, initial=np.inf) < TINY_SIDE))
    own = np.flatnonzero(objects)
    pairs = own[objects_labelled_twice(xywh[own], image[own], category[own])]
    examples = []
    for first, second in pairs[:MOST_EXAMPLES].tolist():
        ids = (annotations[first]["id"], annotations[second]["id"])
        examples.append(Example(f"annotations {ids[0]} and {ids[1]}", annotations[first]["image_id"], ids))
    twice = [Problem(ProblemKind.TWICE, split, len(pairs), tuple(examples))] if len(pairs) else []
    return [*_problem(ProblemKind.TINY, split, tiny, annotations), *twice]


def objects_labelled_twice(xywh: np.ndarray, image: np.ndarray, category: np.ndarray) -> np.ndarray:
    """Pairs (P, 2) of rows, first < second, with the same image and class and an IoU above SAME_IOU.

    xywh (N, 4) float64, image and category (N,) int. In sorted order each row is compared with the one k places on,
    for k = 1, 2, … while any is of the same image and class and may still overlap enough. The search ends early at
    MOST_NEIGHBOURS or MOST_PAIRS.
    """
    order = np.lexsort((xywh[:, 0], category, image))
    x, y, w, h = xywh[order].T
    group = np.concatenate(([0], np.cumsum((np.diff(image[order]) != 0) | (np.diff(category[order]) != 0))))
    found, count = [], 0
    rows = np.arange(len(order))
    for step in range(1, MOST_NEIGHBOURS + 1):
        rows = rows[rows + step < len(order)]
        others = rows + step
        # sorted by x: a box that begins further right than this cannot overlap enough, nor can any after it
        near = (group[rows] == group[others]) & (x[others] - x[rows] <= (1 - SAME_IOU) * w[rows])
        rows, others = rows[near], others[near]
        if not len(rows) or count >= MOST_PAIRS:
            break
        across = np.minimum(x[rows] + w[rows], x[others] + w[others]) - np.maximum(x[rows], x[others])
        down = np.minimum(y[rows] + h[rows], y[others] + h[others]) - np.maximum(y[rows], y[others])
        shared = np.clip(across, 0, None) * np.clip(down, 0, None)
        same = shared > SAME_IOU * (w[rows] * h[rows] + w[others] * h[others] - shared)
        found.append(np.sort(np.stack([order[rows[same]], order[others[same]]], axis=1), axis=1))
        count += len(found[-1])
    pairs = np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def image_rows(images: list[dict], annotations: list[dict]) -> np.ndarray:
    """For each annotation the row of its image, (N,) int64."""
    row = {image["id"]: i for i, image in enumerate(images)}
    return np.fromiter(map(row.get, map(itemgetter("image_id"), annotations)), dtype=np.int64, count=len(annotations))


def image_sizes(images: list[dict]) -> np.ndarray:
    """Width and height of each image, (M, 2) float64."""
    sides = (np.fromiter(map(itemgetter(side), images), np.float64, len(images)) for side in ("width", "height"))
    return np.stack(list(sides), axis=1)


def _to_array(annotations: list[dict]) -> np.ndarray:
    """The boxes as (N, 4) float64; NaN where a box is not four numbers."""
    boxes = list(map(itemgetter("bbox"), annotations))
    try:
        found = np.array(boxes)
    except (ValueError, OverflowError):  # of several lengths; beyond float64
        found = np.array(None)
    if found.dtype.kind not in "if" or found.shape != (len(boxes), 4):
        found = np.array([box if is_box(box) else [np.nan] * 4 for box in boxes], dtype=np.float64).reshape(-1, 4)
    return found.astype(np.float64, copy=False) + 0.0  # no -0.0, which has other bits than 0.0


def _repeated(annotations: list[dict], rows: np.ndarray, xywh: np.ndarray) -> np.ndarray:
    """Which annotations say the same as an earlier one: image, class, box and crowd; (N,) bool."""
    count = len(annotations)
    rest = [np.fromiter(map(itemgetter(key), annotations), np.int64, count) for key in ("category_id", "iscrowd")]
    keys = np.column_stack([rows, *rest, xywh.view(np.int64) if count else xywh.astype(np.int64)])
    mixed = np.zeros(len(keys), dtype=np.uint64)  # a hash of each row; rows of the same hash are compared whole
    for column in keys.T:
        mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")
    equal = np.flatnonzero(np.diff(mixed[order]) == 0)
    repeated = np.zeros(len(keys), dtype=bool)
    repeated[order[equal + 1]] = (keys[order[equal]] == keys[order[equal + 1]]).all(axis=1)
    return repeated


def _problem(kind: ProblemKind, split: str, rows: Iterable[int], annotations: list[dict]) -> list[Problem]:
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        return []
    examples = []
    for annotation in (annotations[i] for i in rows[:MOST_EXAMPLES].tolist()):
        detail = f"annotation {annotation['id']}: {shortened(annotation['bbox'])}"
        examples.append(Example(detail, annotation["image_id"], (annotation["id"],)))
    return [Problem(kind, split, len(rows), tuple(examples))]
