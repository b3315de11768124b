"""What of a bundle goes into FiftyOne, as plain values: boxes as shares of the picture, and fields of what is known.

In: a bundle, and what is known of its images. Out: for each image its boxes and fields; nothing here needs FiftyOne.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.datasets.attributes.attribute import ImageAttributes
from core.export.bundle import Bundle, coco_ground_truth, coco_results

GROUND_TRUTH, PREDICTIONS, IMAGE_ID = "ground_truth", "predictions", "coco_id"
TAKEN = {
    "id", "filepath", "tags", "metadata", "media_type", "created_at", "last_modified_at", "frames", "groups",
    GROUND_TRUTH, PREDICTIONS, IMAGE_ID,
}  # fmt: skip
NO_WORD = re.compile(r"\W++")


@dataclass(frozen=True)
class SampleValues:
    """What FiftyOne gets of one image: its boxes as arguments of a Detection, and its fields."""

    image_id: int
    ground_truth: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    fields: dict[str, str | list[str] | None]


def field_names(attributes: ImageAttributes) -> dict[str, str]:
    """Return for each attribute the name of its field: letters, digits and underscores, and each another one.

    >>> import numpy as np
    >>> from core.datasets.attributes.attribute import Attribute
    >>> one = Attribute("time of day", "a.csv", ("night",), np.ones((1, 1), bool))
    >>> field_names(ImageAttributes(np.array([1]), (one,)))
    {'time of day': 'time_of_day'}
    """
    names: dict[str, str] = {}
    for attribute in attributes.attributes:
        name = NO_WORD.sub("_", attribute.name).strip("_").lower()[:50] or "known"
        name = f"known_{name}" if name in TAKEN or name[0].isdigit() else name
        taken = set(names.values())
        names[attribute.name] = next(
            one for one in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if one not in taken
        )
    return names


def has_lists(attributes: ImageAttributes) -> dict[str, bool]:
    """Return for each attribute whether an image may have several of its values, as tags."""
    return {one.name: bool((one.members.sum(axis=0) > 1).any()) for one in attributes.attributes}


def sample_values(bundle: Bundle, attributes: ImageAttributes) -> Iterator[SampleValues]:
    """Yield what FiftyOne gets of each image of the bundle, in its order."""
    truth = coco_ground_truth(bundle)
    names = {category["id"]: category["name"] for category in truth["categories"]}
    sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"]}
    annotations: dict[int, list[dict[str, Any]]] = {image_id: [] for image_id in sizes}
    for annotation in truth["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    fields, lists = field_names(attributes), has_lists(attributes)
    known = attributes.members_in(list(sizes))
    for place, (image_id, rows) in enumerate(zip(sizes, coco_results(bundle), strict=True)):
        values: dict[str, str | list[str] | None] = {}
        for attribute, members in known:
            given = [attribute.values[row] for row in np.flatnonzero(members[:, place])]
            is_list = lists[attribute.name]
            values[fields[attribute.name]] = given if is_list else next(iter(given), None)
        size = sizes[image_id]
        yield SampleValues(
            image_id,
            [_of_annotation(annotation, names, size) for annotation in annotations[image_id]],
            [_of_prediction(row, names, size) for row in rows],
            values,
        )


def _of_annotation(annotation: dict[str, Any], names: dict[int, str], size: tuple[int, int]) -> dict[str, Any]:
    values = {
        "label": names[annotation["category_id"]],
        "bounding_box": _shares(annotation["bbox"], size),
        "coco_id": annotation["id"],
        "iscrowd": int(annotation.get("iscrowd", 0)),
        "error": annotation["error"],
    }
    return _given(values)


def _of_prediction(row: dict[str, Any], names: dict[int, str], size: tuple[int, int]) -> dict[str, Any]:
    values = {
        "label": names[row["category_id"]],
        "bounding_box": _shares(row["bbox"], size),
        "confidence": float(row["score"]),
        **{name: row[name] for name in ("error", "iou", "gt_id", "query")},
    }
    return _given(values)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _shares(bbox: list[float], size: tuple[int, int]) -> list[float]:
    width, height = size
    return [float(side) / whole for side, whole in zip(bbox, (width, height, width, height), strict=True)]
