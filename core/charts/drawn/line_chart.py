"""A line chart as a picture: a title, two axes with ticks and labels, lines and a legend, on a light ground.

In: a title and `Line`s. Out: a new RGB picture, drawn by Pillow alone. The pages' charts are Plotly's (`chart.py`),
which need a browser to become pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from core.evaluation.lettering import Lettering, lettering

Color = tuple[int, int, int]

WIDTH, HEIGHT = 960, 540  # pixels
FINER = 2  # drawn so much larger and then reduced, which smooths the lines
LEFT, RIGHT, TOP, BOTTOM = 84, 28, 64, 66  # pixels around the plot
GROUND, INK, QUIET, GRID = (255, 255, 255), (24, 26, 31), (96, 101, 112), (226, 229, 234)
TITLE_SIZE, TEXT_SIZE = 19, 15
TICKS = 7  # about so many on an axis
MOST_LETTERS = 80  # of the title
MARK = 4  # pixels: half a marked point
SAMPLE = 30  # pixels: the width of a line in the legend
WHOLE = 1e-9  # a value this close to a tick, in ticks, is on it


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    x, y    (N,) finite numbers, x ascending
    name    in the legend; "" for a line that is not in it
    marked  whether each point has a mark, so that a single one shows
    """

    x: np.ndarray
    y: np.ndarray
    color: Color
    name: str = ""
    width: int = 2
    marked: bool = False


@dataclass(frozen=True)
class Axis:
    """The values from one end of an axis to the other, and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    step: float

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return where values lie, 0 at the lower end and 1 at the upper; what lies outside is brought to the end."""
        return np.clip((values - self.low) / (self.high - self.low), 0, 1)

    def text(self, value: float) -> str:
        """Return a tick's label, with as many digits as tell it from its neighbours."""
        if not value:
            return "0"
        if self.step >= 1e6 or self.step < 1e-4:
            return f"{value:.6g}"
        return f"{value:,.{max(0, -math.floor(math.log10(self.step) + WHOLE))}f}"


def axis(low: float, high: float, ticks: int = TICKS, whole: bool = False) -> Axis:
    """Return an axis from a round number to another that holds both values; `whole`: ticks at whole numbers only.

    >>> axis(0, 4.2).ticks, axis(0, 3, whole=True).ticks
    ((0.0, 1.0, 2.0, 3.0, 4.0, 5.0), (0.0, 1.0, 2.0, 3.0))
    """
    if high - low <= WHOLE * max(abs(low), abs(high)):  # one value
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    rough = (high - low) / max(ticks - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - WHOLE))
    step = max(1.0, step) if whole else step
    first = math.floor(low / step + WHOLE)
    last = max(first + 1, math.ceil(high / step - WHOLE))
    return Axis(first * step, last * step, tuple(i * step for i in range(first, last + 1)), step)


