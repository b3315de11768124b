"""What of a picture the model is shown: how large, which part of it, and turned which way.

In: a picture's size and its boxes, `xyxy` in its pixels, and a `Look`. Out: a `ResizedCrop`, which `pixels.py` makes of
the picture, and the boxes that are still on it.

The crops are DETR's own (facebookresearch/detr, datasets/coco.py: make_coco_transforms, datasets/transforms.py). Their
numbers are for a shortest edge of 800; here they are shares of it, so that they fit pictures of any size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.augmentation.kinds import BY_KEY, CROPS, NONE
from core.augmentation.look import Look
from core.boxes import as_boxes
from core.datasets.pictures import resized
from core.datasets.pixels.upright import Size

# Shares of the shortest edge
SCALES = tuple(n / 25 for n in range(15, 26))  # of 800: 480, 512, … 800
BEFORE_CROP = (0.5, 0.625, 0.75)  # of 800: 400, 500, 600
CROP = (0.48, 0.75)  # of 800: 384 and 600, the shortest and the longest side of a crop
MIN_SIDE = 1.0  # pixels: a box that is cut off leaves, if less than that remains of its width or height
ROOMY = 1.5  # times the size in which it is shown: how large a picture waits of which parts are shown, too


@dataclass(frozen=True)
class ResizedCrop:
    """A region of a picture, the size that it is shown in, and how it is turned.

    region       (x1, y1, x2, y2) in whole pixels of the picture
    size         (width, height) in pixels, in which it is shown once it is turned
    flipped      whether it is mirrored from left to right
    upside_down  whether it is mirrored from top to bottom
    turns        by how many quarters it is then turned to the left
    """

    region: tuple[int, int, int, int]
    size: tuple[int, int]
    flipped: bool = False
    upside_down: bool = False
    turns: int = 0

    @property
    def upright(self) -> Size:
        """The (width, height) to which the region is resized before it is turned."""
        return (self.size[1], self.size[0]) if self.turns % 2 else self.size


def size_share(start: float, epoch: int, epochs: int) -> float:
    """Return the share of the edges that images have in `epoch` (from 0) of `epochs`, beginning with `start`.

    It is `start` in the first half, grows evenly in the third quarter, and is 1 in the last. Progressive resizing:
    Coleman et al. 2018, "Training Imagenet in 3 hours for $25" (fast.ai).
    """
    grown = min(max(((epoch + 0.5) / epochs - 0.5) / 0.25, 0.0), 1.0)
    return start + (1 - start) * grown


def kept_size(augment: Iterable[str], size: Size, shortest_edge: int, longest_edge: int, square: bool = False) -> Size:
    """Return the (width, height) in which a picture of `size` may wait for whatever will be shown of it.

    Its own, or a smaller one: that in which all of it is always shown, or a `ROOMY` one where parts of it are, too.
    """
    keys = set(augment) - {NONE}
    if CROPS in keys:
        return size
    share = 1.0 if all(BY_KEY[key].whole for key in keys) else ROOMY
    kept = resized(size, shortest_edge * share, longest_edge * share, square)
    return kept if math.prod(kept) < math.prod(size) else size


def choose_crop(look: Look, size: Size, shortest_edge: int, longest_edge: int, square: bool = False) -> ResizedCrop:
    """Choose what is shown of a picture of `size` (width, height), as its look says.

    It is all of it, or if the look is `cropped`, DETR's own: another size, every other time of a crop
    (make_coco_transforms("train")). Whatever is shown is stretched to a `square` of `longest_edge`, or of a share of
    it, if that is asked for.
    """
    region: tuple[int, int, int, int] = (0, 0, *size)
    shown = resized(size, shortest_edge, longest_edge, square)
    if look.cropped:
        edge = longest_edge if square else shortest_edge
        scale = edge * float(look.crops.choice(SCALES))
        shape = size
        if look.crops.random() >= 0.5:
            region, shape = _random_region(size, edge, look.crops)
        shown = resized(shape, scale, scale if square else longest_edge, square)
    if look.turns % 2:
        shown = shown[1], shown[0]
    return ResizedCrop(region, shown, look.mirrored, look.upside_down, look.turns)


def smallest_size(
    augment: Sequence[str], sizes: Iterable[Size], shortest_edge: int, longest_edge: int, square: bool = False
) -> Size:
    """Return the (width, height) of the smallest that is shown of pictures of these `sizes`, in any epoch.

    Of crops, which may have any shape, it is the square of their shortest side.
    """
    if CROPS not in augment:
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
    boxes: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], crop: ResizedCrop, least: float = 0.0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the boxes (n, 4) `xyxy` that the crop shows, in its pixels, and their labels (n,); n may be 0.

    A box is cut off where the crop ends. It leaves if no more than the share `least` of its area remains, as in DETR
    with 0, and also if it was cut and less than MIN_SIDE pixels remain of a side: nobody could tell what that is.
    """
    corners = as_boxes(boxes).astype(np.float64)
    x1, y1, x2, y2 = crop.region
    width, height = crop.upright
    scale = np.array([width / (x2 - x1), height / (y2 - y1)] * 2)
    is_cut = (corners[:, :2] < (x1, y1)).any(1) | (corners[:, 2:] > (x2, y2)).any(1)
    placed = (corners - (x1, y1, x1, y1)) * scale
    shown = np.clip(placed, 0, (width, height, width, height))
    if crop.flipped:
        shown[:, [0, 2]] = width - shown[:, [2, 0]]
    if crop.upside_down:
        shown[:, [1, 3]] = height - shown[:, [3, 1]]
    for _ in range(crop.turns):
        shown = np.stack([shown[:, 1], width - shown[:, 2], shown[:, 3], width - shown[:, 0]], axis=1)
        width, height = height, width
    sides = shown[:, 2:] - shown[:, :2]
    large = sides.prod(1) > least * (placed[:, 2:] - placed[:, :2]).prod(1)
    kept = (sides > 0).all(1) & large & ((sides >= MIN_SIDE).all(1) | ~is_cut)
    return shown[kept].astype(np.float32), labels[kept]
