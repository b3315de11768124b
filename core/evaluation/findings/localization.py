"""Are the boxes where the objects are? How far they are shifted and too large or small, from the detection table.

In: a table, whole or of some classes only, and a score threshold. Out: `Localization`: of the predictions that found an
object and of the poor boxes (localization errors, which point to an object of their class), their IoU, the shift of
their centre and their scale, as means with standard errors. `verdict` says in words what is more than noise.
The standard error takes boxes for independent; those of one image are so only nearly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.datasets.split import FEW, SIZES
from core.evaluation.defined import defined
from core.evaluation.table import (
    ERROR_TYPES,
    ErrorType,
    flags,
    floats,
    has_value,
    indices,
    integers,
    is_ground_truth,
    table_metadata,
)
from core.evaluation.threshold import error_codes

CLEAR = 2  # standard errors that a mean must be away from 0; about 95 % sure
CLEAR_OF_MANY = 3  # the same for the class that stands out, which is picked from many
SLIGHT = 0.005  # of the object's width or height: less is not worth a word, however sure
RATIO = 1.1  # of areas, from which a box is too large, and below whose inverse it is too small
MEASURES = ("dx", "dy", "dx_px", "dy_px", "width", "height")  # of a `Placement`, in the order of `_Pairs.measures`
EDGES = np.arange(2, 21) / 20  # of the IoU's bins: 0.1, 0.15, … 1


@dataclass(frozen=True)
class Estimate:
    """A mean of n values with its standard error: no mean without values, no error of a single one."""

    n: int
    mean: float | None
    error: float | None

    def is_clear(self, errors: float = CLEAR, than: float = 0.0) -> bool:
        """Return whether the mean lies more than so many standard errors away from `than`, and rests on enough."""
        return self.n >= FEW and abs(defined(self.mean) - than) > errors * defined(self.error)


@dataclass(frozen=True)
class Placement:
    """Where boxes lie, on average, compared with their objects.

    n               how many boxes
    ious            how many there are in each bin of EDGES, (18,); the last has an IoU of 1, too
    mean_iou, median_iou   None without boxes, as are the shares
    dx, dy          shift of the centre in widths and heights of the object: to the right, downwards
    dx_px, dy_px    the same in pixels of the original
    width, height   logarithm of the box's width (height) by the object's; `factor` makes a ratio of it
    too_small, too_large   shares whose area is less than the object's / RATIO, more than the object's x RATIO
    """

    n: int
    ious: tuple[int, ...]
    mean_iou: float | None
    median_iou: float | None
    dx: Estimate
    dy: Estimate
    dx_px: Estimate
    dy_px: Estimate
    width: Estimate
    height: Estimate
    too_small: float | None
    too_large: float | None


def scale_ratio(scale: Estimate, errors: float = 0) -> float | None:
    """Return the ratio that a mean logarithm stands for (0.9 is 10 % too narrow), moved by so many standard errors."""
    return None if scale.mean is None else float(np.exp(scale.mean + errors * (scale.error or 0)))


@dataclass(frozen=True)
class Group:
    """Some objects' boxes: those that found them, and poor ones; `name` is a class, a size or what they share."""

    name: str
    found: Placement
    poor: Placement


@dataclass(frozen=True)
class Localization:
    """The placement of the predictions from a score.

    classes    which of the table's have a row in it; all, unless it was filtered
    is_part    whether those are not all
    total      all boxes
    by_class   of each of `classes`, in the table's order
    by_size    by the object's size: small, medium, large
    whole, truncated  by whether the object touches the picture's border; objects for which that is unknown in neither
    crowds     how many poor boxes were left out because they point to a crowd
    """

    score: float
    classes: tuple[str, ...]
    is_part: bool
    total: Group
    by_class: tuple[Group, ...]
    by_size: tuple[Group, ...]
    whole: Group
    truncated: Group
    crowds: int


def localization(table: pa.Table, score: float = 0.5) -> Localization:
    """Return the placement of the predictions from `score` on the objects that they found, or are poor boxes of."""
    classes = classes_with_rows(table)
    pairs, crowds = _pairs(table, score, classes)
    return Localization(
        score, classes, len(classes) < len(table_metadata(table).classes),
        _group("all", pairs),
        tuple(_group(name, pairs[rows]) for name, rows in pairs.split("label", classes)),
        tuple(_group(name, pairs[rows]) for name, rows in pairs.split("size", SIZES)),
        _group("inside the picture", pairs[pairs.truncated == 0]),
        _group("cut off by the border", pairs[pairs.truncated == 1]),
        crowds,
    )  # fmt: skip


