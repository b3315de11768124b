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
    width, height = crop.size
    pixels = pixels[:, y1:y2, x1:x2]
    if crop.flipped:
        pixels = pixels.flip(2)
    # bilinear; antialiased where it shrinks
    return pixels if pixels.shape[1:] == (height, width) else resize(pixels, [height, width], antialias=True)
