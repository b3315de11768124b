"""How good is it on the images at night, of one camera, in rain? AP and errors by slice, and which slice is worse.

In: a detection table and what is known of its images, `ImageAttributes`. Out: `Slices`: of each slice AP, AP50, and
how far AP lies from that of all other images, with an interval; `slice_counts` adds recall and errors at a score.

A slice and the other images are both evaluated as data sets of their own. Their difference is the mean over the
classes that have objects on both sides, so that a slice without one class is not compared with images that have it.
Each side's images are drawn anew by themselves (`resampling.py`), so the variances add up (Efron & Tibshirani, 1993,
chapter 8). Many slices are looked at, so some look bad by chance: each interval holds with such a confidence that all
of them hold together in 95 % of cases (Šidák, JASA 62, 1967). So far out a few hundred resamples show nothing, so the
interval is Student's, with the images of the smaller side as its degrees of freedom: of few images the resamples
themselves tell little.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import stdtrit

from core.datasets.attributes.attribute import ImageAttributes, Slice
from core.datasets.split import FEW
from core.evaluation.defined import defined
from core.evaluation.findings.bootstrap import Interval
from core.evaluation.findings.curves import chosen_classes
from core.evaluation.findings.resampling import mean_of_defined, resample_weights, weighted_ap
from core.evaluation.selection import table_of_images
from core.evaluation.table import ERROR_TYPES, ErrorType, floats, isin, table_metadata
from core.evaluation.threshold import error_codes, is_object

RESAMPLES = 200  # of the smaller side, which decides: they tell its standard deviation to 5 %
OF_LARGER = 4  # times fewer of the larger side, whose images are more: that takes most of the time
FEWEST_IMAGES = 10  # on each side: fewer say nothing of how images differ
TOGETHER = 0.95  # the confidence that all intervals hold

# columns of the detection table that AP is made of
NEEDED = ["kind", "image_id", "class_name", "score", "rank", "iscrowd", "ranges", "hits_all", "ignored_all"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SliceAP:
    """One slice, whatever the score threshold is.

    members     (I,) bool  which of the table's images it has
    objects     on these, crowds left out
    elsewhere   AP of all other images
    difference  AP here less AP elsewhere, over the classes that both have; without low and high it rests on too few
    """

    attribute: str
    value: str
    source: str
    members: Mask
    objects: int
    AP: float | None
    AP50: float | None
    elsewhere: float | None
    difference: Interval

    @property
    def images(self) -> int:
        """How many images it has."""
        return int(self.members.sum())

    @property
    def key(self) -> Slice:
        """The slice as a filter."""
        return self.attribute, self.value

    @property
    def name(self) -> str:
        """The slice in words."""
        return f"{self.attribute}: {self.value}"


@dataclass(frozen=True, eq=False)
class Slices:
    """All slices of a table.

    classes     those that count
    objects     on all images, crowds left out
    compared    how many different comparisons have an interval: two slices of the same images are one
    confidence  of each interval, such that all hold together with TOGETHER
    notes       on what could not be used of what is known of the images
    """

    classes: tuple[str, ...]
    objects: int = 0
    slices: tuple[SliceAP, ...] = ()
    compared: int = 0
    confidence: float = TOGETHER
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> SliceAP | None:
        """The slice that lies furthest below the other images, of those that do so by more than noise."""
        clear = [one for one in self.slices if one.difference.is_clear and defined(one.difference.value) < 0]
        return min(clear, key=lambda one: defined(one.difference.value), default=None)


@dataclass(frozen=True)
class SliceCounts:
    """A slice's objects and errors at a score threshold: `found` at IoU 0.5."""

    objects: int
    found: int
    errors: dict[ErrorType, int]

    @property
    def recall(self) -> float | None:
        """None without objects."""
        return self.found / self.objects if self.objects else None


@dataclass(frozen=True, eq=False)
class _Side:
    """The images of one side of a comparison: AP and AP50 per class, (K, 2, 1 + R), of all of them and of resamples."""

    ap: np.ndarray
    images: int
    objects: int

    @property
    def is_enough(self) -> bool:
        return self.images >= FEWEST_IMAGES and self.objects >= FEW


