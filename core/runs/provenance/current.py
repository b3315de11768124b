"""Whether the images that a model was evaluated on are still the same, so that its boxes belong to today's pictures.

In: the fingerprint that the detection table names, and the split as it is read today. Out: what changed. The boxes are
compared once; of the pictures every look asks for size and times only, and opens those whose times changed.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.datasets.fingerprint.changes import ClassChanges, DataChanges, class_changes, data_changes, split_changes
from core.datasets.fingerprint.fingerprint import Fingerprint, SplitPrint, box_digests, picture_paths
from core.datasets.fingerprint.pictures import MISSING, PictureColumns, look_again
from core.datasets.split import CocoSplit
from core.labels import LabelMap
from core.wording import short

MOST_WORDS = 300
MANY = 2000  # images, of which not every look is a new one
PATIENCE = 20  # times as long as it took: how old a look at many images may be


class EvaluatedData:
    """The evaluated images of a fingerprint beside those of the same split today."""

    def __init__(self, fingerprint: Fingerprint, split: CocoSplit) -> None:
        self._before = before = fingerprint.splits["val"]
        ids, names = set(fingerprint.classes.category_ids), set(fingerprint.classes.names)
        now = [c for c in split.categories if c["id"] in ids or c["name"] in names]
        self._classes = (
            class_changes(fingerprint.classes, LabelMap.from_categories(now))
            if now
            else ClassChanges(removed=fingerprint.classes.names)
        )
        images = [image for image in split.images if image["id"] not in before.left_out]
        kept = {image["id"] for image in images}
        used = replace(split, images=images, annotations=[a for a in split.annotations if a["image_id"] in kept])
        boxes, _ = box_digests(used, fingerprint.classes.category_ids)
        image_ids = np.fromiter((image["id"] for image in images), np.int64, len(images))
        self._pictures = _as_they_were(before, image_ids)
        self._paths = picture_paths(split, images)
        file_names = [str(image["file_name"]) for image in images]
        self._after = SplitPrint(image_ids, boxes, self._pictures, before.order, file_names)
        self._known: dict[tuple[int, int, Path], int] = {}
        self._looked, self._seconds = -np.inf, 0.0
        self._changes = DataChanges()

    def changes(self) -> DataChanges:
        """Look whether files changed, and return all that changed since the evaluation."""
        begin = time.monotonic()
        if len(self._paths) > MANY and begin - self._looked < PATIENCE * self._seconds:
            return self._changes
        pictures = look_again(self._pictures, self._paths, self._known)
        images = split_changes("val", self._before, replace(self._after, pictures=pictures))
        images = replace(images, reordered=False)  # which no table depends on
        self._changes = DataChanges(self._classes, (images,))
        self._looked = time.monotonic()
        self._seconds = self._looked - begin
        return self._changes


def _as_they_were(before: SplitPrint, image_ids: np.ndarray) -> PictureColumns:
    """Return the pictures of these images as `before` has them; MISSING of those that it has not."""
    row = {image_id: i for i, image_id in enumerate(before.image_ids.tolist())}
    rows = np.array([row.get(image_id, -1) for image_id in image_ids.tolist()], dtype=np.int64)
    columns = before.pictures.size, before.pictures.digest, before.pictures.stamp
    size, digest, stamp = (np.append(column, null)[rows] for column, null in zip(columns, (MISSING, 0, 0), strict=True))
    return PictureColumns(size, digest, stamp)


def notice(changes: DataChanges) -> str:
    """Return sentences for whoever looks at the evaluation; "" if nothing changed."""
    if not changes.words:
        return ""
    return (
        f"The data changed since this model was evaluated: {short(changes.words, MOST_WORDS)}. Boxes, objects and "
        "metrics are those of the evaluation; the pictures are today's."
    )


def changed_between(before: Fingerprint | None, after: Fingerprint | None) -> str:
    """Return a sentence on what changed between the evaluations of two models; "" if nothing did, or it is unknown."""
    if before is None or after is None:
        return ""
    only = [Fingerprint(one.classes, {"val": replace(one.splits["val"], order="")}) for one in (before, after)]
    words = data_changes(*only).words
    return f"The data changed between the two evaluations: {short(words, MOST_WORDS)}." if words else ""
