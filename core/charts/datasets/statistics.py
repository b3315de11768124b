"""What is in a data set, as charts: how many objects of which class, how many per image, which classes share images.

In: `DatasetStatistics`. Out: these charts, and with those of `objects` all that the Data page shows.
A click opens images of the data set: its dict says which, by "class", "with" (a second class in the same image),
"size" and "split"; without "split" they may be of any.
"""

from __future__ import annotations

import numpy as np

from core.charts.chart import Chart, grey_if_few
from core.charts.datasets.bars_and_labels import (
    CLICK,
    CROWDED,
    NOTHING,
    above,
    border,
    class_rows,
    color_of,
    counted,
    height_of,
    label,
    percent,
    share,
    split_bars,
    word,
)
from core.charts.datasets.objects import aspect_ratios, box_sizes, size_by_class  # fmt: skip
from core.charts.datasets.places import places, shared_images
from core.datasets.split import FEW, SIZES
from core.datasets.statistics import MOST_PER_IMAGE, DatasetStatistics

MARKS = (  # of the splits, so that grey ones can be told apart
    {"size": 9, "symbol": "circle"},
    {"size": 9, "symbol": "diamond-open", "line": {"width": 1.5}},
)
ZERO = 0.5  # where 0 stands on a logarithmic axis


def dataset_charts(statistics: DatasetStatistics) -> list[Chart]:
    """Draw all charts, in the order in which they answer: how many, how large, of which shape, where, with what."""
    return [
        objects_by_class(statistics),
        objects_per_image(statistics),
        box_sizes(statistics),
        size_by_class(statistics),
        aspect_ratios(statistics),
        places(statistics),
        shared_images(statistics),
    ]


def objects_by_class(statistics: DatasetStatistics) -> Chart:
    """Draw a mark for each class and split on a logarithmic scale: bars would have no honest length there."""
    order = np.argsort(-statistics.total.objects, kind="stable").tolist()
    traces, rows = [], []
    for number, (name, part) in enumerate(statistics.splits.items()):
        objects, images, crowds = (values.tolist() for values in (part.objects, part.class_images, part.crowds))
        color = color_of(name)
        traces += _with_swatch({
            "type": "scatter", "mode": "markers", "name": word(name),
            "x": [objects[k] or ZERO for k in order], "y": list(range(len(order))),
            "hovertext": [
                f"{statistics.classes[k]}, {word(name)}\n"
                f"{counted(objects[k], 'object')} in {counted(images[k], 'image')}"
                f"{_and_crowds(crowds[k])}"
                for k in order
            ],
            "hoverinfo": "text",
            "customdata": [{"split": name, "class": statistics.classes[k]} if objects[k] else None for k in order],
            "marker": MARKS[number % len(MARKS)] | {"color": [grey_if_few(objects[k], color) for k in order]},
        }, color)  # fmt: skip
        rows += [
            (statistics.classes[k], name, objects[k], images[k], crowds[k], *part.sizes[k].tolist()) for k in order
        ]
    return Chart(
        "objects-by-class",
        "Objects of each class",
        _classes_note(statistics),
        statistics.total.n,
        "objects",
        traces,
        {
            "xaxis": {
                "title": "Objects, on a logarithmic scale",
                **_decades([part.objects for part in statistics.splits.values()]),
            },
            "yaxis": class_rows([_row_label(statistics, k) for k in order]),
            "shapes": [border(FEW)],
            "annotations": [above(float(np.log10(FEW)), str(FEW)) | {"y": 0, "xanchor": "left"}],
        },
        ("class", "split", "objects", "images", "crowds", *SIZES),
        rows,
        height=height_of(len(order)),
        wide=len(order) > CROWDED,
        click=CLICK,
    )


