"""Which classes the street scenes have, and how often each is drawn: the ten, and further ones where asked for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core import DataError
from core.datasets.street.figures import VIEWS

# person and car lead, as in any street
WEIGHTS = {
    "person": 0.16, "car": 0.14, "bicycle": 0.09, "bus": 0.09, "truck": 0.09, "traffic light": 0.08, "stop sign": 0.08,
    "cat": 0.09, "dog": 0.09, "chair": 0.09,
}  # fmt: skip
EXTRA_WEIGHT = 0.15  # of a further class, where it is asked for
EXTRAS = tuple(name for name in VIEWS if name not in WEIGHTS)


def check_extra(extra: Iterable[str]) -> None:
    """Raise DataError for a further class that the scenes do not have, or that is named twice."""
    names = list(extra)
    for name in names:
        if name not in EXTRAS:
            raise DataError(f"The street scenes have no further class {name!r}; they have: {', '.join(EXTRAS)}.")
        if names.count(name) > 1:
            raise DataError(f"The further class {name!r} is named twice: name it once.")


def class_weights(extra: Iterable[str] = ()) -> dict[str, float]:
    """Return how often each class is drawn, these further ones among them; the shares add up to 1."""
    further = dict.fromkeys(extra, EXTRA_WEIGHT)
    rest = 1 - EXTRA_WEIGHT * len(further)
    return {name: weight * rest for name, weight in WEIGHTS.items()} | further


def draw_class(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """Return a class, drawn by these weights."""
    return list(weights)[int(rng.choice(len(weights), p=list(weights.values())))]