def classes_with_rows(table: pa.Table) -> tuple[str, ...]:
    """Return the classes that have a row in the table, in its order: if it was filtered, what it was filtered to."""
    known = table_metadata(table).classes
    n = np.bincount(indices(table, "class_name", known) + 1, minlength=len(known) + 1)[1:]
    return tuple(name for name, count in zip(known, n, strict=True) if count)


@dataclass(frozen=True)
class _Pairs:
    """Predictions with their objects, as columns (M,).

    is_found     it found the object; else it is a poor box
    label, size  the object's, as indices
    truncated    1 or 0; -1 where unknown
    iou          float32, as in the table
    measures     (6, M) float64: dx, dy, dx_px, dy_px, width and height as `Placement` has them
    """

    is_found: np.ndarray
    label: np.ndarray
    size: np.ndarray
    truncated: np.ndarray
    iou: np.ndarray
    measures: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> _Pairs:
        return _Pairs(*(values[..., rows] for values in vars(self).values()))

    def split(self, column: str, words: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
        """Return each word with the rows that have it."""
        values = getattr(self, column)
        order = np.argsort(values, kind="stable")
        rows = np.split(order, np.searchsorted(values[order], np.arange(1, len(words))))
        return zip(words, rows, strict=False)


def _pairs(table: pa.Table, score: float, classes: tuple[str, ...]) -> tuple[_Pairs, int]:
    """Return the pairs at a threshold, and how many poor boxes point to a crowd."""
    is_found = (floats(table, "score") >= np.float32(score)) & has_value(
        table, "gt_id"
    )  # float32: see `threshold.reaches`
    poor = error_codes(table, score) == ERROR_TYPES.index(ErrorType.LOCALIZATION)
    rows = np.flatnonzero(is_found | poor)
    is_found = is_found[rows]
    ids = np.where(is_found, *(integers(table, column)[rows] for column in ("gt_id", "best_same_gt")))
    truths = np.flatnonzero(is_ground_truth(table))
    truth_ids = integers(table, "gt_id")[truths]
    order = np.argsort(truth_ids)
    truth = truths[order][np.searchsorted(truth_ids[order], ids)] if len(rows) else rows
    crowd = flags(table, "iscrowd")[truth]
    box, truth_box = (_centres(table, of) for of in (rows, truth))
    # A box of no extent overlaps nothing; one thinner than float32 tells apart has a scale that means nothing.
    usable = ~crowd & (box[2:] > 0).all(axis=0) & (truth_box[2:] > 0).all(axis=0)
    rows, is_found, truth, box, truth_box = (
        rows[usable],
        is_found[usable],
        truth[usable],
        box[:, usable],
        truth_box[:, usable],
    )
    shift = box[:2] - truth_box[:2]
    truncated = np.where(has_value(table, "truncated"), flags(table, "truncated"), -1)
    iou = np.where(is_found, *(floats(table, column)[rows] for column in ("iou", "best_same_iou")))
    pairs = _Pairs(
        is_found, indices(table, "class_name", classes)[truth], indices(table, "size", SIZES)[truth],
        truncated[truth], iou, np.concatenate([shift / truth_box[2:], shift, np.log(box[2:] / truth_box[2:])]),
    )  # fmt: skip
    return pairs, int(crowd.sum())


def _centres(table: pa.Table, rows: np.ndarray) -> np.ndarray:
    """Return boxes as centre x, centre y, width, height, (4, M) float64."""
    x1, y1, x2, y2 = (floats(table, column)[rows].astype(np.float64) for column in ("x1", "y1", "x2", "y2"))
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])


def _group(name: str, pairs: _Pairs) -> Group:
    return Group(name, _placement(pairs[pairs.is_found]), _placement(pairs[~pairs.is_found]))


