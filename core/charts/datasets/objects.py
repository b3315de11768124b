"""A data set's objects as charts: how large they are, all and by class, and of which shape.

In: `DatasetStatistics`. A click opens images of the data set: its dict says which, by "class", "size" and "split";
without "split" they may be of any. Bars are shares of their own split, so that a small one can be compared. Apart from
`statistics.py`, which asks how many objects there are.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np

from core.charts.chart import Chart, grey_if_few
from core.charts.datasets.bars_and_labels import (
    CLICK,
    CROWDED,
    NOTHING,
    above,
    border,
    class_rows,
    height_of,
    label,
    of_all,
    percent,
    share,
    split_bars,
    word,
)
from core.datasets.split import FEW, SIZE_LIMITS, SIZES
from core.datasets.statistics import AREA_EDGES, RATIO_STEPS, RATIOS, SIZE_OF_BIN, DatasetStatistics, SplitStatistics

OPACITY = (1.0, 0.6, 0.25)  # of small, medium and large
LABELLED = (2, 4, 8, 16, 32, 64, 96, 192, 384, 768, 1536, 3072, 6144)  # pixels, on the axis of sizes
LEAST_SIZES = (9, 20)  # bins of areas that are always shown: about 12 to 290 pixels


def box_sizes(statistics: DatasetStatistics) -> Chart:
    """Draw which share of each split's objects is how large, between COCO's borders of small, medium and large."""
    totals = statistics.total.areas.sum(axis=0)
    first, last = _span(totals, LEAST_SIZES)
    edges = [0.0, *np.sqrt(AREA_EDGES).tolist(), None]
    traces, rows = [], []
    for name, part in statistics.splits.items():
        counts = part.areas.sum(axis=0)[first : last + 1].tolist()
        bins = list(zip(range(first, last + 1), counts, strict=True))
        texts = [f"{_pixels(edges[i], edges[i + 1])}: {of_all(n, part.n)}" for i, n in bins]
        opens = [{"split": name, "size": SIZES[SIZE_OF_BIN[i]]} if n else None for i, n in bins]
        traces.append(split_bars(name, [i + 0.5 for i, _ in bins], counts, part.n, texts, opens))
        rows += [(name, edges[i], edges[i + 1], SIZES[SIZE_OF_BIN[i]], n, share(n, part.n)) for i, n in bins]
    small, large = (_place_of(limit**0.5) for limit in SIZE_LIMITS)
    labelled = [pixels for pixels in LABELLED if first <= _place_of(pixels) <= last + 1]
    middles = ((first + small) / 2, (small + large) / 2, (large + last + 1) / 2)
    return Chart(
        "box-sizes",
        "Sizes",
        _sizes_note(statistics),
        statistics.total.n,
        "objects",
        traces,
        {
            "xaxis": {
                "title": "√area, pixels, on a logarithmic scale",
                "tickvals": [_place_of(pixels) for pixels in labelled],
                "ticktext": [f"{pixels:,}" for pixels in labelled],
                "range": [first, last + 1],
                "showgrid": False,
            },
            "yaxis": {"title": "Of the split's objects, %", "rangemode": "tozero"},
            "barmode": "group",
            "bargap": 0.1,
            "shapes": [border(place) for place in (small, large)],
            "annotations": [
                above(place, f"{size} {percent(part)}")
                for place, size, part in zip(middles, SIZES, _size_shares(statistics.total), strict=True)
            ],
            "legend": {"y": 1.1},
        },
        ("split", "from_px", "to_px", "size", "objects", "share"),
        rows,
        click="Click to see images with objects of that size: small, medium or large",
    )


def size_by_class(statistics: DatasetStatistics) -> Chart:
    """Draw which share of each class is small, medium and large, all splits together; most small ones on top."""
    sizes, objects = statistics.total.sizes, statistics.total.objects
    shown = [k for k in range(len(statistics.classes)) if objects[k]]
    shown.sort(key=lambda k: (objects[k] < FEW, -sizes[k, 0] / objects[k], sizes[k, 2] / objects[k]))
    traces, rows = [], []
    for i, size in enumerate(SIZES):
        counts = [(k, int(sizes[k, i]), int(objects[k])) for k in shown]
        traces.append({
            "type": "bar", "orientation": "h", "name": size,
            "x": [100 * n / of for _, n, of in counts], "y": list(range(len(shown))),
            "hovertext": [f"{statistics.classes[k]}: {of_all(n, of)} {size}" for k, n, of in counts],
            "hoverinfo": "text",
            "customdata": [{"class": statistics.classes[k], "size": size} if n else None for k, n, _ in counts],
            "marker": {"color": [grey_if_few(of, "@3") for *_, of in counts]},
            "opacity": OPACITY[i],  # of the whole trace, so that the legend has it, too
        })  # fmt: skip
        rows += [(statistics.classes[k], size, n, n / of) for k, n, of in counts]
    return Chart(
        "size-by-class",
        "Sizes of each class",
        _class_sizes_note(statistics, shown),
        statistics.total.n,
        "objects",
        traces,
        {
            "xaxis": {"title": "Of the class's objects, %", "range": [0, 100]},
            "yaxis": class_rows([label(statistics.classes[k], f"{objects[k]:,}") for k in shown]) | {"showgrid": False},
            "barmode": "stack",
            "bargap": 0.2,
            "legend": {"traceorder": "normal"},
        },
        ("class", "size", "objects", "share"),
        rows,
        height=height_of(len(shown)),
        wide=len(shown) > CROWDED,
        click=CLICK,
    )


def aspect_ratios(statistics: DatasetStatistics) -> Chart:
    """Draw which share of each split's objects has which width / height."""
    middle = len(RATIOS) // 2
    first, last = _span(statistics.total.aspect_ratios, at_least=(middle - 2 * RATIO_STEPS, middle + 2 * RATIO_STEPS))
    reach = max(middle - first, last - middle)  # as far to the left as to the right
    bins = range(middle - reach, middle + reach + 1)
    traces, rows = [], []
    for name, part in statistics.splits.items():
        counts = part.aspect_ratios[bins.start : bins.stop].tolist()
        texts = [f"about {_ratio(RATIOS[i])}: {of_all(n, part.n)}" for i, n in zip(bins, counts, strict=True)]
        traces.append(split_bars(name, [i - middle for i in bins], counts, part.n, texts))
        rows += [(name, float(RATIOS[i]), n, share(n, part.n)) for i, n in zip(bins, counts, strict=True)]
    ticks = [i - middle for i in bins if (i - middle) % RATIO_STEPS == 0]
    return Chart(
        "aspect-ratios",
        "Shapes",
        _ratios_note(statistics),
        statistics.total.n,
        "objects",
        traces,
        {
            "xaxis": {
                "title": "Width : height of the box, on a logarithmic scale",
                "tickvals": ticks,
                "ticktext": [_ratio(2.0 ** (step / RATIO_STEPS)) for step in ticks],
                "range": [-reach - 0.5, reach + 0.5],
                "showgrid": False,
            },
            "yaxis": {"title": "Of the split's objects, %", "rangemode": "tozero"},
            "barmode": "group",
            "bargap": 0.1,
        },
        ("split", "width_to_height", "objects", "share"),
        rows,
    )


