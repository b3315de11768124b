"""A data set as two heat maps: where objects lie in the picture, and which classes share images.

In: `DatasetStatistics`. A click opens images of the data set, of any split: its dict says with which
"class" and "with" which second one. Both are of all splits together.
"""

from __future__ import annotations

import numpy as np

from core.charts.chart import Chart
from core.charts.datasets.bars_and_labels import CLICK, NOTHING, counted, of_all, percent, share, word
from core.charts.heatmap import Cell, heatmap
from core.datasets.split import FEW
from core.datasets.statistics import GRID, DatasetStatistics

MOST_CLASSES = 30  # in the chart of classes that share images


def places(statistics: DatasetStatistics) -> Chart:
    """Draw how many boxes reach into each cell of the picture, all splits together."""
    total, n = statistics.total.coverage, statistics.total.n
    parts = [(word(name), part.coverage, part.n) for name, part in statistics.splits.items()]
    middles = [100 * (i + 0.5) / GRID for i in range(GRID)]
    cells = [
        [Cell(100 * share(total[row, column], n), _said_of_cell(parts, row, column)) for column in range(GRID)]
        for row in range(GRID)
    ]
    trace = heatmap(
        middles, middles, cells, 0, 100 * share(int(total.max()), n) or 1, has_text=False, is_clickable=False,
        colorbar={"ticksuffix": " %"}, xgap=0, ygap=0,
    )  # fmt: skip
    axis = {"ticksuffix": " %", "dtick": 25, "constrain": "domain"}
    return Chart(
        "places",
        "Where objects lie",
        _places_note(statistics),
        n,
        "objects",
        [trace],
        {
            "xaxis": {"title": "From the left, of the picture's width", "range": [0, 100], **axis},
            "yaxis": {
                "title": "From the top", "range": [100, 0], "scaleanchor": "x",
                "scaleratio": 1 / statistics.aspect_ratio, **axis
            },
        },
        ("left", "top", "right", "bottom", "objects", "share"),
        [
            (column / GRID, row / GRID, (column + 1) / GRID, (row + 1) / GRID, int(total[row, column]),
             share(int(total[row, column]), n))
            for row in range(GRID)
            for column in range(GRID)
        ],
        height=380,
    )  # fmt: skip


def shared_images(statistics: DatasetStatistics) -> Chart:
    """Draw which share of the images of a row's class also holds the column's class, all splits together.

    Colours follow the share's root, so that rare pairs are seen too.
    """
    images = statistics.total.class_images
    shown = [k for k in np.argsort(-images, kind="stable").tolist() if images[k]][:MOST_CLASSES]
    names = [statistics.classes[k] for k in shown]
    counts, images_with = statistics.total.cooccurrence[np.ix_(shown, shown)].tolist(), images[shown].tolist()
    cells = [
        [
            Cell(
                (n / images_with[i]) ** 0.5 if i != j and images_with[i] >= FEW else 0,
                _said_of_pair(names, images_with, i, j, n),
                f"{100 * n / images_with[i]:.0f}" if n and i != j else "",
                _pair(names, i, j) if n else None,
            )
            for j, n in enumerate(row)
        ]
        for i, row in enumerate(counts)
    ]
    rows = [f"{name} ({n:,})" for name, n in zip(names, images_with, strict=True)]
    trace = heatmap(rows, names, cells, 0, 1)
    labels = {"tickfont": {"size": 11 if len(shown) <= 20 else 9}, "dtick": 1}
    return Chart(
        "shared-images",
        "Which classes share images",
        _shared_note(statistics, names, counts),
        statistics.total.with_objects,
        "images",
        [trace],
        {
            "xaxis": {"side": "top", "title": "… also hold", **labels},
            "yaxis": {"autorange": "reversed", "title": "Of the images with …", **labels},
        },
        ("class", "with", "images", "share"),
        [(names[i], names[j], n, n / images_with[i]) for i, row in enumerate(counts) for j, n in enumerate(row)],
        height=170 + max(len(shown), 3) * (26 if len(shown) <= 20 else 20),
        wide=True,
        click=CLICK,
    )


def _said_of_cell(parts: list[tuple[str, np.ndarray, int]], row: int, column: int) -> str:
    return "\n".join(f"{name}: {of_all(int(cover[row, column]), n)}" for name, cover, n in parts)


def _places_note(statistics: DatasetStatistics) -> str:
    total, n = statistics.total.coverage, statistics.total.n
    if not n:
        return NOTHING
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    most, least = percent(share(int(total.max()), n)), percent(share(int(total.min()), n))
    where = f"{100 * (column + 0.5) / GRID:.0f} % from the left, {100 * (row + 0.5) / GRID:.0f} % from the top"
    return (
        f"All pictures laid over each other: the share of the objects' boxes that reach into each cell. "
        f"Highest {where}: {most}; lowest {least}."
    )


def _said_of_pair(names: list[str], images_with: list[int], i: int, j: int, n: int) -> str:
    if i == j:
        return f"{names[i]}: {counted(n, 'image')}"
    return (
        f"{names[j]} is in {n:,} of {counted(images_with[i], 'image')} with {names[i]} ({percent(n / images_with[i])})"
    )


def _pair(names: list[str], i: int, j: int) -> dict:
    return {"class": names[i]} | ({"with": names[j]} if i != j else {})


def _shared_note(statistics: DatasetStatistics, names: list[str], counts: list[list[int]]) -> str:
    if not names:
        return NOTHING
    present = int((statistics.total.class_images > 0).sum())
    sentence = f"All splits together, in percent; in brackets the images with the class; below {FEW} without colour."
    if present > len(names):
        sentence += f" The {len(names)} most frequent of {present} classes."
    pairs = [(n, names[i], names[j]) for i, row in enumerate(counts) for j, n in enumerate(row) if i < j]
    n, one, other = max(pairs, default=(0, "", ""), key=lambda pair: pair[0])
    return sentence + (f" Most often together: {one} and {other}, in {counted(n, 'image')}." if n else "")
