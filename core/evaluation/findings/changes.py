"""What has changed from one model to another? Each object and each false alarm, from their two detection tables.

In: the tables of two evaluations on the same images, annotations and classes, and a score threshold for each: scores of
two families of models mean different things. Out: `Changes`.

An object, a ground truth that is no crowd, is right in a model if a detection of its class with score >= threshold
found it, at IoU 0.5; so it is fixed, broken, still right or still wrong. A false alarm is a detection with
score >= threshold that is an error of any type. The false alarms of the two models are the same where they lie over
each other, in one image and of one class, with an IoU of at least 0.5, the pairs of highest IoU first; what is left is
new, or gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from core import RunError
from core.boxes import area
from core.datasets.split import SIZES
from core.evaluation.defined import defined
from core.evaluation.findings.bootstrap import Interval, bootstrap
from core.evaluation.matching import THRESHOLDS
from core.evaluation.ordering import ObjectCrops
from core.evaluation.table import (
    CORNERS,
    flags,
    floats,
    has_value,
    indices,
    integers,
    is_ground_truth,
    isin,
    table_metadata,
)
from core.evaluation.threshold import is_object
from core.labelled_enum import LabelledEnum

AP_OF = {"all": "AP", "small": "APs", "medium": "APm", "large": "APl"}  # the figure of each column of the AP matrix


class Change(LabelledEnum):
    """What has become of an object or a false alarm: the value is an address's; the rest is for the user."""

    FIXED = "fixed", "Fixed", "Objects that were wrong before and are right now."
    BROKEN = "broken", "Broken", "Objects that were right before and are wrong now."
    STILL_RIGHT = "right", "Still right", "Objects that both models found."
    STILL_WRONG = "wrong", "Still wrong", "Objects that neither model found."
    NEW = "new", "New false alarms", "Wrong predictions that the model before did not make."
    GONE = "gone", "Gone false alarms", "Wrong predictions of the model before that are no longer made."


OBJECT_CHANGES = (Change.FIXED, Change.BROKEN, Change.STILL_RIGHT, Change.STILL_WRONG)
FIXED_OR_BROKEN = (Change.FIXED, Change.BROKEN)  # what to look at first


