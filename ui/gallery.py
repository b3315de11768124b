"""The gallery as a component: one page of validation images with their boxes (gallery.js, boxes.js).

In: a detection table and what the page filters by. The browser gets the boxes of one page of images with all scores
that its slider reaches, so that slider and toggles need no server; the pictures come from /api/image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from core.coco import SIZES, CocoSplit
from core.records import Run
from core.selection import LOWEST_SCORE, Selection, cell_boxes, select_images, visible
from core.table import ErrorType, about

HERE = Path(__file__).parent
PER_PAGE = 24
HIGHEST_SCORE = 0.95  # of the sliders; their lowest is the lowest that is shown
TYPES = list(ErrorType)
COLUMNS = [
    "kind", "image_id", "class_name", "x1", "y1", "x2", "y2", "size", "gt_id", "score", "error", "crowd_only", "iou",
    "best_same_iou", "best_other_iou", "any_gt", "iscrowd", "match_score", "pointed_score", "any_score",
]  # fmt: skip

_component = st.components.v2.component(
    "gallery",
    html='<div class="gallery">\n</div>',
    css=(HERE / "gallery.css").read_text(),
    js="\n".join((HERE / name).read_text() for name in ("gallery.js", "boxes.js", "element.js")),
)


@st.cache_data(show_spinner=False, max_entries=64)
def chosen_images(key: tuple, selection: Selection, by_name: bool, _table: pa.Table, _images: CocoSplit) -> list[int]:
    """Ids of the images that the selection asks for, worst first or by file name; `key` names the table."""
    ids = [i for i in select_images(_table, selection) if i in _images.image_by_id]
    return sorted(ids, key=lambda i: _images.image_by_id[i]["file_name"]) if by_name else ids


def gallery(
    run: Run, table: pa.Table, images: CocoSplit, ids: list[int], page: int, selection: Selection,
    on_turn: Callable[[], None], on_score: Callable[[], None],
) -> None:  # fmt: skip
    """Shows page `page` (from 1) of the images `ids`.

    Both callbacks find their value in st.session_state.gallery: `turn` is -1 or 1 pages, `score` a new threshold.
    """
    show_page(page_data(run, table, images, ids, page, selection), "gallery", on_turn, on_score)


def show_page(data: dict, key: str, on_turn: Callable[[], None], on_score: Callable[[], None] = lambda: None) -> None:
    """Shows a page of images as gallery.js takes it; it is drawn anew when it has changed."""
    _component(key=key, data=data, on_turn_change=on_turn, on_score_change=on_score)


def signed(data: dict) -> dict:
    """The data with what tells the browser whether anything is new."""
    return {**data, "signature": hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]}


def page_data(run: Run, table: pa.Table, images: CocoSplit, ids: list[int], page: int, selection: Selection) -> dict:
    """What the browser needs for one page; boxes.js says how a box is laid out."""
    classes = class_names(table)
    first = (page - 1) * PER_PAGE
    shown = ids[first : first + PER_PAGE]
    boxes = _boxes(table, shown, {name: i for i, name in enumerate(classes)}, selection)
    data = {
        "run": run.id, "page": page, "pages": page_count(ids), "first": first + 1, "total": len(ids),
        "score": selection.score, "classes": classes, "sizes": SIZES, "missed": TYPES.index(ErrorType.MISSED),
        "types": [{"label": t.label, "description": t.description, "short": t.short} for t in TYPES],
        "filter": {
            "classes": [classes.index(c) for c in selection.classes if c in classes],
            "sizes": [SIZES.index(s) for s in selection.sizes],
            "error": TYPES.index(ErrorType(selection.error)) if selection.error else None,
        },
        "images": [
            {"id": i, "source": f"/api/image/{quote(run.id)}/{i}",
             "name": images.image_by_id[i]["file_name"], "w": images.image_by_id[i]["width"],
             "h": images.image_by_id[i]["height"], **boxes[i]}
            for i in shown
        ],
        "selection": asdict(selection),
    }  # fmt: skip
    return signed(data)


def class_names(table: pa.Table) -> list[str]:
    """The classes that were evaluated."""
    return sorted(about(table).classes)


def highest_score(table: pa.Table) -> float:
    """Of all predictions; 0 if there is none."""
    return pc.max(table["score"]).as_py() or 0.0


def page_count(ids: list[int]) -> int:
    return max(1, -(-len(ids) // PER_PAGE))


def _boxes(
    table: pa.Table, ids: list[int], class_index: dict[str, int], selection: Selection
) -> dict[int, dict[str, list]]:
    """The boxes of each image, ground truths and predictions apart, in boxes.js's layout."""
    found = {i: {"truths": [], "predictions": []} for i in ids}
    part = table.select(COLUMNS).filter(pa.array(np.isin(table["image_id"].to_numpy(), ids)))
    in_cell = cell_boxes(part, selection.pair, selection.score) if selection.pair else None
    shown = visible(part, LOWEST_SCORE)
    types = [t.value for t in TYPES]
    for place, row in enumerate(part.to_pylist()):
        if not shown[place]:
            continue
        box = [round(row[side], 1) for side in ("x1", "y1", "x2", "y2")]
        box += [class_index[row["class_name"]], SIZES.index(row["size"])]
        if row["kind"] == "ground_truth":
            box += [row["iscrowd"], row["match_score"], row["pointed_score"]]
        else:  # scores stay whole: the browser's threshold must decide as the table's
            error = types.index(row["error"]) if row["error"] else None
            overlaps = (row["iou"], row["best_same_iou"], row["best_other_iou"])  # with what it found, else with any
            iou = overlaps[0] or max((o for o in overlaps if o is not None), default=None)
            box += [row["score"], iou and round(iou, 3), error, row["crowd_only"]]
        if in_cell is not None:  # what the browser cannot tell
            box.append(bool(in_cell[place]))
        found[row["image_id"]]["truths" if row["kind"] == "ground_truth" else "predictions"].append(box)
    return found
