"""Are small objects missed? Recall against the size of objects: in pixels, as the model sees them, and in its cells.

In: a table, whole or of some classes only, and a score threshold. Out: `Small`: recall at IoU 0.5 in logarithmic bins
of the size, which is √area of the annotation, and by class and COCO's sizes, with Wilson's 95 % intervals. Crowds are
left out. `verdict` says in words from which size objects are found.

A model sees an image resized and in cells of `stride` pixels: an object that is smaller than a cell shares it with what
lies around it. Source of the intervals: Newcombe, Statistics in Medicine 17 (1998), methods 3 and 10 (873–890).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pyarrow as pa

from core.datasets.split import FEW, SIZES
from core.evaluation.defined import defined
from core.evaluation.findings.localization import classes_with_rows
from core.evaluation.table import ERROR_TYPES, ErrorType, floats, has_value, indices, table_metadata
from core.evaluation.threshold import error_codes, is_object

SURE = 1.959964  # standard deviations that hold 95 % of a normal distribution
BINS = range(-9, 25)  # a bin's lower edge is the unit times 3^(k / 3), so that 32 and 96 pixels are edges


@dataclass(frozen=True)
class Recall:
    """How many of some objects were found at IoU 0.5.

    n       how many there are
    found   by a prediction from the score threshold
    at_any  by a prediction of any score
    missed  found by none from the threshold, nor pointed to by a poor box or a wrong class: what Errors calls missed
    """

    n: int
    found: int
    at_any: int
    missed: int

    @property
    def recall(self) -> float | None:
        """None without objects."""
        return self.found / self.n if self.n else None

    @property
    def recall_at_any(self) -> float | None:
        """Recall of the predictions of every score; None without objects."""
        return self.at_any / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of `recall`; None without objects."""
        return wilson_interval(self.found, self.n) if self.n else None


@dataclass(frozen=True)
class SizeBin:
    """The objects of a size from `lower` on and below `upper`."""

    lower: float
    upper: float
    recall: Recall


@dataclass(frozen=True)
class Curve:
    """Recall against the size in one unit.

    bins  without a gap, from the smallest object to the largest; the outermost hold also what exceeds BINS
    n     how many objects they hold
    half  the size from which on half of the objects are found; None if that is so of all sizes or of none, or if there
          are not FEW objects
    all_above  whether at least half are found even of the smallest
    falls      whether fewer than half are found of some that are larger than others of which half are, beyond noise
    """

    bins: tuple[SizeBin, ...]
    n: int
    half: float | None
    all_above: bool
    falls: bool = False


@dataclass(frozen=True)
class RecallBySize:
    """Recall by size, of the predictions from a score.

    classes   which of the table's have a row in it; all, unless it was filtered
    is_part   whether those are not all
    stride    pixels of the model's input per cell; None if that is unknown, as are then `input` and `cells`
    total     all objects
    pixels    against √area in pixels of the original
    input     in pixels of the image as the model sees it, objects on images of unknown size left out
    cells     in cells of the model's feature map
    by_size   small, medium, large
    by_class  (class, size) to its objects, for all of `classes` and sizes
    """

    score: float
    classes: tuple[str, ...]
    is_part: bool
    stride: int | None
    total: Recall
    pixels: Curve
    input: Curve | None
    cells: Curve | None
    by_size: dict[str, Recall]
    by_class: dict[tuple[str, str], Recall]


def recall_by_size(table: pa.Table, score: float = 0.5) -> RecallBySize:
    """Return the recall of the predictions from `score`, and of all, by the objects' size."""
    classes, seen = classes_with_rows(table), table_metadata(table).input
    rows = np.flatnonzero(is_object(table))
    objects = _objects(table, rows, score)
    pixels = np.sqrt(floats(table, "area")[rows].astype(np.float64))
    image = np.searchsorted(table_metadata(table).image_ids, table["image_id"].to_numpy()[rows])
    scaled = pixels * np.append(table_metadata(table).input_scales(), np.nan)[image]
    label, size = indices(table, "class_name", classes)[rows], indices(table, "size", SIZES)[rows]
    by_both = _recalls(label * len(SIZES) + size, objects, len(classes) * len(SIZES))
    return RecallBySize(
        score, classes, len(classes) < len(table_metadata(table).classes), seen.stride if seen else None,
        _recalls(np.zeros(len(rows), dtype=np.int64), objects, 1)[0],
        _curve(pixels, objects, 32),
        _curve(scaled, objects, 32) if seen else None,
        _curve(scaled / seen.stride, objects, 1) if seen else None,
        dict(zip(SIZES, _recalls(size, objects, len(SIZES)), strict=True)),
        {(name, word): by_both[k * len(SIZES) + i] for k, name in enumerate(classes) for i, word in enumerate(SIZES)},
    )  # fmt: skip


