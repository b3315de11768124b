"""What a `ResizedCrop` shows of a picture's pixels: bytes, which the model normalises on its device.

In: uint8 (3, H, W) with the three colours of a pixel side by side in memory, as decoders write them and resizing is
fastest on. Out: the same of another size. The samples equal those of transformers' image processors to ±1.
"""

from __future__ import annotations

import torch
from torchvision.transforms.v2.functional import resize

from core.detr.input.transforms import ResizedCrop


def crop_pixels(pixels: torch.Tensor, crop: ResizedCrop) -> torch.Tensor:
    """Return what the crop shows of a picture's pixels (3, H, W); the same tensor where that is all of it."""
    x1, y1, x2, y2 = crop.region
    width, height = crop.upright
    pixels = pixels[:, y1:y2, x1:x2]
    if crop.flipped or crop.upside_down:
        pixels = pixels.flip([axis for axis, is_flipped in ((1, crop.upside_down), (2, crop.flipped)) if is_flipped])
    if pixels.shape[1:] != (height, width):  # bilinear; antialiased where it shrinks
        pixels = resize(pixels, [height, width], antialias=True)
    return pixels.rot90(crop.turns, (1, 2)) if crop.turns else pixels
