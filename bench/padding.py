"""How much of the batches of an epoch is padding: as a training orders its images, and in the plain random order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from bench.material import PHOTOGRAPHS, REAL
from bench.photographs import plan_photographs
from bench.table import Bench, Figures, Row
from core.datasets.pictures import resized
from core.datasets.pixels.upright import Size
from core.datasets.split import read_split
from core.detr.input.batch import STRIDE
from core.detr.input.order import StepBatches, epoch_order

SHORTEST, LONGEST = 800, 1333
IMAGES = 5000


def sizes_shown() -> list[Size]:
    """Return the (width, height) of each photograph as a model is shown it."""
    if REAL:
        images = [image for name in ("train", "val") for image in read_split(Path(REAL), name).images]
        sizes = [(image["width"], image["height"]) for image in images]
    else:
        sizes = [(plan.width, plan.height) for plan in plan_photographs(IMAGES)]
    return [resized(size, SHORTEST, LONGEST) for size in sizes]


def padding(batches: Iterable[list[int]], size_of: Callable[[int], Size]) -> float:
    """Return the percentage of the batches' pixels that are padding."""
    shown = total = 0
    for batch in batches:
        widths, heights = zip(*map(size_of, batch), strict=True)
        total += len(batch) * -(-max(widths) // STRIDE) * -(-max(heights) // STRIDE) * STRIDE**2
        shown += sum(width * height for width, height in zip(widths, heights, strict=True))
    return 100 * (1 - shown / total)


def measure_padding(batch: int, bench: Bench) -> Figures:
    sizes = sizes_shown()
    size_of, count = sizes.__getitem__, len(sizes)
    ours, random = [], []
    for epoch in range(bench.rounds):
        order = epoch_order(count, 0, epoch)
        ours.append(padding(StepBatches(order, batch, size_of), size_of))
        random.append(padding([order[start : start + batch] for start in range(0, count, batch)], size_of))
    return Figures(ours, random)


ROWS = [
    Row(
        f"padding-{batch}",
        f"padding in batches of {batch}, {SHORTEST} by {LONGEST} pixels at most, sizes of {PHOTOGRAPHS}",
        partial(measure_padding, batch),
        unit="%",
        rival="in random order",
        wanted=8.0 if batch == 4 else None,
    )
    for batch in (4, 16)
]
