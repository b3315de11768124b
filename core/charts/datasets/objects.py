"""A data set's objects as charts: how large they are, all and by class, and of which shape.

In: `DatasetStatistics`. A click opens images of the data set: its dict says which, by "class", "size"
and "split"; without "split" they may be of any. Bars are shares of their own split, so that a small one can be
compared.

Apart from `contents`, which asks how many there are; the pieces that both are made of are here too.
"""

from __future__ import annotations

from math import log

import numpy as np

from core.charts.chart import Chart, grey_if_few
from core.datasets.split import FEW, SIZE_LIMITS, SIZES
from core.datasets.statistics import AREA_EDGES, RATIO_STEPS, RATIOS, SIZE_OF_BIN, DatasetStatistics, SplitStatistics

CLICK = "Click to see these images"
COLORS = {"train": "@1", "val": "@2"}
WORDS = {"train": "training", "val": "validation"}
LONGEST = 24  # letters of a class's name beside its row
CROWDED = 25  # rows; more get less room each
NOTHING = "There is no object of a chosen class."
OPACITY = (1.0, 0.6, 0.25)  # of small, medium and large
LABELLED = (2, 4, 8, 16, 32, 64, 96, 192, 384, 768, 1536, 3072, 6144)  # pixels, on the axis of sizes
LEAST_SIZES = (9, 20)  # bins of areas that are always shown: about 12 to 290 pixels


def box_sizes(found: DatasetStatistics) -> Chart:
    """Which share of each split's objects is how large, between COCO's borders of small, medium and large."""
    totals = found.total.areas.sum(axis=0)
    first, last = _span(totals, LEAST_SIZES)
    edges = [0.0, *np.sqrt(AREA_EDGES).tolist(), None]
    traces, rows = [], []
    for name, part in found.splits.items():
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
        _sizes_note(found),
        found.total.n,
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
                for place, size, part in zip(middles, SIZES, _size_shares(found.total), strict=True)
            ],
            "legend": {"y": 1.1},
        },
        ("split", "from_px", "to_px", "size", "objects", "share"),
        rows,
        click="Click to see images with objects of that size: small, medium or large",
    )