def take_slices(
    table: pa.Table,
    attributes: ImageAttributes,
    classes: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Generator[tuple[int, int], None, Slices]:
    """Evaluate every slice, yielding (slices done, in all); return them in the order of the attributes.

    Raises DataError for a class that the table does not have.
    """
    names, part = chosen_classes(table, classes), table.select(NEEDED)
    rows = [
        (attribute, value, members)
        for attribute, masks in attributes.members_in(table_metadata(table).image_ids)
        for value, members in zip(attribute.values, masks, strict=True)
        if members.any() and not members.all()
    ]
    sides: dict[bytes, _Side] = {}

    def side(members: Mask) -> _Side:
        key = members.tobytes()
        if key not in sides:
            is_smaller = 2 * members.sum() <= len(members)
            sides[key] = _side(part, names, members, resamples if is_smaller else resamples // OF_LARGER, seed)
        return sides[key]

    pairs: list[tuple[_Side, _Side]] = []
    for done, (_, _, members) in enumerate(rows):
        yield done, len(rows)
        pairs.append((side(members), side(~members)))
    is_told = [here.is_enough and others.is_enough for here, others in pairs]
    asked = [members for told, (*_, members) in zip(is_told, rows, strict=True) if told]
    compared = len({min(members.tobytes(), (~members).tobytes()) for members in asked})
    confidence = TOGETHER ** (1 / max(compared, 1))
    slices = [
        SliceAP(
            attribute.name, value, attribute.source, members, here.objects, *_means(here),
            _means(others)[0], _difference(here, others, confidence if told else None),
        )
        for (attribute, value, members), (here, others), told in zip(rows, pairs, is_told, strict=True)
    ]  # fmt: skip
    yield len(rows), len(rows)
    objects = int((is_object(table) & isin(table, "class_name", set(names))).sum())
    return Slices(names, objects, tuple(slices), compared, confidence, attributes.notes)


def _side(table: pa.Table, names: Sequence[str], members: Mask, resamples: int, seed: int) -> _Side:
    """Evaluate some images as a data set of their own, and as often with these images drawn anew."""
    ids = np.array(table_metadata(table).image_ids, dtype=np.int64)[members]
    part = table_of_images(table, ids.tolist())
    objects = int((is_object(part) & isin(part, "class_name", set(names))).sum())
    weights = np.concatenate([np.ones((1, len(ids)), np.uint16), resample_weights(len(ids), resamples, seed)])
    return _Side(weighted_ap(part, names, weights), len(ids), objects)


def _means(side: _Side) -> tuple[float | None, float | None]:
    """Return AP and AP50 of a side, None without objects."""
    ap, ap50 = mean_of_defined(side.ap[:, :, :1])[:, 0].tolist()
    return (ap, ap50) if ap == ap else (None, None)


def _difference(here: _Side, others: _Side, confidence: float | None) -> Interval:
    """Return the difference of the two sides' AP; its interval with a confidence, or none."""
    have_both = ~np.isnan(here.ap[:, 0, 0] + others.ap[:, 0, 0])
    if not have_both.any():
        return Interval(None, None, None)
    of_sides = [mean_of_defined(side.ap[have_both, :1])[0] for side in (here, others)]
    value = float(of_sides[0][0] - of_sides[1][0])
    if confidence is None:
        return Interval(value, None, None)
    variance = sum(float(np.nanvar(drawn[1:], ddof=1)) for drawn in of_sides)
    images = min(here.images, others.images)
    deviation = sqrt(variance * images / (images - 1))
    reach = float(stdtrit(images - 1, (1 + confidence) / 2)) * deviation
    return Interval(value, max(value - reach, -1.0), min(value + reach, 1.0))


# At a score threshold


def slice_counts(table: pa.Table, slices: Slices, score: float = 0.5) -> list[SliceCounts]:
    """Count objects and errors of each slice, of the predictions from `score`; the table is the one of the slices."""
    ids = np.array(table_metadata(table).image_ids, dtype=np.int64)
    counts = isin(table, "class_name", set(slices.classes))
    place, kinds = np.searchsorted(ids, table["image_id"].to_numpy()), len(ERROR_TYPES)
    codes, objects = error_codes(table, score), is_object(table) & counts
    wrong = (codes >= 0) & counts
    by_image = np.bincount(place[wrong] * kinds + codes[wrong], minlength=len(ids) * kinds).reshape(-1, kinds)
    is_found = objects & (floats(table, "match_score") >= np.float32(score))  # see `threshold.reaches`
    both = [np.bincount(place[rows], minlength=len(ids)) for rows in (objects, is_found)]
    columns = np.column_stack([*both, by_image])  # (I, 2 + 6)
    answer = []
    for one in slices.slices:
        n, n_found, *errors = columns[one.members].sum(axis=0).tolist()
        answer.append(SliceCounts(n, n_found, dict(zip(ERROR_TYPES, errors, strict=True))))
    return answer


# In words


def verdict(slices: Slices) -> str:
    """Name the worst slice that is no noise, with its numbers; empty where nothing could be compared."""
    if not slices.compared:
        return ""
    many = f"{slices.compared:,} comparison{'s' * (slices.compared > 1)}"
    worst = slices.worst
    if worst is None:
        return f"No slice of the images is worse than the other images by more than noise ({many})."
    value, low, high = (100 * defined(edge) for edge in _edges(worst.difference))
    return (
        f"The worst slice that is no noise is “{worst.name}”: on its {worst.images:,} images AP is "
        f"{100 * defined(worst.AP):.1f}, on the others {100 * defined(worst.elsewhere):.1f}: {-value:.1f} points lower "
        f"({-high:.1f} to {-low:.1f}, the interval being widened for {many})."
    )


def _edges(interval: Interval) -> tuple[float | None, float | None, float | None]:
    return interval.value, interval.low, interval.high
