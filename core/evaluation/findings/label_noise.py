"""What wrong labels cost: a model's AP and errors against the labels that it was evaluated with, and corrected ones.

In: a detection table, and the same detections matched anew (`relabel.py`). Out: `LabelNoise`: AP before and after, how
much of the difference is due to which class, how sure it is, and the errors of each type. No model is asked.

Both get the same resamples of the images (`bootstrap.py`). A class none of whose detections has come to count
otherwise, and of which each image has as many objects as before, is the same in every resample: it is not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from core.evaluation.findings.bootstrap import Interval
from core.evaluation.findings.curves import bit, coco_figures, ranked_rows
from core.evaluation.findings.resampling import resample_weights, weighted_ap
from core.evaluation.table import indices, integers, table_metadata
from core.evaluation.threshold import count_errors

RESAMPLES = 100  # they tell the standard deviation to 7 %, and are there within a second
DEVIATIONS = 1.96  # of a normal distribution, between which 95 % lie


@dataclass(frozen=True)
class Change:
    """A figure with the labels before and after they were corrected, and the difference with its interval."""

    before: float | None
    after: float | None
    difference: Interval


@dataclass(frozen=True)
class LabelNoise:
    """What corrected labels change of an evaluation.

    ap         AP, as a mean over the classes
    per_class  AP of each class whose AP may have changed, by name
    errors     (before, after) how many errors of each type there are at `score`
    """

    ap: Change
    per_class: dict[str, Change]
    errors: tuple[dict[str, int], dict[str, int]]
    score: float

    @property
    def points(self) -> float | None:
        """How many points of AP, of 100, the wrong labels cost; below 0: with them the model looked better."""
        value = self.ap.difference.value
        return None if value is None else 100 * value


def in_words(noise: LabelNoise, labels: int, images: int) -> str:
    """Say what so many corrected labels on so many images change."""
    corrected = (
        f"{labels:,} corrected label{'s' * (labels != 1)} on {images:,} image{'s' * (images != 1)}"
        if labels
        else "the labels as they were, after all"
    )
    value, low, high = noise.ap.difference.value, noise.ap.difference.low, noise.ap.difference.high
    if value is None or noise.ap.before is None or noise.ap.after is None:
        return f"With {corrected} there is no AP to compare."
    was = f"AP {100 * noise.ap.before:.1f} as evaluated, {100 * noise.ap.after:.1f} with {corrected}"
    if low is None or high is None or not noise.per_class:
        return f"{was}."
    verb = "cost" if value >= 0 else "hid"
    sure = f"{min(abs(low), abs(high)):.1%} to {max(abs(low), abs(high)):.1%}".replace("%", "")
    noise_words = f"{sure} with other images" if noise.ap.difference.is_clear else "which other images may turn round"
    return f"Wrong labels {verb} {abs(100 * value):.1f} points of AP ({noise_words}): {was}."


class _State(NamedTuple):
    """What AP of a class depends on: a digest of what its detections find, by rank, and its objects in each image."""

    digest: bytes
    objects: np.ndarray


class _ClassAP(NamedTuple):
    """AP of a class, and that of each resample, (R,); NaN where it has no objects."""

    value: float | None
    drawn: np.ndarray


class LabelledEvaluation:
    """An evaluation with the labels that it was made with, beside which corrected ones are set.

    What was computed of a class is kept until its detections count otherwise again: after a correction only the classes
    that it touches are taken anew. For one thread at a time.
    """

    def __init__(self, table: pa.Table, seed: int = 0) -> None:
        self.table = table
        self.names = table_metadata(table).classes
        self.per_class = coco_figures(table).per_class
        self._weights = resample_weights(len(table_metadata(table).image_ids), RESAMPLES, seed)
        self._states = _states(table, self.names)
        self._known: dict[str, dict[bytes, _ClassAP]] = {name: {} for name in self.names}

    def label_noise(self, after: pa.Table, score: float = 0.5) -> LabelNoise:
        """Return what the labels of `after`, the same detections matched anew, change of the evaluation."""
        states = self._states if after is self.table else _states(after, self.names)
        touched = [name for name in self.names if states[name].digest != self._states[name].digest]
        pairs = self._pairs(touched, states, after)
        before, now = (_defined(one, self._weights) for one in (self._states, states))
        if (before != now).any():  # the means of a resample are over other classes
            every = self._pairs(self.names, states, after)
            drawn = _total(one[1] for one in every.values()) / now - _total(one[0] for one in every.values()) / before
        else:
            drawn = (_total(one[1] for one in pairs.values()) - _total(one[0] for one in pairs.values())) / now
        per_class = self.per_class | {name: one[1].value for name, one in pairs.items()}
        return LabelNoise(
            _change(_mean(self.per_class.values()), _mean(per_class.values()), drawn),
            {name: _change(one.value, two.value, two.drawn - one.drawn) for name, (one, two) in pairs.items()},
            (count_errors(self.table, score), count_errors(after, score)),
            score,
        )

    def _pairs(
        self, names: Sequence[str], states: Mapping[str, _State], after: pa.Table
    ) -> dict[str, tuple[_ClassAP, _ClassAP]]:
        """Return AP of these classes with the labels before and after."""
        before, now = self._aps(names, self._states, self.table), self._aps(names, states, after)
        return {name: (before[name], now[name]) for name in names}

    def _aps(self, names: Sequence[str], states: Mapping[str, _State], table: pa.Table) -> dict[str, _ClassAP]:
        """Return AP of these classes, as it is known or of the table, whose states these are."""
        new = [name for name in names if states[name].digest not in self._known[name]]
        if new:
            values, drawn = coco_figures(table, new).per_class, weighted_ap(table, new, self._weights)[:, 0]
            for name, of_class in zip(new, drawn, strict=True):
                first = self._states[name].digest
                kept = {digest: ap for digest, ap in self._known[name].items() if digest == first}
                self._known[name] = {**kept, states[name].digest: _ClassAP(values[name], of_class)}
        return {name: self._known[name][states[name].digest] for name in names}


def _states(table: pa.Table, names: Sequence[str]) -> dict[str, _State]:
    columns = [integers(table, name, 0) for name in ("hits_all", "ignored_all")]
    image_ids = np.array(table_metadata(table).image_ids)
    image, label = np.searchsorted(image_ids, table["image_id"].to_numpy()), indices(table, "class_name", names)
    rows = (label >= 0) & bit(integers(table, "ranges", null=0), 0)
    objects = np.bincount(label[rows] * len(image_ids) + image[rows], minlength=len(names) * len(image_ids))
    states = {}
    for name, ranked, of_class in zip(
        names, ranked_rows(table, names), objects.reshape(len(names), -1).astype(np.float32), strict=True
    ):
        parts = [*(column[ranked] for column in columns), of_class]
        states[name] = _State(hashlib.blake2b(b"".join(part.tobytes() for part in parts)).digest(), of_class)
    return states


def _defined(states: Mapping[str, _State], weights: np.ndarray) -> np.ndarray:
    """Return how many classes have objects in each resample, (R,); NaN for none."""
    objects = np.array([state.objects for state in states.values()])
    counts = (objects @ weights.T.astype(np.float32) > 0).sum(axis=0)
    return np.where(counts > 0, counts, np.nan)


def _total(classes: Iterable[_ClassAP]) -> np.ndarray | float:
    """Return the sum of the AP of some classes in each resample, (R,); 0 without any."""
    drawn = [np.nan_to_num(one.drawn) for one in classes]
    return np.sum(drawn, axis=0) if drawn else 0.0


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _change(before: float | None, after: float | None, differences: np.ndarray) -> Change:
    """Return a change with the interval that the standard deviation of its resamples gives (normal)."""
    differences = differences[~np.isnan(differences)]
    if before is None or after is None or len(differences) < 2:
        return Change(before, after, Interval(None, None, None))
    value, reach = after - before, DEVIATIONS * float(np.std(differences, ddof=1))
    return Change(before, after, Interval(value, max(value - reach, -1.0), min(value + reach, 1.0)))
