"""What a DETR's attentions look at in a forward pass with one image: `record` notes it, as maps of (H, W) cells.

Of each decoder layer the cross-attention, of the encoder the last self-attention. Two kinds of attention are known:
dense, with a weight for every cell of one feature map, and Deformable DETR's, which samples a few points of several
maps. Apart from `explain.py`, which says what the maps mean for a box, because each model family attends in its way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PretrainedConfig

Looked = TypeVar("Looked")


class AttentionRecord(ABC, Generic[Looked]):
    """What the attentions of one forward pass looked at; `Looked` is what one attention gives.

    sampled  whether the maps are made of sampling points instead of dense attention
    """

    sampled: ClassVar[bool]

    def __init__(self) -> None:
        self.decoder: list[Looked] = []
        self.encoder: list[Looked] = []
        self.masks: list[torch.Tensor] = []

    @property
    def mask(self) -> torch.Tensor:
        """(H, W) bool, which cells of the finest feature map are on the image."""
        return self.masks[-1]

    def decoder_maps(self, query: int) -> list[torch.Tensor]:
        """Return where each decoder layer looked for a query: (H, W) float32 on the CPU, mean of the heads."""
        return [self._map(looked, query) for looked in self.decoder]

    def encoder_map(self, cell: int) -> torch.Tensor:
        """Return what the encoder joined to a cell, counted row by row: (H, W) float32, mean of the heads."""
        return self._map(self.encoder[-1], cell)

    @abstractmethod
    def hook(self, attention: nn.Module, keep: Callable[[Looked], None]) -> RemovableHandle:
        """Let `keep` have what an attention looks at, at each of its calls, until the handle is removed."""

    @abstractmethod
    def _map(self, looked: Looked, index: int) -> torch.Tensor: ...


class DenseAttention(AttentionRecord[torch.Tensor]):
    """Weights (heads, Q, H · W) of every query or cell for every cell, as DETR and Conditional DETR have them."""

    sampled = False

    def hook(self, attention: nn.Module, keep: Callable[[torch.Tensor], None]) -> RemovableHandle:
        """Keep the weights, which transformers' attentions return beside their output."""
        return attention.register_forward_hook(lambda _, __, output: keep(output[1][0].float()))

    def _map(self, looked: torch.Tensor, index: int) -> torch.Tensor:
        return looked[:, index].mean(0).cpu().reshape(self.mask.shape)


class SampledAttention(AttentionRecord[tuple[torch.Tensor, torch.Tensor]]):
    """Places (Q, heads, levels, points, 2), (x, y) in [0, 1], and weights (Q, heads, levels, points) of points."""

    sampled = True

    def hook(self, attention: nn.Module, keep: Callable[[tuple[torch.Tensor, torch.Tensor]], None]) -> RemovableHandle:
        """Keep places and weights, which transformers hands to its MultiScaleDeformableAttention."""
        kernel: Any = attention.attn
        # its arguments: value, spatial shapes, their list, level start index, sampling locations, attention weights
        return kernel.register_forward_pre_hook(lambda _, inputs: keep((inputs[4][0], inputs[5][0])))  # type: ignore[no-any-return]

    def _map(self, looked: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        places, weights = (part[index].float().cpu() for part in looked)
        height, width = self.mask.shape
        return spread(places.reshape(-1, 2), weights.flatten(), (height, width))


def spread(places: torch.Tensor, weights: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Share weights (P,) at places (P, 2), (x, y) in [0, 1] of a map, among the four nearest cells: (H, W) `shape`.

    As `grid_sample` reads them (bilinear, nothing beside the map); points of coarser maps too, where they lie.
    """
    corner = places * torch.tensor([shape[1], shape[0]]) - 0.5
    low = corner.floor()
    fraction = corner - low
    cells = torch.zeros(shape)
    for right in (0, 1):
        for below in (0, 1):
            x, y = (low + torch.tensor([right, below])).long().unbind(-1)
            share = weights * (fraction[:, 0] if right else 1 - fraction[:, 0])
            share = share * (fraction[:, 1] if below else 1 - fraction[:, 1])
            inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
            cells.index_put_((y[inside], x[inside]), share[inside], accumulate=True)
    return cells


Record = TypeVar("Record", bound="AttentionRecord[Any]")


@contextmanager
def record(
    into: Record,
    config: PretrainedConfig,
    backbone: nn.Module,
    finest_map: int,
    decoder: Sequence[nn.Module],
    encoder: nn.Module,
) -> Iterator[Record]:
    """Within the context, note in `into` what attentions look at; the model is afterwards as it was before.

    decoder     the cross-attention of each layer
    encoder     the last self-attention
    finest_map  which of the backbone's feature maps is the finest that the encoder reads
    """
    hooks = [
        backbone.register_forward_hook(lambda _, __, maps: into.masks.append(maps[finest_map][1][0].bool())),
        *(into.hook(attention, into.decoder.append) for attention in decoder),
        into.hook(encoder, into.encoder.append),
    ]
    before = config._attn_implementation
    try:
        config._attn_implementation = "eager"  # only the plain way of computing attention hands its weights out
        yield into
    finally:
        config._attn_implementation = before
        for hook in hooks:
            hook.remove()