def _objects(table: pa.Table, rows: np.ndarray, score: float) -> np.ndarray:
    """Return whether each object in `rows` was found, was found at any score, is missed; (3, M) bool."""
    is_found = floats(table, "match_score") >= np.float32(score)  # scores are float32, see `threshold.reaches`
    missed = error_codes(table, score) == ERROR_TYPES.index(ErrorType.MISSED)
    return np.stack([is_found, has_value(table, "match_score"), missed])[:, rows]


def _recalls(group: np.ndarray, objects: np.ndarray, groups: int) -> list[Recall]:
    """Return the recall of each of so many groups; `group` (M,) says in which each object is."""
    columns = [np.bincount(group, minlength=groups), *(np.bincount(group[part], minlength=groups) for part in objects)]
    return [Recall(*counts) for counts in np.column_stack(columns).tolist()]


# Against the size


def _curve(size: np.ndarray, objects: np.ndarray, unit: float) -> Curve:
    """Return the curve of objects of a `size` (M,), those of unknown size (NaN) left out, with `unit` as an edge."""
    known = ~np.isnan(size)
    size, objects = size[known], objects[:, known]
    # 3 ** (k // 3) is exact, so that 32 and 96 are edges to the last digit
    edges = np.array([unit * 3.0 ** (k // 3) * 3 ** (k % 3 / 3) for k in BINS])
    place = np.searchsorted(edges[1:-1], size, side="right")
    recalls = _recalls(place, objects, len(edges) - 1)
    first, last = (int(place.min()), int(place.max()) + 1) if len(place) else (0, 0)
    bins = tuple(SizeBin(float(edges[i]), float(edges[i + 1]), recalls[i]) for i in range(first, last))
    return Curve(bins, len(size), *_half(bins))


def _half(bins: Sequence[SizeBin]) -> tuple[float | None, bool, bool]:
    """Return `Curve.half`, `Curve.all_above` and `Curve.falls`, read off between two bins.

    Recall is made to rise with the size. Bins are first taken together until each rests on FEW. What then falls is
    levelled (isotonic regression by pooling neighbours), so that one unlucky bin does not decide.
    """
    groups = _grouped(bins)
    if not groups:
        return None, False, False
    levels = isotonic([(n, hits) for n, hits, _ in groups])
    log_size = [log / n for n, _, log in groups]
    above = next((i for i, level in enumerate(levels) if level >= 0.5), None)
    if above is not None and any(wilson_interval(hits, n)[1] < 0.5 for n, hits, _ in groups[above:]):
        return None, False, True
    if not above:
        return None, above == 0, False
    share = (0.5 - levels[above - 1]) / (levels[above] - levels[above - 1])
    return float(np.exp(log_size[above - 1] + share * (log_size[above] - log_size[above - 1]))), False, False


def _grouped(bins: Sequence[SizeBin]) -> list[tuple[int, int, float]]:
    """Return neighbouring bins taken together until each group has n >= FEW, or none at all.

    Each as (n, hits, sum of the logarithms of the sizes, by each bin's middle).
    """
    groups: list[tuple[int, int, float]] = []
    open_group = (0, 0, 0.0)
    for part in bins:
        recall, middle = part.recall, np.log(part.lower * part.upper) / 2
        n, hits, log = open_group
        open_group = (n + recall.n, hits + recall.found, log + recall.n * middle)
        if open_group[0] >= FEW:
            groups.append(open_group)
            open_group = (0, 0, 0.0)
    if groups and open_group[0]:  # what is left of the largest goes to the last
        n, hits, log = groups[-1]
        groups[-1] = (n + open_group[0], hits + open_group[1], log + open_group[2])
    return groups


def isotonic(counts: Sequence[tuple[int, int]]) -> list[float]:
    """Return the share of hits of each (n, hits), neighbours pooled wherever it would fall.

    >>> isotonic([(10, 1), (10, 8), (10, 6), (10, 9)])
    [0.1, 0.7, 0.7, 0.9]
    """
    pools: list[tuple[int, int, int]] = []  # n, hits, how many groups
    for n, hits in counts:
        pools.append((n, hits, 1))
        while len(pools) > 1 and pools[-2][1] * pools[-1][0] >= pools[-1][1] * pools[-2][0]:
            last = pools.pop()
            before = pools[-1]
            pools[-1] = (before[0] + last[0], before[1] + last[1], before[2] + last[2])
    return [hits / n for n, hits, groups in pools for _ in range(groups)]


# Sure or noise?


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, hits / n, after Wilson; n > 0.

    >>> [round(edge, 3) for edge in wilson_interval(0, 10)], [round(edge, 3) for edge in wilson_interval(50, 100)]
    ([0.0, 0.278], [0.404, 0.596])
    """
    square = SURE**2
    middle, half = hits + square / 2, SURE * sqrt(hits * (n - hits) / n + square / 4)
    return max(0.0, (middle - half) / (n + square)), min(1.0, (middle + half) / (n + square))


def recall_difference(one: Recall, other: Recall) -> tuple[float, float, float]:
    """Return `one`'s recall less the `other`'s, with the 95 % interval, (value, low, high); both have objects.

    Newcombe's hybrid of two Wilson intervals.
    """
    (p, low, high), (q, low_q, high_q) = ((defined(r.recall), *defined(r.interval)) for r in (one, other))
    return p - q, p - q - sqrt((p - low) ** 2 + (high_q - q) ** 2), p - q + sqrt((high - p) ** 2 + (q - low_q) ** 2)


# In words


def verdict(small: RecallBySize) -> str:
    """Say from which size objects are found, and whether small ones are found less often than large ones."""
    if small.total.n < FEW:
        n = small.total.n
        objects = {0: "There is no object", 1: "There is only 1 object"}.get(n, f"There are only {n} objects")
        return f"{objects}: too few to say how finding depends on size."
    return f"{_half_in_words(small)} {_compared(small)}".strip()


def _half_in_words(small: RecallBySize) -> str:
    curve = small.pixels
    if curve.half is None:
        if curve.all_above:
            return "At least half of the objects are found at every size."
        if curve.falls:
            return "Recall does not rise with the size: of some larger objects fewer than half are found."
        return f"At no size are half of the objects found from score {small.score:g}."
    sentence = f"Half of the objects are found from {_pixels(curve.half)} pixels on (√area in the original)"
    if small.input and small.cells and small.input.half is not None and small.cells.half is not None:
        sentence += f": {_pixels(small.input.half)} pixels as the model sees them, {small.cells.half:.1f} of its cells"
    return sentence + "."


def _pixels(size: float) -> str:
    return f"{size:.0f}" if size >= 10 else f"{size:.1f}"


def _compared(small: RecallBySize) -> str:
    """Compare small objects with large ones, or with medium ones where large ones are few."""
    one = small.by_size["small"]
    name, other = next(
        ((name, small.by_size[name]) for name in ("large", "medium") if small.by_size[name].n >= FEW), ("", None)
    )
    if one.n < FEW or other is None:
        return ""
    value, low, high = recall_difference(one, other)
    beginning = f"Of {one.n:,} small objects {_percent(defined(one.recall))} are found, of {other.n:,} {name} ones "
    beginning += _percent(defined(other.recall))
    if low <= 0 <= high:
        return f"{beginning}: a difference that may be noise."
    how = "fewer" if value < 0 else "more"
    edges = sorted(100 * abs(edge) for edge in (low, high))
    sentence = f"{beginning}: {100 * abs(value):.0f} points {how} ({edges[0]:.0f} to {edges[1]:.0f})"
    reached = f"; counting predictions of every score, {_percent(defined(one.recall_at_any))} of the small ones are"
    return f"{sentence}{reached if value < 0 and one.at_any > one.found else ''}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
