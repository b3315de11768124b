"""What is known of each image, grouped into slices: `to_attribute`.

In: a `Known`, a value for each image. Out: an `Attribute` of few slices, or None where there is nothing to compare.
Numbers become ranges of about equally many images, whose borders are round; of words the most frequent ones are kept,
and the rest is "other".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from core.datasets.attributes.attribute import Attribute, Known, Value
from core.wording import short

MOST_VALUES = 8  # slices of words; rarer ones are OTHER
FEW_NUMBERS = 5  # so many different numbers are values of their own
SHARES = (0.25, 0.5, 0.75)  # of the images, below each border of a range
SLACK = 0.06  # how far a border may lie from its share, to be round
SMALL = 10  # whole numbers below it are all round
OTHER, NO_VALUE = "other", "no value"
LONGEST = 60  # characters of a name or a value


def to_attribute(known: Known) -> Attribute | None:
    """Return the slices of the images; None if all would lie in one, or each in its own."""
    values = [_cleaned(value) for value in known.values]
    given = [value for value in values if value is not None]
    if any(isinstance(value, tuple) for value in given):
        names, members = _tags(values)
    elif given and all(isinstance(value, float) for value in given):
        names, members = _numbers(values)
    else:
        names, members = _words([_text(value) for value in values])
    sizes = members.sum(axis=1).tolist()
    kept = [row for row, size in enumerate(sizes) if 0 < size < members.shape[1]]  # a slice of all images is none
    if not kept:
        return None
    return Attribute(short(known.name, LONGEST), known.source, tuple(names[row] for row in kept), members[kept])


def _cleaned(value: Value) -> Value:
    """Return a value as it is grouped: numbers as float, what says nothing as None."""
    if isinstance(value, str):
        return short(value.strip(), LONGEST) or None
    if isinstance(value, tuple):
        return tuple(short(tag.strip(), LONGEST) for tag in value if tag.strip())
    return float(value) if value is not None and math.isfinite(value) else None


def _text(value: Value) -> str | None:
    return number_text(value) if isinstance(value, float) else value if isinstance(value, str) else None


def number_text(value: float) -> str:
    """Return a number as the user reads it.

    >>> number_text(1200), number_text(0.25), number_text(1.5e9)
    ('1,200', '0.25', '1,500,000,000')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 and value == int(value) else f"{value:,.6g}"


def _masks(codes: np.ndarray, n: int) -> np.ndarray:
    return codes[None, :] == np.arange(n)[:, None]


def _tags(values: Sequence[Value]) -> tuple[list[str], np.ndarray]:
    """Return the most frequent tags, each with the images that have it."""
    lists = [(value,) if isinstance(value, str) else value if isinstance(value, tuple) else () for value in values]
    counts = Counter(tag for tags in lists for tag in set(tags))
    names = [tag for tag, n in counts.most_common() if n > 1][:MOST_VALUES] or list(counts)[:1]
    members = np.array([[name in tags for tags in lists] for name in names], dtype=bool)
    return names, members.reshape(len(names), len(values))


