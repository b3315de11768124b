"""Some images of a run with their annotations and one model's predictions, as another tool reads them.

In: a split, a detection table and the ids of the images. Out: a COCO ground truth and a COCO results list with all
their ids, and names for pictures that are valid in any folder; `writers.py` writes them. Boxes of the table are `xyxy`,
those that go out are COCO's `xywh`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from core.boxes import Detections
from core.datasets.split import CocoSplit
from core.evaluation.coco_eval import to_results
from core.evaluation.selection import best_iou
from core.evaluation.table import (
    ERROR_TYPES,
    ErrorType,
    floats,
    has_value,
    indices,
    integers,
    is_detection,
    table_metadata,
)
from core.evaluation.threshold import error_codes
from core.runs.marks import Mark
from core.runs.schema import Evaluation, Run
from core.system.names import UNSAFE, same_name, valid_stem

LONGEST_ENDING = 8  # characters
MISSED = ERROR_TYPES.index(ErrorType.MISSED)


@dataclass(frozen=True)
class Bundle:
    """Images of a split in the order in which they go out, with one model's boxes.

    split      the images that were evaluated
    table      the model's detection table
    image_ids  which images; those that the split does not have any more are `missing_ids`
    score      predictions with at least this score, which also decides what is missed
    marks      the run's marks; those on these images go out, too
    title      names the run and the model (`bundle_title`)
    """

    split: CocoSplit
    table: pa.Table
    image_ids: tuple[int, ...]
    score: float = 0.5
    marks: tuple[Mark, ...] = ()
    title: str = ""

    @cached_property
    def images(self) -> list[dict[str, Any]]:
        """The images as the split has them, each once."""
        by_id = self.split.image_by_id
        return [by_id[image_id] for image_id in dict.fromkeys(self.image_ids) if image_id in by_id]

    @property
    def missing_ids(self) -> list[int]:
        """The images that the split does not have any more."""
        return [image_id for image_id in dict.fromkeys(self.image_ids) if image_id not in self.split.image_by_id]

    @property
    def image_marks(self) -> list[Mark]:
        """The marks on these images."""
        chosen = set(self.image_ids)
        return [mark for mark in self.marks if mark.image_id in chosen]

    def restricted_to(self, images: Sequence[dict[str, Any]]) -> Bundle:
        """Return the bundle of some of its images."""
        return replace(self, image_ids=tuple(image["id"] for image in images))


def bundle_title(run: Run, evaluation: Evaluation) -> str:
    """Return the title of a bundle of this evaluation."""
    return f"{run.name}, {f'{run.origin} results' if run.is_imported else f'epoch {evaluation.epoch}'}"


def coco_ground_truth(bundle: Bundle, names: dict[int, str] | None = None) -> dict[str, Any]:
    """Return the images' annotations as a COCO ground truth, all ids and crowds kept, of the evaluated classes.

    An annotation's "error" is "missed" where no prediction found the object, or came close to it, at the bundle's
    score. `names` maps image ids to other file names; the original one then stands under "original_file_name".
    """
    info = table_metadata(bundle.table)
    missed = set(integers(bundle.table, "gt_id")[error_codes(bundle.table, bundle.score) == MISSED].tolist())
    evaluated = set(info.category_ids)
    images = []
    for image in bundle.images:
        entry = {name: image[name] for name in ("id", "file_name")}
        entry |= {side: int(image[side]) for side in ("width", "height")}
        if names is not None:
            entry |= {"file_name": names[image["id"]], "original_file_name": image["file_name"]}
        images.append(entry)
    annotations = [
        annotation | {"error": ErrorType.MISSED.value if annotation["id"] in missed else None}
        for image in bundle.images
        for annotation in bundle.split.annotations_by_image[image["id"]]
        if annotation["category_id"] in evaluated
    ]
    categories = [{"id": i, "name": name} for i, name in zip(info.category_ids, info.classes, strict=True)]
    return {"images": images, "annotations": annotations, "categories": categories}


def coco_results(bundle: Bundle) -> Iterator[list[dict[str, Any]]]:
    """Yield for each image the predictions with at least the bundle's score, as rows of a COCO results list.

    Besides image_id, category_id, bbox and score each has its error (an ErrorType, None if it found an object or only
    a crowd), iou (with the object that it found, else the highest with any; None without an object), gt_id (of the
    object that it found, or None) and query.
    """
    table, info = bundle.table, table_metadata(bundle.table)
    chosen = is_detection(table) & (floats(table, "score") >= np.float32(bundle.score))
    table = table.filter(pa.array(chosen))
    boxes = np.stack([floats(table, corner) for corner in ("x1", "y1", "x2", "y2")], axis=1)
    detections = Detections(
        table["image_id"].to_numpy(), integers(table, "query"), indices(table, "class_name", info.classes),
        floats(table, "score"), boxes,
    )  # fmt: skip
    errors, ious = indices(table, "error", ERROR_TYPES), best_iou(table)
    gt_ids, is_match = integers(table, "gt_id"), has_value(table, "gt_id")
    ids = [image["id"] for image in bundle.images]
    ends = (np.searchsorted(detections.image_id, ids, side) for side in ("left", "right"))  # rows are sorted by image
    for first, last in zip(*ends, strict=True):
        rows = slice(first, last)
        results = to_results(detections[rows], info.label_map)
        extra = zip(
            errors[rows], ious[rows], gt_ids[rows], is_match[rows], detections.query[rows].tolist(), strict=True
        )
        yield [
            row
            | {
                "error": ERROR_TYPES[error].value if error >= 0 else None,
                "iou": None if np.isnan(iou) else round(float(iou), 4),
                "gt_id": int(gt_id) if matched else None,
                "query": query,
            }
            for row, (error, iou, gt_id, matched, query) in zip(results, extra, strict=True)
        ]


def safe_names(images: Sequence[dict[str, Any]], ending: str | None = None) -> dict[int, str]:
    """Return for each image id a file name without folders, valid on any system and unique even where case is ignored.

    ending: instead of the picture's, as ".png".
    """
    names: dict[int, str] = {}
    taken: set[str] = set()
    for image in images:
        last = re.split(r"[/\\]", unicodedata.normalize("NFC", image["file_name"]))[-1]
        stem, suffix = os.path.splitext(UNSAFE.sub("_", last))
        stem = valid_stem(stem, "image")
        suffix = suffix[:LONGEST_ENDING].rstrip(".") if ending is None else ending
        name, number = stem + suffix, str(image["id"])
        while same_name(name) in taken:
            name, number = f"{stem}_{number}{suffix}", f"{number}_"
        taken.add(same_name(name))
        names[image["id"]] = name
    return names
