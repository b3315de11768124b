"""How good is it? COCO's figures and the curves they are made of, from the detection table alone.

In: a table, classes, a score threshold. Out: `CocoFigures`, equal to `coco_eval.py` and pycocotools to the last digit
(source: `cocoeval.py: accumulate, summarize`); `ClassFigures`; `PrecisionRecall` of a class at one IoU. The
other findings build on `average_precision`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core import DataError
from core.datasets.split import SIZES
from core.evaluation.coco_eval import FIGURES, CocoFigures
from core.evaluation.columns import rank_within_group
from core.evaluation.matching import THRESHOLDS
from core.evaluation.table import RANGES, floats, indices, integers, is_detection, isin, table_metadata
from core.wording import short

RECALLS = np.linspace(0, 1, 101)  # where COCO reads the precision; some, 0.35 for one, lie a bit above k / 100


# Average precision


def average_precision(hit: np.ndarray, ignored: np.ndarray, n: int) -> float | None:
    """Return COCO's AP at one IoU, the mean of the interpolated precision at 101 recalls; None without objects.

    hit, ignored  (N,) bool, detections by rank: it found an object; it counts neither way (never both)
    n             how many objects there are to find
    """
    return float(np.mean(interpolated_precision(hit, ignored, n))) if n else None


def interpolated_precision(hit: np.ndarray, ignored: np.ndarray, n: int) -> np.ndarray:
    """Return the highest precision at each of RECALLS or beyond, (101,) float64; n > 0.

    Its arguments are those of `average_precision`. It looks at hits only: in between, precision falls and recall stays.
    """
    hits = np.flatnonzero(hit)
    right = np.arange(1, len(hits) + 1)
    precision = right / (np.cumsum(~ignored)[hits] + np.spacing(1))
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return np.append(highest, 0)[np.searchsorted(right / n, RECALLS)]


def chosen_classes(table: pa.Table, classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the classes asked for, each once; default: all of the table's.

    Raises DataError for one that it does not have.
    """
    known = table_metadata(table).classes
    unknown = [name for name in classes or () if name not in known]
    if unknown:
        raise DataError(
            f"There is no class {short(repr(unknown[0]))} in this evaluation: choose from "
            f"{short(', '.join(known), 160)}."
        )
    return known if classes is None else tuple(dict.fromkeys(classes))


def ranked_rows(table: pa.Table, classes: Sequence[str]) -> list[np.ndarray]:
    """Return for each class its detections by rank, as rows of the table."""
    label, rank = indices(table, "class_name", classes), integers(table, "rank")
    rows = np.flatnonzero((label >= 0) & is_detection(table))
    rows = rows[np.lexsort((rank[rows], label[rows]))]
    return np.split(rows, np.searchsorted(label[rows], np.arange(1, len(classes))))[: len(classes)]


def objects_in_ranges(table: pa.Table, classes: Sequence[str], found_from: float | None = None) -> np.ndarray:
    """Count the objects that each class has in each of RANGES, crowds left out, (K, 4) int64.

    With a score threshold only those that a detection from that score on found, at IoU 0.5.
    """
    label, ranges = indices(table, "class_name", classes), integers(table, "ranges", null=0)
    rows = label >= 0
    if found_from is not None:
        rows &= floats(table, "match_score") >= np.float32(found_from)  # see `threshold.reaches`
    counts = [np.bincount(label[rows & bit(ranges, a)], minlength=len(classes)) for a in range(len(RANGES))]
    return np.column_stack(counts)


def bit(values: np.ndarray, i: int) -> np.ndarray:
    """Bit i of each value, (N,) bool."""
    return (values >> i) & 1 > 0


# COCO's figures


def coco_figures(table: pa.Table, classes: Sequence[str] | None = None) -> CocoFigures:
    """Return COCO's twelve figures of the table, as means over `classes` (default: all of the table's).

    Raises DataError for a class that the table does not have.
    """
    names = chosen_classes(table, classes)
    ids = dict(zip(table_metadata(table).classes, table_metadata(table).category_ids, strict=True))
    by_id = sorted(names, key=lambda name: ids[name])  # as in pycocotools: the order decides a mean's last digit
    precision, recall = _accumulated(table, by_id)
    twelve = [
        *(_mean(precision[ious, :, :, 0]) for ious in (slice(None), _AT_50, _AT_75)),
        *(_mean(precision[..., a]) for a in (1, 2, 3)),
        *(_mean(recall[:, :, column]) for column in range(recall.shape[2])),
    ]
    per_class = {name: _mean(precision[:, :, by_id.index(name), 0]) for name in names}
    return CocoFigures(**dict(zip(FIGURES, twelve, strict=True)), per_class=per_class)


_AT_50, _AT_75 = slice(0, 1), slice(5, 6)  # of the ten IoUs
_RECALLS = (("all", 1), ("all", 10), *((name, 100) for name in RANGES))  # AR1, AR10, AR100, ARs, ARm, ARl


