"""What of a picture the model is shown: how large, and in training also which cut-out, mirrored or not.

In: a picture and its boxes, `xyxy` in its pixels. Out: a new picture, and the boxes that are still on it. Apart
from `data.py` because nothing here needs torch; `draw.py`, which shows a batch, needs MEAN and STD.

The recipe is DETR's own (facebookresearch/detr, datasets/coco.py: make_coco_transforms, datasets/transforms.py). Its
numbers are for a shortest edge of 800; here they are shares of it, so that the recipe fits pictures of any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.boxes import as_boxes
from core.datasets.pictures import resized

AUGMENTS = ("none", "flip", "flip, scale and crop")
# ImageNet's statistics, as in every released DETR (preprocessor_config.json of facebook/detr-resnet-50)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Shares of the shortest edge
SCALES = tuple(n / 25 for n in range(15, 26))  # of 800: 480, 512, … 800
BEFORE_CROP = (0.5, 0.625, 0.75)  # of 800: 400, 500, 600
CROP = (0.48, 0.75)  # of 800: 384 and 600, the shortest and the longest side of a cut-out
SLIVER = 1.0  # pixels: a box that is cut off leaves, if less than that remains of its width or height


@dataclass(frozen=True)
class View:
    """Which part of a picture is shown, how large, and whether mirrored.

    region  (x1, y1, x2, y2) in the picture's pixels, which may lie between two pixels
    size    (width, height) in pixels, to which the region is brought
    """

    region: tuple[float, float, float, float]
    size: tuple[int, int]
    mirrored: bool = False


def choose_view(
    augment: str, size: tuple[int, int], shortest_edge: int, longest_edge: int, random: np.random.Generator
) -> View:
    """What is shown of a picture of `size` (width, height); all chance comes from `random`.

    augment: "none" shows all of it; "flip" mirrors every other time; "flip, scale and crop" also takes another size,
    every other time of a cut-out (make_coco_transforms("train")). Raises ValueError if it is none of these.
    """
    if augment not in AUGMENTS:
        raise ValueError(f"augment is {augment!r}, but must be one of: {', '.join(AUGMENTS)}.")
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    if augment == "none":
        return View(whole, resized(size, shortest_edge, longest_edge))
    mirrored = bool(random.random() < 0.5)
    if augment == "flip":
        return View(whole, resized(size, shortest_edge, longest_edge), mirrored)
    scale = shortest_edge * float(random.choice(SCALES))
    if random.random() < 0.5:
        return View(whole, resized(size, scale, longest_edge), mirrored)
    region, shape = _cut_out(size, shortest_edge, random)
    return View(region, resized(shape, scale, longest_edge), mirrored)


def _cut_out(size: tuple[int, int], shortest_edge: int, random: np.random.Generator) -> tuple[tuple, tuple[int, int]]:
    """A random cut-out: its region in a picture of `size`, and its (width, height) where its sides are drawn.

    DETR resizes the picture, cuts it and resizes the cut-out (RandomResize, RandomSizeCrop); only the last picture is
    ever made here, from the region that the first two steps would have left.
    """
    middle = resized(size, shortest_edge * float(random.choice(BEFORE_CROP)))
    shortest, longest = (round(shortest_edge * share) for share in CROP)
    shape = tuple(int(random.integers(min(shortest, side), min(longest, side), endpoint=True)) for side in middle)
    low = [int(random.integers(0, whole - side, endpoint=True)) for whole, side in zip(middle, shape, strict=True)]
    high = [start + side for start, side in zip(low, shape, strict=True)]
    x, y = (whole / side for whole, side in zip(size, middle, strict=True))
    return (low[0] * x, low[1] * y, min(high[0] * x, size[0]), min(high[1] * y, size[1])), shape


def view_image(image: Image.Image, view: View) -> Image.Image:
    """The picture as the view shows it."""
    if view.size != image.size or view.region != (0, 0, *image.size):
        # Pillow's bilinear antialiases when it shrinks
        image = image.resize(view.size, Image.Resampling.BILINEAR, box=view.region)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if view.mirrored else image


def view_boxes(boxes: np.ndarray, labels: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """What is left of the boxes (n, 4) `xyxy`, in the view's pixels, and their labels (n,); n may be 0.

    A box is cut off where the view ends. It leaves if nothing of it remains, as in DETR, and also if it was cut and
    less than SLIVER pixels remain of a side: nobody could tell what that is.
    """
    boxes = as_boxes(boxes).astype(np.float64)
    x1, y1, x2, y2 = view.region
    width, height = view.size
    scale = np.array([width / (x2 - x1), height / (y2 - y1)] * 2)
    is_cut = (boxes[:, :2] < (x1, y1)).any(1) | (boxes[:, 2:] > (x2, y2)).any(1)
    shown = np.clip((boxes - (x1, y1, x1, y1)) * scale, 0, (width, height, width, height))
    if view.mirrored:
        shown[:, [0, 2]] = width - shown[:, [2, 0]]
    sides = shown[:, 2:] - shown[:, :2]
    kept = (sides > 0).all(1) & ((sides >= SLIVER).all(1) | ~is_cut)
    return shown[kept].astype(np.float32), labels[kept]
