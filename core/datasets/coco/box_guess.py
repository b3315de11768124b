"""A guess which format the boxes of a COCO file have, by the statistics of all of them.

COCO's boxes are x, y, width, height in pixels. Files are met whose boxes are corners or centres, or shares of the image
from 0 to 1. One box alone cannot tell: (100, 100, 200, 200) may be either. Of many boxes in COCO's format hardly
one ends far outside its image. So a file is only doubted where many do, and another format fits nearly all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.datasets.coco.box_format import ANSWER, BoxFormat
from core.datasets.problems import Example, Problem, ProblemKind

FITTING = 0.95  # share of a file's boxes that another format must fit: some may be damaged
FAR = 0.1  # of an image's side: a box in COCO's format that ends so far outside is no slip of the hand
FAR_OF_BOX = 0.2  # of a box's side: so far outside ends a centre's box at the border, which begins half a side too late
MANY_FAR = {BoxFormat.XYXY: 0.1, BoxFormat.CXCYWH: 0.02}  # share of such boxes, from which on COCO's format is doubted
MORE = 5  # times as many of them as boxes that the other format does not fit
FEWEST = 3  # of them, for a guess that is certain
SLACK = 0.01  # of an image's side, and one pixel: as far as boxes of any format may reach outside
CERTAIN_SHARES, CERTAIN_PIXELS = 5, 10  # boxes from which on a guess is certain


@dataclass(frozen=True)
class Guess:
    """Another format than COCO's that a file's boxes seem to have, the figures that say so, and if it is certain."""

    format: BoxFormat
    reason: str
    is_certain: bool


def box_format_problems(boxes: np.ndarray, size: np.ndarray, info: Mapping[str, Any], split: str) -> list[Problem]:
    """Return the problem of a file whose boxes seem to have another format than COCO's, as `guess` has it.

    boxes (N, 4), size (N, 2) as there; info: the file's, where "boxes" is the answer that `--boxes` has left.
    """
    if info.get(ANSWER) == BoxFormat.XYWH.value or not (guessed := guess(boxes, size)):
        return []
    kind, count = (ProblemKind.BOX_FORMAT, len(boxes)) if guessed.is_certain else (ProblemKind.BOXES_LOOK, 1)
    return [Problem(kind, split, count, (Example(f"{guessed.reason}: --boxes {guessed.format.value}"),))]


def to_xywh(boxes: np.ndarray, size: np.ndarray, format: BoxFormat) -> npt.NDArray[np.float64]:
    """Convert boxes (N, 4) of a format to COCO's, in pixels; size (N, 2) holds width and height of each image.

    >>> to_xywh(np.array([[0.5, 0.5, 0.2, 0.4]]), np.array([[100, 50]]), BoxFormat.CXCYWH_SHARES).tolist()
    [[40.0, 15.0, 20.0, 20.0]]
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    if format.is_normalized:
        boxes = boxes * np.tile(np.asarray(size, dtype=np.float64), 2)
    first, last = boxes[:, :2], boxes[:, 2:]
    match format:
        case BoxFormat.XYXY | BoxFormat.XYXY_SHARES:
            last = last - first
        case BoxFormat.CXCYWH | BoxFormat.CXCYWH_SHARES:
            first = first - last / 2
    return np.concatenate([first, last], axis=1)


def guess(boxes: np.ndarray, size: np.ndarray) -> Guess | None:
    """Return another format that the boxes (N, 4) of a file seem to have; None where they may well be COCO's.

    size: (N, 2) width and height of each box's image in pixels, NaN where they are not known.
    """
    known = np.isfinite(boxes).all(axis=1) & (boxes != 0).any(axis=1)
    boxes, size = boxes[known], size[known]
    return (_guess_shares(boxes, size) or _guess_pixels(boxes, size)) if len(boxes) else None


def _guess_shares(boxes: np.ndarray, size: np.ndarray) -> Guess | None:
    within = (np.abs(boxes - 0.5) <= 0.55).all(axis=1)
    if within.mean() < FITTING or (boxes == np.round(boxes)).all():  # whole numbers: of single pixels
        return None
    one = np.ones_like(size)
    formats = (BoxFormat.XYWH, BoxFormat.XYXY, BoxFormat.CXCYWH)
    best = max(formats, key=lambda format: _fits(boxes, one, format, 0.05).mean())
    reason = f"{within.sum():,} of {len(boxes):,} boxes lie between 0 and 1"
    return Guess(BoxFormat(f"{best.value}-normalized"), reason, len(boxes) >= CERTAIN_SHARES)


def _guess_pixels(boxes: np.ndarray, size: np.ndarray) -> Guess | None:
    known = np.isfinite(size).all(axis=1)
    boxes, size = boxes[known], size[known]
    if not len(boxes):
        return None
    outside = boxes[:, :2] + boxes[:, 2:] - size  # pixels, if they are COCO's
    far = {
        BoxFormat.XYXY: (outside > FAR * size).any(axis=1),
        BoxFormat.CXCYWH: (outside > np.maximum(FAR_OF_BOX * boxes[:, 2:], 1)).any(axis=1),
    }
    for format, share in MANY_FAR.items():
        fits = _fits(boxes, size, format, SLACK * size + 1)
        misfits, ends = len(boxes) - fits.sum(), far[format].sum()
        if fits.mean() >= FITTING and ends >= max(share * len(boxes), MORE * misfits, 1):
            reason = f"{fits.sum():,} of {len(boxes):,} fit as {format.value}, {ends:,} end far outside as xywh"
            return Guess(format, reason, len(boxes) >= CERTAIN_PIXELS and ends >= FEWEST)
    return None


def _fits(boxes: np.ndarray, size: np.ndarray, format: BoxFormat, slack: np.ndarray | float) -> npt.NDArray[np.bool_]:
    """Return which boxes have an extent and lie in their image, (N,), if they are of this format."""
    xywh = to_xywh(boxes, size, format)
    first, sides = xywh[:, :2], xywh[:, 2:]
    inside = np.stack([first >= -slack, first + sides <= size + slack, sides > 0])
    return np.asarray(inside.all(axis=(0, 2)), dtype=np.bool_)
