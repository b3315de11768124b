"""Drawn photographs: sizes and objects as COCO's, pixels that a JPEG decoder works on as long as on COCO's.

In: a seed. Out: a COCO data set folder, or only the sizes and numbers of objects, where no pixel is needed. A picture
is a light that falls off, texture whose strength falls with its frequency as in photographs, textured objects, and the
noise of a sensor. It depends on seed, part and its number alone: more pictures begin with the fewer.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from bench.large import category_ids
from core.detr.pretrained import COCO_CLASSES

SHARES = {
    (640, 480): 0.25, (480, 640): 0.08, (640, 427): 0.10, (640, 428): 0.07, (640, 426): 0.08, (500, 375): 0.07,
    (427, 640): 0.07, (375, 500): 0.03, (640, 360): 0.02, (612, 612): 0.01, (640, 640): 0.02,
}  # fmt: skip
SHORTEST, LONGEST, ASPECTS = 300, 640, (0.5, 2.2)  # of all other sizes
OBJECTS, SPREAD, MOST = 4.2, 1.05, 60  # the median and the spread (of the logarithm) of objects an image
SIDE, SIDE_SPREAD = 42, 1.18  # of an object's box, in pixels: 41 % are small, 24 % large, as in COCO
QUALITY = 90
BANK = 1024  # pixels: the side of the texture of which every picture shows its own parts
PARTS = ("train", "val")


class Plan(NamedTuple):
    """The size of a photograph, in pixels, and how many objects it has."""

    width: int
    height: int
    objects: int


def plan_photographs(count: int, seed: int = 0, part: str = "train") -> list[Plan]:
    """Return the sizes and numbers of objects of the photographs that `draw_photographs` draws for one part."""
    return [_plan(_generator(seed, part, number)) for number in range(count)]


def draw_photographs(folder: Path, train: int, val: int, seed: int = 0) -> None:
    """Draw so many photographs into a new folder of COCO's layout: train/, val/, annotations/instances_….json."""
    named = zip(category_ids(), COCO_CLASSES, strict=True)
    categories = [{"supercategory": "thing", "id": i, "name": name} for i, name in named]
    (folder / "annotations").mkdir(parents=True)
    for part, count in zip(PARTS, (train, val), strict=True):
        (folder / part).mkdir()
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy and Pillow compute without the interpreter's lock
            drawn = list(threads.map(lambda n, part=part: _draw_file(folder / part, seed, part, n), range(count)))
        images, annotations = [image for image, _ in drawn], [one for _, some in drawn for one in some]
        for number, annotation in enumerate(annotations, 1):
            annotation["id"] = number
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"annotations/instances_{part}.json").write_text(json.dumps(content))


def draw_photograph(rng: np.random.Generator) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """Return a photograph, and the boxes (x, y, width, height) of its objects in pixels."""
    plan = _plan(rng)
    size = plan.width, plan.height
    pixels = _light(rng, size) + rng.uniform(15, 40) * _texture(rng, size)
    boxes = [_box(rng, size) for _ in range(plan.objects)]
    for box in sorted(boxes, key=lambda box: -box[2] * box[3]):  # small ones last, or large ones would hide them
        _paint_object(rng, pixels, box)
    pixels += rng.uniform(7, 20) * _part(_bank()[1], rng, size)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), boxes


def _generator(seed: int, part: str, number: int) -> np.random.Generator:
    return np.random.default_rng((seed, PARTS.index(part), number))


def _plan(rng: np.random.Generator) -> Plan:
    objects = min(MOST, round(rng.lognormal(np.log(OBJECTS), SPREAD)))
    rest = 1 - sum(SHARES.values())
    chosen = rng.choice(len(SHARES) + 1, p=[*SHARES.values(), rest])
    if chosen < len(SHARES):
        return Plan(*list(SHARES)[chosen], objects)
    aspect = np.exp(rng.normal(np.log(1.4), 0.2)) ** rng.choice((1, -1), p=(0.7, 0.3))
    aspect = float(np.clip(aspect, *ASPECTS))
    shorter = max(SHORTEST, round(LONGEST * min(aspect, 1 / aspect)))
    return Plan(LONGEST, shorter, objects) if aspect > 1 else Plan(shorter, LONGEST, objects)


def _draw_file(folder: Path, seed: int, part: str, number: int) -> tuple[dict, list[dict]]:
    """Draw one photograph into a file; return its entry and those of its objects, which have no ids yet."""
    rng = _generator(seed, part, number)
    image, boxes = draw_photograph(rng)
    name = f"{number + 1:012}.jpg"
    image.save(folder / name, quality=QUALITY)
    rarity = 1 / np.arange(1, len(COCO_CLASSES) + 1)
    classes = rng.choice(category_ids(), len(boxes), p=rarity / rarity.sum()).tolist()
    entry = {"id": number + 1, "file_name": name, "width": image.width, "height": image.height}
    annotations = [
        {"image_id": number + 1, "category_id": k, "bbox": list(box), "area": box[2] * box[3], "iscrowd": 0}
        for k, box in zip(classes, boxes, strict=True)
    ]
    return entry, annotations


def _box(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int, int, int]:
    side, aspect = rng.lognormal(np.log(SIDE), SIDE_SPREAD), np.exp(rng.normal(0, 0.4))
    w, h = (int(np.clip(s, 4, most - 2)) for s, most in zip((side * aspect, side / aspect), size, strict=True))
    return int(rng.integers(size[0] - w)), int(rng.integers(size[1] - h)), w, h


@cache
def _bank() -> tuple[np.ndarray, np.ndarray]:
    """Return texture whose strength falls with its frequency, and white noise: (BANK, BANK, 3) float32 each."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((BANK, BANK, 3), dtype=np.float32)
    fy, fx = np.fft.fftfreq(BANK)[:, None, None], np.fft.rfftfreq(BANK)[None, :, None]
    frequency = np.maximum(np.hypot(fy, fx), 1 / BANK)
    texture = np.fft.irfft2(np.fft.rfft2(noise, axes=(0, 1)) / frequency, axes=(0, 1))
    texture = 0.75 * texture[..., :1] + 0.4 * texture  # the colours of a thing change less than its light
    return (texture / texture.std()).astype(np.float32), noise


def _part(of: np.ndarray, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    x, y = rng.integers(BANK - size[0]), rng.integers(BANK - size[1])
    return of[y : y + size[1], x : x + size[0]]


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return _part(_bank()[0], rng, size)[:: rng.choice((1, -1)), :: rng.choice((1, -1))]


def _light(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return a colour that changes from the top to the bottom, and a little from side to side, (H, W, 3)."""
    top, bottom = rng.uniform(40, 220, (2, 3)).astype(np.float32)
    down = np.linspace(0, 1, size[1], dtype=np.float32)[:, None, None]
    across = np.linspace(-1, 1, size[0], dtype=np.float32)[None, :, None] * np.float32(rng.uniform(-25, 25))
    return top + (bottom - top) * down + across


def _paint_object(rng: np.random.Generator, pixels: np.ndarray, box: tuple[int, int, int, int]) -> None:
    """Paint an ellipse or a rectangle with a colour, a light and a texture of its own."""
    x, y, w, h = box
    surface = _light(rng, (w, h)) + rng.uniform(8, 35) * _texture(rng, (w, h))
    if rng.random() < 0.3:
        pixels[y : y + h, x : x + w] = surface
        return
    down, across = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)[None]
    np.copyto(pixels[y : y + h, x : x + w], surface, where=(down**2 + across**2 <= 1)[..., None])
