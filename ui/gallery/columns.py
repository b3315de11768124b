"""The boxes of some images as columns, in the form that `boxes.js` reads.

In: a detection table, or a part of one. Out: two dicts of columns, which hold the boxes of one image after the other:

    truths       the ground truths: n (number of boxes of each image), x1 y1 x2 y2, class, size, crowd, match, pointed,
                 id, chosen
    predictions  n, x1 y1 x2 y2, class, size, score, iou, error, crowd, query, gt, verdicts, moved, chosen

Boxes are pixels of the original image; class, size and error are indices into the lists that go with them, NaN (null
in JSON) where there is none; ids, `id` and `gt`, are text. `match`, `pointed`, `iou`, `error`, `crowd` and `gt` are
the table's, at IoU 0.5; `iou` and `gt` are `selection.best_iou` and `associated_ground_truths`. What a prediction is at
each of the ten IoUs of the browser's slider is a digit of `verdicts` (`at_iou/verdicts.py`), and `moved` is [gt, iou]
at each of them, null where they are always the same. `chosen`, whether the filters select a box, is there only where
the browser cannot decide it by class, size and error. Columns are arrays: 100 boxes on each of 96 pictures are made and
sent in some hundredths of a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from core.datasets.split import SIZES
from core.evaluation.at_iou.verdicts import verdicts
from core.evaluation.columns import Ids
from core.evaluation.selection import (
    LOWEST_SCORE,
    Selection,
    associated_ground_truths,
    best_iou,
    cell_boxes,
    selected_rows,
)
from core.evaluation.table import ERROR_TYPES, flags, floats, indices, integers, is_ground_truth, table_metadata
from core.evaluation.threshold import visible

CORNERS = ("x1", "y1", "x2", "y2")
COLUMNS = [
    "kind", "image_id", "class_name", *CORNERS, "size", "gt_id", "query", "score", "error", "crowd_only", "iou",
    "best_same_iou", "best_same_gt", "best_other_iou", "best_other_gt", "any_gt", "iscrowd", "truncated",
    "match_score", "pointed_score", "any_score",
]  # fmt: skip


def class_names(table: pa.Table) -> list[str]:
    """Return the classes that were evaluated, in the order of the column `class`: by name."""
    return sorted(table_metadata(table).classes)


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """Return JSON: arrays as lists, NaN as null, a float32 with as many digits as tell it from its neighbours."""
    return orjson.dumps(data, default=np.ndarray.tolist, option=orjson.OPT_SERIALIZE_NUMPY)


def columns_of(
    table: pa.Table, image_ids: Sequence[int], classes: Sequence[str], selection: Selection | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Return the boxes of each of `image_ids`, which may repeat, from LOWEST_SCORE on.

    classes    the names that the column `class` points into
    selection  the filters that make the column `chosen`
    """
    part, image = rows_of(table, image_ids)
    chosen = _chosen(part, selection) if selection else None
    of_ground_truths, is_shown = is_ground_truth(part), visible(part, LOWEST_SCORE)
    at_every_iou = _at_every_iou(part.filter(pa.array(is_shown)), image[is_shown])
    kinds = (
        ("truths", of_ground_truths, _ground_truths),
        ("predictions", ~of_ground_truths & is_shown, lambda kind: _predictions(kind) | at_every_iou),
    )
    boxes = {}
    for name, rows, columns in kinds:
        kind = part.filter(pa.array(rows))
        n = np.bincount(image[rows], minlength=len(image_ids))
        boxes[name] = {"n": n} | _common(kind, classes) | columns(kind)
        if chosen is not None:
            boxes[name]["chosen"] = chosen[rows]
    return boxes


def rows_of(table: pa.Table, image_ids: Sequence[int]) -> tuple[pa.Table, np.ndarray]:
    """Return the rows (N,) of the images, one image after the other, and each row's place (N,) in `image_ids`."""
    ids = table["image_id"].to_numpy()  # ascending
    wanted = np.asarray(image_ids, dtype=np.int64)
    first, last = np.searchsorted(ids, wanted), np.searchsorted(ids, wanted, side="right")
    image = np.repeat(np.arange(len(wanted)), last - first)
    begin = np.cumsum(last - first) - (last - first)
    place = np.arange(len(image)) - begin[image] + first[image] if len(image) else image
    return table.select(COLUMNS).take(pa.array(place, pa.int64())), image


def _chosen(part: pa.Table, selection: Selection) -> np.ndarray | None:
    """Return the rows (N,) that pass the filters which the browser does not know; None if none of them is set."""
    rest = replace(selection, score=LOWEST_SCORE, classes=(), error=None, sizes=(), pair=None, images=(), marked=False)
    if not rest.restricts and not selection.pair:
        return None
    rows = selected_rows(part, rest) if rest.restricts else np.ones(part.num_rows, bool)
    return rows & cell_boxes(part, selection.pair, selection.score) if selection.pair else rows


def _common(part: pa.Table, classes: Sequence[str]) -> dict[str, np.ndarray]:
    corners = {side: np.round(floats(part, side).astype(np.float64), 1) for side in CORNERS}
    return corners | {"class": indices(part, "class_name", classes), "size": indices(part, "size", SIZES)}


def _ground_truths(part: pa.Table) -> dict[str, np.ndarray]:
    return {
        "crowd": flags(part, "iscrowd"), "match": floats(part, "match_score"),
        "pointed": floats(part, "pointed_score"), "id": _texts(integers(part, "gt_id")),
    }  # fmt: skip


def _predictions(part: pa.Table) -> dict[str, np.ndarray]:
    error = indices(part, "error", ERROR_TYPES)
    return {
        # whole float32: the browser's threshold must decide as the table's
        "score": floats(part, "score"), "iou": np.round(best_iou(part), 3),
        "error": np.where(error >= 0, error, np.nan), "crowd": flags(part, "crowd_only"),
        "query": integers(part, "query"), "gt": _ground_truth(part),
    }  # fmt: skip


def _at_every_iou(part: pa.Table, image: Ids) -> dict[str, np.ndarray]:
    """Return the columns `verdicts` and `moved` of the predictions among the rows, which are of these images."""
    code, gt, iou = verdicts(part, image)
    n = code.shape[1]
    digits = np.ascontiguousarray(code.T.astype(np.uint8) + ord("0")).view(f"S{len(code)}").reshape(n).astype(str)
    moved = np.full(n, None, dtype=object)
    ids = [*_texts(integers(part, "gt_id")[is_ground_truth(part)]).tolist(), None]  # the last is for -1
    for i in np.flatnonzero(np.any(gt != gt[0], axis=0) | np.any(iou != iou[0], axis=0, where=~np.isnan(iou[0]))):
        moved[i] = [[ids[g], value] for g, value in zip(gt[:, i].tolist(), iou[:, i].round(3).tolist(), strict=True)]
    return {"verdicts": digits, "moved": moved}


def _ground_truth(part: pa.Table) -> np.ndarray:
    ids, has_one = associated_ground_truths(part)
    texts = _texts(ids)
    texts[~has_one] = None
    return texts


def _texts(ids: np.ndarray) -> np.ndarray:
    """Return ids as text, (N,): the browser's numbers would round those beyond 2**53."""
    return np.array([str(i) for i in ids.tolist()], dtype=object)
