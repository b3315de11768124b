"""The rows and images of the detection table that filters select: `Selection`.

In: the detection table and a `Selection`, which is what a page filters by and what a link to it says. Out: masks of the
table's rows, image ids. `threshold.py` says which rows there are at its score, `ordering.py` sorts them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core import DataError
from core.datasets.attributes.attribute import Slice
from core.datasets.split import SIZES
from core.evaluation.columns import Ids, Mask
from core.evaluation.table import (
    ERROR_TYPES,
    METADATA_KEY,
    ErrorType,
    flags,
    floats,
    has_value,
    indices,
    integers,
    is_detection,
    isin,
    table_metadata,
)
from core.evaluation.threshold import error_codes, is_object, reaches, visible
from core.wording import short

LOWEST_SCORE = 0.05  # from which boxes are shown at all, and so the lowest that a link to them names
BACKGROUND = ""  # in a `pair`: no object, or no prediction
NO_IMAGE = -(2**63)  # no file's id: a selection of this image alone is empty
FLAGS = ("truncated", "crowd", "marked")  # of a Selection, as an address has them
_ID = re.compile(r"-?[0-8]?[0-9]{1,18}")  # an image id in an address, as `coco/ids.py` keeps them


@dataclass(frozen=True)
class Selection:
    """The filters of boxes; one that is empty, None, False or the whole range restricts nothing.

    score      predictions from this score count, which decides on what is missed
    classes    of these classes, annotated or predicted
    error      of this error type
    sizes      of these sizes
    pair       of this cell of the confusion matrix: (annotated class, predicted class), BACKGROUND for none
    images     on these images
    score_to   predictions up to this score; with it, no objects
    iou        predictions whose `best_iou` lies in this range, (lowest, highest); with it, no objects
    truncated  objects that touch the picture's border, and predictions of such
    crowd      crowds, and predictions that found only one
    marked     on marked images; who knows the marks asks for these images with `on_images`
    slices     on images of these slices, (attribute, value); who knows what the images have asks for them likewise
    """

    score: float = 0.5
    classes: tuple[str, ...] = ()
    error: str | None = None
    sizes: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    images: tuple[int, ...] = ()
    score_to: float = 1.0
    iou: tuple[float, float] = (0.0, 1.0)
    truncated: bool = False
    crowd: bool = False
    marked: bool = False
    slices: tuple[Slice, ...] = ()

    @property
    def selects_boxes(self) -> bool:
        """Whether it selects some boxes only, not all of its images."""
        return replace(self, images=(), marked=False, slices=()) != Selection(self.score)

    @property
    def restricts(self) -> bool:
        """Whether it selects less than everything at its score."""
        return self != Selection(self.score)

    def on_images(self, image_ids: Iterable[int]) -> Selection:
        """Return this selection, restricted to these images."""
        images = set(self.images or image_ids) & set(image_ids)
        return replace(self, images=tuple(sorted(images)) or (NO_IMAGE,))

    def to_query(self) -> dict[str, str | list[str]]:
        """Return it for an address: the score, exact as float32, and every filter that restricts."""
        lists = {"class": list(self.classes), "size": list(self.sizes), "image": [str(i) for i in self.images]}
        lists["slice"] = [slice_text(one) for one in self.slices]
        query = {"score": str(np.float32(self.score))} | {name: values for name, values in lists.items() if values}
        if self.error:
            query["error"] = str(self.error)
        if self.pair:
            query["true"], query["predicted"] = self.pair
        ends = {"score_to": (self.score_to, 1), "iou_from": (self.iou[0], 0), "iou_to": (self.iou[1], 1)}
        query |= {name: str(np.float32(value)) for name, (value, default) in ends.items() if value != default}
        return query | {name: "1" for name in FLAGS if getattr(self, name)}

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]], classes: Sequence[str]) -> Selection:
        """Make it from an address, name to values; what makes no sense is left out. `classes` are the table's."""
        annotated, predicted = (query[name][0] if query.get(name) else None for name in ("true", "predicted"))
        pair = None
        if annotated is not None and predicted is not None and {annotated, predicted} <= {*classes, BACKGROUND}:
            pair = (annotated, predicted) if annotated or predicted else None  # both background is no cell
        errors = [name for name in query.get("error", ()) if name in set(ERROR_TYPES)]
        images = [int(i) for i in query.get("image", ()) if _ID.fullmatch(i)]
        score, score_to = _share(query, "score", cls.score), _share(query, "score_to", 1.0)
        iou = _share(query, "iou_from", 0.0), _share(query, "iou_to", 1.0)
        return cls(
            score,
            tuple(name for name in dict.fromkeys(query.get("class", ())) if name in classes),
            errors[0] if errors else None,
            tuple(name for name in dict.fromkeys(query.get("size", ())) if name in SIZES),
            pair,
            tuple(dict.fromkeys(images)),
            score_to if score_to >= score else 1.0,
            iou if iou[0] <= iou[1] else cls.iou,
            **{name: list(query.get(name, ()))[:1] == ["1"] for name in FLAGS},
            slices=tuple(dict.fromkeys(one for text in query.get("slice", ()) if (one := slice_of(text)))),
        )


