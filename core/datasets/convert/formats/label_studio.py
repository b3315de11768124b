"""Label Studio's own JSON, also JSON-MIN: a list of tasks, their shapes in percent of the upright picture.

    [{"data": {"image": "/data/upload/1/1a2b3c4d-a.jpg"}, "annotations": [{"result": [{"type": "rectanglelabels",
      "original_width": 100, "original_height": 50,
      "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 30, "rectanglelabels": ["car"]}}]}]}]

A rectangle is turned clockwise about its upper left corner. Of several annotations of a task the first that was not
cancelled counts. Source: Label Studio's documentation of its export formats.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import from_circle, from_pairs, from_xywh, number, size_of, turned
from core.datasets.names.name_index import is_picture

NO_AREA = {"keypointlabels": "key point", "brushlabels": "brush stroke", "vectorlabels": "line"}
CLASSES = ("rectanglelabels", "polygonlabels", "ellipselabels", "labels")


def _parse(source: Source) -> Iterable[Entry]:
    for task in source.json(list[dict]):
        data = task.get("data")
        results = [
            result
            for one in (task.get("annotations") or task.get("completions") or ())
            if isinstance(one, dict) and not one.get("was_cancelled") and isinstance(one.get("result"), list)
            for result in [one["result"]]
        ][:1]
        if not isinstance(data, dict):  # JSON-MIN has each control's shapes under its name
            data = task
            shapes = [v for values in task.values() if isinstance(values, list) for v in values if isinstance(v, dict)]
            results = [[{"value": v} | v for v in shapes if "original_width" in v]]
        picture = _picture(data)
        if picture and results:
            stated = next((size for one in results[0] if (size := _size(one))), None)
            entry = Entry(picture, stated=stated, whole=None if stated else 100.0)
            yield entry.add(results[0], partial(_object, size=stated or (100.0, 100.0)))


def _picture(data: dict[str, Any]) -> str | None:
    """Return the picture of a task: the field "image", or another that is named like a picture's file."""
    values = [data.get("image"), data.get("img"), *data.values()]
    names = [value for value in values if isinstance(value, str)]
    return next((name for name in names if is_picture(name.partition("?")[0]) or is_picture(name)), None)


def _size(result: Any) -> tuple[float, float] | None:
    return size_of(result.get("original_width"), result.get("original_height")) if isinstance(result, dict) else None


def _object(result: Any, size: tuple[float, float]) -> LabelledObject | None:
    """Return a shape in pixels of a picture of this size; None for an answer that draws nothing."""
    value, kind = result["value"], result.get("type")
    if kind in NO_AREA:
        raise BadObject(f"is a {NO_AREA[kind]}, which has no box")
    names = next((value[key] for key in CLASSES if value.get(key)), None)
    is_shape = any(key in value for key in ("x", "points"))
    if not is_shape:
        return None
    if not names and kind in ("rectangle", "polygon", "ellipse", "brush"):  # the shape; its class is another result
        return None
    if not names:
        raise BadObject("has no class")
    x_scale, y_scale = size[0] / 100, size[1] / 100
    if "points" in value:
        return from_pairs(names[0], [(number(x) * x_scale, number(y) * y_scale) for x, y in value["points"]])
    x, y = number(value["x"]) * x_scale, number(value["y"]) * y_scale
    if "radiusX" in value:
        one = from_circle(names[0], x, y, number(value["radiusX"]) * x_scale, number(value["radiusY"]) * y_scale)
    else:
        one = from_xywh(names[0], x, y, number(value["width"]) * x_scale, number(value["height"]) * y_scale)
    return turned(one, value.get("rotation"), x, y)


SIGNS = (r"^\s*\[\s*\{", r'"(result|rectanglelabels|polygonlabels|original_width)"\s*:')
LABEL_STUDIO = Documents("Label Studio", (".json",), SIGNS, _parse)