def _span(counts: np.ndarray, at_least: tuple[int, int]) -> tuple[int, int]:
    """Return the first and the last bin to show: all that hold something, and those in `at_least`."""
    filled = np.flatnonzero(counts)
    first, last = at_least
    return (min(first, int(filled[0])), max(last, int(filled[-1]))) if len(filled) else at_least


def _place_of(pixels: float) -> float:
    """Return where a size lies on an axis on which bin i reaches from i to i + 1."""
    low, step = np.sqrt(AREA_EDGES[0]), np.sqrt(AREA_EDGES[1] / AREA_EDGES[0])
    return 1 + log(pixels / low) / log(step)


def _pixels(low: float, high: float | None) -> str:
    """Return a bin of sizes in words, in pixels."""
    if high is None:
        return f"from {low:,.0f} pixels"
    digits = 0 if low >= 20 else 1
    return f"{low:,.{digits}f} to {high:,.{digits}f} pixels"


def _ratio(value: float) -> str:
    """Return width : height in words.

    >>> _ratio(0.5), _ratio(1), _ratio(2 ** (1 / 3))
    ('1:2', '1:1', '1.3:1')
    """
    longer = f"{max(value, 1 / value):.1f}".removesuffix(".0")
    return f"{longer}:1" if value >= 1 else f"1:{longer}"


def _size_shares(part: SplitStatistics) -> list[float]:
    return [share(int(n), part.n) for n in part.sizes.sum(axis=0)]


def _by_split(statistics: DatasetStatistics, say: Callable[[SplitStatistics], str]) -> str:
    """Return what `say` says of each split with objects, as one sentence."""
    return "; ".join(f"{word(name)}: {say(part)}" for name, part in statistics.splits.items() if part.n) + "."


def _sizes_note(statistics: DatasetStatistics) -> str:
    if not statistics.total.n:
        return NOTHING
    sentence = _by_split(
        statistics,
        lambda part: ", ".join(f"{size} {percent(s)}" for size, s in zip(SIZES, _size_shares(part), strict=True)),
    )
    return f"Small below 32² pixels of area, large from 96² on. {sentence[0].upper()}{sentence[1:]}"


def _class_sizes_note(statistics: DatasetStatistics, shown: list[int]) -> str:
    if not shown:
        return NOTHING
    few = sum(int(statistics.total.objects[k]) < FEW for k in shown)
    small = statistics.classes[shown[0]]
    grey = f" Grey, at the bottom: fewer than {FEW} objects ({few} of {len(shown)} classes)." if few else ""
    first = of_all(int(statistics.total.sizes[shown[0], 0]), int(statistics.total.objects[shown[0]]))
    lead = f" Most often small: {small}, {first}." if few < len(shown) and len(shown) > 1 else ""
    return f"All splits together, in brackets the class's objects.{lead}{grey}"


def _ratios_note(statistics: DatasetStatistics) -> str:
    if not statistics.total.n:
        return NOTHING
    middle = len(RATIOS) // 2

    def say(part: SplitStatistics) -> str:
        tall, square, wide = (int(n) for n in np.add.reduceat(part.aspect_ratios, [0, middle, middle + 1]))
        return ", ".join(
            f"{percent(share(n, part.n))} {shape}"
            for n, shape in ((tall, "taller than wide"), (square, "about square"), (wide, "wider than tall"))
        )

    sentence = _by_split(statistics, say)
    return f"{sentence[0].upper()}{sentence[1:]}"
