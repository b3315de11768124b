"""VGG Image Annotator 1 and 2: a project, or its annotations as JSON; shapes in pixels, the class is an attribute.

    {"_via_img_metadata": {"a.jpg123": {"filename": "a.jpg", "size": 123, "file_attributes": {}, "regions": [
      {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4},
       "region_attributes": {"class": "car"}}]}}}

Version 1 has its regions in an object with numbers as keys. Source: VIA's documentation of its formats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import from_circle, from_points, from_xywh, number, turned

USUAL = ("class", "label", "name", "type", "category", "object", "object_name")  # attributes that hold the class


def _parse(source: Source) -> Iterable[Entry]:
    data = source.json(dict[str, Any])
    for image in data.get("_via_img_metadata", data).values():
        regions = image["regions"]
        values = regions.values() if isinstance(regions, dict) else regions
        yield Entry(str(image["filename"])).add(values, _object)


def _object(region: Any) -> LabelledObject:
    shape, name = region["shape_attributes"], _class_of(region["region_attributes"])
    kind = shape["name"]
    if kind == "rect":
        return from_xywh(name, shape["x"], shape["y"], shape["width"], shape["height"])
    if kind == "polygon":
        return from_points(name, shape["all_points_x"], shape["all_points_y"])
    if kind == "circle":
        return from_circle(name, shape["cx"], shape["cy"], shape["r"])
    if kind == "ellipse":  # its angle is in radians
        one = from_circle(name, shape["cx"], shape["cy"], shape["rx"], shape["ry"])
        return turned(one, number(shape.get("theta", 0)) * (180 / math.pi), number(shape["cx"]), number(shape["cy"]))
    raise BadObject(f"is a {kind[:40]}, which has no box")


def _class_of(attributes: dict[str, Any]) -> Any:
    """Return the class: the attribute that is usually called so, else the first; of a checkbox what is ticked."""
    usual = {name.lower(): value for name, value in attributes.items()}
    values = [*(usual[name] for name in USUAL if name in usual), *attributes.values()]
    value = next((value for value in values if value), None)
    return next((name for name, ticked in value.items() if ticked), None) if isinstance(value, dict) else value


SIGNS = (r"^\s*\{", r'"_via_(settings|img_metadata)"|"filename"\s*:.*"(regions|file_attributes|size)"\s*:')
VIA = Documents("VGG Image Annotator", (".json",), SIGNS, _parse)
