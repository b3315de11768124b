"""Tags that were given to a run's images elsewhere, as in FiftyOne, kept with the run and shown as slices.

runs/<id>/fiftyone/epoch_0003.json    {"tags": {image id: [tag, …]}, "label_tags": the same of the tags of its boxes}

In: what another application says, one file for each model that it showed. Out: two more attributes of the images, which
the pages' filters, Results, the report and the command line have like any other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from core.datasets.attributes.attribute import Attribute, ImageAttributes
from core.disk import atomic_file
from core.files import read_bytes
from core.runs.store import RunStore
from core.typed_json import decode
from core.wording import short

SOURCE = "FiftyOne"
NAMES = {"tags": "FiftyOne tags", "label_tags": "FiftyOne label tags"}  # what the attributes are called
MOST_TAGS = 30  # of each, the most frequent ones
MOST_BYTES = 100_000_000  # of a file
Tags = dict[str, dict[str, list[str]]]  # of NAMES, by image id


def tags_path(store: RunStore, run_id: str, epoch: int) -> Path:
    """Return where the tags are kept that were given while this model was shown."""
    return store.folder(run_id) / "fiftyone" / f"epoch_{int(epoch):04d}.json"


def tag_files(store: RunStore, run_id: str) -> list[Path]:
    """Return the files with tags of a run's images."""
    return sorted((store.folder(run_id) / "fiftyone").glob("epoch_*.json"))


def keep_tags(path: Path, tags: Mapping[str, Mapping[int, Sequence[str]]]) -> None:
    """Write the tags in place of those that were kept; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(tags), encoding="utf-8")


def with_tags(attributes: ImageAttributes, paths: Sequence[Path]) -> ImageAttributes:
    """Return what is known of the images with the tags of these files; a file that cannot be read is passed over."""
    kept = [tags for path in paths if (tags := _read(path))]
    places = {image_id: place for place, image_id in enumerate(attributes.image_ids.tolist())}
    more = []
    for kind, name in NAMES.items():
        given = {
            (short(tag), places[int(image_id)])
            for tags in kept
            for image_id, names in tags.get(kind, {}).items()
            if image_id.isdecimal() and int(image_id) in places
            for tag in names
        }
        if given:
            counts = Counter(tag for tag, _ in sorted(given))
            values = tuple(tag for tag, _ in counts.most_common(MOST_TAGS))
            members = np.zeros((len(values), len(places)), dtype=bool)
            rows = {tag: row for row, tag in enumerate(values)}
            for tag, place in given:
                if tag in rows:
                    members[rows[tag], place] = True
            more.append(Attribute(name, SOURCE, values, members))
    others = tuple(one for one in attributes.attributes if one.name not in {attribute.name for attribute in more})
    return replace(attributes, attributes=(*others, *more)) if more else attributes


def _read(path: Path) -> Tags:
    try:
        return decode(read_bytes(path, MOST_BYTES), Tags)
    except (OSError, msgspec.DecodeError):
        return {}
