"""Street scenes drawn by code: a picture, and the boxes of what can be seen in it.

A scene is composed before it is drawn: objects get a class, a size and a place on the ground, so that what is far away
is small and what is near hides what is behind. Every figure is painted twice, into the picture and as its number into
an instance map; boxes and areas are read from that map. An object of which too little is seen is left out of the
picture too, so that no picture shows an object that its annotations do not have.

The look ("day" or "dusk") changes light, contrast, noise and palette, never what stands where: one seed gives the same
objects in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from core import DataError
from core.datasets.street.backdrop import Ground, draw_backdrop, draw_distractor, random_ground
from core.datasets.street.classes import check_extra, class_weights, draw_class
from core.datasets.street.figures import VIEWS
from core.datasets.street.light import day, dusk
from core.datasets.street.pen import Sprite, View, draw_figure, pick

LOOKS = ("day", "dusk")
Box = tuple[float, float, float, float]  # x1, y1, x2, y2

MIN_VISIBLE = 0.2  # share of an object's whole extent that must be seen
CROWD_VISIBLE = 0.5  # the same for a crowd: one person left of a group is no crowd
MIN_SIDE = 6  # pixels; the shortest box that is kept
SOLID = 96  # alpha from which a pixel of a figure counts as the figure's

# How many objects are tried beside the near one, and how often.
COUNTS = {1: 0.1, 2: 0.18, 3: 0.22, 4: 0.2, 5: 0.14, 6: 0.09, 8: 0.05, 10: 0.02}
VEHICLES = ("car", "bus", "truck")
SKIES = (
    ((120, 170, 226), (206, 226, 242)),
    ((150, 180, 206), (220, 226, 230)),
    ((92, 150, 214), (196, 214, 226)),
    ((176, 184, 192), (214, 216, 218)),
)


@dataclass(frozen=True)
class SceneObject:
    """What can be seen of one object: `box` is (x, y, width, height), tight around its pixels in the instance map.

    `area` counts those pixels; `number` is their value in the map. A crowd is one object.
    """

    name: str
    box: tuple[float, float, float, float]
    area: int
    iscrowd: bool
    number: int


@dataclass(frozen=True)
class Scene:
    """A picture, its objects, and `instances`: (height, width) uint8, an object's number or 0."""

    image: Image.Image
    objects: list[SceneObject]
    instances: np.ndarray


@dataclass(frozen=True)
class _Item:
    """One figure on its place: `left`, `top` in pixels, `scale` its nearness; `name` is None for a distractor."""

    name: str | None
    sprite: Sprite
    left: int
    top: int
    scale: float
    foot: float | None = None
    iscrowd: bool = False

    @property
    def box(self) -> Box:
        """Its frame (x1, y1, x2, y2)."""
        return self.left, self.top, self.left + self.sprite.image.width, self.top + self.sprite.image.height


def draw_scene(
    rng: np.random.Generator, size: tuple[int, int] = (256, 192), look: str = "day", extra: tuple[str, ...] = ()
) -> Scene:
    """Draw one street scene of `size` (width, height) pixels; the same generator state gives the same scene.

    With classes of `classes.EXTRAS` in `extra`, objects of those are among the others. Raises DataError if the look or
    a class is unknown, or a side is under 32 pixels.
    """
    check_extra(extra)
    if look not in LOOKS:
        raise DataError(f"There is no look {look!r}: choose one of {', '.join(LOOKS)}.")
    if min(size) < 32:
        raise DataError(f"A scene of {size[0]} x {size[1]} pixels is too small: give at least 32 x 32.")
    light = np.random.default_rng(int(rng.integers(2**62)))  # apart, so that a look cannot move an object
    ground, items = _compose(rng, size, class_weights(extra))
    sky = pick(rng, SKIES)
    backdrop, lamps = draw_backdrop(rng, ground, sky)
    masks = [item.sprite.image.getchannel("A").point(lambda a: 255 if a >= SOLID else 0) for item in items]
    kept = _drop_hidden(items, masks, size)
    items, masks = [items[i] for i in kept], [masks[i] for i in kept]
    instances = _paint_instances(items, masks, size)
    image = _shadows(backdrop, items, light)
    for item in items:
        image.paste(item.sprite.image, (item.left, item.top), item.sprite.image)
    scene_lamps = [(*lamp, 0) for lamp in lamps]
    for number, item in enumerate(items, 1):
        scene_lamps += [(item.left + x, item.top + y, r, c, number) for x, y, r, c in item.sprite.lamps]
    image = dusk(image, scene_lamps, instances, light) if look == "dusk" else day(image, light)
    objects = [visible for i, item in enumerate(items, 1) if (visible := _measure(item, i, instances))]
    named = np.array([0] + [i if item.name else 0 for i, item in enumerate(items, 1)], dtype=np.uint8)
    return Scene(image, objects, named[instances])