def line_chart(title: str, lines: Sequence[Line], x_label: str, y_label: str, top: float | None = None) -> Image.Image:
    """Return a chart of lines; `top` cuts off what lies above it, where a few points would flatten all others.

    Lines are drawn in their order. Raises ValueError if there is no point at all.
    """
    x, y = (np.concatenate([getattr(line, name) for line in lines]) for name in ("x", "y"))
    highest = float(y.max()) if top is None else min(top, float(y.max()))
    lowest = float(y.min())
    across = axis(min(0.0, float(x.min())), max(1.0, float(x.max())), ticks=9, whole=True)
    # from 0 where that leaves the lines half of the height
    up = axis(0.0 if 0 <= lowest <= highest / 2 else lowest, highest)
    picture = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), GROUND)
    draw = ImageDraw.Draw(picture)
    letters = lettering(TEXT_SIZE * FINER)
    _draw_grid(draw, letters, across, up)
    for line in lines:
        _draw_line(draw, line, across, up)
    _write_words(picture, letters, title, x_label, y_label, lines)
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def _pixels(across: float | np.ndarray, up: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels, in the finer picture, of places from 0 to 1 on the two axes."""
    x = LEFT + np.asarray(across) * (WIDTH - LEFT - RIGHT)
    y = HEIGHT - BOTTOM - np.asarray(up) * (HEIGHT - TOP - BOTTOM)
    return x * FINER, y * FINER


def _draw_grid(draw: ImageDraw.ImageDraw, letters: Lettering, across: Axis, up: Axis) -> None:
    """Draw the lines of the grid, the axes' ticks and their numbers."""
    (left, right), (bottom, top) = (ends.tolist() for ends in _pixels(np.array([0, 1]), np.array([0, 1])))
    for tick in up.ticks:
        y = float(_pixels(0, up.place(np.array(tick)))[1])
        draw.line((left, y, right, y), fill=GRID, width=FINER)
        text = up.text(tick)
        draw.line((left - 5 * FINER, y, left, y), fill=QUIET, width=FINER)
        place = left - 9 * FINER - letters.width(text), y - 0.62 * TEXT_SIZE * FINER
        letters.write(draw, place, text, QUIET)
    for tick in across.ticks:
        x = float(_pixels(across.place(np.array(tick)), 0)[0])
        draw.line((x, top, x, bottom), fill=GRID, width=FINER)
        draw.line((x, bottom, x, bottom + 5 * FINER), fill=QUIET, width=FINER)
        text = across.text(tick)
        start = min(x - letters.width(text) / 2, (WIDTH - 6) * FINER - letters.width(text))
        letters.write(draw, (start, bottom + 8 * FINER), text, QUIET)
    draw.line((left, top, left, bottom), fill=QUIET, width=FINER)
    draw.line((left, bottom, right, bottom), fill=QUIET, width=FINER)


def _draw_line(draw: ImageDraw.ImageDraw, line: Line, across: Axis, up: Axis) -> None:
    x, y = _pixels(across.place(line.x), up.place(line.y))
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    if len(points) > 1:
        draw.line(points, fill=line.color, width=line.width * FINER, joint="curve" if line.width > 1 else None)
    side = MARK * FINER
    for px, py in points if line.marked or len(points) == 1 else ():
        draw.ellipse((px - side, py - side, px + side, py + side), fill=line.color, outline=GROUND, width=FINER)


def _write_words(
    picture: Image.Image, letters: Lettering, title: str, x_label: str, y_label: str, lines: Sequence[Line]
) -> None:
    """Write the title, the labels of the axes, and the legend above the plot on the right."""
    draw, large = ImageDraw.Draw(picture), lettering(TITLE_SIZE * FINER)
    x: float = (WIDTH - RIGHT) * FINER
    for line in reversed([line for line in lines if line.name]):
        x -= letters.width(line.name)
        letters.write(draw, (x, 38 * FINER), line.name, INK)
        middle, end = (38 + 0.62 * TEXT_SIZE) * FINER, x - 7 * FINER
        draw.line((end - SAMPLE * FINER, middle, end, middle), fill=line.color, width=max(3, line.width) * FINER)
        x = end - (SAMPLE + 22) * FINER
    letters.write(draw, (LEFT * FINER, 38 * FINER), letters.legible(y_label), QUIET)
    large.write(draw, (LEFT * FINER, 10 * FINER), fitted(title, large, (WIDTH - LEFT - RIGHT) * FINER), INK)
    place = (WIDTH - RIGHT) * FINER - letters.width(x_label), (HEIGHT - 30) * FINER
    letters.write(draw, place, x_label, QUIET)


def fitted(text: str, letters: Lettering, width: float) -> str:
    """Return a text in one line, legible, and cut off with "…" where it would be wider than `width` pixels."""
    text = letters.legible(" ".join("".join(c if c.isprintable() else " " for c in text[:MOST_LETTERS]).split()))
    if letters.width(text) <= width:
        return text
    while text and letters.width(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
