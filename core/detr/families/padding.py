"""Make a DETR's answer for an image independent of how far the batch pads it.

A convolution reads a pixel beyond its input's border as 0. Where a batch continues an image with padding, that pixel is
0 at the first convolution only: every norm's bias fills it after that, and leaks back into the image's border cells.
The transformer is told what is padding (`pixel_mask`), the backbone is not. So here every convolution and pooling that
looks sideways sees 0 there again, a norm over groups of channels, as Deformable DETR's, takes its statistics from the
image alone, and an image alone and in a batch give the same result.

Batches must be padded to multiples of the backbone's stride, as `batch.Collator` does. Only in the coarsest map that
Deformable DETR adds, of twice that stride, a cell may be taken for one of the image that is the batch's padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn


class PaddingGuard:
    """Hides what is padding from the layers of some modules that would mix it with the image."""

    def __init__(self, *modules: nn.Module) -> None:
        self._mask: torch.Tensor | None = None
        self._by_size: dict[tuple[int, int], torch.Tensor] = {}
        for layer in (layer for module in modules for layer in module.modules()):
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)) and layer.kernel_size not in (1, (1, 1)):
                layer.register_forward_pre_hook(self._zero_padding)
            elif isinstance(layer, nn.GroupNorm):
                layer.register_forward_hook(self._norm_of_the_image)

    @contextmanager
    def hide(self, pixel_mask: torch.Tensor | None) -> Iterator[None]:
        """Zero what `pixel_mask` (B, H, W) says is padding, in calls of the modules within; None costs nothing."""
        self._mask = pixel_mask
        try:
            yield
        finally:
            self._mask, self._by_size = None, {}

    def _mask_of(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return which cells of a map (B, C, h, w) are the image's, (B, 1, h, w), 1 or 0."""
        size = values.shape[-2], values.shape[-1]
        if torch.compiler.is_exporting():  # where sizes are symbols, which are no keys
            return _resized(mask, size, values.dtype)
        if size not in self._by_size:
            self._by_size[size] = _resized(mask, size, values.dtype)
        return self._by_size[size]

    def _zero_padding(self, _: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        if self._mask is None:
            return None
        (values,) = inputs
        return (values * self._mask_of(values, self._mask),)

    def _norm_of_the_image(
        self, norm: nn.GroupNorm, inputs: tuple[torch.Tensor], output: torch.Tensor
    ) -> torch.Tensor | None:
        """Return what the norm gives with statistics of the image's cells alone; cells of the padding count for 0."""
        if self._mask is None:
            return None
        (values,) = inputs
        shown = self._mask_of(values, self._mask).float()
        images, _, height, width = values.shape
        groups = values.float().reshape(images, norm.num_groups, -1, height, width)
        inside, axes = shown[:, None], (2, 3, 4)
        count = (shown.sum((1, 2, 3)) * groups.shape[2]).view(-1, 1, 1, 1, 1)
        centred = groups - (groups * inside).sum(axes, keepdim=True) / count
        variance = (centred.square() * inside).sum(axes, keepdim=True) / count
        normed: torch.Tensor = (centred * torch.rsqrt(variance + norm.eps)).flatten(1, 2)
        if norm.affine:
            normed = normed * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        return normed.to(output.dtype)


def _resized(mask: torch.Tensor, size: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
    """Return a mask (B, H, W) for a map of this size, (B, 1, h, w): whether each cell's first pixel is the image's."""
    return F.interpolate(mask[:, None].to(dtype), size=size)
