"""labelme: a JSON beside each picture, with shapes in pixels.

    a.jpg   a.json   {"imagePath": "a.jpg", "shapes": [{"label": "car", "points": [[x, y], …], "shape_type": "circle"}]}

Source: labelme's `label_file.py`. The picture may be in the file too (`imageData`), which is not read. X-AnyLabeling
writes the same, with "rotation" and four corners.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import from_circle, from_pairs, number, size_of

NO_AREA = ("point", "line", "linestrip", "points")


class _File(msgspec.Struct):
    shapes: list[Any]
    imagePath: Any = None
    imageWidth: Any = None
    imageHeight: Any = None


def _parse(source: Source) -> Iterable[Entry]:
    data = source.json(_File)
    name = data.imagePath if isinstance(data.imagePath, str) else ""
    yield Entry(name, stated=size_of(data.imageWidth, data.imageHeight)).add(data.shapes, _object)


def _object(shape: Any) -> LabelledObject:
    kind = shape.get("shape_type") or "polygon"
    if kind in NO_AREA:
        raise BadObject(f"is a {kind}, which has no box")
    points = shape["points"]
    if kind == "circle":  # its centre and a point on it
        (x, y), (other_x, other_y) = points
        return from_circle(shape["label"], x, y, math.hypot(number(other_x) - number(x), number(other_y) - number(y)))
    return from_pairs(shape["label"], points)


LABELME = Documents("labelme", (".json",), (r'"shapes"\s*:\s*\[',), _parse, each=True)