def size_by_class(found: DatasetStatistics) -> Chart:
    """Which share of each class is small, medium and large, all splits together; most small ones on top."""
    sizes, objects = found.total.sizes, found.total.objects
    shown = [k for k in range(len(found.classes)) if objects[k]]
    shown.sort(key=lambda k: (objects[k] < FEW, -sizes[k, 0] / objects[k], sizes[k, 2] / objects[k]))
    traces, rows = [], []
    for i, size in enumerate(SIZES):
        counts = [(k, int(sizes[k, i]), int(objects[k])) for k in shown]
        traces.append({
            "type": "bar", "orientation": "h", "name": size,
            "x": [100 * n / of for _, n, of in counts], "y": list(range(len(shown))),
            "hovertext": [f"{found.classes[k]}: {of_all(n, of)} {size}" for k, n, of in counts],
            "hoverinfo": "text",
            "customdata": [{"class": found.classes[k], "size": size} if n else None for k, n, _ in counts],
            "marker": {"color": [grey_if_few(of, "@3") for *_, of in counts]},
            "opacity": OPACITY[i],  # of the whole trace, so that the legend has it, too
        })  # fmt: skip
        rows += [(found.classes[k], size, n, n / of) for k, n, of in counts]
    return Chart(
        "size-by-class",
        "Sizes of each class",
        _class_sizes_note(found, shown),
        found.total.n,
        "objects",
        traces,
        {
            "xaxis": {"title": "Of the class's objects, %", "range": [0, 100]},
            "yaxis": class_rows([label(found.classes[k], f"{objects[k]:,}") for k in shown]) | {"showgrid": False},
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


def aspect_ratios(found: DatasetStatistics) -> Chart:
    """Which share of each split's objects has which width / height."""
    middle = len(RATIOS) // 2
    first, last = _span(found.total.aspect_ratios, at_least=(middle - 2 * RATIO_STEPS, middle + 2 * RATIO_STEPS))
    reach = max(middle - first, last - middle)  # as far to the left as to the right
    bins = range(middle - reach, middle + reach + 1)
    traces, rows = [], []
    for name, part in found.splits.items():
        counts = part.aspect_ratios[bins.start : bins.stop].tolist()
        texts = [f"about {_ratio(RATIOS[i])}: {of_all(n, part.n)}" for i, n in zip(bins, counts, strict=True)]
        traces.append(split_bars(name, [i - middle for i in bins], counts, part.n, texts))
        rows += [(name, float(RATIOS[i]), n, share(n, part.n)) for i, n in zip(bins, counts, strict=True)]
    ticks = [i - middle for i in bins if (i - middle) % RATIO_STEPS == 0]
    return Chart(
        "aspect-ratios",
        "Shapes",
        _ratios_note(found),
        found.total.n,
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


def split_bars(name: str, x: list, counts: list[int], n: int, texts: list[str], opens: list | None = None) -> dict:
    """A split's bars: which share of its `n` each of the `counts` is, in percent."""
    return {
        "type": "bar",
        "name": word(name),
        "x": x,
        "y": [100 * share(count, n) for count in counts],
        "hovertext": [f"{word(name)}, {text}" for text in texts],
        "hoverinfo": "text",
        **({"customdata": opens} if opens else {}),
        "marker": {"color": grey_if_few(n, color_of(name))},
    }


def class_rows(labels: list[str]) -> dict:
    """An axis of classes, the first on top; numbers with a text each, so that two long names may begin alike."""
    return {"tickvals": list(range(len(labels))), "ticktext": labels, "range": [max(len(labels), 1) - 0.4, -0.6]}


def height_of(rows: int) -> int:
    """Pixels of a chart with so many rows."""
    return 140 + max(rows, 3) * (24 if rows <= CROWDED else 17)


def label(name: str, number: str) -> str:
    """A class with its number, which a long name does not push out."""
    return f"{name if len(name) <= LONGEST else name[: LONGEST - 1] + '…'} ({number})"


def border(x: float) -> dict:
    """A dashed line from bottom to top."""
    line = {"color": "@text", "width": 1, "dash": "dot"}
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}


def above(x: float, text: str) -> dict:
    """A text above the plot."""
    place = {"x": x, "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
    return place | {"text": text, "font": {"size": 11}}


def color_of(split: str) -> str:
    return COLORS.get(split, "@3")


def word(split: str) -> str:
    return WORDS.get(split, split)


def share(n: int, of: int) -> float:
    """0 of nothing."""
    return n / of if of else 0.0


def percent(value: float) -> str:
    """
    >>> percent(0.123), percent(0.0123), percent(0.0001), percent(0.0)
    ('12 %', '1.2 %', 'below 0.1 %', '0 %')
    """
    if 0 < value < 0.001:
        return "below 0.1 %"
    return f"{100 * value:.1f} %" if 0 < value < 0.0995 else f"{100 * value:.0f} %"


def counted(n: int, what: str) -> str:
    return f"{n:,} {what if n == 1 else what + 's'}"


def of_all(n: int, of: int, what: str = "object") -> str:
    return f"{counted(n, what)} ({percent(share(n, of))})"


def _span(counts: np.ndarray, at_least: tuple[int, int]) -> tuple[int, int]:
    """The first and the last bin to show: all that hold something, and those in `at_least`."""
    there = np.flatnonzero(counts)
    first, last = at_least
    return (min(first, int(there[0])), max(last, int(there[-1]))) if len(there) else at_least


def _place_of(pixels: float) -> float:
    """Where a size lies on an axis on which bin i reaches from i to i + 1."""
    low, step = np.sqrt(AREA_EDGES[0]), np.sqrt(AREA_EDGES[1] / AREA_EDGES[0])
    return 1 + log(pixels / low) / log(step)


def _pixels(low: float, high: float | None) -> str:
    """A bin of sizes in words."""
    if high is None:
        return f"from {low:,.0f} pixels"
    digits = 0 if low >= 20 else 1
    return f"{low:,.{digits}f} to {high:,.{digits}f} pixels"


def _ratio(value: float) -> str:
    """
    >>> _ratio(0.5), _ratio(1), _ratio(2 ** (1 / 3))
    ('1:2', '1:1', '1.3:1')
    """
    longer = f"{max(value, 1 / value):.1f}".removesuffix(".0")
    return f"{longer}:1" if value >= 1 else f"1:{longer}"


def _size_shares(part: SplitStatistics) -> list[float]:
    return [share(int(n), part.n) for n in part.sizes.sum(axis=0)]


def _by_split(found: DatasetStatistics, say) -> str:
    """What `say` says of each split with objects, as one sentence."""
    return "; ".join(f"{word(name)}: {say(part)}" for name, part in found.splits.items() if part.n) + "."


def _sizes_note(found: DatasetStatistics) -> str:
    if not found.total.n:
        return NOTHING
    said = _by_split(
        found,
        lambda part: ", ".join(f"{size} {percent(s)}" for size, s in zip(SIZES, _size_shares(part), strict=True)),
    )
    return f"Small below 32² pixels of area, large from 96² on. {said[0].upper()}{said[1:]}"


def _class_sizes_note(found: DatasetStatistics, shown: list[int]) -> str:
    if not shown:
        return NOTHING
    few = sum(int(found.total.objects[k]) < FEW for k in shown)
    small = found.classes[shown[0]]
    grey = f" Grey, at the bottom: fewer than {FEW} objects ({few} of {len(shown)} classes)." if few else ""
    first = of_all(int(found.total.sizes[shown[0], 0]), int(found.total.objects[shown[0]]))
    lead = f" Most often small: {small}, {first}." if few < len(shown) and len(shown) > 1 else ""
    return f"All splits together, in brackets the class's objects.{lead}{grey}"


def _ratios_note(found: DatasetStatistics) -> str:
    if not found.total.n:
        return NOTHING
    middle = len(RATIOS) // 2

    def say(part: SplitStatistics) -> str:
        tall, square, wide = (int(n) for n in np.add.reduceat(part.aspect_ratios, [0, middle, middle + 1]))
        return ", ".join(
            f"{percent(share(n, part.n))} {what}"
            for n, what in ((tall, "taller than wide"), (square, "about square"), (wide, "wider than tall"))
        )

    said = _by_split(found, say)
    return f"{said[0].upper()}{said[1:]}"
