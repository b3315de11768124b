"""Datumaro: annotations/<part>.json with the pictures of a part, which lie in images/<part>/.

    {"categories": {"label": {"labels": [{"name": "car"}]}}, "items": [{"id": "a", "image": {"path": "a.jpg",
      "size": [50, 100]}, "annotations": [{"type": "bbox", "label_id": 0, "bbox": [1, 2, 3, 4]}]}]}

Corners in pixels; a box with the attribute "rotation" is turned about its middle. Source: Datumaro's documentation of
its own format.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import centre, from_centre, from_points, from_xywh, size_of, turned
from core.datasets.convert.source import to_class_name

NO_OBJECT = ("label", "caption")  # of a whole picture


def _parse(source: Source) -> Iterable[Entry]:
    data = source.json(dict[str, Any])
    names = [label["name"] for label in data["categories"].get("label", {}).get("labels", ())]
    part = source.name.rpartition("/")[2].rpartition(".")[0]
    for item in data["items"]:
        media = item.get("image") or item.get("media") or {}
        size = media.get("size") or (None, None)
        name = to_class_name(media.get("path")) or str(item["id"])
        entry = Entry(f"../images/{part}/{name}", stated=size_of(size[1], size[0]))
        yield entry.add(item.get("annotations") or (), partial(_object, names=names))


def _object(value: Any, names: list[Any]) -> LabelledObject | None:
    kind, label = value["type"], value.get("label_id")
    if kind in NO_OBJECT:
        return None
    if kind not in ("bbox", "polygon", "ellipse", "rotated_bbox"):
        raise BadObject(f"is a {kind[:40]}, which has no box")
    if not isinstance(label, int) or not 0 <= label < len(names):
        raise BadObject("has no class")
    if kind == "rotated_bbox":  # its middle, sides and angle
        x, y, width, height, degrees = value["bbox"]
        one = from_centre(names[label], x, y, width, height)
        return turned(one, degrees, *centre(one))
    if kind in ("polygon", "ellipse"):  # all its points, or two corners
        return from_points(names[label], value["points"][::2], value["points"][1::2])
    one = from_xywh(names[label], *value["bbox"])
    return turned(one, (value.get("attributes") or {}).get("rotation"), *centre(one))


SIGNS = (r"^\s*\{", r'"categories"\s*:\s*\{\s*"(label|mask|points)"\s*:\s*\{')
DATUMARO = Documents("Datumaro", (".json",), SIGNS, _parse)