@dataclass(frozen=True, eq=False)
class Changes:
    """What has become of everything from `before` to `after`, two tables, at a threshold for each.

    scores  the thresholds of (before, after)
    rows    the rows (M,) of each Change, ascending: of GONE in `before`, of all others in `after`
    rises   (N,) how far each row of `after` has risen in score, of objects the score of what found them; 0 elsewhere
    stayed  how many false alarms of both are the same
    """

    before: pa.Table
    after: pa.Table
    scores: tuple[float, float]
    rows: dict[Change, np.ndarray]
    rises: np.ndarray
    stayed: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that both were evaluated on."""
        return table_metadata(self.after).classes

    @property
    def from_scores(self) -> str:
        """From which score predictions count, in words: "score 0.5", or "score 0.3 (before: 0.42)"."""
        before, after = self.scores
        return f"score {after:g}" if before == after else f"score {after:g} (before: {before:g})"

    def table_of(self, change: Change) -> pa.Table:
        """Return the table that the rows of this change are of."""
        return self.before if change is Change.GONE else self.after

    @cached_property
    def counts(self) -> dict[Change, np.ndarray]:
        """How many of each change there are by class and size, (K, 3) int64."""
        return {change: self._counted(change) for change in Change}

    def _counted(self, change: Change) -> np.ndarray:
        table, rows, shape = self.table_of(change), self.rows[change], (len(self.classes), len(SIZES))
        cell = indices(table, "class_name", self.classes)[rows] * len(SIZES) + indices(table, "size", SIZES)[rows]
        return np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)

    def number(self, change: Change, classes: Collection[str] = (), sizes: Collection[str] = ()) -> int:
        """Return the number of changes of these classes and sizes; of all if none is named."""
        kept = [
            [not chosen or word in chosen for word in words]
            for words, chosen in ((self.classes, classes), (SIZES, sizes))
        ]
        return int(self.counts[change][np.ix_(*kept)].sum())

    def chosen(self, change: Change, classes: Collection[str] = (), sizes: Collection[str] = ()) -> np.ndarray:
        """Return the rows of `table_of(change)` of these classes and sizes; of all if none is named."""
        table, rows = self.table_of(change), self.rows[change]
        for column, words in (("class_name", classes), ("size", sizes)):
            if words:
                rows = rows[isin(table, column, set(words))[rows]]
        return rows


def ground_truth_digest(table: pa.Table) -> str:
    """Name the images, classes and annotations of an evaluation: two tables with the same name can be compared."""
    metadata, truths = table_metadata(table), table.filter(pa.array(is_ground_truth(table)))
    order = np.lexsort((integers(truths, "gt_id"), truths["image_id"].to_numpy()))
    digest = hashlib.sha256(repr((metadata.image_ids, sorted(metadata.classes))).encode())
    columns = (
        truths["image_id"].to_numpy(), integers(truths, "gt_id"), flags(truths, "iscrowd"),
        indices(truths, "class_name", sorted(metadata.classes)), *(floats(truths, name) for name in (*CORNERS, "area")),
    )  # fmt: skip
    for column in columns:
        digest.update(np.ascontiguousarray(column[order]).tobytes())
    return digest.hexdigest()


def are_of_same_images(one: pa.Table, other: pa.Table) -> bool:
    """Check whether two tables are of the same images and classes, with whichever annotations."""
    first, second = table_metadata(one), table_metadata(other)
    return first.image_ids == second.image_ids and set(first.classes) == set(second.classes)


def require_same_ground_truth(before: pa.Table, after: pa.Table) -> None:
    """Raise RunError saying what differs, if the two were not evaluated on the same images, classes, annotations."""
    if table_metadata(before).image_ids != table_metadata(after).image_ids:
        difference = "on different images"
    elif set(table_metadata(before).classes) != set(table_metadata(after).classes):
        difference = "for different classes"
    elif ground_truth_digest(before) != ground_truth_digest(after):
        difference = "against different annotations"
    else:
        return
    raise RunError(f"The two models were evaluated {difference}: what has changed between them would say nothing.")


def changes(before: pa.Table, after: pa.Table, scores: tuple[float, float] = (0.5, 0.5)) -> Changes:
    """Return what has become of every object and false alarm, by the thresholds of (before, after).

    Raises RunError as `require_same_ground_truth`.
    """
    require_same_ground_truth(before, after)
    thresholds = tuple(map(np.float32, scores))  # scores are float32, see `threshold.reaches`
    of_before, of_after = _objects(before), _objects(after)
    matched = [
        np.nan_to_num(floats(t, "match_score")[rows], nan=-1) for t, rows in ((before, of_before), (after, of_after))
    ]
    was, is_now = (match_scores >= threshold for match_scores, threshold in zip(matched, thresholds, strict=True))
    rows = {
        Change.FIXED: of_after[~was & is_now],
        Change.BROKEN: of_after[was & ~is_now],
        Change.STILL_RIGHT: of_after[was & is_now],
        Change.STILL_WRONG: of_after[~was & ~is_now],
    }
    alarms = [
        np.flatnonzero(has_value(t, "error") & (floats(t, "score") >= threshold))
        for t, threshold in zip((before, after), thresholds, strict=True)
    ]
    was_there, is_still_there = _paired((before, alarms[0]), (after, alarms[1]))
    rows |= {Change.NEW: alarms[1][~is_still_there], Change.GONE: alarms[0][~was_there]}
    rises = np.zeros(after.num_rows)
    rises[of_after] = np.maximum(matched[1], 0) - np.maximum(matched[0], 0)
    rows = {change: np.sort(of_change) for change, of_change in rows.items()}
    return Changes(before, after, scores, rows, rises, int(is_still_there.sum()))


def _objects(table: pa.Table) -> np.ndarray:
    """Return the rows of the objects by image and annotation id: the same order in every table of a ground truth."""
    rows = np.flatnonzero(is_object(table))
    return rows[np.lexsort((integers(table, "gt_id")[rows], table["image_id"].to_numpy()[rows]))]


def _paired(before: tuple[pa.Table, np.ndarray], after: tuple[pa.Table, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the detections, rows (B,) and (A,) of their tables, are the same in both, as bool (B,) and (A,).

    One takes one, by falling IoU: in each round those pairs that are the best left for both sides.
    """
    b, a, overlap = _overlapping(before, after)
    order = np.lexsort((a, b, -overlap))
    b, a = b[order], a[order]
    taken_before, taken_after = np.zeros(len(before[1]), bool), np.zeros(len(after[1]), bool)
    while len(b):
        place = np.arange(len(b))
        best = np.ones(len(b), bool)
        for side, taken in ((b, taken_before), (a, taken_after)):
            first = np.zeros(len(taken), np.int64)
            first[side[::-1]] = place[::-1]  # the first pair of each is written last
            best &= first[side] == place
        taken_before[b[best]] = taken_after[a[best]] = True
        left = ~(taken_before[b] | taken_after[a])
        b, a = b[left], a[left]
    return taken_before, taken_after