def objects_per_image(statistics: DatasetStatistics) -> Chart:
    """Draw which share of each split's images holds how many objects."""
    highest = int(np.flatnonzero(statistics.total.per_image).max(initial=0))
    bars = range(highest + 1)
    ticks = list(range(0, highest + 1, 1 if highest <= 15 else 5))
    traces, rows = [], []
    for name, part in statistics.splits.items():
        counts = part.per_image[: highest + 1].tolist()
        texts = [
            f"{counted(n, 'image')} of {part.images:,} with {counted(i, 'object')}{' or more' * (i == MOST_PER_IMAGE)}"
            for i, n in zip(bars, counts, strict=True)
        ]
        traces.append(split_bars(name, list(bars), counts, part.images, texts))
        rows += [(name, i, n, share(n, part.images)) for i, n in zip(bars, counts, strict=True)]
    return Chart(
        "objects-per-image",
        "Objects per image",
        _per_image_note(statistics),
        statistics.total.images,
        "images",
        traces,
        {
            "xaxis": {
                "title": "Objects of the chosen classes in the image",
                "tickvals": ticks,
                "ticktext": [f"{i} or more" if i == MOST_PER_IMAGE else str(i) for i in ticks],
                "showgrid": False,
            },
            "yaxis": {"title": "Of the split's images, %", "rangemode": "tozero"},
            "barmode": "group",
        },
        ("split", "objects_in_image", "images", "share"),
        rows,
    )


def _with_swatch(trace: dict, color: str) -> list[dict]:
    """Return the trace, and a point without a value that shows its colour in the legend: its own first may be grey."""
    group = {"legendgroup": trace["name"], "name": trace["name"]}
    marker = trace["marker"] | {"color": color}
    swatch = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "marker": marker}
    return [trace | group | {"showlegend": False}, swatch | group]


def _decades(objects: list[np.ndarray]) -> dict:
    """Return a logarithmic axis over these numbers; with a place for 0 if it occurs."""
    highest = max((int(n.max(initial=1)) for n in objects), default=1)
    has_zero = any((n == 0).any() for n in objects)
    powers = range(len(str(max(highest, FEW))) + 1)
    ticks = {**({ZERO: "0"} if has_zero else {}), **{10**power: f"{10**power:,}" for power in powers}}
    low = ZERO if has_zero else 1
    return {
        "type": "log",
        "range": [float(np.log10(low)) - 0.1, float(np.log10(max(highest, FEW))) + 0.1],
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
    }


def _row_label(statistics: DatasetStatistics, k: int) -> str:
    return label(statistics.classes[k], " + ".join(f"{part.objects[k]:,}" for part in statistics.splits.values()))


def _and_crowds(n: int) -> str:
    return f", and {counted(n, 'crowd')}" if n else ""


def _classes_note(statistics: DatasetStatistics) -> str:
    total = statistics.total
    if not total.n:
        return NOTHING + _crowds_note(statistics)
    most = int(total.objects.argmax())
    sentence = f"In brackets {' + '.join(word(name) for name in statistics.splits)}. "
    if len(statistics.classes) > 1:
        sentence += (
            f"{percent(share(int(total.objects[most]), total.n))} of all objects are {statistics.classes[most]}. "
        )
    few = [(word(name), int((part.objects < FEW).sum())) for name, part in statistics.splits.items()]
    if any(n for _, n in few):
        sentence += f"Grey, left of the line: fewer than {FEW} objects, too few to "
        sentence += "learn or to judge ("
        sentence += ", ".join(f"{n} of {len(statistics.classes)} classes in {name}" for name, n in few if n) + "). "
    return sentence.strip() + _crowds_note(statistics)


def _crowds_note(statistics: DatasetStatistics) -> str:
    n = int(statistics.total.crowds.sum())
    return f" {counted(n, 'crowd')} {'are' if n != 1 else 'is'} not counted." if n else ""


def _per_image_note(statistics: DatasetStatistics) -> str:
    if not statistics.total.images:
        return "There is no image."
    sentence = "; ".join(
        f"{word(name)}: {share(part.n, part.images):.1f} per image, "
        f"{percent(share(part.images - part.with_objects, part.images))} of {counted(part.images, 'image')} without any"
        for name, part in statistics.splits.items()
        if part.images
    )
    only = statistics.total.crowd_only
    crowds = (
        f" {counted(only, 'image')} of those without any {'hold' if only != 1 else 'holds'} a crowd." if only else ""
    )
    return f"{sentence[0].upper()}{sentence[1:]}.{crowds}"
