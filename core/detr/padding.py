"""Makes a DETR's answer for an image independent of how far the batch pads it.

A convolution reads a pixel beyond its input's border as 0. Where a batch continues an image with padding, that pixel is
0 at the first convolution only: every norm's bias fills it after that, and leaks back into the image's border cells.
The transformer is told what is padding (`pixel_mask`), the backbone is not. So here every convolution and pooling that
looks sideways sees 0 there again, and an image alone and in a batch give the same result.

With batches padded to multiples of the backbone's stride (`data.Collator`). Deformable DETR's group norms, which take
their statistics from the whole feature map, still see the padding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class PaddingGuard:
    """Zeroes what is padding before each layer of the backbone whose kernel is wider than a pixel."""

    def __init__(self):
        self._mask: torch.Tensor | None = None
        self._by_size: dict[tuple[int, int], torch.Tensor] = {}

    def attach(self, model: nn.Module) -> None:
        """To a whole model with `model.backbone`; a call without `pixel_mask` costs nothing."""
        model.register_forward_pre_hook(self._note, with_kwargs=True)
        for layer in model.model.backbone.modules():
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)) and layer.kernel_size not in (1, (1, 1)):
                layer.register_forward_pre_hook(self._hide)

    def _note(self, _, args: tuple, kwargs: dict) -> None:
        self._mask = kwargs.get("pixel_mask")
        self._by_size = {}

    def _hide(self, _, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        if self._mask is None:
            return None
        (values,) = inputs
        size = tuple(values.shape[-2:])
        if size not in self._by_size:
            mask = F.interpolate(self._mask[:, None].to(values.dtype), size=size)  # nearest: each cell's first pixel
            self._by_size[size] = mask
        return (values * self._by_size[size],)
