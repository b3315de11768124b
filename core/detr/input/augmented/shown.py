"""A picture with its objects, `Shown`, and the parts of pictures that are put together to one.

In: pictures and crops of them. Out: a `Shown` of a crop, or of several on one frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from core.datasets.pixels.upright import Size
from core.detr.input.pixels import crop_pixels
from core.detr.input.transforms import ResizedCrop, crop_boxes

GREY = (124, 116, 104)  # where no picture is: ImageNet's mean, which is 0 to a model
LEAST = 0.1  # of a box: what shows no more of it is a sliver, which nobody could tell


@dataclass(frozen=True)
class Shown:
    """A picture, or what is shown of it, with its objects.

    pixels  (3, H, W) uint8, RGB; not to be changed
    boxes   (n, 4) float32 xyxy in its pixels
    labels  (n,) int64, model indices
    """

    pixels: torch.Tensor
    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    @property
    def size(self) -> Size:
        """Its (width, height) in pixels."""
        return self.pixels.shape[2], self.pixels.shape[1]

    def cropped(self, crop: ResizedCrop, least: float = 0.0) -> Shown:
        """Return what a crop shows of it; boxes of which it shows no more than the share `least` leave."""
        return Shown(crop_pixels(self.pixels, crop), *crop_boxes(self.boxes, self.labels, crop, least))


def grey(size: Size) -> torch.Tensor:
    """Return an empty frame of a (width, height), (3, H, W) with the colours side by side in memory."""
    width, height = size
    return torch.tensor(GREY, dtype=torch.uint8).expand(height, width, 3).contiguous().permute(2, 0, 1)


def placed(size: Size, parts: Iterable[tuple[Shown, tuple[int, int]]]) -> Shown:
    """Put parts on a frame of a (width, height), each with its left upper corner at (x, y); they lie within it."""
    pixels, boxes, labels = grey(size), [], []
    for part, (x, y) in parts:
        width, height = part.size
        pixels[:, y : y + height, x : x + width] = part.pixels
        boxes.append(part.boxes + np.array([x, y, x, y], np.float32))
        labels.append(part.labels)
    return Shown(pixels, np.concatenate(boxes), np.concatenate(labels))


def part_of(picture: Shown, crop: ResizedCrop, frame: Size, natural: Size, random: np.random.Generator) -> ResizedCrop:
    """Choose a region of a picture that fills `frame` (width, height) in the place of what `crop` shows.

    It is enlarged by as little as fills the frame, or by up to what it is in `natural`, the size in which all of it is
    usually shown; how `crop` turns it stays.
    """
    upright = (frame[1], frame[0]) if crop.turns % 2 else frame
    width, height = natural
    fills = max(upright[0] / width, upright[1] / height)
    scale = float(random.uniform(fills, max(fills, 1.0)))
    sides = [
        min(max(1, round(side / scale * whole / usual)), whole)
        for side, whole, usual in zip(upright, picture.size, natural, strict=True)
    ]
    x, y = (int(random.integers(whole - side, endpoint=True)) for side, whole in zip(sides, picture.size, strict=True))
    region = (x, y, x + sides[0], y + sides[1])
    return ResizedCrop(region, frame, crop.flipped, crop.upside_down, crop.turns)
