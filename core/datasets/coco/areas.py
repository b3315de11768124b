"""Boxes that a COCO file lacks, and areas that it lacks or that its boxes contradict, made of outlines or of boxes.

In: annotations with plain ids, and the path of their file. Out: each `area` is a number, in px², and a missing `bbox`
is the one around the annotation's polygons or RLE. These are decoded only for the annotations that need them.

COCO's own `area` is that of the outline: smaller than width × height, and it decides what is small, medium or large.
Such areas stay as they are. What no outline can have is recognised: an area beyond its box, one that is less than a
line through it, and one and the same number for boxes of all sizes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict, cast

import msgspec
import numpy as np
import numpy.typing as npt

from core.datasets.coco.entries import Entry
from core.datasets.coco.ids import EXACT_LIMIT, is_number
from core.datasets.coco.outlines import Outline, outline_of, outline_of_json
from core.datasets.json_reader import PythonOnlyJson, decode
from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind

BORDER = 2.0  # pixels: whoever counts the pixels of a border has an area of (w + 1) × (h + 1) at most
THIN = 0.25  # of the box's longer side: no outline that is one piece has a smaller area, in px²
SAME, MOST_ALIKE = 10, 0.9  # annotations with one area, and their share of all, from which on it means nothing
DIFFERENT = 0.1  # of an area: by which two may differ and mean the same
AGREES = 0.5  # IoU of a box with its outline's, from which on they belong together


def is_box(bbox: object) -> bool:
    """Check whether it is a list of four numbers."""
    return isinstance(bbox, list) and len(bbox) == 4 and all(is_number(v) for v in bbox)


def complete(path: Path, rows: list[Any], raw: list[Any], annotations: list[Entry], split: str) -> list[Problem]:
    """Give each annotation an `area`, and those without a box the box around its outline; return what was wrong.

    rows  all annotations of the file in its order, of which `annotations` are a part
    raw   the same as decoded, where the segmentation may be among the fields
    """
    xywh = to_array(annotations)
    with np.errstate(invalid="ignore"):
        without_box = ~(np.abs(xywh) < EXACT_LIMIT).all(axis=1) | (xywh[:, 2:] == 0).all(axis=1)
    area = np.array([a.get("area", np.nan) for a in annotations], dtype=np.float64)
    wrong = contradicts(area, xywh)
    wanted = np.flatnonzero(without_box | np.isnan(area) | wrong).tolist()
    if not wanted:
        return []
    outlines = _outlines(path, rows, raw, [annotations[i] for i in wanted])
    examples: dict[ProblemKind, list[Entry]] = {
        kind: [] for kind in (ProblemKind.NO_BOX, ProblemKind.NO_AREA, ProblemKind.AREA)
    }
    for i, outline in zip(wanted, outlines, strict=True):
        annotation = annotations[i]
        if without_box[i] and outline:
            annotation["bbox"] = outline.box
            examples[ProblemKind.NO_BOX].append(annotation)
        box = annotation["bbox"]
        best = float(box[2] * box[3]) if is_box(box) else 0.0
        if outline and is_box(box) and _iou(outline.box, box) > AGREES:
            best = outline.area
        if "area" not in annotation:
            annotation["area"] = best
            examples[ProblemKind.NO_AREA].append(annotation)
        elif wrong[i] and abs(best - area[i]) > DIFFERENT * abs(area[i]):
            annotation["area"] = best
            examples[ProblemKind.AREA].append(annotation)
    problems = []
    for kind, some in examples.items():
        details = (
            Example(f"annotation {a['id']}" + _was(kind, a), a["image_id"], (a["id"],)) for a in some[:MOST_EXAMPLES]
        )
        problems += [Problem(kind, split, len(some), tuple(details))] if some else []
    return problems


def _was(kind: ProblemKind, annotation: Entry) -> str:
    return f": {annotation['area']:g} px² instead" if kind is ProblemKind.AREA else ""


def contradicts(area: np.ndarray, xywh: np.ndarray) -> npt.NDArray[np.bool_]:
    """Return which areas (N,) no outline in boxes (N, 4) can have, in px² and pixels; NaN is no contradiction."""
    w, h = xywh[:, 2], xywh[:, 3]
    with np.errstate(invalid="ignore", over="ignore"):
        has_extent = (w > 0) & (h > 0) & (w < EXACT_LIMIT) & (h < EXACT_LIMIT)
        thin = (area < THIN * np.maximum(w, h)) & (np.minimum(w, h) >= 1)
        beyond = (area > (w + BORDER) * (h + BORDER)) | thin
    wrong = beyond & has_extent
    rows = np.flatnonzero(has_extent & ~np.isnan(area))
    if len(rows) >= SAME:
        values, counts = np.unique(area[rows], return_counts=True)
        alike = rows[area[rows] == values[counts.argmax()]]
        products = w[alike] * h[alike]
        if len(alike) >= max(SAME, MOST_ALIKE * len(rows)) and products.max() > (1 + DIFFERENT) * products.min():
            wrong[alike] |= np.abs(products - area[alike]) > DIFFERENT * np.abs(area[alike])
    return wrong


def to_array(annotations: list[Entry]) -> npt.NDArray[np.float64]:
    """Return the boxes as (N, 4); NaN where a box is not four numbers."""
    boxes = [annotation["bbox"] for annotation in annotations]
    try:
        xywh = np.array(boxes)
    except (ValueError, OverflowError):  # of several lengths; beyond float64
        xywh = np.array(None)
    if xywh.dtype.kind not in "if" or xywh.shape != (len(boxes), 4):
        xywh = np.array([box if is_box(box) else [np.nan] * 4 for box in boxes], dtype=np.float64).reshape(-1, 4)
    return xywh.astype(np.float64, copy=False) + 0.0  # no -0.0, which has other bits than 0.0


def _iou(one: list[float], other: list[float]) -> float:
    sides = [min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]) for i in (0, 1)]
    common = max(sides[0], 0) * max(sides[1], 0)
    union = one[2] * one[3] + other[2] * other[3] - common
    return common / union if union > 0 else 0.0


class _Outline(TypedDict, total=False):
    segmentation: msgspec.Raw


class _OutlineFile(TypedDict):
    annotations: list[_Outline | list[Any] | str | float | bool | None]


def _outlines(path: Path, rows: list[Any], raw: list[Any], wanted: list[Entry]) -> list[Outline | None]:
    """Return the outlines of some of the file's annotations, decoding no others."""
    place = {id(row): i for i, row in enumerate(rows)}
    places = [place[id(annotation)] for annotation in wanted]
    try:
        undecoded = cast(list[Any], decode(path, _OutlineFile)["annotations"])
    except (PythonOnlyJson, msgspec.ValidationError):  # with NaN in it: kept where the box is missing
        return [outline_of(raw[i].get("segmentation")) for i in places]
    return [
        outline_of_json(segmentation) if (segmentation := undecoded[i].get("segmentation")) else None for i in places
    ]
