"""What of a run goes to another tool: some of its images, what is annotated on them and what a model predicted there.

In: a split, a detection table and the ids of the images that someone marked, found or chose. Out: a COCO ground truth
and a COCO results list with all their ids, and names for pictures that are safe in any folder; `handover.py` writes
them. Boxes of the table are `xyxy`, those that go out are COCO's `xywh`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from core.boxes import Detections
from core.datasets.split import CocoSplit
from core.evaluation.coco_eval import to_results
from core.evaluation.selection import best_iou, error_codes
from core.evaluation.table import ERROR_TYPES, ErrorType, about, floats, has, indices, integers, is_one_of
from core.runs.marks import Mark
from core.runs.schema import Evaluation, Run

UNSAFE = re.compile(r"[^\w.+@=-]+")  # in a file's name
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # on Windows
LONGEST_NAME, LONGEST_ENDING = 50, 8  # characters, each of four bytes at most: folders hold names of 255 bytes
MISSED = ERROR_TYPES.index(ErrorType.MISSED)


@dataclass(frozen=True)
class Bundle:
    """Images of a split in the order in which they go out, with one model's boxes.

    split      what was evaluated
    table      the model's detection table
    image_ids  which images; those that the split does not have any more are `gone`
    score      predictions from this score, which also decides what is missed
    marks      the run's marks; those on these images go along
    title      what the boxes are of (`bundle_title`)
    """

    split: CocoSplit
    table: pa.Table
    image_ids: tuple[int, ...]
    score: float = 0.5
    marks: tuple[Mark, ...] = ()
    title: str = ""

    @cached_property
    def images(self) -> list[dict]:
        """The images as the split has them, each once."""
        known = self.split.image_by_id
        return [known[image_id] for image_id in dict.fromkeys(self.image_ids) if image_id in known]

    @property
    def gone(self) -> list[int]:
        return [image_id for image_id in dict.fromkeys(self.image_ids) if image_id not in self.split.image_by_id]

    @property
    def image_marks(self) -> list[Mark]:
        """The marks on these images."""
        chosen = set(self.image_ids)
        return [mark for mark in self.marks if mark.image_id in chosen]

    def of(self, images: Sequence[dict]) -> Bundle:
        """The same of some of its images."""
        return replace(self, image_ids=tuple(image["id"] for image in images))


def bundle_title(run: Run, evaluation: Evaluation) -> str:
    """What a bundle of this evaluation is called."""
    return f"{run.name}, {'imported results' if run.is_imported else f'epoch {evaluation.epoch}'}"


def coco_ground_truth(bundle: Bundle, names: dict[int, str] | None = None) -> dict:
    """The images' annotations as a COCO ground truth, all ids and crowds kept, of the classes that were evaluated.

    An annotation's "error" is "missed" where no prediction found the object, or came close to it, at the bundle's
    score. names: image id to another file name; an image keeps its own as "original_file_name" then.
    """
    said = about(bundle.table)
    missed = set(integers(bundle.table, "gt_id")[error_codes(bundle.table, bundle.score) == MISSED].tolist())
    evaluated = set(said.category_ids)
    images = []
    for image in bundle.images:
        shown = {name: image[name] for name in ("id", "file_name")}
        shown |= {side: int(image[side]) for side in ("width", "height")}
        if names is not None:
            shown |= {"file_name": names[image["id"]], "original_file_name": image["file_name"]}
        images.append(shown)
    annotations = [
        annotation | {"error": ErrorType.MISSED.value if annotation["id"] in missed else None}
        for image in bundle.images
        for annotation in bundle.split.annotations_by_image[image["id"]]
        if annotation["category_id"] in evaluated
    ]
    categories = [{"id": i, "name": name} for i, name in zip(said.category_ids, said.classes, strict=True)]
    return {"images": images, "annotations": annotations, "categories": categories}


def coco_results(bundle: Bundle) -> Iterator[list[dict]]:
    """Image by image what the model predicted from the bundle's score on, as rows of a COCO results list.

    Besides image_id, category_id, bbox and score each has its error (an ErrorType, None if it found an object or only
    a crowd), iou (with the object that it found, else the highest with any; None without an object), gt_id (of the
    object that it found, or None) and query.
    """
    table, said = bundle.table, about(bundle.table)
    seen = is_one_of(table, "kind", {"detection"}) & (floats(table, "score") >= np.float32(bundle.score))
    table = table.filter(pa.array(seen))
    boxes = np.stack([floats(table, corner) for corner in ("x1", "y1", "x2", "y2")], axis=1)
    found = Detections(
        table["image_id"].to_numpy(), integers(table, "query"), indices(table, "class_name", said.classes),
        floats(table, "score"), boxes,
    )  # fmt: skip
    errors, ious = indices(table, "error", ERROR_TYPES), best_iou(table)
    gt_ids, is_found = integers(table, "gt_id"), has(table, "gt_id")
    ids = [image["id"] for image in bundle.images]
    ends = (np.searchsorted(found.image_id, ids, side) for side in ("left", "right"))  # rows are sorted by image
    for first, last in zip(*ends, strict=True):
        here = slice(first, last)
        more = zip(errors[here], ious[here], gt_ids[here], is_found[here], found.query[here].tolist(), strict=True)
        yield [
            row
            | {
                "error": ERROR_TYPES[error].value if error >= 0 else None,
                "iou": None if np.isnan(iou) else round(float(iou), 4),
                "gt_id": int(gt_id) if is_there else None,
                "query": query,
            }
            for row, (error, iou, gt_id, is_there, query) in zip(
                to_results(found[here], said.label_map), more, strict=True
            )
        ]


def safe_names(images: Sequence[dict], ending: str | None = None) -> dict[int, str]:
    """Image id to a file name without folders that any system takes, unlike every other even where case is ignored.

    ending: instead of the picture's own, as ".png".
    """
    names, taken = {}, set()
    for image in images:
        last = re.split(r"[/\\]", unicodedata.normalize("NFC", image["file_name"]))[-1]
        stem, own = os.path.splitext(UNSAFE.sub("_", last))
        stem = stem.lstrip(".-")[:LONGEST_NAME].rstrip(".") or "image"
        stem, own = f"_{stem}" if RESERVED.match(stem) else stem, own[:LONGEST_ENDING].rstrip(".")
        name = stem + (own if ending is None else ending)
        number = image["id"]
        while name.casefold() in taken:
            name, number = f"{stem}_{number}{own if ending is None else ending}", f"{number}_"
        taken.add(name.casefold())
        names[image["id"]] = name
    return names
