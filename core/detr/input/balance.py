"""Class balance: how often each image is drawn, or how much each class counts, where some classes are rare.

In: the classes of each training image's objects. Out: a repeat factor for each image (`order.py` draws by it), or a
weight for each class (`class_loss.py` multiplies by it).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_RATIO = 10.0  # of a rare class's weight to that of the most frequent one


def repeat_factors(labels: Sequence[npt.NDArray[np.int64]], classes: int) -> Floats:
    """Return the repeat factor of each image, (n,), by the classes of its objects: 1 or more.

    f_c is the share of images with class c, r_c = max(1, √(t / f_c)), and an image has the largest r of its classes, or
    1 without any. t is the median of the f of those classes that there are: LVIS's 0.001 is for 1,200 classes, of which
    most are rarer than that; of 3 to 20 classes none may be. By the median half of the classes is rare, however many
    there are, and one class that is in every image moves nothing.
    Source: Gupta et al. 2019 (LVIS), section 5.2; detectron2, RepeatFactorTrainingSampler.
    """
    images = np.zeros(classes)
    for of_image in labels:
        images[np.unique(of_image)] += 1
    shares = images[images > 0] / max(len(labels), 1)
    if not len(shares):
        return np.ones(len(labels))
    of_class = np.ones(classes)
    of_class[images > 0] = np.maximum(1.0, np.sqrt(np.median(shares) / shares))
    return np.array([of_class[of_image].max(initial=1.0) for of_image in labels])


def fresh_factors(labels: Sequence[npt.NDArray[np.int64]], fresh: Sequence[int], repeat: float) -> Floats:
    """Return the repeat factor of each image, (n,): `repeat` with an object of the classes `fresh`, 1 without.

    Source: Wang et al. 2020 (TFA), section 3.1: what is new and what is known are learned from a balanced set.
    """
    return np.array([repeat if np.isin(of_image, fresh).any() else 1.0 for of_image in labels])


def class_weights(labels: Sequence[npt.NDArray[np.int64]], classes: int) -> tuple[float, ...]:
    """Return the weight of each class: as the inverse square root of its number of objects, 1 on average over objects.

    The rarest counts at most MOST_RATIO times as much as the most frequent; so does a class without objects.
    Source: Mikolov et al. 2013 and Mahajan et al. 2018 (section 2.2) take the square root, between all alike and the
    inverse frequency, with which a handful of objects would decide.
    """
    objects = np.bincount(np.concatenate([*labels, np.zeros(0, np.int64)]).astype(np.int64), minlength=classes)
    if not objects.any():
        return (1.0,) * classes
    weights = np.minimum(np.sqrt(objects.max() / np.maximum(objects, 1)), MOST_RATIO)
    of_all: list[float] = (weights * objects.sum() / (weights * objects).sum()).tolist()
    return tuple(of_all)


def drawn(factors: Floats, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return as many images as there are, in random order, each drawn as often as its share of the factors says.

    Image i comes n · r_i / Σr times on average, rounded up or down at random (systematic sampling), so that an epoch
    keeps its length.
    """
    if not len(factors):
        return np.zeros(0, np.int64)
    order = random.permutation(len(factors))
    reached = np.cumsum(factors[order])
    ends = np.floor(reached / reached[-1] * len(factors) + random.random()).astype(np.int64)
    return random.permutation(np.repeat(order, np.diff(ends, prepend=0)))
