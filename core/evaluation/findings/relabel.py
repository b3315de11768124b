"""A detection table matched anew, without the model, against other labels than those that it was made with.

In: a table, and for some of its images all labels that they have now. Out: the same detections, with what each of them
finds now. Only these images' rows are made anew, from the boxes that the table holds, and take the place of the old
ones: matching never looks beyond an image, and the order among all detections (`rank`) goes by their scores alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.boxes import Detections
from core.evaluation.table import (
    CORNERS,
    METADATA_KEY,
    TableMetadata,
    flags,
    floats,
    indices,
    integers,
    is_detection,
    is_ground_truth,
    table_metadata,
)
from core.evaluation.tide import detection_table


@dataclass(frozen=True)
class Label:
    """An annotation as it is matched.

    box   (x1, y1, x2, y2), pixels of the original image
    area  px²; None: the box's width times height
    """

    class_name: str
    box: tuple[float, float, float, float]
    area: float | None = None
    crowd: bool = False


Labels = dict[int, Label]  # those of an image, by annotation id, in the file's order


def labels_of(table: pa.Table, image_ids: Iterable[int]) -> dict[int, Labels]:
    """Return the labels that the table was matched with, of each of these images; none of one that it does not have."""
    wanted = list(image_ids)
    labels: dict[int, Labels] = {image_id: {} for image_id in wanted}
    rows = is_ground_truth(table) & np.isin(table["image_id"].to_numpy(), wanted)
    part = table.select(["image_id", "gt_id", "class_name", "area", "iscrowd", *CORNERS]).filter(pa.array(rows))
    for row in part.to_pylist():
        box = row["x1"], row["y1"], row["x2"], row["y2"]
        labels[row["image_id"]][row["gt_id"]] = Label(row["class_name"], box, row["area"], row["iscrowd"])
    return labels


def relabel(table: pa.Table, labels: Mapping[int, Labels]) -> pa.Table:
    """Return the table with these labels, by image id, in place of those that it was matched with.

    Labels of classes that were not evaluated, and images that the table does not have, are left out. Equal to
    `tide.detection_table` with these labels, but that boxes are what a table keeps of them, float32.
    """
    metadata = table_metadata(table)
    images = sorted(set(labels) & set(metadata.image_ids))
    if not images:
        return table
    ids = table["image_id"].to_numpy()
    first, last = np.searchsorted(ids, images), np.searchsorted(ids, images, side="right")
    rows = [np.arange(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
    made = _matched(table.take(np.concatenate(rows)), metadata, {image: labels[image] for image in images})
    made_ids = made["image_id"].to_numpy()
    of_image = np.searchsorted(made_ids, images), np.searchsorted(made_ids, images, side="right")
    parts, end = [], 0
    for begin, stop, made_first, made_last in zip(first, last, *of_image, strict=True):
        parts += [table.slice(end, begin - end), made.slice(made_first, made_last - made_first)]
        end = stop
    whole = pa.concat_tables([*parts, table.slice(end)]).unify_dictionaries().combine_chunks()
    return whole.replace_schema_metadata({METADATA_KEY: metadata.to_json()})


def _matched(part: pa.Table, metadata: TableMetadata, labels: Mapping[int, Labels]) -> pa.Table:
    """Return the rows of these images with their labels, from those of `part`; each detection keeps its rank."""
    part = part.filter(pa.array(is_detection(part)))
    boxes = np.stack([floats(part, side) for side in CORNERS], axis=1)
    detections = Detections(
        part["image_id"].to_numpy(), integers(part, "query"), indices(part, "class_name", metadata.classes),
        floats(part, "score"), boxes,
    )  # fmt: skip
    made = detection_table(_as_coco(metadata, labels), detections, metadata.label_map, metadata.input)
    ranks = np.zeros(len(made), dtype=np.int32)
    of_detections = is_detection(made)
    ranks[of_detections] = integers(part, "rank")
    place = made.schema.get_field_index("rank")
    return made.set_column(place, made.schema.field(place), pa.array(ranks, mask=~of_detections))


def _as_coco(metadata: TableMetadata, labels: Mapping[int, Labels]) -> dict[str, Any]:
    ids = dict(zip(metadata.classes, metadata.category_ids, strict=True))
    sizes = dict(zip(metadata.image_ids, metadata.sizes, strict=True))
    images = [{"id": i, "width": (sizes[i] or (None,) * 2)[0], "height": (sizes[i] or (None,) * 2)[1]} for i in labels]
    annotations = [
        {"id": gt_id, "image_id": image_id, "category_id": ids[label.class_name], "iscrowd": int(label.crowd),
         "bbox": [x1, y1, x2 - x1, y2 - y1],
         **({} if label.area is None else {"area": label.area})}
        for image_id, of_image in labels.items() for gt_id, label in of_image.items() if label.class_name in ids
        for x1, y1, x2, y2 in [label.box]
    ]  # fmt: skip
    categories = [{"id": category_id, "name": name} for name, category_id in ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def different_images(table: pa.Table, other: pa.Table) -> list[int]:
    """Return the ids of the images, in both tables, whose labels are not the same in both; ascending."""
    ids = sorted(set(table_metadata(table).image_ids) & set(table_metadata(other).image_ids))
    first, second = _by_image(table), _by_image(other)
    return [image_id for image_id in ids if first.get(image_id) != second.get(image_id)]


def _by_image(table: pa.Table) -> dict[int, bytes]:
    """Return what tells the labels of each image from others, in whichever order they are."""
    names = table_metadata(table).classes
    truths = table.filter(pa.array(is_ground_truth(table)))
    numbers = [floats(truths, side).astype(np.float64) for side in (*CORNERS, "area")]
    words = [integers(truths, "gt_id"), indices(truths, "class_name", sorted(names)), flags(truths, "iscrowd")]
    image_ids = truths["image_id"].to_numpy()
    order = np.lexsort((words[0], image_ids))
    rows = np.column_stack([*(values.astype(np.int64) for values in words), *(v.view(np.int64) for v in numbers)])
    rows, image_ids = rows[order], image_ids[order]
    starts = np.flatnonzero(np.diff(image_ids, prepend=image_ids[:1] - 1)) if len(image_ids) else image_ids
    return {
        int(image_ids[first]): part.tobytes()
        for first, part in zip(starts.tolist(), np.split(rows, starts[1:]), strict=True)
    } if len(image_ids) else {}  # fmt: skip
