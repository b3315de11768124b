"""FiftyOne: labels.json of a FiftyOneImageDetectionDataset, samples.json of a FiftyOneDataset; shares of the picture.

    {"classes": ["car"], "labels": {"a": [{"label": 0, "bounding_box": [0.1, 0.2, 0.3, 0.4]}], "b": null}}
    {"samples": [{"filepath": "data/a.jpg", "tags": ["train"], "ground_truth": {"_cls": "Detections",
      "detections": [{"label": "car", "bounding_box": [0.1, 0.2, 0.3, 0.4]}]}}]}

The box is its upper left corner and its sides. Source: FiftyOne's documentation of both types.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import from_xywh
from core.datasets.names.part_names import part_of

FIELD = "ground_truth"  # of labels, as FiftyOne calls it if nobody says; else the first field with detections


def _parse_labels(source: Source) -> Iterable[Entry]:
    data = source.json(dict[str, Any])
    for name, values in data["labels"].items():
        to_object = partial(_object, names=data.get("classes"))
        yield Entry(f"data/{name}", whole=1.0).add(values or (), to_object)


def _parse_samples(source: Source) -> Iterable[Entry]:
    for sample in source.json(dict[str, Any])["samples"]:
        fields = [sample.get(FIELD), *sample.values()]
        detections = [one["detections"] for one in fields if isinstance(one, dict) and "detections" in one]
        part = next((tag for tag in sample.get("tags") or () if isinstance(tag, str) and part_of(tag)), "")
        entry = Entry(str(sample["filepath"]), whole=1.0, part=part)
        yield entry.add(detections[0] if detections else (), partial(_object, names=None))


def _object(value: Any, names: list[Any] | None) -> LabelledObject:
    label = value["label"]
    if isinstance(label, int) and names is not None:
        if not 0 <= label < len(names):
            raise BadObject("has no class")
        label = names[label]
    return from_xywh(label, *value["bounding_box"])


LABELS = Documents(
    "FiftyOne", (".json",), (r"^\s*\{", r'"labels"\s*:\s*\{', r'"bounding_box"|null|\[\s*\]'), _parse_labels
)
SAMPLES = Documents("FiftyOne", (".json",), (r'^\s*\{\s*"samples"\s*:\s*\[', r'"filepath"\s*:'), _parse_samples)
