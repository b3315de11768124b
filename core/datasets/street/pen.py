"""How a figure of the street scenes is drawn: a `Pen` in metres, a `View` of a thing, and the `Sprite` it becomes.

A figure draws itself with a `Pen`: x to the right, y up from the ground, (0, 0) the lower left corner of its frame.
`draw_figure` makes a picture with transparency of it, at the scale that the perspective asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageOps

Color = tuple[int, int, int]
Paint = Color | tuple[int, int, int, int]  # opaque, or with alpha
Point = tuple[float, float]
Lamp = tuple[float, float, float, Color]  # x, y, radius, colour
T = TypeVar("T")

BLACK, DARK, GLASS, CHROME, WHITE = (22, 22, 26), (52, 54, 60), (70, 96, 118), (176, 180, 186), (240, 240, 236)
WARM_LIGHT, RED_LIGHT, WINDOW_LIGHT = (255, 236, 180), (230, 40, 36), (170, 124, 64)
PAINTS = (
    (196, 40, 40),
    (38, 84, 172),
    (236, 236, 232),
    (40, 44, 50),
    (150, 156, 164),
    (238, 190, 44),
    (40, 128, 78),
    (96, 178, 206),
    (214, 112, 40),
    (110, 50, 110),
    (188, 170, 140),
)
CLOTHES = (*PAINTS, (236, 130, 150), (90, 150, 90), (60, 60, 120), (120, 40, 60), (250, 220, 90), (20, 150, 150))


def shade(color: Color, factor: float) -> Color:
    """Return a colour made darker (factor < 1) or lighter (> 1)."""
    red, green, blue = (min(255, int(c * factor)) for c in color)
    return red, green, blue


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of several options, each as likely."""
    return options[int(rng.integers(len(options)))]


class Pen:
    """A pen that draws in metres on a transparent picture of `width` x `height` metres at `scale` pixels a metre."""

    def __init__(self, width: float, height: float, scale: float, supersample: int) -> None:
        size = (math.ceil(width * scale) + 1, math.ceil(height * scale) + 1)
        self.image = Image.new("RGBA", (size[0] * supersample, size[1] * supersample))
        self.draw = ImageDraw.Draw(self.image)
        self.scale = scale * supersample
        self.bottom = self.image.height - supersample / 2
        self.lamps: list[Lamp] = []

    def at(self, points: Sequence[Point]) -> list[Point]:
        """Return points in metres as the picture's pixels."""
        return [(x * self.scale, self.bottom - y * self.scale) for x, y in points]

    def poly(self, points: Sequence[Point], color: Paint) -> None:
        """Draw a filled polygon."""
        self.draw.polygon(self.at(points), fill=color)

    def box(self, x0: float, y0: float, x1: float, y1: float, color: Paint, r: float = 0.0) -> None:
        """Draw a filled rectangle, its corners rounded with radius `r`."""
        (left, top), (right, bottom) = self.at([(x0, y1), (x1, y0)])
        if r:
            self.draw.rounded_rectangle((left, top, right, bottom), r * self.scale, fill=color)
        else:
            self.draw.rectangle((left, top, right, bottom), fill=color)

    def oval(self, x0: float, y0: float, x1: float, y1: float, color: Paint) -> None:
        """Draw a filled ellipse."""
        (left, top), (right, bottom) = self.at([(x0, y1), (x1, y0)])
        self.draw.ellipse((left, top, max(left, right), max(top, bottom)), fill=color)

    def disc(self, x: float, y: float, radius: float, color: Paint) -> None:
        """Draw a filled circle."""
        self.oval(x - radius, y - radius, x + radius, y + radius, color)

    def limb(self, points: Sequence[Point], width: float, color: Paint) -> None:
        """Draw a line with round ends and joints, never thinner than a visible pixel."""
        thick = max(1, round(width * self.scale))
        at = self.at(points)
        self.draw.line(at, fill=color, width=thick, joint="curve")
        if thick > 2:
            for x, y in (at[0], at[-1]):
                self.draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=color)

    def lamp(self, x: float, y: float, radius: float, color: Color) -> None:
        """Draw a disc of light, which also glows at dusk."""
        self.disc(x, y, radius, color)
        self.lamps.append((x, y, radius, color))


@dataclass(frozen=True)
class View:
    """One way to draw a thing: a frame in metres, the share of it that is painted, and whether it hangs on a pole."""

    draw: Callable[[Pen, np.random.Generator], None]
    width: float
    height: float
    fill: float
    overhead: bool = False
    mirrors: bool = True

    @property
    def reach(self) -> float:
        """The square root of the painted area, in metres: pixels of size a pixel-per-metre of scale."""
        return math.sqrt(self.width * self.height * self.fill)


@dataclass(frozen=True)
class Sprite:
    """A drawn figure: an RGBA picture, and its lamps as (x, y, radius, colour) in the picture's pixels."""

    image: Image.Image
    lamps: list[Lamp] = field(default_factory=list)


def draw_figure(view: View, rng: np.random.Generator, scale: float) -> Sprite:
    """Draw one figure in a random pose, colour and direction at `scale` pixels a metre, as if seen alone and whole."""
    mirrored = view.mirrors and rng.random() < 0.5
    supersample = 4 if view.height * scale < 40 else 2
    stretch = rng.uniform(0.92, 1.08)
    pen = Pen(view.width, view.height, scale, supersample)
    view.draw(pen, rng)
    size = (max(2, round(pen.image.width / supersample * stretch)), pen.image.height // supersample)
    lamps = [(x * scale * stretch, size[1] - 0.5 - y * scale, r * scale, c) for x, y, r, c in pen.lamps]
    image = pen.image.resize(size, Image.Resampling.BOX if stretch >= 1 else Image.Resampling.HAMMING)
    if mirrored:
        image, lamps = ImageOps.mirror(image), [(size[0] - x, y, r, c) for x, y, r, c in lamps]
    return Sprite(image, lamps)
