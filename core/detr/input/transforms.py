"""What of a picture the model is shown: how large, and in training also which crop of it, flipped or not.

In: a picture's size and its boxes, `xyxy` in its pixels. Out: a `ResizedCrop`, which `pixels.py` makes of the picture,
and the boxes that are still on it.

The recipe is DETR's own (facebookresearch/detr, datasets/coco.py: make_coco_transforms, datasets/transforms.py). Its
numbers are for a shortest edge of 800; here they are shares of it, so that the recipe fits pictures of any size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.boxes import as_boxes
from core.datasets.pictures import resized
from core.datasets.pixels.upright import Size

AUGMENTS = ("none", "flip", "flip, scale and crop")
ALL_SHOWN = ("none", "flip")  # those that show all of a picture, always in one size

# Shares of the shortest edge
SCALES = tuple(n / 25 for n in range(15, 26))  # of 800: 480, 512, … 800
BEFORE_CROP = (0.5, 0.625, 0.75)  # of 800: 400, 500, 600
CROP = (0.48, 0.75)  # of 800: 384 and 600, the shortest and the longest side of a crop
MIN_SIDE = 1.0  # pixels: a box that is cut off leaves, if less than that remains of its width or height


@dataclass(frozen=True)
class ResizedCrop:
    """A region of a picture, the size that it is shown in, and whether it is flipped from left to right.

    region  (x1, y1, x2, y2) in whole pixels of the picture
    size    (width, height) in pixels, to which the region is resized
    """

    region: tuple[int, int, int, int]
    size: tuple[int, int]
    flipped: bool = False


def size_share(start: float, epoch: int, epochs: int) -> float:
    """Return the share of the edges that images have in `epoch` (from 0) of `epochs`, beginning with `start`.

    It is `start` in the first half, grows evenly in the third quarter, and is 1 in the last. Progressive resizing:
    Coleman et al. 2018, "Training Imagenet in 3 hours for $25" (fast.ai).
    """
    grown = min(max(((epoch + 0.5) / epochs - 0.5) / 0.25, 0.0), 1.0)
    return start + (1 - start) * grown


def kept_size(augment: str, size: Size, shortest_edge: int, longest_edge: int, square: bool = False) -> Size:
    """Return the (width, height) in which a picture of `size` may wait for what `choose_crop` will show of it.

    Its own, or a smaller one in which all of it is always shown.
    """
    shown = resized(size, shortest_edge, longest_edge, square)
    return shown if augment in ALL_SHOWN and math.prod(shown) < math.prod(size) else size


def choose_crop(
    augment: str,
    size: tuple[int, int],
    shortest_edge: int,
    longest_edge: int,
    random: np.random.Generator,
    square: bool = False,
) -> ResizedCrop:
    """Choose what is shown of a picture of `size` (width, height); all random numbers come from `random`.

    augment: "none" shows all of it; "flip" flips every other time; "flip, scale and crop" also takes another size,
    every other time of a crop (make_coco_transforms("train")). Whatever is shown is stretched to a `square` of
    `longest_edge`, or of a share of it, if that is asked for. Raises ValueError if it is none of these.
    """
    if augment not in AUGMENTS:
        raise ValueError(f"augment is {augment!r}, but must be one of: {', '.join(AUGMENTS)}.")
    whole = (0, 0, *size)
    if augment == "none":
        return ResizedCrop(whole, resized(size, shortest_edge, longest_edge, square))
    flipped = bool(random.random() < 0.5)
    if augment == "flip":
        return ResizedCrop(whole, resized(size, shortest_edge, longest_edge, square), flipped)
    edge = longest_edge if square else shortest_edge
    scale = edge * float(random.choice(SCALES))
    limit = scale if square else longest_edge
    if random.random() < 0.5:
        return ResizedCrop(whole, resized(size, scale, limit, square), flipped)
    region, shape = _random_region(size, edge, random)
    return ResizedCrop(region, resized(shape, scale, limit, square), flipped)


def smallest_size(
    augment: str, sizes: Iterable[Size], shortest_edge: int, longest_edge: int, square: bool = False
) -> Size:
    """Return the (width, height) of the smallest that is shown of pictures of these `sizes`, in any epoch.

    Of crops, which may have any shape, it is the square of their shortest side.
    """
    if augment in ALL_SHOWN:
        shown = (resized(size, shortest_edge, longest_edge, square) for size in sizes)
        return min(shown, key=math.prod, default=(longest_edge, longest_edge))
    side = round((longest_edge if square else shortest_edge) * SCALES[0])
    return side, side


def _random_region(
    size: tuple[int, int], shortest_edge: int, random: np.random.Generator
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Choose a region of a picture of `size`; return it, and its (width, height) in the picture that DETR would crop.

    DETR resizes the picture, crops it and resizes the crop (RandomResize, RandomSizeCrop); only the last picture is
    ever made here, from the region that the first two steps would have left.
    """
    middle = resized(size, shortest_edge * float(random.choice(BEFORE_CROP)))
    shortest, longest = (round(shortest_edge * share) for share in CROP)
    width, height = (int(random.integers(min(shortest, side), min(longest, side), endpoint=True)) for side in middle)
    left = int(random.integers(0, middle[0] - width, endpoint=True))
    top = int(random.integers(0, middle[1] - height, endpoint=True))
    x, y = (whole / side for whole, side in zip(size, middle, strict=True))
    right, bottom = min(math.ceil((left + width) * x), size[0]), min(math.ceil((top + height) * y), size[1])
    return (math.floor(left * x), math.floor(top * y), right, bottom), (width, height)


def crop_boxes(
    boxes: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], crop: ResizedCrop
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the boxes (n, 4) `xyxy` that the crop shows, in its pixels, and their labels (n,); n may be 0.

    A box is cut off where the crop ends. It leaves if nothing of it remains, as in DETR, and also if it was cut and
    less than MIN_SIDE pixels remain of a side: nobody could tell what that is.
    """
    corners = as_boxes(boxes).astype(np.float64)
    x1, y1, x2, y2 = crop.region
    width, height = crop.size
    scale = np.array([width / (x2 - x1), height / (y2 - y1)] * 2)
    is_cut = (corners[:, :2] < (x1, y1)).any(1) | (corners[:, 2:] > (x2, y2)).any(1)
    shown = np.clip((corners - (x1, y1, x1, y1)) * scale, 0, (width, height, width, height))
    if crop.flipped:
        shown[:, [0, 2]] = width - shown[:, [2, 0]]
    sides = shown[:, 2:] - shown[:, :2]
    kept = (sides > 0).all(1) & ((sides >= MIN_SIDE).all(1) | ~is_cut)
    return shown[kept].astype(np.float32), labels[kept]
