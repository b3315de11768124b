"""What do the errors cost? TIDE's impact: how far AP50 would rise if one kind of error were put right.

ΔAP50 of some errors is AP50 with only these put right, minus AP50; both are COCO's, at IoU 0.5 and all scores. To put
right means (as in `tidecv`, the reference, but with COCO's 101-point AP):

    localization    the box becomes right, in its class
    classification  the box leaves its class, and with its score becomes right in the class of its object
    duplicate, background, both   the box goes
    missed          the object no longer counts

Of all localization and classification errors that point to an object only one can become right: that of the highest
score, of equal scores the first by rank, and none if the object is found anyway, or is a crowd. The others just go.
ΔAP50 is never below 0. That of several kinds does not add up: put right together they may do more or less than alone.

Source: Bolya et al., TIDE (ECCV 2020), arXiv 2008.08115; `tidecv` errors/error.py, errors/main_errors.py. hotcoco's
`tide_errors` agrees on duplicate, background and both, and defines the others differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.datasets.split import SIZES
from core.evaluation.defined import defined
from core.evaluation.findings.curves import average_precision, bit, chosen_classes, objects_in_ranges, ranked_rows
from core.evaluation.table import ERROR_TYPES, ErrorType, has_value, indices, integers, is_ground_truth, table_metadata
from core.evaluation.threshold import error_codes

_POINTS_TO = {ErrorType.LOCALIZATION: "best_same_gt", ErrorType.CLASSIFICATION: "best_other_gt"}


@dataclass(frozen=True)
class GroupImpact:
    """What some errors cost: ΔAP50 of putting exactly these right, together, and how many boxes they are."""

    delta: float
    boxes: int


@dataclass(frozen=True)
class Impact:
    """What the errors cost in AP50, the mean over those of `classes` that have objects.

    classes   over which AP50 is the mean
    objects   how many objects each class of the table has, crowds left out, by name
    ap50      AP50; None if none of the classes has an object, and then nothing below has a ΔAP50
    total     ΔAP50 of every error of a type, by type
    boxes     how many boxes of `classes` that are, by type
    by_class, by_size  the same for the errors of one class or one size, by (type, class) and (type, size)
    cells     and of one class and size, by (type, class, size)

    Class and size are those of the box itself, which is a prediction, or the object if it is missed: a cell's boxes are
    those of `Selection(score=0, classes=(class,), sizes=(size,), error=type)`, if no score is below 0. Where there is
    no box there is no entry.
    With some classes only, a wrong class puts right their AP also from outside: a person box on a chair is an error of
    the class person, but costs AP50 of chair. It counts in `total` and `by_size`, not in `boxes`; and with the errors
    of its class, whose entries are there too.
    """

    classes: tuple[str, ...]
    objects: dict[str, int]
    ap50: float | None
    total: dict[ErrorType, float | None]
    boxes: dict[ErrorType, int]
    by_class: dict[tuple[ErrorType, str], GroupImpact]
    by_size: dict[tuple[ErrorType, str], GroupImpact]
    cells: dict[tuple[ErrorType, str, str], GroupImpact]


def impact(table: pa.Table, classes: Sequence[str] | None = None) -> Impact:
    """Return what each error type costs, in all and by class and size, in the mean over `classes` (default: all).

    Raises DataError for a class that the table does not have.
    """
    names = table_metadata(table).classes
    classes = chosen_classes(table, classes)
    chosen = np.array([name in classes for name in names])
    errors, rankings = _errors(table, names), _rankings(table, names)
    boxes = np.bincount(errors.code[chosen[errors.label]], minlength=len(ERROR_TYPES)).tolist()
    mean = _Mean({k: ranking for k, ranking in enumerate(rankings) if chosen[k] and ranking.objects})
    total, by_class, by_size, cells = dict.fromkeys(ERROR_TYPES), {}, {}, {}
    for code, kind in enumerate(ERROR_TYPES if mean.rankings else ()):
        of_kind = errors[errors.code == code]
        total[kind] = mean.rise(kind, of_kind)
        for size, group in of_kind.split("size", SIZES):
            n = int(chosen[group.label].sum())
            if n or mean.touches(group):
                by_size[kind, size] = GroupImpact(mean.rise(kind, group), n)
        for name, of_class in of_kind.split("label", names):
            if name not in classes and not mean.touches(of_class):
                continue
            by_class[kind, name] = GroupImpact(mean.rise(kind, of_class), len(of_class))
            for size, group in of_class.split("size", SIZES):
                cells[kind, name, size] = GroupImpact(mean.rise(kind, group), len(group))
    objects = {name: ranking.objects for name, ranking in zip(names, rankings, strict=True)}
    boxes = dict(zip(ERROR_TYPES, boxes, strict=True))
    return Impact(classes, objects, mean.ap50, total, boxes, by_class, by_size, cells)


@dataclass(frozen=True)
class _Errors:
    """Errors of a table, as columns (E,), by rank.

    code    index into ERROR_TYPES
    label   class of the box
    size    index into SIZES
    rank    of the prediction; -1 for a missed object
    target  class in which the box becomes right, or the object no longer counts; -1 if the box just goes
    """

    code: np.ndarray
    label: np.ndarray
    size: np.ndarray
    rank: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.code)

    def __getitem__(self, rows: np.ndarray) -> _Errors:
        return _Errors(*(values[rows] for values in vars(self).values()))

    def split(self, column: str, words: Sequence[str]) -> Iterator[tuple[str, _Errors]]:
        """Return the errors of each class ("label") or size, with its name, where there are any."""
        values = getattr(self, column)
        for i in np.flatnonzero(np.bincount(values)):
            yield words[int(i)], self[values == i]


@dataclass(frozen=True)
class _Ranking:
    """A class's predictions by rank, (N,): whether each found an object, counts neither way; and how many objects."""

    rank: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    objects: int

    def without(self, kind: ErrorType, errors: _Errors, label: int) -> float:
        """Return the class's AP50 with these errors, all of one kind, put right; `label` is the class."""
        gained = errors.target == label
        if kind == ErrorType.MISSED:
            objects = self.objects - int(gained.sum())
            # Nothing is left to find. As for `tidecv`, predictions are then all wrong; without any, all is right.
            return defined(average_precision(self.hit, self.ignored, objects)) if objects else float(self.ignored.all())
        ignored = self.ignored.copy()
        ignored[np.searchsorted(self.rank, errors.rank[errors.label == label])] = True
        place = np.searchsorted(self.rank, errors.rank[gained])
        hit, ignored = np.insert(self.hit, place, True), np.insert(ignored, place, False)
        return defined(average_precision(hit, ignored, self.objects))


