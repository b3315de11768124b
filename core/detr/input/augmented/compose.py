"""A look, done: zoom, mosaic, copied objects, mixup, rotation and perspective, light, in this order.

In: a `Look`, the picture of an image and what of it is to be shown, and where other images come from. Out: a `Shown` of
the size that the crop says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core import DataError
from core.augmentation.look import Look
from core.boxes import iou
from core.datasets.pixels.upright import Size
from core.detr.input.augmented.light import lit
from core.detr.input.augmented.shown import LEAST, Shown, part_of, placed
from core.detr.input.augmented.warp import moved_corners, warped
from core.detr.input.transforms import ResizedCrop

SMALL = 0.2  # of the frame's shorter side: the longest side of an object that is copied
SMALLEST = 4  # pixels
CROWDED = 0.05  # of a copy, or of what it lies on: from there on it is no place for it
TRIES = 10  # places for a copy


@dataclass(frozen=True)
class Source:
    """Where an image comes from.

    picture  all of it, as it waits
    crop     what of it is shown, and how it is turned
    natural  the (width, height) in which all of it is usually shown, before it is turned
    """

    picture: Shown
    crop: ResizedCrop
    natural: Size


def compose(look: Look, image: Source, count: int, read: Callable[[int], Source]) -> Shown:
    """Return an image as its look says, in the size of its crop.

    read  gives the source of one of `count` images; where it raises DataError, the image itself stands in
    """

    def other() -> Source:
        try:
            return read(int(look.others.integers(count)))
        except DataError:  # its own turn tells of it
            return image

    if look.meeting:
        shown = _mosaic(look, image, other)
    elif look.zoom:
        shown = _zoomed(look, image)
    else:
        shown = image.picture.cropped(image.crop)
    if look.pasted:
        shown = _with_copies(look, shown, other())
    if look.mixed:
        shown = _mixed(look, shown, other())
    if look.angle or look.corners:
        shown = warped(shown, moved_corners(shown.size, look.angle, look.corners))
    return replace(shown, pixels=lit(shown.pixels, look.lights, look.others)) if look.lights else shown


def _zoomed(look: Look, image: Source) -> Shown:
    """Show a part of what is shown, enlarged; or all of it, smaller, somewhere in the frame."""
    crop, zoom, random = image.crop, look.zoom or 1.0, look.others
    x1, y1, x2, y2 = crop.region
    if zoom >= 1:
        sides = [max(1, round(side / zoom)) for side in (x2 - x1, y2 - y1)]
        x, y = (int(random.integers(start, end - side, endpoint=True)) for start, end, side in
                ((x1, x2, sides[0]), (y1, y2, sides[1])))  # fmt: skip
        return image.picture.cropped(replace(crop, region=(x, y, x + sides[0], y + sides[1])), LEAST)
    width, height = (max(1, round(side * zoom)) for side in crop.size)
    part = image.picture.cropped(replace(crop, size=(width, height)))
    place = (int(random.integers(crop.size[0] - width, endpoint=True)),
             int(random.integers(crop.size[1] - height, endpoint=True)))  # fmt: skip
    return placed(crop.size, [(part, place)])


def _mosaic(look: Look, image: Source, other: Callable[[], Source]) -> Shown:
    """Show parts of four images, the first of which is this one, around the point where they meet."""
    width, height = image.crop.size
    x, y = (min(max(1, round(share * side)), max(1, side - 1)) for share, side in
            zip(look.meeting or (0.5, 0.5), (width, height), strict=True))  # fmt: skip

    def parts() -> Iterator[tuple[Shown, tuple[int, int]]]:
        for number, corner in enumerate(((0, 0), (x, 0), (0, y), (x, y))):
            frame = (width - x if corner[0] else x, height - y if corner[1] else y)
            yield _part(other() if number else image, frame, look.others), corner

    return placed((width, height), parts())


def _part(source: Source, frame: Size, random: np.random.Generator) -> Shown:
    crop = part_of(source.picture, source.crop, frame, source.natural, random)
    return source.picture.cropped(crop, LEAST)


def _mixed(look: Look, shown: Shown, source: Source) -> Shown:
    """Let another image shine through."""
    part = _part(source, shown.size, look.others)
    pixels = (shown.pixels.float() * (1 - look.mixed) + part.pixels.float() * look.mixed).round().to(shown.pixels.dtype)
    return Shown(pixels, np.concatenate([shown.boxes, part.boxes]), np.concatenate([shown.labels, part.labels]))


def _with_copies(look: Look, shown: Shown, source: Source) -> Shown:
    """Copy small objects of another image to where there is none, with what is around them in their boxes."""
    donor, random = source.picture.cropped(_whole(source)), look.others
    sides = donor.boxes[:, 2:] - donor.boxes[:, :2]
    small = (sides.max(1, initial=0) <= SMALL * min(shown.size)) & (sides.min(1, initial=np.inf) >= SMALLEST)
    others = ~np.eye(len(donor.boxes), dtype=bool)
    small &= (_overlaps(donor.boxes, donor.boxes) * others).max(1, initial=0) < CROWDED
    pixels, boxes, labels = shown.pixels.clone(), shown.boxes, shown.labels
    for index in random.permutation(np.flatnonzero(small))[: look.pasted]:
        x1, y1, x2, y2 = np.rint(donor.boxes[index]).astype(int)
        for _ in range(TRIES):
            x, y = (int(random.integers(side - length, endpoint=True)) for side, length in
                    zip(shown.size, (x2 - x1, y2 - y1), strict=True))  # fmt: skip
            box = donor.boxes[[index]] + np.array([x - x1, y - y1] * 2, np.float32)
            if _overlaps(box, boxes).max(initial=0) < CROWDED:
                pixels[:, y : y + y2 - y1, x : x + x2 - x1] = donor.pixels[:, y1:y2, x1:x2]
                boxes, labels = np.concatenate([boxes, box]), np.concatenate([labels, donor.labels[[index]]])
                break
    return Shown(pixels, boxes, labels)


def _overlaps(boxes: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what boxes (n, 4) and others (m, 4) have in common, as a share of the smaller one: (n, m)."""
    every = np.ones(max(len(boxes), len(others)), dtype=bool)
    return np.maximum(iou(boxes, others, every[: len(others)]), iou(others, boxes, every[: len(boxes)]).T)


def _whole(source: Source) -> ResizedCrop:
    """Return a crop that shows all of an image, in its usual size and turned as it is."""
    size = source.natural[::-1] if source.crop.turns % 2 else source.natural
    return replace(source.crop, region=(0, 0, *source.picture.size), size=(size[0], size[1]))
