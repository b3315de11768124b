"""The street behind the objects: sky, houses, road, and things that are none of the ten classes (trees, lamp posts, …).

`Ground` is the perspective: a flat street seen from `camera` metres above it. A point on the street at image row y is
drawn at (y - horizon) / camera pixels a metre, so what is far away stands near the horizon and is small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from core.datasets.street.pen import (
    DARK,
    GLASS,
    WINDOW_LIGHT,
    Color,
    Lamp,
    Pen,
    Point,
    Sprite,
    View,
    draw_figure,
    pick,
    shade,
)

WALLS = (
    (198, 150, 120), (222, 206, 178), (170, 100, 84), (186, 190, 196), (232, 222, 200), (140, 152, 168),
    (206, 176, 96), (160, 178, 150), (120, 92, 84),
)  # fmt: skip
LEAVES = ((70, 120, 60), (92, 140, 66), (54, 100, 58), (140, 130, 60), (170, 110, 50))
KERB, FAR_KERB, DASH = (208, 206, 200), (206, 204, 198), (226, 224, 210)
ROADS = ((98, 98, 102), (116, 112, 110), (84, 86, 92), (128, 122, 116))
PAVEMENTS = ((176, 172, 166), (188, 176, 158), (160, 158, 156), (150, 160, 136), (120, 150, 90), (184, 160, 140))


def _double(points: Iterable[Point]) -> list[Point]:
    """Return points at twice the size: the backdrop is drawn so and reduced, which smooths its edges."""
    return [(2 * x, 2 * y) for x, y in points]


@dataclass(frozen=True)
class Ground:
    """The perspective of one scene, in pixels of the finished picture and metres of the street."""

    width: int
    height: int
    horizon: float
    camera: float  # metres above the street
    vanish: float  # x of the vanishing point
    along: bool  # looking down the street; otherwise across it
    road: tuple[float, float]  # across: the rows between which the road lies; along: its edges in metres

    def scale(self, row: float) -> float:
        """Return the pixels a metre for what stands on the street at an image row."""
        return max(row - self.horizon, 0.5) / self.camera

    def row(self, scale: float) -> float:
        """Return the image row where something stands that is drawn at `scale` pixels a metre."""
        return self.horizon + scale * self.camera

    def point(self, x: float, up: float, scale: float) -> tuple[float, float]:
        """Return in pixels what lies so many metres beside the vanishing point and above the street, at a scale."""
        return self.vanish + x * scale, self.row(scale) - up * scale

    def strip(self, low: float, high: float, near: float, far: float) -> list[tuple[float, float]]:
        """Return the corners of a strip of the street, from metre `low` to `high` beside the vanishing point.

        At twice the picture's size.
        """
        return _double([self.point(x, 0, s) for x, s in ((low, near), (low, far), (high, far), (high, near))])

    def wall(self, x: float, low: float, high: float, far: float, near: float) -> list[tuple[float, float]]:
        """Return the corners of a part of a wall along the street, from `low` to `high` metres up.

        At twice the picture's size.
        """
        return _double([self.point(x, up, s) for up, s in ((low, far), (low, near), (high, near), (high, far))])


def tree(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a tree."""
    leaf, bark = pick(rng, LEAVES), (96, 70, 50)
    pen.limb([(1.2, 0.05), (1.2, 1.8)], 0.26, bark)
    if rng.random() < 0.3:
        for y, half in ((0.9, 1.0), (1.7, 0.8), (2.5, 0.55)):
            pen.poly([(1.2 - half, y), (1.2 + half, y), (1.2, y + 1.35)], shade(leaf, 0.8 + y * 0.1))
        return
    for _ in range(7):
        x, y, r = rng.uniform(0.65, 1.75), rng.uniform(1.8, 3.1), rng.uniform(0.42, 0.64)
        pen.disc(x, y, r, shade(leaf, rng.uniform(0.78, 1.2)))


