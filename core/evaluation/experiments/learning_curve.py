"""What would more images give? A curve through the AP of trainings on shares of the images, and what lies beyond.

    AP(n) = a − b · n^(−c)    errors fall by a power of the number of images, towards a limit

(Figueroa et al., "Predicting sample size required for classification performance", 2012; Hestness et al., "Deep
Learning Scaling is Predictable, Empirically", 2017). With fewer than four numbers of images that would say too much of
too little: then AP(n) = a + b · log(n).

How sure that is comes from 2,000 draws: each training's AP is moved at random by as much as trainings of one number of
images differ, or as the curve misses them where there is one of each, but by no less than LEAST_SPREAD, and fitted
anew. Half of the draws of a power law are fitted by the logarithm instead: few points cannot tell the two apart, and
beyond the last one they part. What such an interval cannot know is whether new images are like the old ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.8  # "likely"
DRAWS = 2000
LEAST_SPREAD = 0.005  # of one training's AP: two that differ in their seed alone do by as much
EXPONENTS = np.linspace(0.05, 2.0, 79)  # that are tried: those of the literature lie between 0.07 and 1
FEWEST_FOR_POWER = 4
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurve:
    """A fitted curve: AP at some numbers of images, and where it likely lies.

    limit, drop, exponent  a, b and c of the power law; with `is_power` False a and b of the logarithm, c is 0
    numbers, aps           (P,) the curve for a chart, up to twice the images
    low, high              (P,) the bounds within which it lies in 80 % of the draws
    doubled                AP with twice the images: its place on the curve, and its bounds
    gain                   the same minus the curve's AP with all of them
    spread                 by how much one training's AP moves by itself
    """

    is_power: bool
    limit: float
    drop: float
    exponent: float
    numbers: Array
    aps: Array
    low: Array
    high: Array
    doubled: tuple[float, float, float]
    gain: tuple[float, float, float]
    spread: float


def fit_learning_curve(numbers: Sequence[int], aps: Sequence[float], seed: int = 0) -> LearningCurve | None:
    """Fit a curve to trainings on `numbers` of images, with `aps` in [0, 1]; None with a single number of images."""
    n, y = np.asarray(numbers, dtype=np.float64), np.asarray(aps, dtype=np.float64)
    different = np.unique(n)
    if len(different) < 2:
        return None
    is_power = len(different) >= FEWEST_FOR_POWER
    at = np.unique(np.concatenate([np.geomspace(different[0], 2 * different[-1], 40), different, 2 * different[-1:]]))
    best = (_fit_power if is_power else _fit_log)(n, y[None])
    spread = max(_spread(n, y, best, is_power), LEAST_SPREAD)
    rng = np.random.default_rng(seed)
    drawn = y + rng.normal(0, spread, (DRAWS, len(y)))
    half = DRAWS // 2 if is_power else 0
    fits = [_fit_log(n, drawn[half:]), *([_fit_power(n, drawn[:half])] if half else [])]
    curves = np.concatenate([_values(fit, at) for fit in fits])  # (DRAWS, P)
    line = _values(best, at)[0]
    low, high = np.quantile(curves, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    all_of_them = int(np.searchsorted(at, different[-1]))
    gains = curves[:, -1] - curves[:, all_of_them]
    a, b, c = (float(one[0]) for one in best)
    return LearningCurve(
        is_power, a, b, c, at, line, np.minimum(low, line), np.maximum(high, line),
        _bounded(float(line[-1]), curves[:, -1]), _bounded(float(line[-1] - line[all_of_them]), gains), spread,
    )  # fmt: skip


def _bounded(value: float, drawn: Array) -> tuple[float, float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return value, float(min(low, value)), float(max(high, value))


def _values(fit: tuple[Array, Array, Array], at: Array) -> Array:
    """Return a − b · n^(−c) of each fit at some numbers of images, (D, P), within [0, 1]; of c = 0, a + b · log(n)."""
    a, b, c = (one[:, None] for one in fit)
    curve: Array = np.clip(a - b * np.where(c > 0, at ** -np.maximum(c, 1e-9), -np.log(at)), 0, 1)
    return curve


def _fit_log(n: Array, y: Array) -> tuple[Array, Array, Array]:
    """Return a, b and 0 of the least squares of a + b · log(n) to each row of y (D, N)."""
    design = np.stack([np.ones_like(n), np.log(n)], axis=1)
    a, b = np.linalg.pinv(design) @ y.T
    return a, b, np.zeros_like(a)


def _fit_power(n: Array, y: Array) -> tuple[Array, Array, Array]:
    """Return a, b and c of the least squares of a − b · n^(−c) to each row of y (D, N): a at most 1, b at least 0."""
    designs = np.stack([np.stack([np.ones_like(n), -(n**-c)], axis=1) for c in EXPONENTS])  # (C, N, 2)
    solutions = np.linalg.pinv(designs) @ y.T  # (C, 2, D)
    a, b = solutions[:, 0], np.maximum(solutions[:, 1], 0)
    # at the bounds the other one is what fits best there: the mean, or the b of a curve that ends at 1
    powers = -designs[:, :, 1]  # (C, N) n^(−c)
    a = np.where(b > 0, a, y.mean(axis=1))
    beyond = a > 1
    steepest = np.einsum("cn,dn->cd", powers, 1 - y) / (powers**2).sum(axis=1)[:, None]
    a, b = np.where(beyond, 1.0, a), np.where(beyond, np.maximum(steepest, 0), b)
    missed = ((a[:, None] - b[:, None] * powers[:, :, None] - y.T) ** 2).sum(axis=1)  # (C, D)
    chosen, row = missed.argmin(axis=0), np.arange(y.shape[0])
    return a[chosen, row], b[chosen, row], EXPONENTS[chosen]


def _spread(n: Array, y: Array, fit: tuple[Array, Array, Array], is_power: bool) -> float:
    """Return the standard deviation of trainings on as many images, or of what the curve leaves unexplained."""
    groups = [y[n == one] for one in np.unique(n)]
    freedom = sum(len(group) - 1 for group in groups)
    if freedom:
        return float(np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in groups) / freedom))
    freedom = max(len(y) - (3 if is_power else 2), 1)
    return float(np.sqrt(((y - _values(fit, n)[0]) ** 2).sum() / freedom))
