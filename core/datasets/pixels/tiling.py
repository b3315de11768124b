"""Tiles of a picture: n × n regions of one size that overlap, so that each small object lies whole in one of them.

In: a picture's size, and into how many parts each side is divided. Out: regions in whole pixels. Apart because what a
model saw of a picture is asked where no picture is read.

Source: Akyon, Altinuc and Temizel, "Slicing Aided Hyper Inference and Fine-tuning for Small Object Detection" (SAHI,
ICIP 2022), arXiv 2202.06934; its own overlap is 0.2.
"""

from __future__ import annotations

from math import ceil

from core.datasets.pixels.upright import Box, Size

OVERLAP = 0.2  # of two neighbours, as a share of a tile's side


def tile_size(size: Size, tiles: int) -> Size:
    """Return the (width, height) of each tile of a picture, whose sides are divided into `tiles` parts.

    >>> tile_size((640, 480), 1), tile_size((640, 480), 2)
    ((640, 480), (356, 267))
    """
    # of a few pixels, what is rounded off would leave gaps
    width, height = (max(ceil(side / tiles), round(side / (tiles - (tiles - 1) * OVERLAP))) for side in size)
    return width, height


def tile_regions(size: Size, tiles: int) -> list[Box]:
    """Return the regions (x1, y1, x2, y2) of a picture's tiles, row by row; they cover all of it.

    >>> tile_regions((640, 480), 2)
    [(0, 0, 356, 267), (284, 0, 640, 267), (0, 213, 356, 480), (284, 213, 640, 480)]
    """
    width, height = tile_size(size, tiles)
    lefts, tops = (_starts(side, part, tiles) for side, part in zip(size, (width, height), strict=True))
    return [(left, top, left + width, top + height) for top in tops for left in lefts]


def _starts(side: int, part: int, tiles: int) -> list[int]:
    return [round(n * (side - part) / (tiles - 1)) for n in range(tiles)] if tiles > 1 else [0]
