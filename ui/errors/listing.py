"""What the gallery of Errors lists: images, single boxes, or the boxes of likely label errors, each in its order.

In: a detection table, the filters and the order. Out: the gallery's items. While labels are corrected the list stays as
it is: images would move away from under the hand that corrects them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import streamlit as st

from core.datasets.split import CocoSplit
from core.evaluation.findings.label_errors import error_crops, label_errors
from core.evaluation.ordering import ObjectCrops, SortOrder, sorted_images, sorted_objects
from core.evaluation.selection import Selection, selected_rows
from ui.gallery import component as gallery

VIEWS = {"images": "Images", "objects": "Objects", "labels": "Label errors", "watch": "Watch it learn"}
LISTED = "errors listed"  # in the session
Key = tuple[object, ...]  # names a table and the images of a split


class Listed(NamedTuple):
    """What is listed: of images their ids, of boxes their crops; `is_old` if labels were corrected since."""

    items: gallery.Items
    image_ids: list[int]
    objects: ObjectCrops | None
    is_old: bool


def list_items(
    key: Key, view: str, selection: Selection, order: SortOrder, reverse: bool, table: pa.Table, images: CocoSplit,
    labels: str,
) -> Listed:  # fmt: skip
    """Return what the gallery lists; once listed it stays so until something else is asked for, or `list_anew`.

    key     names the evaluation, whichever labels it is shown with
    labels  names the labels
    """
    made: dict[str, Callable[[], list[int] | ObjectCrops]] = {
        "images": lambda: _images(asked, selection, order, reverse, table, images),
        "objects": lambda: _objects(asked, selection, order, reverse, table, images),
        "labels": lambda: _label_errors(asked, selection, table, images),
    }
    asked = (*key, labels)
    question = (key, view, selection, order, reverse)
    kept = st.session_state.get(LISTED)
    if kept is None or kept[0] != question:
        kept = st.session_state[LISTED] = (question, labels, made[view]())
    _, listed_with, content = kept
    is_old = listed_with != labels
    if isinstance(content, ObjectCrops):
        return list_boxes(content, view)._replace(is_old=is_old)
    return Listed([gallery.Item(image_id) for image_id in content], content, None, is_old)


def list_boxes(boxes: ObjectCrops, view: str) -> Listed:
    """Return boxes as they are listed: as they are, or in the view of images the images that they are on."""
    items: gallery.Items = boxes if view != "images" else [gallery.Item(image_id) for image_id in boxes.image_ids]
    return Listed(items, boxes.image_ids, boxes, False)


def list_anew() -> None:
    """Have everything listed anew in the next run of the page; also a callback."""
    st.session_state.pop(LISTED, None)


@st.cache_data(show_spinner=False, max_entries=64)
def _images(
    key: Key, selection: Selection, order: SortOrder, reverse: bool, _table: pa.Table, _images: CocoSplit
) -> list[int]:
    """Return the ids of the selected images in their order."""
    return sorted_images(_table, selection, order, reverse, _file_names(_images))


@st.cache_resource(show_spinner=False, max_entries=4)  # each holds on to its table
def _objects(
    key: Key, selection: Selection, order: SortOrder, reverse: bool, _table: pa.Table, _images: CocoSplit
) -> ObjectCrops:
    """Return the selected boxes in their order."""
    return sorted_objects(_table, selection, order, reverse, _file_names(_images))


@st.cache_resource(show_spinner=False, max_entries=4)
def _label_errors(key: Key, selection: Selection, _table: pa.Table, _images: CocoSplit) -> ObjectCrops:
    """Return the selected boxes that tell of a likely label error, the likeliest first."""
    rows = error_crops(_table, label_errors(_table, selection.score)).rows
    is_there = np.isin(_table["image_id"].to_numpy()[rows], list(_images.image_by_id))
    return ObjectCrops(_table, rows[selected_rows(_table, selection)[rows] & is_there])


def _file_names(images: CocoSplit) -> dict[int, str]:
    return {image_id: image["file_name"] for image_id, image in images.image_by_id.items()}
