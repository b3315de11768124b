"""What a COCO file says of its images beyond COCO's own fields: `"weather": "rain"`, attributes, tags.

In: a split, whose images have every field of the file. Out: a `Known` for each field; `tags`, a list of words, is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.datasets.attributes.attribute import Known, Value
from core.datasets.coco.entries import FILE_NAMES
from core.datasets.coco.ids import is_number
from core.datasets.split import CocoSplit
from core.wording import short

COCO_OWN = {"id", "width", "height", "license", "flickr_url", "coco_url", "date_captured", *FILE_NAMES}
HOLDERS = ("attributes", "tags", "metadata", "extra", "meta")  # fields that hold others
MOST_FIELDS = 60
MOST_TAGS = 50  # of an image


def read_fields(split: CocoSplit) -> list[Known]:
    """Return what the file's own fields say of the images, at most MOST_FIELDS."""
    names: dict[str, list[Value]] = {}
    for row, image in enumerate(split.images):
        for name, value in _fields(image):
            if name in names or len(names) < MOST_FIELDS:
                names.setdefault(name, [None] * len(split.images))[row] = value
    source = short(split.json_path.name)
    return [Known(name, source, _of_one_kind(values)) for name, values in names.items()]


def _fields(image: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    """Yield the name and the value of each field of an image that says something of it."""
    for name, value in image.items():
        if name in COCO_OWN:
            continue
        if name in HOLDERS and isinstance(value, dict):
            for inner, of_inner in value.items():
                if (plain := _value(of_inner)) is not None:
                    yield str(inner), plain
        elif (plain := _value(value)) is not None:
            yield str(name), plain


def _value(value: object) -> Value:
    """Return a field's value as it can be grouped; None of what cannot."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or None
    if is_number(value):
        return float(value)
    if isinstance(value, list):
        # FiftyOne writes a list of words, others {"label": "rain"}
        labels = [item.get("label", item.get("name")) if isinstance(item, dict) else item for item in value[:MOST_TAGS]]
        return tuple(label for label in labels if isinstance(label, str))
    if isinstance(value, dict) and isinstance(value.get("label"), str):  # FiftyOne's Classification
        return str(value["label"])
    return None


def _of_one_kind(values: list[Value]) -> list[Value]:
    """Return tags as such also where one image has a word alone."""
    if any(isinstance(value, tuple) for value in values):
        return [(value,) if isinstance(value, str) else value for value in values]
    return values
