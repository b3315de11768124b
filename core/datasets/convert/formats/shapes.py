"""Boxes of what labelling tools draw: corners of points, circles, turned rectangles, as `LabelledObject`s.

In: numbers as a file has them. Out: an object whose corners (x1, y1, x2, y2) hold the shape. Raises BadObject.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject
from core.datasets.convert.source import to_class_name

FARTHEST = 10**6  # of a coordinate, in pixels or shares, far beyond any picture
MOST_POINTS = 10**6  # of a polygon


def number(value: Any) -> float:
    """Return a number, also one that is written as text."""
    try:
        result = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not abs(result) <= FARTHEST:
        raise BadObject("has no number where one belongs")
    return result


def class_name(value: Any) -> str:
    """Return the name of a class."""
    name = to_class_name(value)
    if name is None:
        raise BadObject("has no class")
    return name


def from_corners(name: Any, *values: Any) -> LabelledObject:
    """Return an object of x1, y1, x2, y2, in whatever order the corners were drawn."""
    x1, y1, x2, y2 = map(number, values)
    return LabelledObject(class_name(name), (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))


def from_xywh(name: Any, x: Any, y: Any, width: Any, height: Any) -> LabelledObject:
    """Return an object of its upper left corner and its sides."""
    x, y, width, height = map(number, (x, y, width, height))
    return LabelledObject(class_name(name), (x, y, x + width, y + height))


def from_centre(name: Any, x: Any, y: Any, width: Any, height: Any) -> LabelledObject:
    """Return an object of its centre and its sides."""
    x, y, width, height = map(number, (x, y, width, height))
    return LabelledObject(class_name(name), (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def from_points(name: Any, xs: Iterable[Any], ys: Iterable[Any]) -> LabelledObject:
    """Return the object that holds some points, at least two."""
    pairs = list(zip(list(xs), list(ys), strict=True))
    if not 2 <= len(pairs) <= MOST_POINTS:
        raise BadObject("has too few points for a box")
    x, y = [number(a) for a, _ in pairs], [number(b) for _, b in pairs]
    return LabelledObject(class_name(name), (min(x), min(y), max(x), max(y)))


def from_pairs(name: Any, points: Sequence[Sequence[Any]]) -> LabelledObject:
    """Return the object that holds some points [x, y]."""
    return from_points(name, [point[0] for point in points], [point[1] for point in points])


def from_circle(name: Any, x: Any, y: Any, radius: Any, other: Any = None) -> LabelledObject:
    """Return the object that holds a circle, or an ellipse with two radii."""
    x, y, width, height = (number(v) for v in (x, y, radius, radius if other is None else other))
    return LabelledObject(class_name(name), (x - width, y - height, x + width, y + height))


def turned(one: LabelledObject, degrees: Any, x: float, y: float) -> LabelledObject:
    """Return the object that holds a rectangle turned clockwise by some degrees about (x, y)."""
    angle = math.radians(number(degrees or 0))
    if not angle:
        return one
    x1, y1, x2, y2 = one.corners
    cos, sin = math.cos(angle), math.sin(angle)
    corners = [(a - x, b - y) for a in (x1, x2) for b in (y1, y2)]
    xs, ys = [x + a * cos - b * sin for a, b in corners], [y + a * sin + b * cos for a, b in corners]
    return LabelledObject(one.name, (min(xs), min(ys), max(xs), max(ys)), one.difficult)


def centre(one: LabelledObject) -> tuple[float, float]:
    """Return the middle of an object's box."""
    x1, y1, x2, y2 = one.corners
    return (x1 + x2) / 2, (y1 + y2) / 2


def size_of(width: Any, height: Any) -> tuple[float, float] | None:
    """Return a picture's size as a file states it; None if it states none."""
    try:
        size = number(width), number(height)
    except BadObject:
        return None
    return size if min(size) > 0 else None
