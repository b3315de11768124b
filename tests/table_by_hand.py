"""The gallery's filters and orders once more, plainly over a detection table as pandas has it: what a page must show.

In: the table. Out: rows (True where a box is asked for), file names of images and texts of boxes in their order.
"""

import numpy as np
import pandas as pd

from core.evaluation.table import ErrorType

WRONG_CLASS = ("classification", "both")


def frame_of(table, names: dict[int, str]) -> pd.DataFrame:
    """The table's rows with `is_truth`, `name` (of the file), `error` and `cost` at score 0.5, `best` IoU, `points`."""
    frame = table.to_pandas().astype(dict.fromkeys(("kind", "class_name", "size", "error"), object))
    frame["is_truth"] = frame.kind == "ground_truth"
    frame["name"] = frame.image_id.map(names)
    frame["is_crowd"] = frame.iscrowd.eq(True)
    frame["there"] = frame.is_truth | (frame.score >= np.float32(0.5))
    reached = frame[["match_score", "pointed_score"]].max(axis=1) >= np.float32(0.5)
    missed = frame.is_truth & ~frame.is_crowd & ~reached
    frame["error"] = np.where(missed, "missed", np.where(frame.there, frame.error, None))
    frame["best"] = frame.iou.fillna(frame[["best_same_iou", "best_other_iou"]].max(axis=1)).fillna(0.0)
    pointed = np.where(frame.error.isin(WRONG_CLASS), frame.best_other_gt, frame.best_same_gt)
    frame["points"] = frame.gt_id.where(~frame.is_truth)
    frame["points"] = frame.points.fillna(pd.Series(pointed).where(~frame.is_truth & (frame.error != "background")))
    cost = np.where(frame.error.isna(), 0, np.where(missed, 1, frame.score.astype(float)))
    frame["cost"] = np.where(frame.error == "localization", cost * (1 - frame.best_same_iou.astype(float)), cost)
    return frame


def images(frame: pd.DataFrame, rows=None, order: str = "worst", reverse: bool = False) -> list[str]:
    """File names of the images with such rows, or of all, as the gallery orders them."""
    shown = frame[frame.there & (True if rows is None else rows)]
    names = pd.Index(frame.name.unique() if rows is None else shown.name.unique())
    falls = (order in ("worst", "score", "objects")) != reverse
    if order == "name":
        return sorted(names, reverse=reverse)
    keys = pd.DataFrame({"id": frame.groupby("name").image_id.first(), "first": np.nan, "second": 0}, names)
    if order == "worst":
        asked = shown.groupby("name")
        keys["first"], keys["second"] = asked.cost.sum().round(6), asked.size()
        keys = keys.fillna(0)
    elif order == "objects":
        keys["first"] = frame[frame.is_truth & ~frame.is_crowd].groupby("name").size()
        keys = keys.fillna(0)
    else:
        asked = (shown[~shown.is_truth] if order == "iou" else shown).groupby("name")
        keys["first"] = asked[{"score": "score", "iou": "best", "box": "area"}[order]].agg("max" if falls else "min")
    return keys.sort_values(["first", "second", "id"], ascending=[not falls, not falls, True]).index.tolist()


def boxes(frame: pd.DataFrame, rows) -> list[str]:
    """What stands below each single box of these rows, the costliest first."""
    asked = frame[rows & frame.there]
    asked = asked.iloc[np.argsort(-asked.cost.to_numpy(), kind="stable")]
    return [text_of(row) for row in asked.itertuples()]


def text_of(row) -> str:
    if row.error is not None:
        verdict = ErrorType(row.error).label.lower()
    else:
        verdict = "crowd" if row.is_crowd else "found" if row.is_truth else "correct"
    return f"{row.class_name}{'' if row.is_truth else f' {row.score:.2f}'} · {verdict}"