def _words(values: Sequence[str | None]) -> tuple[list[str], np.ndarray]:
    """Return the most frequent words; the rest together, and the images without one, if there are some."""
    counts = Counter(value for value in values if value is not None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    if len(counts) > 1 and counts[ranked[0]] == 1:  # each image has its own
        return [], np.zeros((0, len(values)), dtype=bool)
    names = ranked if len(ranked) <= MOST_VALUES else [name for name in ranked if counts[name] > 1][: MOST_VALUES - 1]
    places = {name: place for place, name in enumerate(names)}
    for more, asked in ((OTHER, len(names) < len(ranked)), (NO_VALUE, counts.total() < len(values))):
        if asked and more not in places:
            places[more] = len(places)
    other, none = places.get(OTHER, -1), places.get(NO_VALUE, -1)
    codes = np.array([none if value is None else places.get(value, other) for value in values], dtype=np.int64)
    return list(places), _masks(codes, len(places))


# Numbers


def _numbers(values: Sequence[Value]) -> tuple[list[str], np.ndarray]:
    """Return ranges of numbers, or each number where there are few; and the images without one, if there are some."""
    numbers = np.array([value if isinstance(value, float) else np.nan for value in values])
    is_known = ~np.isnan(numbers)
    given = numbers[is_known]
    distinct = np.unique(given)
    are_whole = bool((distinct == np.round(distinct)).all())
    if are_whole and 1 < len(given) == len(distinct) == distinct[-1] - distinct[0] + 1:  # the images are numbered
        return [], np.zeros((0, len(values)), dtype=bool)
    if len(distinct) <= FEW_NUMBERS:
        names, codes = [number_text(value) for value in distinct.tolist()], np.searchsorted(distinct, numbers)
    else:
        edges = borders(given)
        names, codes = _range_names(edges, distinct, are_whole), np.searchsorted(edges, numbers, side="right")
    if not is_known.all():
        names = [*names, NO_VALUE]
        codes = np.where(is_known, codes, len(names) - 1)
    return names, _masks(codes, len(names))


def borders(values: np.ndarray) -> list[float]:
    """Return the borders of about four ranges with about as many of the values each; a border belongs to the upper.

    Each is the roundest number near its quartile. Fewer where many values are equal; values are not all equal.
    """
    edges: list[float] = []
    are_whole = bool((values == np.round(values)).all())
    second = float(np.unique(values)[1])  # no border lies below it, or nothing would
    for share in SHARES:
        near = (share - SLACK, share, share + SLACK)
        first, middle, last = (float(edge) for edge in np.quantile(values, near))
        if are_whole and middle < SMALL:
            edges.append(max(float(round(middle)), second))
        elif last >= second:
            edges.append(roundest(max(first, second), last, max(middle, second)))
    return sorted(set(edges)) or [second]


def roundest(low: float, high: float, middle: float) -> float:
    """Return the roundest number from `low` to `high`, the nearest to `middle` of these.

    >>> roundest(43.2, 51.8, 47), roundest(0.61, 0.64, 0.62), roundest(3, 3, 3)
    (50.0, 0.62, 3.0)
    """
    span = max(abs(low), abs(high), 1e-12)
    for power in range(math.floor(math.log10(span)), math.floor(math.log10(span)) - 7, -1):
        for factor in (5, 2, 1):
            step = factor * 10.0**power
            number = float(f"{round(middle / step) * step:.12g}")
            inside = [n for n in (number, _next(low, step)) if low <= n <= high]
            if inside:
                return min(inside, key=lambda n: abs(n - middle))
    return middle


def _next(low: float, step: float) -> float:
    return float(f"{math.ceil(low / step) * step:.12g}")


def _range_names(edges: Sequence[float], distinct: np.ndarray, are_whole: bool) -> list[str]:
    """Return a name of each range; `distinct` are the numbers in them, ascending.

    >>> _range_names([1, 4, 8], np.arange(20), True), _range_names([0.5, 1.0], np.arange(20) / 7, False)
    (['0', '1 to 3', '4 to 7', '8 or more'], ['below 0.5', '0.5 to 1', '1 or more'])
    """
    if not are_whole:
        inner = [f"{number_text(a)} to {number_text(b)}" for a, b in pairwise(edges)]
        return [f"below {number_text(edges[0])}", *inner, f"{number_text(edges[-1])} or more"]
    starts = [math.ceil(edge) for edge in edges]
    inner = [_span(a, b - 1) for a, b in pairwise(starts)]
    below, last = number_text(starts[0] - 1), number_text(starts[-1])
    is_one = distinct[0] == starts[0] - 1, distinct[-1] == starts[-1]
    return [below if is_one[0] else f"{below} or less", *inner, last if is_one[1] else f"{last} or more"]


def _span(low: int, high: int) -> str:
    return number_text(low) if low == high else f"{number_text(low)} to {number_text(high)}"