def _compose(rng: np.random.Generator, size: tuple[int, int], weights: dict[str, float]) -> tuple[Ground, list[_Item]]:
    """Return the perspective, and all figures in the order of painting: far first."""
    width, height = size
    unit = width / 256
    horizon = height * rng.uniform(0.22, 0.48)
    empty, with_near_object, with_crowd = rng.random() < 0.06, rng.random() < 0.86, rng.random() < 0.14
    camera = float(np.exp(rng.uniform(np.log(0.8), np.log(4.0))))
    near_object = None
    if with_near_object and not empty:
        name = draw_class(rng, weights)
        view = pick(rng, VIEWS[name])
        scale = _near_scale(rng, view, unit, size)
        foot = height * rng.uniform(0.86, 1.08)
        if view.height * scale > foot - 0.02 * height and not view.overhead:
            foot = view.height * scale + height * rng.uniform(0.0, 0.1)
        if not view.overhead:
            camera = max(0.35, (foot - horizon) / scale)
        near_object = (name, view, scale)
    ground = random_ground(rng, size, camera, horizon)
    items: list[_Item] = []
    if near_object:
        _place(rng, ground, items, *near_object, near=True)
    for _ in range(0 if empty else int(rng.choice(list(COUNTS), p=list(COUNTS.values())))):
        _add_object(rng, ground, items, unit, weights)
    if with_crowd and not empty:
        _add_crowd(rng, ground, items, unit)
    for _ in range(int(rng.integers(0, 4))):
        low, high = ground.scale(horizon + 0.06 * height), ground.scale(height * 0.92)
        scale = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        scale = min(scale, 0.9 * height / 4)
        _put(rng, ground, items, None, draw_distractor(rng, scale), scale, ground.row(scale))
    return ground, sorted(items, key=lambda item: item.scale)


def _near_scale(rng: np.random.Generator, view: View, unit: float, size: tuple[int, int]) -> float:
    """Return a scale at which a figure fills a good part of the picture, without being wider than it."""
    scale = rng.uniform(106, 158) * unit / view.reach
    return min(scale, 0.98 * size[0] / view.width * rng.uniform(0.8, 1.1), 1.35 * size[1] / view.height)


def _add_object(
    rng: np.random.Generator, ground: Ground, items: list[_Item], unit: float, weights: dict[str, float]
) -> None:
    """Add a small or middle-sized object where the perspective has room for that size; none if there is no room."""
    name = draw_class(rng, weights)
    view = pick(rng, VIEWS[name])
    low = ground.scale(ground.horizon + 0.05 * ground.height)
    high = ground.scale(ground.height * 1.05) * (2 if view.overhead else 1)
    for _ in range(5):
        small = rng.random() < 0.28
        scale = float(np.exp(rng.uniform(*np.log((13, 32) if small else (32, 92))))) * unit / view.reach
        if low <= scale <= high and view.width * scale < ground.width:
            _place(rng, ground, items, name, view, scale)
            return


def _place(
    rng: np.random.Generator,
    ground: Ground,
    items: list[_Item],
    name: str,
    view: View,
    scale: float,
    near: bool = False,
) -> None:
    """Add one figure on the street at a scale; what is overhead gets its pole."""
    sprite, foot = draw_figure(view, rng, scale), ground.row(scale)
    if not view.overhead:
        _put(rng, ground, items, name, sprite, scale, foot, near)
        return
    # The head hangs on a pole that is part of the street, not of the object.
    top = max(foot - rng.uniform(2.6, 3.6) * scale, ground.height * rng.uniform(0.0, 0.12))
    bottom = min(top + sprite.image.height, ground.height * 0.97)
    item = _put(rng, ground, items, name, sprite, scale, bottom, near, stands=False)
    reach = round(min(foot, ground.height + 4) - bottom)
    if reach > 1:
        thick = max(2, round(0.09 * scale))
        pole = Image.new("RGBA", (thick, reach), (*pick(rng, ((96, 100, 104), (60, 62, 66), (140, 140, 140))), 255))
        x = item.left + (sprite.image.width - thick) // 2
        items.append(_Item(None, Sprite(pole), x, round(bottom) - 1, scale - 1e-6, foot))


