"""The images of a data set as the gallery shows them: ground truth alone, with some boxes highlighted.

In: the splits of a data set and which of their images. The pictures come from the route /api/data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from core.datasets.split import SIZES, CocoSplit, size_indices
from ui.gallery.columns import CORNERS
from ui.gallery.component import show_page
from ui.gallery.paging import PER_PAGE, page_count, page_of, turn_page
from ui.server import cache

NAMES = {"train": "training", "val": "validation"}


class SampleImage(NamedTuple):
    """An image of a split; boxes: ids of the annotations to highlight, none for all of them."""

    split: str
    image_id: int
    boxes: tuple[int, ...] = ()


def show_samples(
    folder: str | Path, splits: Mapping[str, CocoSplit], images: Sequence[SampleImage], classes: Sequence[str], key: str
) -> None:
    """Show pages of the images, the first one when the images change; `key` tells the galleries of a page apart."""
    page_key, shown = f"{key} page", (str(folder), len(images), *images[:PER_PAGE])
    page, pages = page_of(page_key, f"{key} shown", shown, page_count(images)), page_count(images)
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.pagination(pages, key=page_key, width=340)
    show_page(page_data(folder, splits, images, page, classes), key, partial(turn_page, page_key, key))


def page_data(
    folder: str | Path, splits: Mapping[str, CocoSplit], images: Sequence[SampleImage], page: int,
    classes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return what `gallery.js` needs for one page, as `ui.gallery.component.page_data` does.

    classes: the chosen ones; objects of others have no box and are only counted.
    """
    first = (page - 1) * PER_PAGE
    part, key, names = images[first : first + PER_PAGE], cache.data_key(folder), list(classes)
    return {
        "plain": True, "layout": "one", "page": page, "pages": page_count(images), "first": first + 1,
        "total": len(images), "score": 0.5, "classes": names, "sizes": SIZES, "missed": 0, "types": [],
        "filter": {"classes": [], "sizes": [], "error": None}, "frames": None,
        "models": [{"label": "", "truths": _ground_truths(splits, part, names), "predictions": {"n": [0] * len(part)}}],
        "images": [_image(splits[image.split], image, key) for image in part],
    }  # fmt: skip


def _image(split: CocoSplit, sample: SampleImage, key: str) -> dict[str, Any]:
    image = split.image_by_id[sample.image_id]
    return {
        "id": str(sample.image_id), "source": f"/api/data/{key}/{sample.split}/{sample.image_id}",
        "name": image["file_name"] if sample.split == "train" else f"{image['file_name']} · {NAMES[sample.split]}",
        "w": image["width"], "h": image["height"], "crop": None, "lit": None,
    }  # fmt: skip


def _ground_truths(
    splits: Mapping[str, CocoSplit], images: Sequence[SampleImage], names: list[str]
) -> dict[str, list[Any]]:
    """Return the annotations of the images as columns (`ui/gallery/columns.py`), none of them missed.

    With `total`, the number of each image's objects, where those of other classes than `names` are left out; with
    `chosen` where boxes are highlighted.
    """
    columns: dict[str, list[Any]] = {
        name: [] for name in ("n", *CORNERS, "class", "size", "crowd", "match", "pointed", "id", "chosen")
    }
    for sample in images:
        split = splits[sample.split]
        class_of = {c["id"]: names.index(c["name"]) for c in split.categories if c["name"] in names}
        annotations = [a for a in split.annotations_by_image[sample.image_id] if a["category_id"] in class_of]
        columns["n"].append(len(annotations))
        for annotation in annotations:
            x, y, w, h = annotation["bbox"]
            row = dict(zip(CORNERS, (round(v, 1) for v in (x, y, x + w, y + h)), strict=True))
            row |= {
                "class": class_of[annotation["category_id"]], "size": int(size_indices([annotation["area"]])[0]),
                "crowd": bool(annotation["iscrowd"]), "match": 1, "pointed": None, "id": str(annotation["id"]),
                "chosen": not sample.boxes or annotation["id"] in sample.boxes,
            }  # fmt: skip
            for name, value in row.items():
                columns[name].append(value)
    if not any(sample.boxes for sample in images):
        del columns["chosen"]
    if any(category["name"] not in names for split in splits.values() for category in split.categories):
        columns["total"] = [len(splits[one.split].annotations_by_image[one.image_id]) for one in images]
    return columns