def _placement(pairs: _Pairs) -> Placement:
    n = len(pairs.iou)
    if not n:
        nothing = dict.fromkeys(MEASURES, Estimate(0, None, None))
        return Placement(0, (0,) * (len(EDGES) - 1), None, None, **nothing, too_small=None, too_large=None)
    edges = EDGES[1:-1].astype(np.float32)  # as IoUs are, so that one of 0.55 lies in the bin from 0.55 on
    ious = np.bincount(np.searchsorted(edges, pairs.iou, side="right"), minlength=len(edges) + 1)
    means = pairs.measures.mean(axis=1).tolist()
    errors = (pairs.measures.std(axis=1, ddof=1) / np.sqrt(n)).tolist() if n > 1 else [None] * len(means)
    estimates = {key: Estimate(n, mean, error) for key, mean, error in zip(MEASURES, means, errors, strict=True)}
    area = pairs.measures[4:].sum(axis=0)
    return Placement(
        n, tuple(ious.tolist()), float(pairs.iou.mean(dtype=np.float64)), float(np.median(pairs.iou)), **estimates,
        too_small=float(np.mean(area < -np.log(RATIO))), too_large=float(np.mean(area > np.log(RATIO))),
    )  # fmt: skip


# In words


def verdict(localization: Localization) -> str:
    """Say in sentences whether boxes are shifted, too large or too small; only what is more than noise."""
    matched, poor = localization.total.found, localization.total.poor
    if matched.n < FEW:
        return f"From score {localization.score:g}, {_objects(matched.n)} found: too few to say how boxes lie."
    how = _how(matched)
    sentences = [
        f"Boxes of {matched.n:,} found objects {how}."
        if how
        else f"Boxes of {matched.n:,} found objects lie where the objects are and have their size, on average."
    ]
    if special := _special(localization):
        sentences.append(special)
    if poor.n:
        how = _how(poor)
        boxes = "1 more box of the right class fits" if poor.n == 1 else f"{poor.n:,} more boxes of the right class fit"
        errors = "a localization error" if poor.n == 1 else "localization errors"
        sentences.append(f"{boxes} badly ({errors}, IoU 0.1 to 0.5){f': on average they {how}' if how else ''}.")
    return " ".join(sentences)


_WORDS = {  # of each measure: what it is said of, below 0, above 0
    "dx": ("lie", "of the object's width too far left", "of the object's width too far right"),
    "dy": ("lie", "of the object's height too high up", "of the object's height too far down"),
    "width": ("are", "too narrow", "too wide"),
    "height": ("are", "too short", "too tall"),
}


def _how(placement: Placement) -> str:
    """Return the clear deviations in words: "lie 1.9 % of the object's width too far left and are 4.0 % too narrow"."""
    parts: dict[str, list[str]] = {"lie": [], "are": []}
    for measure in _WORDS:
        if getattr(placement, measure).is_clear() and abs(defined(mean_deviation(placement, measure))) >= SLIGHT:
            parts[_WORDS[measure][0]].append(deviation(placement, measure))
    return " and ".join(f"{verb} {' and '.join(deviations)}" for verb, deviations in parts.items() if deviations)


def _special(localization: Localization) -> str:
    """Return a sentence on the class that deviates most from all classes together, if that is clear."""
    total, most, sentence = localization.total.found, SLIGHT, ""
    for group in localization.by_class if len(localization.by_class) > 1 else ():
        for measure, (verb, *_) in _WORDS.items():
            estimate, share = getattr(group.found, measure), mean_deviation(group.found, measure) or 0.0
            stands_out = estimate.is_clear(CLEAR_OF_MANY) and estimate.is_clear(
                CLEAR_OF_MANY, getattr(total, measure).mean
            )
            if stands_out and abs(share) > max(most, abs(mean_deviation(total, measure) or 0.0)):
                most = abs(share)
                sentence = f"Those of {group.name} stand out: they {verb} {deviation(group.found, measure)}."
    return sentence


def mean_deviation(placement: Placement, measure: str) -> float | None:
    """Return the mean of dx, dy, width or height as a deviation, a share of the object's; None without boxes."""
    mean = getattr(placement, measure).mean
    return mean if measure in ("dx", "dy") or mean is None else float(np.expm1(mean))


def deviation(placement: Placement, measure: str) -> str:
    """Return the mean deviation in words: "4.0 % too narrow"; there must be boxes."""
    share = defined(mean_deviation(placement, measure))
    return f"{100 * abs(share):.1f} % {_WORDS[measure][1 + (share > 0)]}"


def _objects(n: int) -> str:
    return {0: "no object is", 1: "only 1 object is"}.get(n, f"only {n} objects are")
