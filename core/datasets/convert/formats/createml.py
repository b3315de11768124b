"""CreateML: one JSON with every picture and its boxes, by centre, in pixels.

    [{"image": "a.jpg", "annotations": [{"label": "car", "coordinates": {"x": 5, "y": 6, "width": 4, "height": 3}}]}]

Roboflow writes it as train/_annotations.createml.json. Source: Apple's documentation of MLObjectDetector.DataSource.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import Documents, Entry, Source
from core.datasets.convert.formats.shapes import from_centre


def _parse(source: Source) -> Iterable[Entry]:
    for image in source.json(list[dict]):
        name = image.get("image", image.get("imagefilename"))
        if isinstance(name, str):
            yield Entry(name).add(image.get("annotations", image.get("annotation")) or (), _object)


def _object(value: Any) -> LabelledObject:
    box = value["coordinates"]
    return from_centre(value["label"], box["x"], box["y"], box["width"], box["height"])


SIGNS = (
    r'^\s*\[\s*\{[^{}\[\]]*"image(filename)?"\s*:\s*"',
    r'"annotations?"\s*:\s*\[\s*(\]|\{[^{}\[\]]*"(label|coordinates)")',
)
CREATEML = Documents("CreateML", (".json",), SIGNS, _parse)