def _overlapping(
    before: tuple[pa.Table, np.ndarray], after: tuple[pa.Table, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of one image and class with an IoU of at least 0.5: places in either's rows, and IoU, (P,)."""
    classes = table_metadata(after[0]).classes
    keys = [
        np.searchsorted(table_metadata(t).image_ids, t["image_id"].to_numpy()[rows]) * len(classes)
        + indices(t, "class_name", classes)[rows]
        for t, rows in (before, after)
    ]
    by_key = np.argsort(keys[0], kind="stable")
    first, last = (np.searchsorted(keys[0][by_key], keys[1], side) for side in ("left", "right"))
    n = last - first
    a = np.repeat(np.arange(len(n)), n)
    within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    b = by_key[np.repeat(first, n) + within]
    of_before, of_after = (_boxes(*side)[places] for side, places in ((before, b), (after, a)))
    sides = np.minimum(of_before[:, 2:], of_after[:, 2:]) - np.maximum(of_before[:, :2], of_after[:, :2])
    inter = np.clip(sides, 0, None).prod(axis=1)
    union = area(of_before) + area(of_after) - inter
    overlap = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    overlap[(of_before == of_after).all(axis=1)] = 1  # also of boxes without extent
    fits = overlap >= THRESHOLDS[0]
    return b[fits], a[fits], overlap[fits]


def _boxes(table: pa.Table, rows: np.ndarray) -> np.ndarray:
    return np.column_stack([floats(table, name)[rows] for name in CORNERS])  # (M, 4) xyxy


# What to look at


def changed_images(
    comparison: Changes, asked: Sequence[Change], classes: Collection[str] = (), sizes: Collection[str] = ()
) -> list[int]:
    """Return the ids of the images with such changes, those with the most first, of equals the lower id."""
    parts = [comparison.table_of(c)["image_id"].to_numpy()[comparison.chosen(c, classes, sizes)] for c in asked]
    ids, n = np.unique(np.concatenate([np.zeros(0, np.int64), *parts]), return_counts=True)
    ordered: list[int] = ids[np.lexsort((ids, -n))].tolist()
    return ordered


def changed_objects(
    comparison: Changes, asked: Sequence[Change], classes: Collection[str] = (), sizes: Collection[str] = ()
) -> ObjectCrops:
    """Return each such object or false alarm by itself, by falling change of score, or by falling score.

    GONE can only be asked for alone: it is of the table before.
    """
    table = comparison.table_of(asked[0])
    rows = np.sort(np.concatenate([comparison.chosen(change, classes, sizes) for change in asked]))
    weight = np.abs(comparison.rises) if set(asked) <= set(OBJECT_CHANGES) else floats(table, "score")
    return ObjectCrops(table, rows[np.argsort(-weight[rows], kind="stable")])


def ap_changes(before: pa.Table, after: pa.Table, name: str) -> dict[str, Interval]:
    """Return how far AP of a class has risen, over "all" sizes and in each, with its interval; None where undefined.

    Raises RunError if the two cannot be compared.
    """
    of_after, of_before = (t.filter(pa.array(isin(t, "class_name", {name}))) for t in (after, before))
    differences = defined(bootstrap(of_after, of_before, [name]).differences)
    return {size: differences[figure] for size, figure in AP_OF.items()}


def verdict(comparison: Changes) -> str:
    """Return the numbers of changes in a sentence."""
    total = {change: comparison.number(change) for change in Change}
    objects = sum(total[change] for change in OBJECT_CHANGES)
    if not objects:
        return "There is no object to find."
    was, now = (total[Change.STILL_RIGHT] + total[change] for change in (Change.BROKEN, Change.FIXED))
    alarms, new = total[Change.NEW] + comparison.stayed, total[Change.NEW]
    return (
        f"From {comparison.from_scores} on it finds {now:,} of {objects:,} objects, before {was:,}: "
        f"{total[Change.FIXED]:,} fixed, {total[Change.BROKEN]:,} broken. Of its {alarms:,} false alarms {new:,} "
        f"{'is' if new == 1 else 'are'} new; {total[Change.GONE]:,} of before are gone."
    )
