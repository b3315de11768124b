"""What the charts of a data set are made of: bars of a split, rows of classes, and numbers in words."""

from __future__ import annotations

from core.charts.chart import grey_if_few

CLICK = "Click to see these images"
NOTHING = "There is no object of a chosen class."
COLORS = {"train": "@1", "val": "@2"}
WORDS = {"train": "training", "val": "validation"}
LONGEST = 24  # letters of a class's name beside its row
CROWDED = 25  # rows; more get less room each


def split_bars(name: str, x: list, counts: list[int], n: int, texts: list[str], opens: list | None = None) -> dict:
    """Return a split's bars: which share of its `n` each of the `counts` is, in percent."""
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
    """Return an axis of classes, the first on top; numbers with a text each, so that two long names may begin alike."""
    return {"tickvals": list(range(len(labels))), "ticktext": labels, "range": [max(len(labels), 1) - 0.4, -0.6]}


def height_of(rows: int) -> int:
    """Return the height, in pixels, of a chart with so many rows."""
    return 140 + max(rows, 3) * (24 if rows <= CROWDED else 17)


def label(name: str, number: str) -> str:
    """Return a class with its number, which a long name does not push out."""
    return f"{name if len(name) <= LONGEST else name[: LONGEST - 1] + '…'} ({number})"


def border(x: float) -> dict:
    """Return a dashed line from bottom to top."""
    line = {"color": "@text", "width": 1, "dash": "dot"}
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}


def above(x: float, text: str) -> dict:
    """Return a text above the plot."""
    place = {"x": x, "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
    return place | {"text": text, "font": {"size": 11}}


def color_of(split: str) -> str:
    """Return the colour of a split."""
    return COLORS.get(split, "@3")


def word(split: str) -> str:
    """Return what a split is called in charts."""
    return WORDS.get(split, split)


def share(n: int, of: int) -> float:
    """Return a share; of nothing it is 0."""
    return n / of if of else 0.0


def percent(value: float) -> str:
    """Return a share in percent, in as many digits as say something.

    >>> percent(0.123), percent(0.0123), percent(0.0001), percent(0.0)
    ('12 %', '1.2 %', 'below 0.1 %', '0 %')
    """
    if 0 < value < 0.001:
        return "below 0.1 %"
    return f"{100 * value:.1f} %" if 0 < value < 0.0995 else f"{100 * value:.0f} %"


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not one."""
    return f"{n:,} {noun if n == 1 else noun + 's'}"


def of_all(n: int, of: int, noun: str = "object") -> str:
    """Return a number with its noun, and which share of all it is."""
    return f"{counted(n, noun)} ({percent(share(n, of))})"
