"""Boxes and areas of COCO's segmentations: polygons and run lengths (RLE), compressed or not.

In: an annotation's `segmentation` as its file has it. Out: the box around it, `xywh` in pixels, and its area in px².
Only the few annotations that lack a box or an area are read so; nothing in a segmentation is trusted.
"""

from __future__ import annotations

import math
from operator import mul
from typing import Any, NamedTuple

import msgspec
import numpy as np

from core.datasets.coco.ids import is_number
from core.typed_json import decoder

MOST_RUNS = 10_000_000  # of one RLE: as many as a picture of many megapixels has


class Outline(NamedTuple):
    """What a segmentation encloses: its box, `xywh` in pixels, and its area in px²."""

    box: list[float]
    area: float


def outline_of(segmentation: Any) -> Outline | None:
    """Return the box around a segmentation and its area; None if it is neither polygons nor an RLE, or is empty.

    The area of several polygons is the sum of theirs: parts that overlap are counted twice.
    Source: cocodataset/cocoapi, common/maskApi.c: rleFrString, rleToBbox.
    """
    try:
        outline = _of_rle(segmentation) if isinstance(segmentation, dict) else _of_polygons(segmentation)
    except (TypeError, ValueError, OverflowError, KeyError):
        return None
    return _checked(outline)


def outline_of_json(segmentation: bytes | msgspec.Raw) -> Outline | None:
    """Return what `outline_of` does of a segmentation that is still JSON: much faster for COCO's own polygons."""
    try:
        rings = _read_polygons(segmentation)
    except msgspec.ValidationError:
        return outline_of(msgspec.json.decode(segmentation))
    if any(len(ring) == 2 for ring in rings):  # points
        return outline_of(rings)
    return _checked(_around([ring for ring in rings if len(ring) >= 6 and len(ring) % 2 == 0]))


_read_polygons = decoder(list[list[float]]).decode


def _checked(outline: Outline | None) -> Outline | None:
    """Return the outline if its numbers are exact as float64 and its box has an extent."""
    if outline is None or not all(map(is_number, (*outline.box, outline.area))):
        return None
    return outline if outline.box[2] > 0 and outline.box[3] > 0 else None


def _of_polygons(polygons: Any) -> Outline | None:
    return _around(_rings(polygons))


def _around(rings: list[list[float]]) -> Outline | None:
    """Return the outline of polygons, each x, y, x, y, …"""
    if not rings:
        return None
    left, top, right, bottom, area = math.inf, math.inf, -math.inf, -math.inf, 0.0
    for ring in rings:
        x, y = ring[0::2], ring[1::2]
        left, top, right, bottom = min(left, *x), min(top, *y), max(right, *x), max(bottom, *y)
        next_x, next_y = x[1:] + x[:1], y[1:] + y[:1]
        area += abs(sum(map(mul, x, next_y)) - sum(map(mul, next_x, y))) / 2
    return Outline([float(left), float(top), float(right - left), float(bottom - top)], float(area))


def _rings(value: Any, depth: int = 3) -> list[list[float]]:
    """Return the polygons of three points or more, each as x, y, x, y, …; some tools write lists of points."""
    if not isinstance(value, list) or not value or not depth:
        return []
    if all(is_number(item) for item in value):
        return [value] if len(value) >= 6 and len(value) % 2 == 0 else []
    if all(isinstance(item, list) and len(item) == 2 and all(map(is_number, item)) for item in value):
        return [[side for point in value for side in point]] if len(value) >= 3 else []
    return [ring for item in value for ring in _rings(item, depth - 1)]


def _of_rle(rle: dict[str, Any]) -> Outline | None:
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"]
    runs = np.array(_decoded(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    if runs.ndim != 1 or len(runs) > MOST_RUNS or (runs < 0).any() or runs.sum() != height * width or height < 1:
        return None
    ends = np.cumsum(runs)
    first, last = ends[0:-1:2], ends[1::2] - 1  # pixels of the object, one column after the other
    first, last = first[first <= last], last[first <= last]
    if not len(first):
        return None
    x1, x2 = int(first[0] // height), int(last[-1] // height)
    same_column = first // height == last // height
    y1 = int((first % height).min()) if same_column.all() else 0
    y2 = int((last % height).max()) if same_column.all() else height - 1
    return Outline([float(x1), float(y1), float(x2 - x1 + 1), float(y2 - y1 + 1)], float((last - first + 1).sum()))


def _decoded(text: str) -> list[int]:
    """Return the runs of a compressed RLE: five bits a character, the difference to the last but one."""
    runs: list[int] = []
    number, shift = 0, 0
    for character in text.encode("ascii"):
        bits = character - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(character)
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                number -= 1 << shift
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number, shift = 0, 0
    if shift:
        raise ValueError(text)
    return runs
