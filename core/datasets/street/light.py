"""Light on a finished scene: the looks "day" and "dusk".

They differ in light, contrast, noise and palette, so that a detector trained on one finds less in the other; what
stands where is the same in both.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from core.datasets.street.pen import WINDOW_LIGHT, Color, pick

SceneLamp = tuple[float, float, float, Color, int]  # x, y, radius, colour; number of the object it belongs to, 0: none


def day(image: Image.Image, light: np.random.Generator) -> Image.Image:
    """Light a scene by sun or through clouds: brightness, contrast and white balance vary a little; little noise."""
    gain = light.uniform(0.82, 1.12) * light.normal(1, 0.025, 3)
    contrast = light.uniform(0.85, 1.1)
    pixels = np.asarray(image, dtype=np.float32)
    return _noisy((pixels - 128) * (contrast * gain) + 128 * gain, light, light.uniform(1.5, 4.0))


def dusk(
    image: Image.Image, lamps: Iterable[SceneLamp], instances: np.ndarray, light: np.random.Generator
) -> Image.Image:
    """Light a scene after sunset: dark, blue or purple, low in contrast and noisy, with lamps that glow.

    A lamp glows where `instances` (height, width) shows the object whose number it has.

    Strong enough that a detector trained by day finds about half of what it finds there.
    """
    height, width = instances.shape
    glow = Image.new("RGB", image.size)
    draw = ImageDraw.Draw(glow)
    for x, y, r, color, number in lamps:
        if 0 <= x < width and 0 <= y < height and instances[int(y), int(x)] == number:
            (draw.rectangle if color == WINDOW_LIGHT else draw.ellipse)((x - r, y - r, x + r, y + r), fill=color)
    halo = glow.filter(ImageFilter.BoxBlur(max(2, width // 64)))
    tint = np.array(pick(light, ((0.53, 0.52, 0.73), (0.63, 0.52, 0.65), (0.55, 0.58, 0.71))), dtype=np.float32)
    pixels = (np.asarray(image, dtype=np.float32) / 255) ** light.uniform(1.0, 1.15) * 255
    pixels = pixels * tint * light.uniform(0.87, 1.1)
    # The last light is at the horizon and lies as haze over everything.
    haze = np.array(pick(light, ((70, 40, 60), (84, 52, 44), (40, 44, 74))), dtype=np.float32)
    fade = 1 - np.abs(np.linspace(-0.8, 1.2, height, dtype=np.float32))[:, None, None].clip(0, 1)
    pixels = pixels * 0.9 + haze * (0.25 + 0.35 * fade)
    dark = _noisy(pixels, light, light.uniform(4.5, 8))
    dark = dark.filter(ImageFilter.GaussianBlur(0.35 * width / 256))
    return ImageChops.screen(ImageChops.screen(dark, glow.filter(ImageFilter.BoxBlur(1))), halo)


def _noisy(pixels: np.ndarray, light: np.random.Generator, sigma: float) -> Image.Image:
    noise = light.standard_normal(pixels.shape, dtype=np.float32) * sigma
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
