"""A data set as two heat maps: where objects lie in the picture, and which classes share images.

In: `DatasetStatistics`. A click opens images of the data set, of any split: its dict says with which
"class" and "with" which second one. Both are of all splits together.
"""

from __future__ import annotations

import numpy as np

from core.charts.chart import Chart
from core.charts.datasets.objects import CLICK, NOTHING, counted, of_all, percent, share, word
from core.datasets.split import FEW
from core.datasets.statistics import GRID, DatasetStatistics

MOST_CLASSES = 30  # in the chart of classes that share images


def places(found: DatasetStatistics) -> Chart:
    """How many boxes reach into each cell of the picture, all splits together."""
    total, n = found.total.coverage, found.total.n
    parts = [(word(name), part.coverage, part.n) for name, part in found.splits.items()]
    middles = [100 * (i + 0.5) / GRID for i in range(GRID)]
    trace = {
        "type": "heatmap",
        "x": middles,
        "y": middles,
        "z": [[100 * share(count, n) for count in row] for row in total.tolist()],
        "hovertext": [[_said_of_cell(parts, row, column) for column in range(GRID)] for row in range(GRID)],
        "hoverinfo": "text",
        "colorscale": "@scale",
        "zmin": 0,
        "zmax": 100 * share(int(total.max()), n) or 1,
        "colorbar": {"ticksuffix": " %"},
        "xgap": 0,
        "ygap": 0,
    }
    cells = [(row, column) for row in range(GRID) for column in range(GRID)]
    axis = {"ticksuffix": " %", "dtick": 25, "constrain": "domain"}
    return Chart(
        "places",
        "Where objects lie",
        _places_note(found),
        n,
        "objects",
        [trace],
        {
            "xaxis": {"title": "From the left, of the picture's width", "range": [0, 100], **axis},
            "yaxis": {
                "title": "From the top", "range": [100, 0], "scaleanchor": "x",
                "scaleratio": 1 / found.aspect_ratio, **axis
            },
        },
        ("left", "top", "right", "bottom", "objects", "share"),
        [
            (column / GRID, row / GRID, (column + 1) / GRID, (row + 1) / GRID, int(total[row, column]),
             share(int(total[row, column]), n))
            for row, column in cells
        ],
        height=380,
    )  # fmt: skip


def shared_images(found: DatasetStatistics) -> Chart:
    """Which share of the images of a row's class also holds the column's class, all splits together.

    Colours follow the share's root, so that rare pairs are seen too.
    """
    images = found.total.class_images
    shown = [k for k in np.argsort(-images, kind="stable").tolist() if images[k]][:MOST_CLASSES]
    names = [found.classes[k] for k in shown]
    counts, own = found.total.cooccurrence[np.ix_(shown, shown)].tolist(), images[shown].tolist()
    cells = [(i, j) for i in range(len(shown)) for j in range(len(shown))]
    trace = {
        "type": "heatmap",
        "x": names,
        "y": [f"{name} ({n:,})" for name, n in zip(names, own, strict=True)],
        "z": [
            [(n / own[i]) ** 0.5 if i != j and own[i] >= FEW else 0 for j, n in enumerate(row)]
            for i, row in enumerate(counts)
        ],
        "text": [
            [f"{100 * n / own[i]:.0f}" if n and i != j else "" for j, n in enumerate(row)]
            for i, row in enumerate(counts)
        ],
        "texttemplate": "%{text}",
        "hovertext": [[_said_of_pair(names, own, i, j, n) for j, n in enumerate(row)] for i, row in enumerate(counts)],
        "hoverinfo": "text",
        "customdata": [[_pair(names, i, j) if n else None for j, n in enumerate(row)] for i, row in enumerate(counts)],
        "colorscale": "@scale",
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
    }
    labels = {"tickfont": {"size": 11 if len(shown) <= 20 else 9}, "dtick": 1}
    return Chart(
        "shared-images",
        "Which classes share images",
        _shared_note(found, names, counts),
        found.total.with_objects,
        "images",
        [trace],
        {
            "xaxis": {"side": "top", "title": "… also hold", **labels},
            "yaxis": {"autorange": "reversed", "title": "Of the images with …", **labels},
        },
        ("class", "with", "images", "share"),
        [(names[i], names[j], counts[i][j], counts[i][j] / own[i]) for i, j in cells],
        height=170 + max(len(shown), 3) * (26 if len(shown) <= 20 else 20),
        wide=True,
        click=CLICK,
    )


def _said_of_cell(parts: list[tuple[str, np.ndarray, int]], row: int, column: int) -> str:
    return "\n".join(f"{name}: {of_all(int(cover[row, column]), n)}" for name, cover, n in parts)


def _places_note(found: DatasetStatistics) -> str:
    total, n = found.total.coverage, found.total.n
    if not n:
        return NOTHING
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    most, least = percent(share(int(total.max()), n)), percent(share(int(total.min()), n))
    where = f"{100 * (column + 0.5) / GRID:.0f} % from the left, {100 * (row + 0.5) / GRID:.0f} % from the top"
    return (
        f"All pictures laid over each other: the share of the objects' boxes that reach into each cell. "
        f"Highest {where}: {most}; lowest {least}."
    )


def _said_of_pair(names: list[str], own: list[int], i: int, j: int, n: int) -> str:
    if i == j:
        return f"{names[i]}: {counted(n, 'image')}"
    return f"{names[j]} is in {n:,} of {counted(own[i], 'image')} with {names[i]} ({percent(n / own[i])})"


def _pair(names: list[str], i: int, j: int) -> dict:
    return {"class": names[i]} | ({"with": names[j]} if i != j else {})


def _shared_note(found: DatasetStatistics, names: list[str], counts: list[list[int]]) -> str:
    if not names:
        return NOTHING
    there = int((found.total.class_images > 0).sum())
    said = f"All splits together, in percent; in brackets the images with the class; below {FEW} without colour."
    if there > len(names):
        said += f" The {len(names)} most frequent of {there} classes."
    pairs = [(n, names[i], names[j]) for i, row in enumerate(counts) for j, n in enumerate(row) if i < j]
    most = max(pairs, default=(0,), key=lambda pair: pair[0])
    return said + (f" Most often together: {most[1]} and {most[2]}, in {counted(most[0], 'image')}." if most[0] else "")