class _Mean:
    """AP50 as the mean over classes, `rankings` by label, and how far it rises."""

    def __init__(self, rankings: dict[int, _Ranking]) -> None:
        self.rankings = rankings
        self._before = {k: defined(average_precision(r.hit, r.ignored, r.objects)) for k, r in rankings.items()}

    @property
    def ap50(self) -> float | None:
        return sum(self._before.values()) / len(self._before) if self._before else None

    def touches(self, errors: _Errors) -> list[int]:
        """Return the classes whose AP50 these errors have to do with."""
        n = np.bincount(np.append(errors.label, errors.target) + 1, minlength=max(self.rankings, default=0) + 2)
        return [k for k in self.rankings if n[k + 1]]

    def rise(self, kind: ErrorType, errors: _Errors) -> float:
        """Return ΔAP50 of errors that are all of one kind."""
        rises = [self.rankings[k].without(kind, errors, k) - self._before[k] for k in self.touches(errors)]
        return sum(rises) / len(self.rankings)


def _errors(table: pa.Table, names: Sequence[str]) -> _Errors:
    """Return the errors of all scores, by rank."""
    code = error_codes(table, -np.inf).astype(np.int64)
    label, size = indices(table, "class_name", names), indices(table, "size", SIZES)
    rank = integers(table, "rank")
    errors = _Errors(code, label, size, rank, _targets(table, code, label, rank))[code >= 0]
    return errors[np.argsort(errors.rank)]


def _targets(table: pa.Table, code: np.ndarray, label: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return `_Errors.target` of each row, (N,) int64."""
    truths = np.flatnonzero(is_ground_truth(table))
    ids = integers(table, "gt_id")[truths]
    by_id = truths[np.argsort(ids)]
    points_to = np.full(len(code), -1)
    for kind, column in _POINTS_TO.items():
        rows = code == ERROR_TYPES.index(kind)
        points_to[rows] = by_id[np.searchsorted(np.sort(ids), integers(table, column)[rows])]
    can_become_found = _counts(table) & ~has_value(table, "match_query")
    rows = np.flatnonzero(points_to >= 0)
    rows = rows[can_become_found[points_to[rows]]]
    rows = rows[np.argsort(rank[rows])]
    truth, first = np.unique(points_to[rows], return_index=True)
    target = np.where((code == ERROR_TYPES.index(ErrorType.MISSED)) & _counts(table), label, -1)
    target[rows[first]] = label[truth]
    return target


def _counts(table: pa.Table) -> np.ndarray:
    """Return which rows are objects that COCO's AP50 counts, (N,) bool."""
    return bit(integers(table, "ranges", null=0), 0)


def _rankings(table: pa.Table, names: Sequence[str]) -> list[_Ranking]:
    """Return the predictions of every class by rank, in the order of `names`."""
    rank = integers(table, "rank")
    hit, ignored = (bit(integers(table, f"{column}_all", null=0), 0) for column in ("hits", "ignored"))
    objects = objects_in_ranges(table, names)[:, 0].tolist()
    parts = zip(ranked_rows(table, names), objects, strict=True)
    return [_Ranking(rank[rows], hit[rows], ignored[rows], n) for rows, n in parts]
