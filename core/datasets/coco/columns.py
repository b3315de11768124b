"""The annotations of a split as arrays, `AnnotationColumns`: what statistics and checks of many boxes go through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class AnnotationColumns:
    """The N annotations of a split as arrays, and the sizes of its M images.

    image     (N,) int64, the row of its image in `images`
    category  (N,) int64, the row of its class in `categories`
    xywh      (N, 4) float64, pixels
    area      (N,) float64, px²
    crowd     (N,) bool
    size      (M, 2) float64, width and height of each image in pixels
    """

    image: np.ndarray
    category: np.ndarray
    xywh: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    size: np.ndarray
