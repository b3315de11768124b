"""What has wheels in the street scenes: car, bus, truck, bicycle and scooter, drawn in metres with a `Pen`."""

from __future__ import annotations

import math

import numpy as np

from core.datasets.street.pen import (
    BLACK,
    CHROME,
    DARK,
    GLASS,
    PAINTS,
    RED_LIGHT,
    WARM_LIGHT,
    WHITE,
    WINDOW_LIGHT,
    Pen,
    pick,
    shade,
)


def _wheel(pen: Pen, x: float, radius: float) -> None:
    """Draw a wheel."""
    pen.disc(x, radius, radius, BLACK)
    pen.disc(x, radius, radius * 0.58, CHROME)
    pen.disc(x, radius, radius * 0.25, DARK)


def car_side(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a car from the side."""
    paint = pick(rng, PAINTS)
    dark = shade(paint, 0.72)
    kind = int(rng.integers(3))  # saloon, hatchback, estate
    roof = (
        [(0.75, 0.85), (1.35, 1.42), (2.65, 1.42), (3.3, 0.85)],
        [(0.2, 0.85), (0.5, 1.45), (2.3, 1.45), (3.1, 0.85)],
        [(0.15, 0.85), (0.3, 1.55), (2.6, 1.55), (3.25, 0.85)],
    )[kind]
    pen.poly(roof, paint)
    inner = [
        (roof[0][0] + 0.22, 0.9),
        (roof[1][0] + 0.1, roof[1][1] - 0.1),
        (roof[2][0] - 0.06, roof[2][1] - 0.1),
        (roof[3][0] - 0.22, 0.9),
    ]
    pen.poly(inner, GLASS)
    middle = (roof[1][0] + roof[2][0]) / 2
    pen.box(middle - 0.05, 0.85, middle + 0.05, roof[1][1] - 0.05, paint)
    pen.box(0.05, 0.3, 4.15, 0.72, paint, 0.16)
    pen.poly([(0.08, 0.6), (0.12, 0.92), (3.3, 0.92), (4.0, 0.8), (4.13, 0.55)], paint)
    pen.box(0.1, 0.26, 4.1, 0.4, dark, 0.05)
    pen.limb([(middle, 0.88), (middle, 0.42)], 0.03, dark)
    pen.box(middle + 0.12, 0.72, middle + 0.34, 0.77, dark)
    pen.box(0.05, 0.62, 0.2, 0.8, RED_LIGHT)
    pen.lamp(4.03, 0.66, 0.09, WARM_LIGHT)
    for x in (0.85, 3.3):
        pen.disc(x, 0.34, 0.4, dark)
        _wheel(pen, x, 0.33)


def car_front(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a car from the front or the back."""
    paint, rear = pick(rng, PAINTS), rng.random() < 0.5
    for x in (0.12, 1.42):
        pen.box(x, 0.0, x + 0.26, 0.5, BLACK, 0.06)
    pen.poly([(0.15, 0.85), (0.38, 1.45), (1.42, 1.45), (1.65, 0.85)], paint)
    pen.poly([(0.3, 0.88), (0.47, 1.36), (1.33, 1.36), (1.5, 0.88)], shade(GLASS, 0.9))
    pen.box(0.03, 0.28, 1.77, 0.95, paint, 0.15)
    pen.box(0.06, 0.22, 1.74, 0.42, shade(paint, 0.66), 0.06)
    if rear:
        pen.box(0.5, 0.86, 1.3, 0.9, shade(paint, 0.75))
        for x in (0.2, 1.6):
            pen.box(x - 0.14, 0.62, x + 0.14, 0.8, RED_LIGHT)
            pen.lamps.append((x, 0.7, 0.08, RED_LIGHT))
    else:
        pen.box(0.52, 0.48, 1.28, 0.7, DARK, 0.04)
        for x in (0.28, 1.52):
            pen.lamp(x, 0.66, 0.13, WARM_LIGHT)
    pen.box(0.68, 0.34, 1.12, 0.46, WHITE)


def bicycle(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a bicycle."""
    paint, radius = pick(rng, PAINTS), 0.34
    tyre = pick(rng, (BLACK, BLACK, (70, 50, 40)))
    rear, front, crank = (radius + 0.04, radius), (1.74 - radius, radius), (0.8, 0.3)
    for x, y in (rear, front):
        pen.disc(x, y, radius, tyre)
        pen.disc(x, y, radius - 0.065, (150, 150, 150, 50))
        turn = rng.uniform(0, 1)
        for k in range(5):
            dx, dy = math.cos(turn + k * math.pi / 5) * 0.28, math.sin(turn + k * math.pi / 5) * 0.28
            pen.limb([(x - dx, y - dy), (x + dx, y + dy)], 0.012, (*CHROME, 255))
        pen.disc(x, y, 0.045, DARK)
    seat, head = (0.66, 0.82), (1.24, 0.86)
    tube = 0.06
    pen.limb([rear, crank, head, seat, crank], tube, paint)
    pen.limb([rear, seat], tube * 0.8, paint)
    pen.limb([front, (1.25, 0.8), (1.2, 1.0)], tube, shade(paint, 0.8))
    pen.limb([seat, (0.63, 0.92)], 0.045, DARK)
    pen.oval(0.48, 0.9, 0.8, 1.0, BLACK)
    if rng.random() < 0.5:
        pen.limb([(1.2, 1.0), (1.38, 1.02), (1.42, 0.92), (1.34, 0.86)], 0.05, BLACK)
    else:
        pen.limb([(1.06, 1.04), (1.2, 1.02), (1.36, 1.05)], 0.055, BLACK)
    pen.disc(*crank, 0.1, DARK)
    pen.disc(*crank, 0.05, CHROME)
    pen.limb([(0.72, 0.14), (0.88, 0.46)], 0.04, DARK)
    if rng.random() < 0.35:
        pen.box(1.3, 0.84, 1.6, 1.06, (150, 104, 56), 0.03)


def scooter_side(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a scooter from the side."""
    paint, saddle = pick(rng, PAINTS), pick(rng, (BLACK, (110, 66, 40), (60, 44, 40)))
    dark, light = shade(paint, 0.7), shade(paint, 1.2)
    for x in (0.42, 1.46):
        pen.disc(x, 0.24, 0.24, BLACK)
        pen.disc(x, 0.24, 0.13, CHROME)
        pen.disc(x, 0.24, 0.05, DARK)
    pen.limb([(1.46, 0.24), (1.3, 0.8)], 0.07, CHROME)  # fork
    pen.poly([(1.18, 0.42), (1.24, 0.56), (1.5, 0.6), (1.72, 0.42), (1.74, 0.34), (1.5, 0.46)], paint)  # mudguard
    pen.box(0.62, 0.24, 1.28, 0.35, dark, 0.03)  # floor
    pen.limb([(1.18, 0.32), (1.32, 0.98)], 0.13, paint)  # shield
    pen.limb([(1.14, 0.36), (1.26, 0.92)], 0.04, light)
    pen.poly([(0.1, 0.66), (0.2, 0.76), (0.86, 0.76), (0.9, 0.3), (0.7, 0.24), (0.66, 0.42), (0.2, 0.42)], paint)
    pen.oval(0.08, 0.28, 0.82, 0.74, paint)  # the cheek over the rear wheel
    pen.oval(0.16, 0.36, 0.74, 0.68, light)
    pen.box(0.16, 0.74, 0.94, 0.85, saddle, 0.055)
    pen.box(0.02, 0.56, 0.1, 0.68, RED_LIGHT, 0.02)
    pen.poly([(1.24, 0.94), (1.28, 1.12), (1.42, 1.12), (1.5, 0.98), (1.4, 0.9)], paint)  # head
    pen.lamp(1.48, 1.02, 0.075, WARM_LIGHT)
    pen.limb([(1.3, 1.08), (1.12, 1.12)], 0.05, BLACK)
    pen.limb([(1.3, 1.1), (1.24, 1.26)], 0.02, CHROME)
    pen.oval(1.16, 1.22, 1.3, 1.32, CHROME)
    if rng.random() < 0.35:
        pen.box(0.0, 0.86, 0.36, 1.16, shade(pick(rng, PAINTS), 0.95), 0.04)  # a case for parcels


def scooter_front(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a scooter from the front."""
    paint, rear = pick(rng, PAINTS), rng.random() < 0.35
    dark, light = shade(paint, 0.7), shade(paint, 1.2)
    pen.box(0.31, 0.0, 0.47, 0.5, BLACK, 0.07)
    for x, outer in ((0.16, 0.09), (0.62, 0.69)):
        pen.limb([(x, 1.02), (outer, 1.22)], 0.025, CHROME)
        pen.oval(outer - 0.08, 1.18, outer + 0.08, 1.31, CHROME)
    shield = [(0.11, 0.34), (0.13, 0.78), (0.25, 0.96), (0.53, 0.96), (0.65, 0.78), (0.67, 0.34), (0.51, 0.24)]
    pen.poly([*shield, (0.27, 0.24)], dark if rear else paint)
    pen.limb([(0.05, 1.0), (0.73, 1.0)], 0.06, BLACK)
    pen.oval(0.21, 0.86, 0.57, 1.16, paint)
    if rear:
        pen.oval(0.07, 0.22, 0.71, 0.8, paint)
        pen.box(0.16, 0.7, 0.62, 0.88, BLACK, 0.08)
        pen.box(0.31, 0.5, 0.47, 0.62, RED_LIGHT, 0.02)
        pen.lamps.append((0.39, 0.56, 0.08, RED_LIGHT))
        pen.box(0.26, 0.28, 0.52, 0.44, WHITE)
        return
    pen.limb([(0.39, 0.34), (0.39, 0.86)], 0.05, light)
    pen.poly([(0.27, 0.24), (0.31, 0.46), (0.47, 0.46), (0.51, 0.24)], dark)
    pen.lamp(0.39, 1.0, 0.11, WARM_LIGHT)


def bus_side(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a bus from the side."""
    paint, stripe = pick(rng, PAINTS), pick(rng, PAINTS)
    pen.box(0.05, 0.35, 7.95, 3.0, paint, 0.22)
    pen.box(0.05, 0.35, 7.95, 0.62, shade(paint, 0.65), 0.1)
    pen.box(0.08, 0.85, 7.92, 1.15, stripe)
    for k in range(6):
        pen.box(0.3 + k * 1.05, 1.45, 1.2 + k * 1.05, 2.45, GLASS, 0.08)
        pen.poly(
            [(0.4 + k * 1.05, 1.5), (0.62 + k * 1.05, 1.5), (0.95 + k * 1.05, 2.4), (0.73 + k * 1.05, 2.4)],
            shade(GLASS, 1.25),
        )
        pen.lamps.append((0.75 + k * 1.05, 1.95, 0.3, WINDOW_LIGHT))
    pen.box(6.62, 0.5, 7.36, 2.45, shade(GLASS, 0.8), 0.05)
    pen.limb([(6.99, 0.5), (6.99, 2.4)], 0.06, CHROME)
    pen.box(7.5, 1.4, 7.93, 2.5, shade(GLASS, 1.15), 0.08)
    pen.box(4.9, 2.58, 7.2, 2.88, BLACK)
    pen.box(5.1, 2.66, 7.0, 2.8, (250, 190, 60))
    pen.lamp(7.82, 0.72, 0.13, WARM_LIGHT)
    for x in (1.7, 5.9):
        pen.disc(x, 0.5, 0.6, BLACK)
        _wheel(pen, x, 0.48)


def bus_front(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a bus from the front."""
    paint = pick(rng, PAINTS)
    for x in (0.3, 1.95):
        pen.box(x, 0.0, x + 0.35, 0.6, BLACK)
    pen.box(0.1, 0.3, 2.5, 3.0, paint, 0.2)
    pen.box(0.1, 0.3, 2.5, 0.6, shade(paint, 0.65), 0.1)
    pen.box(0.25, 1.2, 2.35, 2.4, GLASS, 0.12)
    pen.poly([(0.5, 1.25), (0.9, 1.25), (1.4, 2.35), (1.0, 2.35)], shade(GLASS, 1.25))
    pen.limb([(1.3, 1.2), (1.3, 2.4)], 0.05, DARK)
    pen.box(0.4, 2.5, 2.2, 2.85, BLACK)
    pen.box(0.6, 2.58, 2.0, 2.77, (250, 190, 60))
    for x in (0.42, 2.18):
        pen.lamp(x, 0.82, 0.16, WARM_LIGHT)
        outer = 0.0 if x < 1 else 2.46
        pen.box(outer, 1.6, outer + 0.14, 2.15, BLACK)
    pen.box(0.95, 0.7, 1.65, 0.95, shade(paint, 0.75))


def truck_side(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a truck from the side."""
    paint, cargo = pick(rng, PAINTS), pick(rng, PAINTS)
    pen.box(0.1, 0.42, 6.4, 0.68, DARK)
    kind = int(rng.integers(3))  # box, tipper, tank
    if kind == 0:
        pen.box(0.1, 0.68, 4.65, 3.0, cargo)
        pen.box(0.1, 2.85, 4.65, 3.0, shade(cargo, 0.8))
        for k in range(1, 5):
            pen.limb([(0.1 + k * 0.91, 0.75), (0.1 + k * 0.91, 2.85)], 0.035, shade(cargo, 0.82))
        pen.box(0.9, 1.45, 3.8, 2.0, shade(pick(rng, PAINTS), 0.9))
    elif kind == 1:
        pen.poly([(0.5, 1.9), (1.6, 2.5), (2.6, 2.3), (3.6, 2.55), (4.4, 1.9)], (128, 98, 66))
        pen.poly([(0.1, 2.0), (4.7, 2.0), (4.5, 0.7), (0.4, 0.7)], cargo)
        for k in range(5):
            pen.limb([(0.6 + k * 0.9, 0.75), (0.6 + k * 0.9, 1.95)], 0.09, shade(cargo, 0.75))
    else:
        pen.box(0.1, 0.8, 4.65, 2.6, shade(CHROME, 1.1), 0.85)
        pen.box(0.5, 1.9, 4.25, 2.2, shade(CHROME, 1.35), 0.1)
        pen.box(0.5, 1.3, 4.25, 1.5, cargo)
    pen.box(4.85, 0.5, 6.45, 1.5, paint, 0.1)
    pen.poly([(4.85, 1.3), (4.85, 2.55), (6.0, 2.55), (6.45, 1.5), (6.45, 1.2)], paint)
    pen.poly([(5.2, 1.5), (5.2, 2.35), (5.9, 2.35), (6.25, 1.5)], GLASS)
    pen.box(4.85, 0.45, 6.45, 0.7, shade(paint, 0.65))
    pen.lamp(6.35, 0.85, 0.11, WARM_LIGHT)
    for x in (0.85, 1.95, 5.6):
        pen.disc(x, 0.5, 0.56, BLACK)
        _wheel(pen, x, 0.48)


def truck_front(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a truck from the front."""
    paint, cargo, rear = pick(rng, PAINTS), pick(rng, PAINTS), rng.random() < 0.4
    for x in (0.2, 1.85):
        pen.box(x, 0.0, x + 0.4, 0.7, BLACK)
    pen.box(0.05, 0.75, 2.4, 3.1, cargo)
    pen.box(0.05, 2.95, 2.4, 3.1, shade(cargo, 0.75))
    if rear:
        pen.limb([(1.22, 0.8), (1.22, 2.95)], 0.06, shade(cargo, 0.6))
        for x in (0.55, 0.95, 1.5, 1.9):
            pen.limb([(x, 0.85), (x, 2.9)], 0.04, shade(CHROME, 0.8))
        pen.box(0.1, 0.45, 2.35, 0.75, DARK)
        for x in (0.3, 2.15):
            pen.lamp(x, 0.6, 0.12, RED_LIGHT)
        return
    pen.box(0.15, 0.4, 2.3, 2.45, paint, 0.14)
    pen.box(0.32, 1.5, 2.13, 2.25, GLASS, 0.08)
    pen.box(0.55, 0.75, 1.9, 1.35, DARK, 0.04)
    for y in (0.9, 1.05, 1.2):
        pen.limb([(0.62, y), (1.83, y)], 0.05, CHROME)
    pen.box(0.12, 0.35, 2.33, 0.62, shade(paint, 0.6))
    for x in (0.35, 2.1):
        pen.lamp(x, 0.8, 0.15, WARM_LIGHT)
