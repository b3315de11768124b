"""Images as charts: how full they are, how often an object is found twice, and how many images are hard.

A click opens the images or boxes of a bar; of images at most MOST_OPENED, hardest first, so that a link stays short.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from core.charts.chart import Chart, grey_if_few
from core.datasets.split import FEW
from core.evaluation.defined import defined
from core.evaluation.findings.images import Duplicates, ImageFigures, PerImageFigures
from core.evaluation.selection import Selection
from core.evaluation.table import ErrorType

MOST_OPENED = 100
MOST_BARS = 20  # of one kind in the chart of boxes per image
AGAIN = ("once more", "twice more", "three times or more")
ALL = "All classes"


def per_image(images: PerImageFigures) -> Chart:
    """Draw how many images have how many predictions and objects."""
    highest = max(len(images.predictions), len(images.objects)) - 1  # -1 without images
    step = 1 + max(highest, 0) // MOST_BARS
    starts = list(range(0, highest + 1, step))
    kinds = (("predictions", images.predictions, "@1"), ("objects", images.objects, "@2"))
    traces, rows = [], []
    for kind, counts, color in kinds:
        padded = np.pad(counts, (0, len(starts) * step - len(counts))) if starts else np.zeros(0, dtype=np.int64)
        n = padded.reshape(-1, step).sum(axis=1).astype(int).tolist()
        ids = _by_bar(images, partial(_count_bar, kind, step), len(starts))
        traces.append(
            {
                "type": "bar",
                "name": f"{kind}, {_mean(counts)} per image",
                "x": [_span(first, step) for first in starts],
                "y": n,
                "hovertext": [
                    f"{_images(number)} with {_span(first, step)} {kind}{_opens(number)}"
                    for first, number in zip(starts, n, strict=True)
                ],
                "hoverinfo": "text",
                "customdata": [_query(images, here) for here in ids],
                "marker": {"color": color},
            }
        )
        rows += [(kind, first, first + step - 1, number) for first, number in zip(starts, n, strict=True)]
    return Chart(
        "boxes-per-image",
        "Predictions and objects per image",
        f"Predictions from score {images.score:g}, and annotated objects without crowds. The two should look alike.",
        len(images.figures),
        "images",
        traces,
        {
            "xaxis": {"title": "Boxes in the image"},
            "yaxis": {"title": "Images", "rangemode": "tozero"},
            "barmode": "group",
        },
        ("kind", "from", "to", "images"),
        rows,
        click="Click to see a bar's images",
    )


def hardness(images: PerImageFigures) -> Chart:
    """Draw how many images have which F1, from nothing right to all right."""
    labels = ["0", *(f"{i / 10:g}–{(i + 1) / 10:g}" for i in range(10)), "1"]
    defined = [image for image in images.figures if image.f1 is not None]
    ids = _by_bar(images, _f1_bar, len(labels))
    n = [len(here) for here in ids]
    borders = [(0.0, 0.0), *((i / 10, (i + 1) / 10) for i in range(10)), (1.0, 1.0)]
    colors = ["@bad", *["@1"] * 10, "@good"] if len(defined) >= FEW else ["@grey"] * len(labels)
    trace = {
        "type": "bar",
        "x": labels,
        "y": n,
        "hovertext": [
            f"{_images(number)} with an F1 of {label}{_opens(number)}" for label, number in zip(labels, n, strict=True)
        ],
        "hoverinfo": "text",
        "customdata": [_query(images, here) for here in ids],
        "marker": {"color": colors},
    }
    return Chart(
        "hardness",
        "How hard are the images?",
        _hardness_note(images, defined),
        len(defined),
        "images",
        [trace],
        {
            "xaxis": {"title": "F1 of the image: 0 nothing is right, 1 all is"},
            "yaxis": {"title": "Images", "rangemode": "tozero"},
        },
        ("f1_from", "f1_to", "images"),
        [(*border, number) for border, number in zip(borders, n, strict=True)],
        click="Click to see a bar's images",
    )


def duplicates(images: PerImageFigures) -> Chart:
    """Draw which share of the found objects of each class is predicted again, and how often."""
    by_class = sorted((part for part in images.by_class if part.found), key=lambda part: -defined(part.share))
    parts = [images.duplicates, *by_class] if len(by_class) > 1 else by_class
    names = [f"{ALL if part.name is None else part.name} ({part.found:,})" for part in parts]
    queries = [_duplicates_query(images, part) if part.boxes else None for part in parts]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": again,
            "y": names,
            "x": [100 * _again(part)[i] / part.found for part in parts],
            "hovertext": [_said(part) for part in parts],
            "hoverinfo": "text",
            "customdata": queries,
            "marker": {"color": [grey_if_few(part.found, color) for part in parts]},
        }
        for i, (again, color) in enumerate(zip(AGAIN, ("@1", "@2", "@3"), strict=True))
    ]
    return Chart(
        "duplicates",
        "Duplicates",
        _duplicates_note(images, parts),
        images.duplicates.found,
        "objects",
        traces,
        {
            "xaxis": {"title": "Of the found objects, %", "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "dtick": 1, "showgrid": False},
            "barmode": "stack",
            "legend": {"traceorder": "normal"},
        },
        ("class", "found", "duplicates", "found_twice", "found_three_times", "found_more_often"),
        [("" if part.name is None else part.name, part.found, part.boxes, *_again(part)) for part in parts],
        height=110 + 24 * max(len(parts), 3),
    )


def _f1_bar(image: ImageFigures) -> int | None:
    """Return the bar of an image: 0 nothing right, 1 to 10 a tenth of F1, 11 all right, None undefined.

    In whole numbers, so exact.
    """
    both = image.objects + image.predictions - image.ignored
    if not both:
        return None
    if not image.correct:
        return 0
    return 1 + 20 * image.correct // both


def _count_bar(kind: str, step: int, image: ImageFigures) -> int:
    """Return the bar of an image by its number of "predictions" or "objects"."""
    return getattr(image, kind) // step


def _by_bar(images: PerImageFigures, bar: Callable[[ImageFigures], int | None], n: int) -> list[list[int]]:
    """Return the ids of each bar's images, hardest first."""
    ids: list[list[int]] = [[] for _ in range(n)]
    for image in images.figures:
        if (place := bar(image)) is not None:
            ids[place].append(image.image_id)
    return ids


