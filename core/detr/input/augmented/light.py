"""Changes of an image's pixels that move no box: brightness, contrast, colours, blur, noise.

In: uint8 (3, H, W) and a `Light`. Out: the same, changed. The changes are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
import torch
from torchvision.transforms.v2 import functional

from core.augmentation.look import Light


def _blurred(pixels: torch.Tensor, deviation: float, random: np.random.Generator) -> torch.Tensor:
    side = 2 * ceil(2 * deviation) + 1
    blurred: torch.Tensor = functional.gaussian_blur(pixels, [side, side], [deviation, deviation])
    return blurred


def _noisy(pixels: torch.Tensor, deviation: float, random: np.random.Generator) -> torch.Tensor:
    noise = torch.from_numpy(random.standard_normal((*pixels.shape[1:], 3), np.float32)).permute(2, 0, 1)
    return noise.mul_(deviation).add_(pixels).round_().clamp_(0, 255).to(torch.uint8)


LIGHTS: dict[str, Callable[[torch.Tensor, float, np.random.Generator], torch.Tensor]] = {
    "brightness": lambda pixels, more, random: functional.adjust_brightness(pixels, 1 + more),
    "contrast": lambda pixels, more, random: functional.adjust_contrast(pixels, 1 + more),
    "saturation": lambda pixels, more, random: functional.adjust_saturation(pixels, 1 + more),
    "hue": lambda pixels, turn, random: functional.adjust_hue(pixels, turn),  # of a whole turn
    "blur": _blurred,
    "noise": _noisy,
}


def lit(pixels: torch.Tensor, lights: Sequence[Light], random: np.random.Generator) -> torch.Tensor:
    """Return the pixels after each of the changes, in their order; noise comes from `random`."""
    for light in lights:
        pixels = LIGHTS[light.name](pixels, light.amount, random)
    return pixels
