"""What corrections make of an evaluation and of a split: detections matched anew, other annotations.

In: a detection table or a split, and the journal's corrections of its file. Out: another one; neither file is touched.
A correction says what a label is now, so a file that was made anew since takes those that still fit it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from core import DataError
from core.datasets.coco.entries import Entry
from core.datasets.json_reader import decode
from core.datasets.split import CocoSplit
from core.evaluation.findings.relabel import Label, Labels, labels_of, relabel
from core.evaluation.table import table_metadata
from core.runs.corrections.journal import DONE, Correction, net_corrections

DIGITS = 6  # of pixels
SAME = 0.5  # pixels by which a side may differ from what it was


def corrected_table(table: pa.Table, corrections: Iterable[Correction]) -> pa.Table:
    """Return the table with the images matched anew that have corrected labels; the table itself if none has."""
    return relabel(table, corrected_labels(table, corrections))


def corrected_labels(table: pa.Table, corrections: Iterable[Correction]) -> dict[int, Labels]:
    """Return all labels, as they are now, of each evaluated image with corrections."""
    known = set(table_metadata(table).image_ids)
    net = {image_id: labels for image_id, labels in net_corrections(corrections).items() if image_id in known}
    corrected = labels_of(table, net) if net else {}
    for image_id, labels in net.items():
        for label_id, label in labels.items():
            if label is None:
                corrected[image_id].pop(label_id, None)
            else:
                corrected[image_id][label_id] = label
    return corrected


@dataclass(frozen=True)
class CorrectedSplit:
    """A split with corrected annotations.

    lost  ids of labels whose correction is left out, as the file does not have them, or their class, any more
    """

    split: CocoSplit
    lost: tuple[int, ...] = ()


def fitting(split: CocoSplit, corrections: Iterable[Correction]) -> list[Correction]:
    """Return the corrections of the split's images that its file still fits, in their order.

    A file that was made anew may have other images and labels under the same ids. An image is the same if its file name
    is, a label if its class, crowd and box (to half a pixel) are what they were before it was first corrected; the id
    of a new label must be free.
    """
    here = [one for one in corrections if one.image_id in split.image_by_id]
    here = [one for one in here if one.file_name in ("", split.image_by_id[one.image_id]["file_name"])]
    first: dict[tuple[int, int], Correction] = {}
    for one in here:
        if one.state == DONE:
            first.setdefault((one.image_id, one.label_id), one)
    names = {category["id"]: category["name"] for category in split.categories}
    labels = {(i, a["id"]): a for i in {i for i, _ in first} for a in split.annotations_by_image[i]}
    fits = {key for key, one in first.items() if _is_label(labels.get(key), one.before, names)}
    return [one for one in here if one.state != DONE or (one.image_id, one.label_id) in fits]


def _is_label(annotation: Entry | None, label: Label | None, names: Mapping[int, str]) -> bool:
    """Check whether an annotation is what a label was; None: there is none, or was none."""
    if annotation is None or label is None:
        return annotation is None and label is None
    moved = max(abs(one - other) for one, other in zip(box_of(annotation), label.box, strict=True))
    kind = names[annotation["category_id"]], bool(annotation["iscrowd"])
    return moved <= SAME and kind == (label.class_name, label.crowd)


def corrected_split(split: CocoSplit, corrections: Iterable[Correction]) -> CorrectedSplit:
    """Return the split as corrected. Images of other parts of a shared file are passed over, not lost."""
    ids = {category["name"]: category["id"] for category in split.categories}
    of_split = [one for one in corrections if one.image_id in split.image_by_id]
    used = fitting(split, of_split)
    is_new = {one.label_id: one.before is None for one in reversed(used)}  # as the first one says
    net = {label_id: label for of in net_corrections(used).values() for label_id, label in of.items()}
    image_of = {one.label_id: one.image_id for one in used}
    unknown = {label_id for label_id, label in net.items() if label and label.class_name not in ids}
    every = {label_id for of in net_corrections(of_split).values() for label_id in of}
    lost = sorted(unknown | (every - set(net)))
    net = {label_id: label for label_id, label in net.items() if label_id not in unknown}
    annotations = []
    for annotation in split.annotations:
        label_id = annotation["id"]
        if label_id not in net:
            annotations.append(annotation)
        elif label := net[label_id]:
            annotations.append(annotation | entry_of(label, ids[label.class_name], annotation))
    for label_id, label in net.items():
        if label and is_new[label_id]:
            entry = {"id": label_id, "image_id": image_of[label_id]}
            annotations.append(entry | entry_of(label, ids[label.class_name]))
    return CorrectedSplit(replace(split, annotations=annotations), tuple(lost))


def entry_of(label: Label, category_id: int, annotation: Entry | None = None) -> Entry:
    """Return what a COCO annotation says of a label, without the noise of floating point.

    annotation  what it was before: if its box is the same, bbox and area stay as they are
    """
    if annotation is not None and box_of(annotation) == label.box:
        return {"category_id": category_id, "iscrowd": int(label.crowd)}
    x1, y1, x2, y2 = label.box
    bbox = [round(side, DIGITS) for side in (x1, y1, x2 - x1, y2 - y1)]
    area = round(bbox[2] * bbox[3], DIGITS) if label.area is None else label.area
    return {"category_id": category_id, "bbox": bbox, "area": area, "iscrowd": int(label.crowd)}


def label_of(split: CocoSplit, corrections: Iterable[Correction], image_id: int, label_id: int) -> Label:
    """Return a label of an image as it is now; raise DataError if there is none."""
    net = net_corrections(corrections).get(image_id, {})
    if label := net.get(label_id):
        return label
    annotation = next((a for a in split.annotations_by_image.get(image_id, ()) if a["id"] == label_id), None)
    if annotation is None or label_id in net:
        raise DataError(f"The image {image_id} has no label {label_id} any more.")
    names = {category["id"]: category["name"] for category in split.categories}
    class_name, crowd = names[annotation["category_id"]], bool(annotation["iscrowd"])
    return Label(class_name, box_of(annotation), float(annotation["area"]), crowd)


def box_of(annotation: Entry) -> tuple[float, float, float, float]:
    """Return an annotation's box as (x1, y1, x2, y2), in float64: corrected labels keep what the file has."""
    x, y, width, height = (float(side) for side in annotation["bbox"])
    return x, y, x + width, y + height


class _Id(msgspec.Struct, gc=False):
    id: Any = None


class _Ids(msgspec.Struct):
    annotations: list[_Id] = []


def highest_id(split: CocoSplit) -> int:
    """Return the highest id of an annotation in the split's file, also of those that are left out or of other parts."""
    ids: list[int] = [annotation["id"] for annotation in split.annotations]
    with suppress(OSError):
        ids.append(_highest_in(split.json_path, split.json_path.stat().st_mtime_ns))
    return max([0, *ids])


@lru_cache(maxsize=16)
def _highest_in(path: Path, stamp: int) -> int:
    """Return the highest id in a file, which is read again once its stamp is another one."""
    with suppress(msgspec.MsgspecError, DataError):  # ids of another kind, which the reader has replaced
        return max((one.id for one in decode(path, _Ids).annotations if isinstance(one.id, int)), default=0)
    return 0