def _query(images: PerImageFigures, ids: list[int]) -> dict | None:
    """Return what a click opens; None for a bar without images."""
    return Selection(images.score, images=tuple(ids[:MOST_OPENED])).to_query() if ids else None


def _duplicates_query(images: PerImageFigures, part: Duplicates) -> dict:
    classes = () if part.name is None else (part.name,)
    return Selection(images.score, classes, ErrorType.DUPLICATE.value).to_query()


def _again(part: Duplicates) -> tuple[int, int, int]:
    """Return how many found objects have one, two, and three or more duplicates."""
    one, two, *more = (*part.counts[1:], 0, 0)
    return one, two, sum(more)


def _hardness_note(images: PerImageFigures, defined: list[ImageFigures]) -> str:
    empty = len(images.figures) - len(defined)
    left_out = f" {_images(empty)} with neither objects nor predictions left out." if empty else ""
    if not defined:
        return f"No image has objects, or predictions from score {images.score:g}.{left_out}"
    mean = float(np.mean([image.f1 for image in defined]))
    return (
        f"F1 weighs what is missed and what is wrong alike; predictions from score {images.score:g}. Its mean over "
        f"images is {mean:.2f}.{left_out}"
    )


def _duplicates_note(images: PerImageFigures, parts: list[Duplicates]) -> str:
    total = images.duplicates
    if not total.found:
        return f"No object is found by a prediction from score {images.score:g}."
    if not total.boxes:
        return f"No found object is predicted again; predictions from score {images.score:g}."
    grey = f" Grey: fewer than {FEW}." * any(part.found < FEW for part in parts)
    return (
        f"Of the found objects (in brackets), so many are predicted again: {_duplicates_in_words(total.boxes)} in all, "
        f"from score {images.score:g}.{grey}"
    )


def _duplicates_in_words(n: int) -> str:
    return f"{n:,} {'duplicate' if n == 1 else 'duplicates'}"


def _said(part: Duplicates) -> str:
    again = ", ".join(f"{n:,} {words}" for n, words in zip(_again(part), AGAIN, strict=True))
    noun = "objects" if part.found != 1 else "object"
    name = ALL if part.name is None else part.name
    return f"{name}: {part.found:,} found {noun}\n{again}: {_duplicates_in_words(part.boxes)}"


def _mean(counts: tuple[int, ...]) -> str:
    return f"{sum(i * n for i, n in enumerate(counts)) / sum(counts):.1f}" if sum(counts) else "none"


def _span(first: int, step: int) -> str:
    return str(first) if step == 1 else f"{first}–{first + step - 1}"


def _images(n: int) -> str:
    return f"{n:,} {'image' if n == 1 else 'images'}"


def _opens(n: int) -> str:
    return f"\nA click opens the {MOST_OPENED} hardest" if n > MOST_OPENED else ""
