"""Rotation and perspective: an image moved by where its four corners go.

In: an image with its boxes, degrees and shares. Out: the image in the same frame, grey where none of it is, and around
each object the tightest box of what is left of its own box in the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np
import numpy.typing as npt
from torchvision.transforms.v2.functional import perspective

from core.datasets.pixels.upright import Size
from core.detr.input.augmented.shown import GREY, LEAST, Shown
from core.detr.input.transforms import MIN_SIDE

Points = npt.NDArray[np.float64]  # (…, 2) x and y in pixels
TINY = 1e-9


def moved_corners(size: Size, angle: float, shifts: Sequence[tuple[float, float]]) -> Points:
    """Return where the corners of a frame go, (4, 2), beginning with the left upper one, clockwise.

    They are shifted by shares of its (width, height), then turned around its middle by degrees, to the left.
    """
    corners = _corners(np.array([[0.0, 0.0, *size]]))[0]
    if shifts:
        corners = corners + np.array(shifts) * size
    middle, turn = np.array(size) / 2, radians(angle)
    rotation = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])  # of rows, with y downwards
    moved: Points = (corners - middle) @ rotation + middle
    return moved


def warped(shown: Shown, corners: Points) -> Shown:
    """Return an image whose corners have moved to `corners` (4, 2); slivers, and what left its frame, have no box."""
    start = _corners(np.array([[0.0, 0.0, *shown.size]]))[0]
    pixels = perspective(shown.pixels, start.tolist(), corners.tolist(), fill=list(GREY))
    boxes, kept = warp_boxes(shown.boxes, start, corners, shown.size)
    return Shown(pixels, boxes[kept], shown.labels[kept])


def warp_boxes(
    boxes: npt.NDArray[np.float32], start: Points, end: Points, size: Size
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the tightest boxes (n, 4) around what can be seen of boxes that move as `start` (4, 2) does to `end`.

    Also returns which can still be told, (n,): more than a share LEAST and MIN_SIDE of each side lie in the frame
    (width, height).
    """
    quads = _project(_corners(boxes.astype(np.float64)), _homography(start, end))
    points, is_seen = _visible_points(quads, size)
    low = np.where(is_seen[..., None], points, np.inf).min(1, initial=np.inf)
    high = np.where(is_seen[..., None], points, -np.inf).max(1, initial=-np.inf)
    seen = np.concatenate([low, high], axis=1)
    seen[~is_seen.any(1)] = 0
    whole = (quads.max(1, initial=-np.inf) - quads.min(1, initial=np.inf)) if len(quads) else np.zeros((0, 2))
    sides = seen[:, 2:] - seen[:, :2]
    kept = (sides >= MIN_SIDE).all(1) & (sides.prod(1) > LEAST * whole.prod(1))
    return seen.astype(np.float32), kept


def _corners(boxes: Points) -> Points:
    """Return the corners of boxes (n, 4) as (n, 4, 2), clockwise."""
    corners: Points = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    return corners


def _homography(start: Points, end: Points) -> Points:
    """Return the 3 × 3 matrix that takes each of four points to another."""
    rows = []
    for (x, y), (u, v) in zip(start, end, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    matrix: Points = np.append(np.linalg.solve(np.array(rows), end.ravel()), 1.0).reshape(3, 3)
    return matrix


def _project(points: Points, matrix: Points) -> Points:
    moved = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1) @ matrix.T
    projected: Points = moved[..., :2] / moved[..., 2:]
    return projected


def _visible_points(quads: Points, size: Size) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Return points among which are all corners of what convex quadrangles (n, 4, 2) and the frame have in common.

    (n, 24, 2), and which of them are such: their own corners, those of the frame, and where their edges cross.
    """
    n, (width, height) = len(quads), size
    frame = np.broadcast_to(_corners(np.array([[0.0, 0.0, width, height]])), (n, 4, 2))
    edges = np.roll(quads, -1, axis=1) - quads
    crossings = []
    for axis, limits in enumerate(((0.0, width), (0.0, height))):
        for limit in limits:
            step = edges[..., axis]
            share = (limit - quads[..., axis]) / np.where(np.abs(step) < TINY, np.inf, step)
            share = np.where(np.abs(step) < TINY, -1.0, share)
            at = quads + share[..., None] * edges
            at[..., axis] = limit
            is_on = (share >= 0) & (share <= 1) & _is_in_frame(at, size)
            crossings.append((at, is_on))
    # inside a convex quadrangle all cross products with its edges have one sign
    to_frame = frame[:, None] - quads[:, :, None]  # (n, 4 edges, 4 corners, 2)
    turned = edges[:, :, None, 0] * to_frame[..., 1] - edges[:, :, None, 1] * to_frame[..., 0]
    is_inside = np.logical_or(np.all(turned >= -TINY, axis=1), np.all(turned <= TINY, axis=1))
    points = np.concatenate([quads, frame, *(at for at, _ in crossings)], axis=1)
    is_seen = np.concatenate([_is_in_frame(quads, size), is_inside, *(on for _, on in crossings)], axis=1)
    return points, is_seen


def _is_in_frame(points: Points, size: Size) -> npt.NDArray[np.bool_]:
    within = (points >= -TINY) & (points <= np.array(size) + TINY)
    return np.asarray(within.all(-1))
