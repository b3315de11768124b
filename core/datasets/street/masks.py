"""Masks in COCO's formats: run lengths for crowds, polygons for single objects.

In: which pixels are an object's. Out: what an annotation holds under `segmentation`. Apart from the drawing because
only the annotation file needs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def uncompressed_rle(mask: np.ndarray) -> dict[str, Any]:
    """Return a mask (height, width) as COCO's uncompressed RLE: lengths of runs down the columns, zeros first."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"counts": [0, *counts] if flat[0] else counts, "size": list(mask.shape)}


def polygons(mask: np.ndarray, left: int = 0, top: int = 0) -> list[list[int]]:
    """Return the outer borders of a mask's parts as polygons [x1, y1, x2, y2, …] along the pixels' edges.

    Holes are filled, since COCO's polygons know none; `left` and `top` move the polygons.
    """
    padded = np.pad(mask, 1)
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # Each border edge runs clockwise around its pixel: (neighbour's shift, start, end) relative to the pixel's corner.
    sides = (((-1, 0), (0, 0), (1, 0)), ((0, 1), (1, 0), (1, 1)), ((1, 0), (1, 1), (0, 1)), ((0, -1), (0, 1), (0, 0)))
    for (dy, dx), (x1, y1), (x2, y2) in sides:
        border = mask & ~padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        for y, x in np.argwhere(border).tolist():
            ends.setdefault((x + x1, y + y1), []).append((x + x2, y + y2))
    outlines = []
    while ends:
        start = point = next(iter(ends))
        corners: list[int] = []
        last, twice_area = None, 0
        while True:
            end = ends[point].pop()
            if not ends[point]:
                del ends[point]
            direction = (end[0] - point[0], end[1] - point[1])
            if direction != last:
                corners += [point[0] + left, point[1] + top]
            twice_area += point[0] * end[1] - end[0] * point[1]
            point, last = end, direction
            if point == start:
                break
        if twice_area > 0:  # a hole's border runs the other way
            outlines.append(corners)
    return outlines
