"""Objects of the street scenes: person, cat, dog, chair and the two signs; and in `VIEWS` the views of all classes.

The world is a toy one: cats, dogs, traffic lights and signs are a little larger than life, so that they can be seen.
"""

from __future__ import annotations

import math

import numpy as np

from core.datasets.street import vehicles
from core.datasets.street.pen import BLACK, CLOTHES, WHITE, Color, Pen, View, pick, shade

SKINS = ((244, 208, 178), (226, 178, 142), (190, 138, 100), (142, 94, 64), (96, 62, 44))
HAIRS = ((34, 26, 24), (80, 50, 30), (140, 92, 48), (214, 178, 104), (150, 150, 150), (160, 70, 36))
CAT_FURS = ((226, 138, 56), (128, 128, 134), (44, 42, 46), (236, 230, 220), (160, 120, 84))
DOG_FURS = ((146, 92, 48), (214, 168, 96), (50, 42, 40), (232, 222, 206), (110, 72, 46))
WOODS = ((150, 96, 52), (196, 146, 88), (92, 58, 40), (210, 60, 50), (240, 238, 230), (60, 120, 150), (46, 46, 50))


def person(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a person, standing or walking."""
    skin, hair, shirt, trousers = pick(rng, SKINS), pick(rng, HAIRS), pick(rng, CLOTHES), pick(rng, CLOTHES)
    stride, side, skirt = rng.uniform(0.02, 0.24), rng.random() < 0.45, rng.random() < 0.22
    swing, raised = rng.uniform(-0.05, 0.25), rng.random() < 0.18
    sleeve = shirt if rng.random() < 0.5 else skin
    x, spread = 0.45, 0.07 if side else 0.16
    for sign in (-1, 1):
        foot = x + sign * max(stride, 0.08)
        pen.limb(
            [(x + sign * 0.07, 0.85), (x + sign * 0.09 + stride * sign * 0.3, 0.45), (foot, 0.07)],
            0.15,
            shade(skin if skirt else trousers, 0.85 if sign < 0 else 1),
        )
        pen.oval(foot - 0.08, 0.0, foot + (0.14 if side else 0.09), 0.1, BLACK)
    hand = (x - spread - swing, 0.78)
    pen.limb([(x - spread, 1.36), (x - spread - 0.06, 1.06), hand], 0.11, shade(sleeve, 0.82))
    pen.disc(*hand, 0.055, skin)
    if side and rng.random() < 0.4:
        pen.box(x - 0.32, 0.95, x - 0.1, 1.4, pick(rng, CLOTHES), 0.06)
    width = 0.16 if side else 0.21
    if rng.random() < 0.35:
        pen.box(x - 0.15, 1.32, x + 0.15, 1.66, hair, 0.08)
    if skirt:
        pen.poly([(x - 0.15, 0.95), (x + 0.15, 0.95), (x + 0.27, 0.5), (x - 0.27, 0.5)], trousers)
    pen.box(x - width, 0.8, x + width, 1.45, shirt, 0.1)
    pen.box(x - width, 0.8, x + width, 0.88, shade(trousers, 0.8))
    other = (x + spread + 0.12, 1.7) if raised else (x + spread + swing, 0.78)
    pen.limb([(x + spread, 1.36), (x + spread + 0.1, 1.2 if raised else 1.06), other], 0.11, shade(sleeve, 0.92))
    pen.disc(*other, 0.055, skin)
    pen.box(x - 0.05, 1.4, x + 0.05, 1.52, shade(skin, 0.85))
    pen.oval(x - 0.12, 1.45, x + 0.12, 1.76, skin)
    if rng.random() < 0.2:
        hat = pick(rng, CLOTHES)
        pen.box(x - 0.13, 1.66, x + 0.13, 1.8, hat, 0.05)
        pen.box(x - 0.13, 1.65, x + (0.24 if side else 0.16), 1.69, shade(hat, 0.8))
    else:
        pen.draw.pieslice((*pen.at([(x - 0.135, 1.79)])[0], *pen.at([(x + 0.135, 1.47)])[0]), 170, 370, fill=hair)
    if side:
        pen.box(x - 0.13, 1.52, x - 0.05, 1.66, hair)
        pen.disc(x + 0.08, 1.61, 0.018, BLACK)
    else:
        pen.disc(x - 0.05, 1.61, 0.018, BLACK)
        pen.disc(x + 0.05, 1.61, 0.018, BLACK)


def traffic_light(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a traffic light."""
    body = pick(rng, (BLACK, BLACK, (40, 60, 48), (214, 170, 40)))
    lit = int(rng.integers(3))
    pen.box(0.03, 0.02, 0.47, 1.28, body, 0.08)
    for k, color in enumerate(((44, 214, 110), (250, 196, 40), (240, 44, 40))):
        y = 0.24 + k * 0.41
        pen.disc(0.25, y + 0.03, 0.18, shade(body, 0.6))
        if k == lit:
            pen.lamp(0.25, y, 0.165, color)
            pen.disc(0.22, y + 0.04, 0.05, shade(color, 1.5))
        else:
            pen.disc(0.25, y, 0.15, shade(color, 0.34))


# The strokes of S, T, O, P in a cell of 1 x 1.
LETTERS = (
    ((0.95, 0.9), (0.5, 1.0), (0.1, 0.8), (0.25, 0.55), (0.75, 0.45), (0.95, 0.2), (0.5, 0.0), (0.05, 0.1)),
    ((0.0, 1.0), (1.0, 1.0), (0.5, 1.0), (0.5, 0.0)),
    ((0.5, 1.0), (0.1, 0.8), (0.1, 0.2), (0.5, 0.0), (0.9, 0.2), (0.9, 0.8), (0.5, 1.0)),
    ((0.1, 0.0), (0.1, 1.0), (0.7, 1.0), (0.95, 0.75), (0.7, 0.48), (0.1, 0.48)),
)


def stop_sign(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a stop sign."""
    red = pick(rng, ((200, 24, 30), (184, 30, 34), (214, 44, 40)))
    for radius, color in ((0.46, WHITE), (0.415, red)):
        pen.poly(
            [
                (0.46 + radius * 1.04 * math.cos(a), 0.46 + radius * 1.04 * math.sin(a))
                for a in np.arange(8) * math.pi / 4 + math.pi / 8
            ],
            color,
        )
    for k, letter in enumerate(LETTERS):
        pen.limb([(0.135 + k * 0.168 + 0.13 * x, 0.32 + 0.28 * y) for x, y in letter], 0.038, WHITE)


def cat_walking(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a walking cat."""
    fur = pick(rng, CAT_FURS)
    light, dark = shade(fur, 1.25), shade(fur, 0.68)
    tail = [(0.13 - 0.09 * math.sin(t * 3.4), 0.32 + 0.36 * t) for t in np.linspace(0, 1, 9)]
    pen.limb([*tail, (tail[-1][0] + 0.07, 0.71), (tail[-1][0] + 0.13, 0.66)], 0.065, fur)
    step = rng.uniform(0.0, 0.06)
    for x, tint in ((0.2 - step, dark), (0.56 + step, dark), (0.26 + step, fur), (0.62 - step, fur)):
        pen.limb([(x, 0.26), (x + 0.01, 0.04)], 0.075, tint)
    pen.oval(0.1, 0.18, 0.7, 0.44, fur)
    if rng.random() < 0.6:
        for x in (0.22, 0.32, 0.42, 0.52):
            pen.limb([(x, 0.43), (x - 0.015, 0.31)], 0.03, dark)
    _cat_head(pen, 0.72, 0.47, 0.145, fur, light)


def _cat_head(pen: Pen, x: float, y: float, r: float, fur: Color, light: Color) -> None:
    """Draw a cat's head."""
    for sign in (-1, 1):
        pen.poly(
            [(x + sign * r * 1.0, y + r * 0.2), (x + sign * r * 0.95, y + r * 1.75), (x + sign * r * 0.1, y + r * 0.8)],
            fur,
        )
        pen.poly(
            [(x + sign * r * 0.85, y + r * 0.6), (x + sign * r * 0.85, y + r * 1.4), (x + sign * r * 0.4, y + r * 0.8)],
            (226, 150, 150),
        )
    pen.oval(x - r * 1.1, y - r * 0.9, x + r * 1.1, y + r * 0.95, fur)
    pen.oval(x - r * 0.5, y - r * 0.75, x + r * 0.5, y - r * 0.1, light)
    for sign in (-1, 1):
        pen.oval(
            x + sign * r * 0.45 - r * 0.22, y - r * 0.02, x + sign * r * 0.45 + r * 0.22, y + r * 0.42, (170, 210, 80)
        )
        pen.oval(x + sign * r * 0.45 - r * 0.08, y - r * 0.02, x + sign * r * 0.45 + r * 0.08, y + r * 0.42, BLACK)
        for tilt in (-0.12, 0.12):
            pen.limb([(x + sign * r * 0.4, y - r * 0.35), (x + sign * r * 1.35, y - r * (0.35 + tilt))], 0.008, WHITE)
    pen.poly([(x - r * 0.16, y - r * 0.15), (x + r * 0.16, y - r * 0.15), (x, y - r * 0.35)], (214, 110, 120))


def cat_sitting(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a sitting cat."""
    fur = pick(rng, CAT_FURS)
    light, dark = shade(fur, 1.25), shade(fur, 0.68)
    tail = [(0.4 + 0.2 * math.cos(t), 0.14 + 0.14 * math.sin(t)) for t in np.linspace(-1.4, 1.9, 9)]
    pen.limb(tail, 0.065, dark)
    pen.oval(0.08, 0.0, 0.46, 0.36, fur)
    pen.poly([(0.14, 0.15), (0.18, 0.52), (0.36, 0.52), (0.4, 0.15)], fur)
    pen.oval(0.2, 0.2, 0.34, 0.48, light)
    for x in (0.21, 0.33):
        pen.limb([(x, 0.25), (x, 0.04)], 0.07, shade(fur, 0.9))
    if rng.random() < 0.5:
        for y in (0.2, 0.28, 0.36):
            pen.limb([(0.12, y), (0.19, y + 0.01)], 0.025, dark)
            pen.limb([(0.42, y), (0.35, y + 0.01)], 0.025, dark)
    _cat_head(pen, 0.27, 0.6, 0.16, fur, light)


def _dog_head(pen: Pen, x: float, y: float, fur: Color, ear: Color) -> None:
    """Draw a dog's head."""
    pen.disc(x, y, 0.13, fur)
    pen.box(x + 0.02, y - 0.11, x + 0.28, y + 0.03, shade(fur, 1.08), 0.055)
    pen.oval(x + 0.23, y - 0.04, x + 0.31, y + 0.04, BLACK)
    pen.limb([(x + 0.1, y - 0.075), (x + 0.24, y - 0.07)], 0.018, shade(fur, 0.5))
    pen.disc(x + 0.06, y + 0.05, 0.024, BLACK)
    pen.poly(
        [(x - 0.1, y + 0.12), (x + 0.0, y + 0.1), (x - 0.01, y - 0.13), (x - 0.08, y - 0.19), (x - 0.15, y - 0.1)], ear
    )


def dog_standing(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a standing dog."""
    fur = pick(rng, DOG_FURS)
    dark, ear = shade(fur, 0.7), shade(fur, 0.55)
    wag = rng.uniform(-0.08, 0.08)
    pen.limb([(0.14, 0.56), (0.06, 0.68), (0.07 + wag, 0.84)], 0.06, fur)
    step = rng.uniform(0.0, 0.1)
    for x, tint, bend in ((0.2, dark, -step), (0.62, dark, step), (0.26, fur, step), (0.69, fur, -step)):
        pen.limb([(x, 0.44), (x + bend * 0.4, 0.22), (x + bend, 0.04)], 0.085, tint)
        pen.oval(x + bend - 0.05, 0.0, x + bend + 0.09, 0.07, tint)
    pen.box(0.12, 0.38, 0.76, 0.63, fur, 0.12)
    if rng.random() < 0.45:
        pen.oval(0.28, 0.44, 0.52, 0.63, ear)
    pen.limb([(0.7, 0.56), (0.82, 0.74)], 0.17, fur)
    if rng.random() < 0.7:
        pen.limb([(0.69, 0.68), (0.84, 0.6)], 0.04, pick(rng, ((200, 30, 40), (40, 90, 190), (240, 190, 40))))
    _dog_head(pen, 0.85, 0.8, fur, ear)


def dog_sitting(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a sitting dog."""
    fur = pick(rng, DOG_FURS)
    dark, ear = shade(fur, 0.7), shade(fur, 0.55)
    pen.limb([(0.2, 0.08), (0.08, 0.1), (0.04, 0.2)], 0.06, fur)
    pen.limb([(0.28, 0.2), (0.46, 0.62)], 0.27, fur)
    pen.oval(0.12, 0.0, 0.42, 0.32, fur)
    pen.limb([(0.54, 0.5), (0.53, 0.04)], 0.08, dark)
    pen.limb([(0.48, 0.5), (0.47, 0.04)], 0.09, fur)
    pen.oval(0.42, 0.0, 0.58, 0.07, fur)
    pen.oval(0.24, 0.0, 0.44, 0.08, dark)
    pen.limb([(0.48, 0.6), (0.5, 0.8)], 0.17, fur)
    if rng.random() < 0.7:
        pen.limb([(0.4, 0.66), (0.59, 0.66)], 0.04, pick(rng, ((200, 30, 40), (40, 90, 190), (240, 190, 40))))
    _dog_head(pen, 0.52, 0.86, fur, ear)


def chair_angled(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a chair at an angle."""
    wood = pick(rng, WOODS)
    dark, slats, cushion = shade(wood, 0.7), rng.random() < 0.6, rng.random() < 0.4
    for x, y0 in ((0.16, 0.1), (0.52, 0.1)):
        pen.limb([(x, 0.5), (x, y0)], 0.05, dark)
    if slats:
        for x in (0.25, 0.34, 0.43):
            pen.limb([(x, 0.52), (x, 1.0)], 0.03, dark)
        pen.box(0.14, 0.88, 0.54, 1.02, wood, 0.03)
        pen.box(0.14, 0.68, 0.54, 0.74, wood)
    else:
        pen.box(0.14, 0.6, 0.54, 1.03, wood, 0.06)
    for x in (0.16, 0.52):
        pen.limb([(x, 0.48), (x, 1.0)], 0.05, wood)
    pen.poly(
        [(0.13, 0.54), (0.55, 0.54), (0.64, 0.4), (0.06, 0.4)], pick(rng, CLOTHES) if cushion else shade(wood, 1.15)
    )
    pen.box(0.06, 0.35, 0.64, 0.41, dark)
    for x in (0.09, 0.61):
        pen.limb([(x, 0.38), (x, 0.03)], 0.06, wood)


def chair_side(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a chair from the side."""
    wood = pick(rng, WOODS)
    dark = shade(wood, 0.7)
    for x, tilt in ((0.2, -0.04), (0.56, 0.02)):
        pen.limb([(x, 0.46), (x + tilt, 0.08)], 0.045, dark)
    pen.limb([(0.12, 0.45), (0.04, 1.02)], 0.07, wood)
    pen.poly([(0.16, 0.5), (0.26, 0.55), (0.18, 1.03), (0.05, 1.03)], shade(wood, 0.85))
    pen.poly([(0.06, 0.47), (0.2, 0.53), (0.66, 0.53), (0.62, 0.43), (0.08, 0.41)], shade(wood, 1.12))
    pen.box(0.08, 0.4, 0.63, 0.45, dark)
    for x, tilt in ((0.11, -0.05), (0.59, 0.03)):
        pen.limb([(x, 0.42), (x + tilt, 0.03)], 0.06, wood)
    pen.limb([(0.1, 0.2), (0.59, 0.2)], 0.035, dark)


VIEWS: dict[str, tuple[View, ...]] = {
    "person": (View(person, 0.9, 1.82, 0.42),),
    "bicycle": (View(vehicles.bicycle, 1.78, 1.1, 0.35),),
    "car": (View(vehicles.car_side, 4.2, 1.58, 0.75), View(vehicles.car_front, 1.8, 1.48, 0.85)),
    "bus": (View(vehicles.bus_side, 8.0, 3.02, 0.93), View(vehicles.bus_front, 2.6, 3.02, 0.92)),
    "truck": (View(vehicles.truck_side, 6.5, 3.02, 0.75), View(vehicles.truck_front, 2.45, 3.12, 0.93)),
    "traffic light": (View(traffic_light, 0.5, 1.3, 0.9, overhead=True),),
    "stop sign": (View(stop_sign, 0.92, 0.92, 0.83, overhead=True, mirrors=False),),
    "cat": (View(cat_walking, 0.95, 0.76, 0.42), View(cat_sitting, 0.66, 0.9, 0.45)),
    "dog": (View(dog_standing, 1.18, 0.96, 0.42), View(dog_sitting, 0.85, 1.02, 0.42)),
    "scooter": (View(vehicles.scooter_side, 1.78, 1.34, 0.48), View(vehicles.scooter_front, 0.78, 1.34, 0.6)),
    "chair": (View(chair_angled, 0.7, 1.06, 0.5), View(chair_side, 0.7, 1.06, 0.4)),
}