def lamp_post(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a lamp post."""
    iron = pick(rng, (DARK, (90, 96, 100), (60, 84, 70)))
    pen.box(0.12, 0.0, 0.32, 0.3, iron)
    pen.limb([(0.22, 0.0), (0.22, 3.7), (0.5, 3.95), (0.85, 3.95)], 0.09, iron)
    pen.box(0.7, 3.82, 1.1, 3.98, iron, 0.04)
    pen.lamp(0.9, 3.8, 0.1, (255, 226, 150))


def bollard(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a bollard."""
    paint = pick(rng, ((190, 50, 44), (220, 180, 50), DARK, (200, 200, 200)))
    pen.box(0.04, 0.0, 0.28, 0.8, paint, 0.08)
    pen.box(0.04, 0.55, 0.28, 0.66, (236, 236, 230))


def bin_(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a litter bin."""
    paint = pick(rng, ((50, 90, 60), (80, 84, 90), (40, 70, 120), (120, 110, 60)))
    pen.poly([(0.08, 0.0), (0.52, 0.0), (0.58, 0.85), (0.02, 0.85)], paint)
    pen.box(0.0, 0.82, 0.6, 0.95, shade(paint, 0.7), 0.04)


def bush(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a bush."""
    leaf = pick(rng, LEAVES)
    for _ in range(6):
        pen.disc(
            rng.uniform(0.35, 1.25),
            rng.uniform(0.25, 0.6),
            rng.uniform(0.25, 0.36),
            shade(leaf, rng.uniform(0.75, 1.15)),
        )


def round_sign(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a round traffic sign."""
    paint = pick(rng, ((30, 90, 180), (220, 180, 50), (250, 250, 246)))
    pen.limb([(0.36, 0.0), (0.36, 2.1)], 0.07, (130, 134, 138))
    if rng.random() < 0.5:
        pen.disc(0.36, 2.2, 0.34, paint)
        pen.disc(0.36, 2.2, 0.2, shade(paint, 0.8))
    else:
        pen.poly([(0.02, 1.9), (0.7, 1.9), (0.36, 2.52)], (220, 180, 50))
        pen.poly([(0.16, 1.98), (0.56, 1.98), (0.36, 2.36)], (250, 250, 240))


# Things to be told from the ten classes, with how often they occur.
DISTRACTORS = (
    (View(tree, 2.4, 3.9, 0.5), 0.34),
    (View(lamp_post, 1.15, 4.05, 0.2), 0.2),
    (View(bollard, 0.32, 0.84, 0.8), 0.12),
    (View(bin_, 0.62, 0.98, 0.9), 0.12),
    (View(bush, 1.6, 1.0, 0.6), 0.12),
    (View(round_sign, 0.74, 2.56, 0.25), 0.1),
)


def draw_distractor(rng: np.random.Generator, scale: float) -> Sprite:
    """Draw one thing that is not among the ten classes, at `scale` pixels a metre."""
    views, weights = zip(*DISTRACTORS, strict=True)
    return draw_figure(views[int(rng.choice(len(views), p=weights))], rng, scale)


def random_ground(rng: np.random.Generator, size: tuple[int, int], camera: float, horizon: float) -> Ground:
    """Return a street with a road somewhere on it, seen along or across."""
    width, height = size
    along = rng.random() < 0.45
    vanish = width * rng.uniform(0.25, 0.75)
    if along:
        half = rng.uniform(2.2, 4.0)
        middle = rng.uniform(-2.0, 2.0)
        road = (middle - half, middle + half)
    else:
        far = horizon + (height - horizon) * rng.uniform(0.12, 0.35)
        road = (far, far + (height - horizon) * rng.uniform(0.35, 0.6))
    return Ground(width, height, horizon, camera, vanish, along, road)


def draw_backdrop(rng: np.random.Generator, ground: Ground, sky: tuple[Color, Color]) -> tuple[Image.Image, list[Lamp]]:
    """Draw the empty street (RGB, the ground's size); return it and its lit windows as lamps."""
    size = (ground.width * 2, ground.height * 2)
    image = Image.linear_gradient("L").resize(size)
    image = Image.composite(Image.new("RGB", size, sky[1]), Image.new("RGB", size, sky[0]), image)
    draw = ImageDraw.Draw(image)
    horizon = ground.horizon * 2
    for _ in range(int(rng.integers(0, 5))):
        x, y, w = rng.uniform(0, size[0]), rng.uniform(0, horizon * 0.8), rng.uniform(0.1, 0.3) * size[0]
        draw.ellipse((x, y, x + w, y + w * 0.16), fill=shade(sky[1], 1.08))
    x, skyline = -20.0, shade(pick(rng, ((130, 150, 130), (150, 156, 170), (120, 140, 110))), 1)
    while x < size[0]:
        w = rng.uniform(0.05, 0.22) * size[0]
        draw.ellipse(
            (x, horizon - w * 0.35, x + w * 1.6, horizon + w * 0.4), fill=shade(skyline, rng.uniform(0.92, 1.05))
        )
        x += w
    pavement, road = pick(rng, PAVEMENTS), pick(rng, ROADS)
    draw.rectangle((0, horizon, *size), fill=pavement)
    lamps = _along(draw, rng, ground, road) if ground.along else _across(draw, rng, ground, pavement, road)
    return image.reduce(2), lamps


def _along(draw: ImageDraw.ImageDraw, rng: np.random.Generator, ground: Ground, road: Color) -> list[Lamp]:
    """Draw a road that runs away from the viewer, houses on both sides; return their lit windows."""
    low, high = ground.road
    near, far = ground.scale(ground.height * 1.1), ground.scale(ground.horizon + 0.02 * ground.height)
    draw.polygon(ground.strip(low, high, near, far), fill=road)
    for edge in (low, high):
        kerb = [ground.point(edge - 0.14, 0, near), ground.point(edge, 0, far), ground.point(edge + 0.14, 0, near)]
        draw.polygon(_double(kerb), fill=FAR_KERB)
    depth, middle = 1 / near, (low + high) / 2
    while depth < 1 / far:  # dashes of equal length on the street
        a, b = 1 / depth, 1 / (depth * 1.25)
        draw.polygon(ground.strip(middle - 0.08, middle + 0.08, a, b), fill=DASH)
        depth *= 1.6
    lamps = []
    for edge in (low - rng.uniform(2.0, 4.0), high + rng.uniform(2.0, 4.0)):
        cuts = np.geomspace(far, ground.scale(ground.height * rng.uniform(0.5, 0.9)), int(rng.integers(5, 9)))
        for a, b in pairwise(cuts):
            up, wall = rng.uniform(0.3, 0.9) * ground.horizon / b + ground.camera, pick(rng, WALLS)
            if rng.random() < 0.12:
                continue
            draw.polygon(ground.wall(edge, 0, up, a, b), fill=shade(wall, 0.9))
            lamps += _wall_windows(draw, rng, ground, edge, up, np.geomspace(a, b, 8))
    return lamps


def _wall_windows(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, ground: Ground, edge: float, up: float, cuts: np.ndarray
) -> list[Lamp]:
    lamps = []
    for floor in (0.15, 0.45, 0.75):
        for a, b in zip(cuts[1::2], cuts[2::2], strict=False):
            lit = rng.random() < 0.3
            low, high = up * floor, up * (floor + 0.14)
            quad = ground.wall(edge, low, high, a, b)
            draw.polygon(quad, fill=shade(GLASS, 0.9))
            if lit:
                x, y = np.mean(quad, axis=0) / 2
                half = min((high - low) * b, abs(quad[1][0] - quad[0][0]) / 2) * 0.45
                if half > 0.6:
                    lamps.append((x, y, half, WINDOW_LIGHT))
    return lamps


def _across(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, ground: Ground, pavement: Color, road: Color
) -> list[Lamp]:
    """Draw a row of houses at the far side, and a road that runs from left to right; return their lit windows."""
    lamps, base = [], ground.horizon + (ground.road[0] - ground.horizon) * rng.uniform(0.3, 0.8)
    x = -rng.uniform(0, 0.2) * ground.width
    while x < ground.width:
        w, h = rng.uniform(0.14, 0.36) * ground.width, rng.uniform(0.35, 1.0) * ground.horizon + base - ground.horizon
        if rng.random() < 0.85:
            lamps += _house(draw, rng, (x, base - h, x + w, base), ground.width / 256)
        x += w + (rng.uniform(0.02, 0.15) * ground.width if rng.random() < 0.3 else 0)
    top, bottom = ground.road
    draw.rectangle((0, 2 * base, 2 * ground.width, 2 * top), fill=shade(pavement, 0.93))
    draw.rectangle((0, 2 * top, 2 * ground.width, 2 * bottom), fill=road)
    kerb = max(2, (bottom - top) * 0.05)
    draw.rectangle((0, 2 * top - kerb, 2 * ground.width, 2 * top), fill=KERB)
    draw.rectangle((0, 2 * bottom, 2 * ground.width, 2 * bottom + kerb * 1.6), fill=KERB)
    middle, dash = top + (bottom - top) * 0.42, ground.width * rng.uniform(0.08, 0.16)
    x = -rng.uniform(0, dash)
    while x < ground.width:
        draw.rectangle((2 * x, 2 * middle, 2 * x + dash, 2 * middle + kerb), fill=DASH)
        x += dash
    return lamps


def _house(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[float, float, float, float], unit: float
) -> list[Lamp]:
    """Draw a house front with windows and a door in `box` (x1, y1, x2, y2); return its lit windows.

    `unit` is 1 in a picture that is 256 pixels wide.
    """
    x1, y1, x2, y2 = box
    wall = pick(rng, WALLS)
    draw.rectangle((2 * x1, 2 * y1, 2 * x2, 2 * y2), fill=wall)
    if rng.random() < 0.5:
        peak = (x2 - x1) * rng.uniform(0.15, 0.35)
        draw.polygon(
            _double([(x1 - 2, y1), (x2 + 2, y1), ((x1 + x2) / 2, y1 - peak)]), fill=shade(pick(rng, WALLS), 0.6)
        )
    columns, rows = max(2, round((x2 - x1) / (18 * unit))), max(1, round((y2 - y1) / (22 * unit)))
    dx, dy = (x2 - x1) / columns, (y2 - y1) / rows
    lamps = []
    for row in range(rows):
        for column in range(columns):
            wx, wy = x1 + (column + 0.25) * dx, y1 + (row + 0.22) * dy
            draw.rectangle((2 * wx, 2 * wy, 2 * wx + dx, 2 * wy + dy), fill=shade(GLASS, 0.9))
            if rng.random() < 0.25:
                lamps.append((wx + dx / 4, wy + dy / 4, min(dx, dy) * 0.28, WINDOW_LIGHT))
    door = x1 + dx * (int(rng.integers(columns)) + 0.25)
    draw.rectangle((2 * door, 2 * y2 - dy * 1.4, 2 * door + dx, 2 * y2), fill=shade(pick(rng, WALLS), 0.5))
    return lamps
