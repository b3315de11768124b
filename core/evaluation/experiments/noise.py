"""Which difference between settings is more than noise? By the spread of their seeds, or by the images with one seed.

In: the AP of each setting by seed, or one detection table for each. Out: `Difference`s of the best from every other.

Settings that share seeds are compared seed by seed (paired t), others by Welch's t (1947). The best is chosen by
looking, and compared with all others at once: each interval is widened for their number, so that all hold together
(Bonferroni; comparing with the best: Hsu, 1981). Seeds tell how far another training on the same images would move AP,
and nothing of other validation images; the bootstrap over images, the other way round, nothing of another training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import pyarrow as pa
from scipy.special import stdtrit

from core.evaluation.findings.bootstrap import Interval
from core.evaluation.findings.resampling import mean_of_defined, resample_weights, weighted_ap
from core.evaluation.table import table_metadata

CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclass(frozen=True)
class Group:
    """The trainings of one setting: their AP by seed, in [0, 1]."""

    label: str
    aps: Mapping[int, float]

    @property
    def mean(self) -> float:
        """The mean AP."""
        return fmean(self.aps.values())


@dataclass(frozen=True)
class Difference:
    """How much better the best setting is than another one, in AP, and where that lies.

    best, other  their places
    seeds        by how many trainings of each it is judged; 0: by the images
    """

    best: int
    other: int
    interval: Interval
    seeds: int

    @property
    def is_clear(self) -> bool:
        """Whether it is more than noise."""
        return self.interval.is_clear


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE, share: float = 0.0) -> Interval:
    """Return the mean of some trainings' AP and where that of many lies, by Student's t; without bounds for one value.

    share  of cross-validation: validation images for each training image. Folds are trained on much the same images, so
           their spread says too little: the variance of the mean is (1/n + share) of the folds' (Nadeau & Bengio, 2003)
    """
    if not values:
        return Interval(None, None, None)
    mean, n = fmean(values), len(values)
    if n < 2:
        return Interval(mean, None, None)
    half = _quantile(n - 1, confidence) * stdev(values) * (1 / n + share) ** 0.5
    return Interval(mean, mean - half, mean + half)


def best_differences(groups: Sequence[Group], confidence: float = CONFIDENCE) -> list[Difference]:
    """Return the difference of the group with the highest mean from each other, in their order.

    Its interval has no bounds where one of the two has a single training.
    """
    if len(groups) < 2:
        return []
    best = max(range(len(groups)), key=lambda i: groups[i].mean)
    each = 1 - (1 - confidence) / (len(groups) - 1)
    return [Difference(best, i, *_difference(groups[best], other, each)) for i, other in enumerate(groups) if i != best]


def _difference(one: Group, other: Group, confidence: float) -> tuple[Interval, int]:
    """Return how much higher the first one's mean is, and by how many trainings of each that is judged."""
    shared = sorted(one.aps.keys() & other.aps.keys())
    if len(shared) >= 2:
        return mean_interval([one.aps[seed] - other.aps[seed] for seed in shared], confidence), len(shared)
    value, fewest = one.mean - other.mean, min(len(one.aps), len(other.aps))
    if fewest < 2:
        return Interval(value, None, None), fewest
    parts = [stdev(group.aps.values()) ** 2 / len(group.aps) for group in (one, other)]
    if not sum(parts):
        return Interval(value, value, value), fewest
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(group.aps) - 1) for part, group in zip(parts, (one, other), strict=True)
    )
    half = _quantile(freedom, confidence) * sum(parts) ** 0.5
    return Interval(value, value - half, value + half), fewest


def _quantile(freedom: float, confidence: float) -> float:
    return float(stdtrit(freedom, (1 + confidence) / 2))


def image_differences(
    tables: Sequence[pa.Table], confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """Return the difference of the table with the highest AP from each other, by the bootstrap over images.

    All tables get the same resamples, as in `findings/bootstrap.py`. Nothing if they are of other images or classes.
    """
    about = [table_metadata(table) for table in tables]
    if len(tables) < 2 or any(
        (one.image_ids, sorted(one.classes)) != (about[0].image_ids, sorted(about[0].classes)) for one in about
    ):
        return []
    images = len(about[0].image_ids)
    # the first "resample" is the images as they are
    weights = np.concatenate([np.ones((1, images), np.uint16), resample_weights(images, resamples, seed)])
    drawn = [mean_of_defined(weighted_ap(table, sorted(about[0].classes), weights))[0] for table in tables]
    values = [float(one[0]) for one in drawn]
    if any(np.isnan(values)):
        return []
    best = int(np.argmax(values))
    each = 1 - (1 - confidence) / (len(tables) - 1)
    return [
        Difference(best, i, _interval(values[best] - values[i], drawn[best][1:] - drawn[i][1:], each), 0)
        for i in range(len(tables))
        if i != best
    ]


def _interval(value: float, drawn: np.ndarray, confidence: float) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return Interval(value, None, None)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]) - drawn.mean() + value
    return Interval(value, float(low), float(high))
