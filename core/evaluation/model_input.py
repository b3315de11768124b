"""How a model saw the images that it was evaluated on: the sizes of objects depend on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.datasets.pictures import resized
from core.datasets.pixels.tiling import tile_size


@dataclass(frozen=True)
class ModelInput:
    """How a model saw its images: resized to these edges (pixels), in cells of `stride` of those pixels.

    square  whether they were stretched to a square of the longest edge
    tiles   into how many parts each side was divided, each of which was resized so; 1 for whole images
    """

    shortest_edge: int
    longest_edge: int
    stride: int
    square: bool = False
    tiles: int = 1

    def scale(self, size: tuple[int, int]) -> float:
        """Return the pixels that the model saw per pixel of an image's sides; the geometric mean where stretched."""
        size = tile_size(size, self.tiles)
        width, height = resized(size, self.shortest_edge, self.longest_edge, self.square)
        return math.sqrt(width / size[0] * height / size[1]) if self.square else width / size[0]