def _put(
    rng: np.random.Generator, ground: Ground, items: list[_Item], name: str | None, sprite: Sprite,
    scale: float, bottom: float, near: bool = False, iscrowd: bool = False, stands: bool = True,
) -> _Item:  # fmt: skip
    """Put a sprite with its lower edge on row `bottom`, at the place of a few where it hides least."""
    width, height = sprite.image.size
    best, least = 0, float("inf")
    for _ in range(4):
        middle = rng.uniform(0.3, 0.7) if near else rng.uniform(0.0, 1.0)
        if name in VEHICLES and ground.along and not near and rng.random() < 0.7:
            middle = (ground.vanish + rng.uniform(*ground.road) * scale) / ground.width
        left = round(middle * ground.width - width / 2)
        box = (left, bottom - height, left + width, bottom)
        cost = max((_overlap(box, item.box) for item in items if item.name), default=0.0)
        outside = max(-left, left + width - ground.width, 0) / width
        cost = max(cost, outside * 0.8)
        if cost < least:
            best, least = left, cost
        if cost < 0.45:
            break
    item = _Item(name, sprite, best, round(bottom) - height, scale, bottom if stands else None, iscrowd)
    items.append(item)
    return item


def _overlap(a: Box, b: Box) -> float:
    """Return the share of the smaller of two (x1, y1, x2, y2) that the other covers."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(w, 0) * max(h, 0) / max(smaller, 1)


def _add_crowd(rng: np.random.Generator, ground: Ground, items: list[_Item], unit: float) -> None:
    """Add a far group of people, drawn small, that counts as one crowd."""
    view = VIEWS["person"][0]
    scale = rng.uniform(10, 16) * unit / view.reach
    if ground.row(scale) > ground.height * 0.9:
        scale = ground.scale(ground.height * 0.75)
        if view.height * scale < 12:
            return
    people = [draw_figure(view, rng, scale * rng.uniform(0.85, 1.05)).image for _ in range(int(rng.integers(7, 15)))]
    w, h = max(p.width for p in people), max(p.height for p in people)
    group = Image.new("RGBA", (round(w * (1 + 0.33 * len(people))), round(h * 1.25)))
    for k, one in enumerate(people):
        x = round((group.width - w) * (k * 5 % len(people)) / max(1, len(people) - 1))
        group.alpha_composite(one, (x, round((group.height - one.height) * (k + 1) / len(people))))
    _put(rng, ground, items, "person", Sprite(group), scale, ground.row(scale), iscrowd=True)


def _paint_instances(items: list[_Item], masks: list[Image.Image], size: tuple[int, int]) -> np.ndarray:
    """Return the number (from 1) of the item seen at every pixel, 0 for the backdrop."""
    canvas = Image.new("L", size)
    for number, (item, mask) in enumerate(zip(items, masks, strict=True), 1):
        canvas.paste(number, (item.left, item.top), mask)
    return np.asarray(canvas)


def _drop_hidden(items: list[_Item], masks: list[Image.Image], size: tuple[int, int]) -> list[int]:
    """Return the indices of the items that stay: distractors, and objects that enough is seen of.

    What one dropped object hid can only grow, so the others need no second look.
    """
    instances = _paint_instances(items, masks, size)
    seen = np.bincount(instances.ravel(), minlength=len(items) + 1)[1:]
    kept = []
    for i, item in enumerate(items):
        whole = masks[i].histogram()[255]
        visible = _measure(item, i + 1, instances) if seen[i] else None
        least = CROWD_VISIBLE if item.iscrowd else MIN_VISIBLE
        enough = visible and seen[i] >= least * whole and min(visible.box[2:]) >= MIN_SIDE
        if item.name is None or enough:
            kept.append(i)
    return kept


def _measure(item: _Item, number: int, instances: np.ndarray) -> SceneObject | None:
    """Return what the map shows of an item; None if that is nothing, or the item a distractor."""
    if item.name is None:
        return None
    mask = instances == number
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    x, y = columns[0], rows[0]
    box = (float(x), float(y), float(columns[-1] - x + 1), float(rows[-1] - y + 1))
    return SceneObject(item.name, box, int(mask.sum()), item.iscrowd, number)


def _shadows(backdrop: Image.Image, items: list[_Item], light: np.random.Generator) -> Image.Image:
    """Return the backdrop with a soft shadow under everything that stands on the street."""
    shadow = Image.new("L", backdrop.size)
    draw = ImageDraw.Draw(shadow)
    strength = int(light.integers(40, 110))
    for item in items:
        if item.foot is not None and item.top + item.sprite.image.height >= item.foot - 2:
            x1, _, x2, y = item.box
            flat = min(0.09 * (x2 - x1) + 1, 0.3 * item.scale + 1)
            draw.ellipse((x1, y - flat * 1.2, x2, y + flat * 0.8), fill=strength)
    dark, blurred = Image.new("RGB", backdrop.size, (20, 20, 30)), shadow.filter(ImageFilter.BoxBlur(1))
    return Image.composite(dark, backdrop, blurred)