def slice_text(one: Slice) -> str:
    r"""Return a slice as an address has it: a colon and a percent sign in the attribute's name are encoded.

    >>> slice_text(("weather", "rain")), slice_text(("ratio 1:2", "5:4"))
    ('weather:rain', 'ratio 1%3A2:5:4')
    """
    name, value = one
    return f"{name.replace('%', '%25').replace(':', '%3A')}:{value}"


def slice_of(text: str) -> Slice | None:
    """Return the slice that an address means; None if the text is none."""
    name, colon, value = text.partition(":")
    name = name.replace("%3A", ":").replace("%25", "%")
    return (name, value) if colon and name and value else None


def _share(query: Mapping[str, Sequence[str]], name: str, default: float) -> float:
    try:
        value = float(query[name][0])
    except (KeyError, IndexError, ValueError):
        return default
    return value if 0 <= value <= 1 else default  # NaN neither


def selected_rows(table: pa.Table, selection: Selection) -> Mask:
    """Check which rows are selected, (N,): with `error` such errors, with `pair` that cell's boxes.

    A cell off the background is its predictions; (class, BACKGROUND) is the objects that no prediction found.
    Raises DataError for an unknown error type or size; a class or image that the table does not have matches nothing.
    """
    rows = visible(table, selection.score)
    if selection.classes:
        rows &= isin(table, "class_name", selection.classes)
    if selection.sizes:
        rows &= isin(table, "size", _known(selection.sizes, SIZES, "size"))
    if selection.error:
        _known([selection.error], ERROR_TYPES, "error type")
        rows &= error_codes(table, selection.score) == ERROR_TYPES.index(ErrorType(selection.error))
    if selection.pair:
        rows &= _in_cell(table, selection.pair, selection.score)
    if selection.images:
        rows &= np.isin(table["image_id"].to_numpy(), selection.images)
    if selection.score_to < 1:
        rows &= floats(table, "score") <= np.float32(selection.score_to)  # of an object it is NaN
    if selection.iou != (0, 1):
        low, high = (np.float32(end) for end in selection.iou)
        iou = np.nan_to_num(best_iou(table))
        rows &= is_detection(table) & (low <= iou) & (iou <= high)
    if selection.truncated:
        rows &= _with_their_detections(table, flags(table, "truncated"))
    if selection.crowd:
        rows &= flags(table, "iscrowd") | flags(table, "crowd_only")
    return rows


def select_images(table: pa.Table, selection: Selection, rows: Mask | None = None) -> list[int]:
    """Return the ids of the selected images, ascending; `ordering.py` sorts them. rows: the `selected_rows`, if known.

    An image is selected if it has a selected row; if the selection restricts no boxes, every evaluated image is, or
    each of `selection.images`. Raises DataError as `selected_rows`.
    """
    rows = selected_rows(table, selection) if rows is None else rows
    image_ids: Ids = np.unique(table["image_id"].to_numpy()[rows])
    if not selection.selects_boxes:
        evaluated = np.array(table_metadata(table).image_ids, dtype=np.int64)
        if selection.images:
            evaluated = evaluated[np.isin(evaluated, selection.images)]
        image_ids = np.union1d(image_ids, evaluated)
    ids: list[int] = image_ids.tolist()
    return ids


