"""Make a DETR's answer for an image independent of how far the batch pads it.

A convolution reads a pixel beyond its input's border as 0. Where a batch continues an image with padding, that pixel is
0 at the first convolution only: every norm's bias fills it after that, and leaks back into the image's border cells.
The transformer is told what is padding (`pixel_mask`), the backbone is not. So here every convolution and pooling that
looks sideways sees 0 there again, and an image alone and in a batch give the same result.

Batches must be padded to multiples of the backbone's stride, as `batch.Collator` does. Deformable DETR's group norms,
which take their statistics from the whole feature map, still see the padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn


class PaddingGuard:
    """Zeroes what is padding before each layer of a backbone whose kernel is wider than a pixel."""

    def __init__(self, backbone: nn.Module) -> None:
        self._mask: torch.Tensor | None = None
        self._by_size: dict[tuple[int, int], torch.Tensor] = {}
        for layer in backbone.modules():
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)) and layer.kernel_size not in (1, (1, 1)):
                layer.register_forward_pre_hook(self._zero_padding)

    @contextmanager
    def hide(self, pixel_mask: torch.Tensor | None) -> Iterator[None]:
        """Zero what `pixel_mask` (B, H, W) says is padding, in calls of the backbone within; None costs nothing."""
        self._mask = pixel_mask
        try:
            yield
        finally:
            self._mask, self._by_size = None, {}

    def _zero_padding(self, _: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        if self._mask is None:
            return None
        (values,) = inputs
        size = values.shape[-2], values.shape[-1]
        if size not in self._by_size:
            mask = F.interpolate(self._mask[:, None].to(values.dtype), size=size)  # nearest: each cell's first pixel
            self._by_size[size] = mask
        return (values * self._by_size[size],)
