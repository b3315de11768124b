"""The order of a training's images: at random, but so that those of a step have much the same shape.

In: how many images there are, (seed, epoch), how often each is drawn where classes are balanced, and the shape in which
each will be shown. Out: the images of each step, of which every process that trains takes its share. A batch is as high
and as wide as its largest images: a landscape beside a portrait would be padded to a square, and a quarter of what is
computed would be padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from torch.utils.data import Sampler

from core.datasets.pixels.upright import Size
from core.detr.input.balance import Floats, drawn
from core.detr.input.batch import STRIDE

WINDOW = 1024  # images among which those of like shape are brought together


def epoch_order(length: int, seed: int, epoch: int, factors: Floats | None = None) -> list[int]:
    """Return a random order of so many images that depends on (seed, epoch) alone.

    With repeat `factors` (length,) it is as long, but has some images several times, and others not.
    """
    random = np.random.default_rng((seed, epoch))
    order: list[int] = (random.permutation(length) if factors is None else drawn(factors, random)).tolist()
    return order


def part_order(length: int, seed: int, first: int, images: int, factors: Floats | None = None) -> list[int]:
    """Return so many images from place `first` on in the orders of all epochs, one after the other.

    For epochs that are no whole passes: each image's turn comes before any has its next one.
    """
    order: list[int] = []
    while length and len(order) < images:
        epoch, place = divmod(first + len(order), length)
        order += epoch_order(length, seed, epoch, factors)[place : place + images - len(order)]
    return order


def by_shape(images: Iterable[int], size_of: Callable[[int], Size]) -> list[int]:
    """Sort images by the (width, height) in which they are shown, as far as padding goes; equal ones stay in order.

    Portraits come first, then each by its number of cells: with one shortest edge for all, that is by aspect.
    """

    def shape(image: int) -> tuple[bool, int]:
        width, height = size_of(image)
        return width > height, -(-width // STRIDE) * -(-height // STRIDE)

    return sorted(images, key=shape)


class StepBatches(Sampler[list[int]]):
    """For each step of an epoch, from `start_step` on, the indices of the images that one process takes.

    Of every WINDOW of `order` those of like shape are brought together in steps of `images_per_step`, which come in the
    order of their first images; where all have one shape, the order stays as it is. Process `rank` takes every
    `world_size`-th image of a step: all together see the images that one would see alone. In the last, shorter step a
    process may have fewer images than the others, or none: then its list is empty, so that all have the same number of
    steps.
    """

    def __init__(
        self,
        order: list[int],
        images_per_step: int,
        size_of: Callable[[int], Size],
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.order, self.images_per_step, self.size_of = order, images_per_step, size_of
        self.start_step, self.rank, self.world_size = start_step, rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        of_window = max(1, WINDOW // self.images_per_step)  # steps
        first = self.start_step // of_window * of_window
        for step in range(first, self._steps, of_window):
            steps = self._window(step * self.images_per_step, of_window * self.images_per_step)
            for images in steps[max(0, self.start_step - step) :]:
                yield images[self.rank :: self.world_size]

    def __len__(self) -> int:
        return max(0, self._steps - self.start_step)

    @property
    def _steps(self) -> int:
        return -(-len(self.order) // self.images_per_step)

    def _window(self, start: int, length: int) -> list[list[int]]:
        """Return the steps of one window of the order; a step of fewer images is made of the last ones."""
        window, size = self.order[start : start + length], self.images_per_step
        full = len(window) // size * size
        alike = by_shape(window[:full], self.size_of)
        place = {image: number for number, image in enumerate(window)}
        steps = [alike[first : first + size] for first in range(0, full, size)]
        steps.sort(key=lambda images: min(place[image] for image in images))
        return steps + ([by_shape(window[full:], self.size_of)] if full < len(window) else [])