def table_of_images(table: pa.Table, image_ids: Iterable[int]) -> pa.Table:
    """Return the table as if only these images had been evaluated; those that it does not have are left out."""
    metadata, wanted = table_metadata(table), set(image_ids)
    kept = [place for place, image_id in enumerate(metadata.image_ids) if image_id in wanted]
    ids, sizes = tuple(metadata.image_ids[place] for place in kept), tuple(metadata.sizes[place] for place in kept)
    rows = table.filter(pa.array(np.isin(table["image_id"].to_numpy(), np.array(ids, dtype=np.int64))))
    text = replace(metadata, image_ids=ids, sizes=sizes).to_json()
    return rows.combine_chunks().replace_schema_metadata({METADATA_KEY: text})


def _known(chosen: Iterable[str], words: Collection[str], noun: str) -> set[str]:
    chosen = set(chosen)
    unknown = sorted(chosen - set(words))
    if unknown:
        raise DataError(f"There is no {noun} {short(repr(unknown[0]))}: choose from {short(', '.join(words), 160)}.")
    return chosen


# Detections and their ground truths


def best_iou(table: pa.Table) -> npt.NDArray[np.floating]:
    """Return the IoU of each detection with the object that it found, else the highest with any, (N,); NaN without."""
    match_iou, same, other = (floats(table, name) for name in ("iou", "best_same_iou", "best_other_iou"))
    return np.where(np.isnan(match_iou), np.fmax(same, other), match_iou)


def associated_ground_truths(table: pa.Table) -> tuple[Ids, Mask]:
    """Return the annotation that each detection found or, being an error, points to: ids (N,), and which rows have one.

    A classification error, also one of localization, points to an object of another class, every other error to one of
    its own class, background to none; a detection that fits only a crowd points to that crowd, or to an object of its
    class that it covers even better.
    """
    error = indices(table, "error", ERROR_TYPES)
    of_other = np.isin(error, [ERROR_TYPES.index(kind) for kind in (ErrorType.CLASSIFICATION, ErrorType.BOTH)])
    found_id, same_id, other_id = (integers(table, name) for name in _FOUND_OR_POINTED)
    is_found, has_same, has_other = (has_value(table, name) for name in _FOUND_OR_POINTED)
    points = np.where(of_other, has_other, has_same) & (error != ERROR_TYPES.index(ErrorType.BACKGROUND))
    ids = np.where(is_found, found_id, np.where(of_other, other_id, same_id))
    return ids, is_detection(table) & (is_found | points)


_FOUND_OR_POINTED = ("gt_id", "best_same_gt", "best_other_gt")


def _with_their_detections(table: pa.Table, ground_truths: Mask) -> Mask:
    """Return the ground truths' rows (N,) with those of the detections that found or point to one of them."""
    ids, has_one = associated_ground_truths(table)
    return ground_truths | (has_one & np.isin(ids, integers(table, "gt_id")[ground_truths]))


# Cells of the confusion matrix


def _in_cell(table: pa.Table, pair: tuple[str, str], score_threshold: float) -> Mask:
    """Check which rows make up a cell at a threshold, (N,); predictions at every score."""
    annotated, predicted = pair
    if predicted == BACKGROUND:
        is_found = reaches(table, "any_score", score_threshold)
        return is_object(table) & isin(table, "class_name", {annotated}) & ~is_found
    rows = is_detection(table) & isin(table, "class_name", {predicted})
    has_object = has_value(table, "any_gt")
    if annotated == BACKGROUND:
        return rows & ~has_object
    ids = integers(table, "gt_id")[is_object(table) & isin(table, "class_name", {annotated})]
    return rows & has_object & np.isin(integers(table, "any_gt"), ids)


def cell_boxes(table: pa.Table, pair: tuple[str, str], score_threshold: float = 0.0) -> Mask:
    """Check which rows are in a cell of the confusion matrix or are objects that its predictions found, (N,).

    Predictions are there at every score, so that a picture can show them at any; they have an object or none whatever
    the threshold is. The table may be a part of one, with all rows of its images.
    """
    rows = _in_cell(table, pair, score_threshold)
    with_object = rows & reaches(table, "score", score_threshold) & has_value(table, "any_gt")
    is_found = np.isin(integers(table, "gt_id"), integers(table, "any_gt")[with_object])
    return rows | (is_object(table) & is_found)