def _accumulated(table: pa.Table, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return precision (10 IoUs, 101 recalls, K classes, 4 ranges) and recall (10, K, 6 of _RECALLS).

    NaN where there are no objects.
    """
    n = objects_in_ranges(table, classes)
    hits, ignored = ([integers(table, f"{column}_{name}", 0) for name in RANGES] for column in ("hits", "ignored"))
    image = table["image_id"].to_numpy()
    precision = np.full((len(THRESHOLDS), len(RECALLS), *n.shape), np.nan)
    recall = np.full((len(THRESHOLDS), len(classes), len(_RECALLS)), np.nan)
    for k, rows in enumerate(ranked_rows(table, classes)):
        place = rank_within_group(image[rows]) if len(rows) else rows
        for a in np.flatnonzero(n[k]):
            columns = [i for i, (name, _) in enumerate(_RECALLS) if name == RANGES[a]]
            hits_here, ignored_here = hits[a][rows], ignored[a][rows]
            for t in range(len(THRESHOLDS)):
                hit = bit(hits_here, t)
                precision[t, :, k, a] = interpolated_precision(hit, bit(ignored_here, t), n[k, a])
                recall[t, k, columns] = [np.sum(hit & (place < _RECALLS[i][1])) / n[k, a] for i in columns]
    return precision, recall


def _mean(values: np.ndarray) -> float | None:
    """Return the mean of what is defined, summed in the order in which pycocotools sums."""
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if defined.size else None


@dataclass(frozen=True)
class SizeFigures:
    """A class's objects of one size: how many there are, how many were found from the score on, and COCO's AP.

    By COCO's area ranges: an area of exactly 32² or 96² px² belongs to both sides.
    """

    objects: int
    found: int
    AP: float | None

    @property
    def recall(self) -> float | None:
        """The share of the objects of this size that were found; None without objects."""
        return self.found / self.objects if self.objects else None


@dataclass(frozen=True)
class ClassFigures:
    """A class's figures: AP over all scores; `found` and `predictions` from a score threshold on, at IoU 0.5.

    objects  without crowds; AP and recall are None where there are none
    sizes    by name: small, medium, large
    """

    name: str
    objects: int
    found: int
    predictions: int
    AP: float | None
    AP50: float | None
    AP75: float | None
    sizes: dict[str, SizeFigures]

    @property
    def recall(self) -> float | None:
        """The share of the objects that were found; None without objects."""
        return self.found / self.objects if self.objects else None


def class_figures(table: pa.Table, score: float = 0.5) -> list[ClassFigures]:
    """Return the figures of each class of the table, in its order; recall and predictions from `score` on."""
    names = table_metadata(table).classes
    precision, _ = _accumulated(table, names)
    n, n_found = objects_in_ranges(table, names), objects_in_ranges(table, names, score)
    shown = floats(table, "score") >= np.float32(score)  # scores are float32, see `threshold.reaches`
    predictions = np.bincount(indices(table, "class_name", names)[shown], minlength=len(names))
    return [
        ClassFigures(
            name, int(n[k, 0]), int(n_found[k, 0]), int(predictions[k]),
            _mean(precision[:, :, k, 0]), _mean(precision[_AT_50, :, k, 0]), _mean(precision[_AT_75, :, k, 0]),
            {size: SizeFigures(int(n[k, a]), int(n_found[k, a]), _mean(precision[:, :, k, a]))
             for a, size in enumerate(RANGES) if size in SIZES},
        )
        for k, name in enumerate(names)
    ]  # fmt: skip


# Precision against recall


@dataclass(frozen=True)
class PrecisionRecall:
    """The precision–recall curve of one class at one IoU.

    n                  how many objects there are, crowds left out; without any, AP is None and no curve is defined
    recall, precision  (101,) float64  COCO's: RECALLS, and the highest precision there or beyond; (0,) without objects
    score              (101) the score threshold that reaches each recall; None where none does
    raw_recall, raw_precision, raw_score  (N,) float64  after each detection that counts, by rank
    """

    name: str
    iou: float
    n: int
    AP: float | None
    recall: np.ndarray
    precision: np.ndarray
    score: tuple[float | None, ...]
    raw_recall: np.ndarray
    raw_precision: np.ndarray
    raw_score: np.ndarray


_OF_CURVES = ["kind", "class_name", "score", "rank", "ranges", "hits_all", "ignored_all"]


def precision_recall(table: pa.Table, name: str, iou: float = 0.5) -> PrecisionRecall:
    """Return the curve of a class at one of COCO's ten IoUs; raises DataError for another IoU or class."""
    at = int(np.argmin(abs(THRESHOLDS - iou)))
    if abs(THRESHOLDS[at] - iou) > 1e-6:
        raise DataError(f"There is no curve at IoU {iou:g}: choose one of 0.50, 0.55, … to 0.95.")
    names = chosen_classes(table, [name])
    table = table.select(_OF_CURVES).filter(pa.array(isin(table, "class_name", {name})))  # of 80 classes, one
    rows, n = ranked_rows(table, names)[0], int(objects_in_ranges(table, names)[0, 0])
    hit, ignored = (bit(integers(table, f"{column}_all", 0)[rows], at) for column in ("hits", "ignored"))
    if not n:
        nothing = np.zeros(0)
        return PrecisionRecall(name, iou, 0, None, nothing, nothing, (), nothing, nothing, nothing)
    score, hits = floats(table, "score")[rows].astype(np.float64), np.cumsum(hit)
    hit_scores = score[hit].tolist() + [None] * len(RECALLS)
    reached = np.searchsorted(np.arange(1, hit.sum() + 1) / n, RECALLS)
    precision, counts = interpolated_precision(hit, ignored, n), ~ignored
    return PrecisionRecall(
        name, iou, n, float(np.mean(precision)), RECALLS, precision, tuple(hit_scores[i] for i in reached),
        hits[counts] / n, hits[counts] / np.arange(1, counts.sum() + 1), score[counts],
    )  # fmt: skip
