"""Which images belong to which fold, and to which share of the training images: drawn so that classes are spread.

In: the images and classes of objects, as places in lists, and groups of images that show the same picture. Out: lists
of images. Both are drawn by `stratify.py` in steps, each of which takes its share of each class out of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from core.datasets.stratify import Groups, keep_together, stratified_validation_mask

Objects = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # (N,) int each: the image and the class of each object


def draw_folds(objects: Objects, count: int, k: int, groups: Groups, seed: int) -> list[list[int]]:
    """Return the images of each of k folds, rising; each of `count` images is in one fold.

    Of what is left, each fold takes its share of each class. Images of a group stay together, so folds may differ in
    size by as much.
    """
    left = np.arange(count)
    folds = []
    for fold in range(k - 1):
        taken = _take(objects, left, 1 / (k - fold), groups, seed + fold)
        folds.append(left[taken].tolist())
        left = left[~taken]
    return [*folds, left.tolist()]


def draw_shares(objects: Objects, count: int, shares: Sequence[float], seed: int) -> dict[float, list[int]]:
    """Return the images of each share of `count` images, rising; smaller shares lie inside larger ones.

    Every seed draws as many images of a share, at least one.
    """
    left, before, rng = np.arange(count), 1.0, np.random.default_rng(seed)
    answer = {}
    for share in sorted(set(shares), reverse=True):
        if share < before:
            taken = _take(objects, left, share / before, [], seed)
            number = max(round(share * count), 1)
            # to spread the classes, a few more or fewer were taken
            for _ in range(abs(int(taken.sum()) - number)):
                change = np.flatnonzero(taken == (taken.sum() > number))
                taken[rng.choice(change)] ^= True
            left, before = left[taken], share
        answer[share] = left.tolist()
    return answer


def _take(objects: Objects, left: npt.NDArray[Any], share: float, groups: Groups, seed: int) -> npt.NDArray[np.bool_]:
    """Return which of the images in `left` are taken, so that each class has its share there, (len(left),)."""
    images, classes = objects
    is_left = np.isin(images, left)
    rows = np.searchsorted(left, images[is_left])
    mask = stratified_validation_mask(rows, classes[is_left], len(left), share, seed)
    inside = [np.searchsorted(left, group).tolist() for group in groups if np.isin(group, left).all()]
    return keep_together(mask, inside, rows, classes[is_left])
