"""The images of a data set as the gallery shows them: ground truth alone, some boxes brought out.

In: the splits of a data set and which images of them. The pictures come from /api/data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from core.datasets.split import SIZES, CocoSplit, size_indices
from ui.gallery.columns import CORNERS
from ui.gallery.component import PER_PAGE, page_count, show_page
from ui.server import cache

NAMES = {"train": "training", "val": "validation"}


class Shown(NamedTuple):
    """An image of a split, by its id; boxes are the annotation ids to bring out, none for all."""

    split: str
    image_id: int
    boxes: tuple[int, ...] = ()


def sample_gallery(
    folder, splits: dict[str, CocoSplit], images: Sequence[Shown], classes: Sequence[str], key: str
) -> None:
    """Pages of the images, the first one when they change; `key` tells galleries of a page apart."""
    pages = page_count(images)
    place, known, these = f"{key} page", f"{key} shown", (str(folder), len(images), *images[:PER_PAGE])
    if st.session_state.get(known, these) != these:
        st.session_state[place] = 1
    st.session_state[known] = these
    st.session_state[place] = min(max(1, st.session_state.get(place, 1)), pages)

    def turn() -> None:
        st.session_state[place] += st.session_state[key].turn

    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.pagination(pages, key=place, width=340)
    show_page(page_data(folder, splits, images, st.session_state[place], classes), key, turn)


def page_data(folder, splits: dict[str, CocoSplit], images: Sequence[Shown], page: int, classes: Sequence[str]) -> dict:
    """What gallery.js needs for one page (`gallery.page_data`); only the classes that are chosen have boxes."""
    first = (page - 1) * PER_PAGE
    part, key, names = images[first : first + PER_PAGE], cache.data_key(folder), list(classes)
    return {
        "plain": True, "layout": "one", "page": page, "pages": page_count(images), "first": first + 1,
        "total": len(images), "score": 0.5, "classes": names, "sizes": SIZES, "missed": 0, "types": [],
        "filter": {"classes": [], "sizes": [], "error": None}, "frames": None,
        "models": [{"label": "", "truths": _truths(splits, part, names), "predictions": {"n": [0] * len(part)}}],
        "images": [_image(splits[one.split], one, key) for one in part],
    }  # fmt: skip


def _image(split: CocoSplit, one: Shown, key: str) -> dict:
    image = split.image_by_id[one.image_id]
    return {
        "id": one.image_id, "source": f"/api/data/{key}/{one.split}/{one.image_id}",
        "name": image["file_name"] if one.split == "train" else f"{image['file_name']} · {NAMES[one.split]}",
        "w": image["width"], "h": image["height"], "crop": None, "lit": None,
    }  # fmt: skip


def _truths(splits: dict[str, CocoSplit], images: Sequence[Shown], names: list[str]) -> dict[str, list]:
    """The annotations of the images as columns (`boxes.py`), all found: no prediction could have missed them."""
    columns = {name: [] for name in ("n", *CORNERS, "class", "size", "crowd", "match", "pointed", "id", "chosen")}
    for one in images:
        split = splits[one.split]
        class_of = {c["id"]: names.index(c["name"]) for c in split.categories if c["name"] in names}
        own = [a for a in split.by_image[one.image_id] if a["category_id"] in class_of]
        columns["n"].append(len(own))
        for annotation in own:
            x, y, w, h = annotation["bbox"]
            row = dict(zip(CORNERS, (round(v, 1) for v in (x, y, x + w, y + h)), strict=True))
            row |= {
                "class": class_of[annotation["category_id"]], "size": int(size_indices([annotation["area"]])[0]),
                "crowd": bool(annotation["iscrowd"]), "match": 1, "pointed": None, "id": annotation["id"],
                "chosen": not one.boxes or annotation["id"] in one.boxes,
            }  # fmt: skip
            for name, value in row.items():
                columns[name].append(value)
    return columns
