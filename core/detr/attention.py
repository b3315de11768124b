"""Attention maps of a DETR: `record` keeps the attention weights of a forward pass with one image.

In: the attention modules of a model. Out: an `AttentionRecord`, which gives maps of (H, W) cells: of each decoder
layer's cross-attention, and of the encoder's last self-attention. Two kinds of attention are known: dense, with a
weight for every cell of one feature map, and deformable, which samples a few points of several maps. Apart from
`explain.py`, which says what the maps mean for a box, because each model family has its own kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PretrainedConfig

Weights = TypeVar("Weights")


class AttentionRecord(ABC, Generic[Weights]):
    """The attention weights of one forward pass; `Weights` is what one attention module gives.

    sampled  whether the maps are made of sampling points instead of dense attention
    tokens   whether the queries are tokens among the cells, so that the "decoder" is the encoder itself
    """

    sampled: ClassVar[bool] = False
    tokens: ClassVar[bool] = False

    def __init__(self) -> None:
        self.decoder: list[Weights] = []
        self.encoder: list[Weights] = []
        self.masks: list[torch.Tensor] = []
        self.coarsest = (0, 0)  # rows and columns of the backbone's last map

    def keep_maps(self, maps: Sequence[tuple[torch.Tensor, torch.Tensor]], finest: int) -> None:
        """Keep of the backbone's maps, each with its mask (B, h, w), what the record needs to know."""
        self.masks.append(maps[finest][1][0].bool())
        rows, columns = maps[-1][0].shape[-2:]
        self.coarsest = (rows, columns)

    @property
    def mask(self) -> torch.Tensor:
        """(H, W) bool, which cells of the finest feature map are on the image."""
        return self.masks[-1]

    def decoder_maps(self, query: int) -> list[torch.Tensor]:
        """Return the cross-attention map of a query in each decoder layer: (H, W) float32, mean of the heads."""
        return [self._map(weights, query) for weights in self.decoder]

    def encoder_map(self, cell: int) -> torch.Tensor | None:
        """Return the self-attention map of a cell, counted row by row: (H, W) float32, mean of the heads.

        None where the encoder has no attention.
        """
        return self._encoder_map(cell) if self.encoder else None

    def _encoder_map(self, cell: int) -> torch.Tensor:
        return self._map(self.encoder[-1], cell)

    @abstractmethod
    def hook(self, attention: nn.Module, keep: Callable[[Weights], None]) -> RemovableHandle:
        """Call `keep` with the weights of each call of an attention module, until the handle is removed."""

    @abstractmethod
    def _map(self, weights: Weights, index: int) -> torch.Tensor:
        """Return the map (H, W) of one query or cell, float32 on the CPU."""


class DenseAttention(AttentionRecord[torch.Tensor]):
    """Weights (heads, Q, H · W) of every query or cell for every cell, as DETR and its like have them."""

    def hook(self, attention: nn.Module, keep: Callable[[torch.Tensor], None]) -> RemovableHandle:
        """Keep the weights, which transformers' attentions return beside their output."""
        return attention.register_forward_hook(lambda _, __, output: keep(output[1][0].float()))

    def _map(self, weights: torch.Tensor, index: int) -> torch.Tensor:
        return weights[:, index].mean(0).cpu().reshape(self.mask.shape)


class TokenAttention(DenseAttention):
    """Weights (heads, S, S) of self-attention among a class token, H · W cells and `queries` tokens, as YOLOS has them.

    What a query gives to other tokens is left out, so a map here does not sum to 1.
    """

    tokens = True

    def __init__(self, queries: int) -> None:
        super().__init__()
        self.queries = queries

    def decoder_maps(self, query: int) -> list[torch.Tensor]:
        """Return the map of a query's token in each layer; see `AttentionRecord.decoder_maps`."""
        return [self._map(weights, weights.shape[1] - self.queries + query) for weights in self.decoder]

    def _encoder_map(self, cell: int) -> torch.Tensor:
        row, column = divmod(cell, self.mask.shape[1])
        return self._map(self.encoder[-1], 1 + row * int(self.mask[0].sum()) + column)

    def _map(self, weights: torch.Tensor, index: int) -> torch.Tensor:
        cells = torch.zeros(self.mask.shape)
        cells[self.mask] = weights[:, index, 1 : -self.queries].mean(0).cpu()
        return cells


class SampledAttention(AttentionRecord[Any]):
    """Sampling points of deformable attention: places (Q, heads, levels, points, 2), (x, y) in [0, 1], and weights."""

    sampled = True

    def hook(self, attention: nn.Module, keep: Callable[[Any], None]) -> RemovableHandle:
        """Keep places and weights, which transformers hands to its MultiScaleDeformableAttention."""
        kernel: Any = getattr(attention, "attn", None)
        if kernel is None:
            return attention.register_forward_hook(partial(_keep_points, keep), with_kwargs=True)
        # its arguments: value, spatial shapes, their list, level start index, sampling locations, attention weights
        handle: RemovableHandle = kernel.register_forward_pre_hook(lambda _, inputs: keep((inputs[4][0], inputs[5][0])))
        return handle

    def _map(self, weights: Any, index: int) -> torch.Tensor:
        places, shares = (part[index].float().cpu() for part in weights)
        height, width = self.mask.shape
        return spread(places.reshape(-1, 2), shares.flatten(), (height, width))


def _keep_points(
    keep: Callable[[Any], None], attention: Any, inputs: tuple[Any, ...], named: dict[str, Any], output: Any
) -> None:
    """Call `keep` with places and weights of an attention that computes in a function, as RT-DETRv2's and D-FINE's."""
    states = named["hidden_states"] if "hidden_states" in named else inputs[0]
    if named.get("position_embeddings") is not None:
        states = states + named["position_embeddings"]
    offsets = attention.sampling_offsets(states).unflatten(-1, (attention.n_heads, -1, 2))  # (B, Q, heads, points, 2)
    boxes = named["reference_points"][:, :, None]  # (B, Q, 1, 1, 4), cxcywh
    of_points = attention.n_points_scale if hasattr(attention, "n_points_scale") else attention.num_points_scale
    scale = of_points[:, None] * attention.offset_scale
    keep(((boxes[..., :2] + offsets * scale * boxes[..., 2:])[0], output[1][0]))


class HybridAttention(SampledAttention):
    """Sampling points of a decoder above an encoder with dense attention among the cells of its coarsest map.

    RT-DETR's and its kin's. The encoder's map is shown in the finest map's cells, each of the coarse ones over many.
    """

    def hook(self, attention: nn.Module, keep: Callable[[Any], None]) -> RemovableHandle:
        """Keep what the one or the other kind of attention gives."""
        if hasattr(attention, "sampling_offsets"):
            return super().hook(attention, keep)
        return attention.register_forward_hook(lambda _, __, output: keep(output[1][0].float()))

    def _encoder_map(self, cell: int) -> torch.Tensor:
        (height, width), (rows, columns) = self.mask.shape, self.coarsest
        row, column = cell // width * rows // height, cell % width * columns // width
        coarse = self.encoder[-1][:, row * columns + column].mean(0).cpu().reshape(1, 1, rows, columns)
        return nn.functional.interpolate(coarse, size=(height, width), mode="nearest")[0, 0]


class WindowedAttention(SampledAttention):
    """Sampling points of a decoder that reads a vision transformer's maps, and the last attention among its places.

    RF-DETR's and LW-DETR's. A place looks at its window, or in some layers at the whole picture. What it looks at
    beside the picture's places, as class tokens are, is in no map. Where the decoder's finest map has other cells than
    the vision transformer, that one's places are shown in these.

    windows  along each side of a picture
    scale    how many cells of the finest map there are for each place, along each side
    """

    def __init__(self, windows: int, scale: float) -> None:
        super().__init__()
        self._windows, self._scale = windows, scale

    def keep_maps(self, maps: Any, finest: int) -> None:
        """Keep what is needed of the maps; RF-DETR has one, and gives it without a list around."""
        super().keep_maps([maps] if isinstance(maps, tuple) else maps, finest)

    def hook(self, attention: nn.Module, keep: Callable[[Any], None]) -> RemovableHandle:
        """Keep what the one or the other kind of attention gives: of the dense one the weights of all windows."""
        if hasattr(attention, "attn"):
            return super().hook(attention, keep)
        return attention.register_forward_hook(lambda _, __, output: keep(output[1].float()))

    def _encoder_map(self, cell: int) -> torch.Tensor:
        height, width = self.mask.shape
        rows, columns = round(height / self._scale), round(width / self._scale)
        weights = self.encoder[-1].cpu()  # (windows or 1, heads, tokens, tokens)
        places = self._places(rows, columns, weights[:, 0, 0].numel()).view(len(weights), -1)
        place = cell // width * rows // height * columns + cell % width * columns // width
        window, token = (int(index) for index in (places == place).nonzero()[0])
        seen = torch.zeros(rows * columns + 1)
        seen[places[window]] = weights[window, :, token].mean(0)
        shown = seen[:-1].view(1, 1, rows, columns)
        return nn.functional.adaptive_avg_pool2d(shown, (height, width))[0, 0]

    def _places(self, rows: int, columns: int, tokens: int) -> torch.Tensor:
        """Return which place each of so many tokens is, window after window; rows · columns for one that is none."""
        count = self._windows
        cells = torch.arange(rows * columns).view(count, rows // count, count, columns // count)
        windows = cells.transpose(1, 2).flatten(2).flatten(0, 1)  # (windows, places)
        others = tokens // len(windows) - windows.shape[1]  # which stand before the places of each window
        return nn.functional.pad(windows, (others, 0), value=rows * columns).flatten()


def spread(places: torch.Tensor, weights: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Share weights (P,) at places (P, 2), (x, y) in [0, 1] of a map, among the four nearest cells of (H, W) `shape`.

    As `grid_sample` reads them: bilinear, nothing beside the map. Points of coarser maps count at the place they are.
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
    encoder: nn.Module | None,
    on_request: bool = False,
) -> Iterator[Record]:
    """Keep attention weights in `into`, within the context; the model is afterwards as it was before.

    config      of the model
    finest_map  which of the backbone's feature maps is the finest that the encoder reads
    decoder, encoder, on_request  as `hand_out_weights` takes them
    """
    hook = backbone.register_forward_hook(lambda _, __, maps: into.keep_maps(maps, finest_map))
    try:
        with hand_out_weights(into, config, decoder, encoder, on_request):
            yield into
    finally:
        hook.remove()


@contextmanager
def hand_out_weights(
    into: AttentionRecord[Any],
    config: PretrainedConfig,
    decoder: Sequence[nn.Module],
    encoder: nn.Module | None,
    on_request: bool = False,
) -> Iterator[None]:
    """Keep the weights of attention modules in `into`, within the context, but no masks.

    decoder     the cross-attention module of each layer
    encoder     the last self-attention module, if there is one
    on_request  whether they give their weights only where the config asks for them
    """
    hooks = [into.hook(attention, into.decoder.append) for attention in decoder]
    if encoder is not None:
        hooks.append(into.hook(encoder, into.encoder.append))
    before = config._attn_implementation, config.output_attentions
    try:
        config._attn_implementation = "eager"  # only the plain way of computing attention hands its weights out
        config.output_attentions = on_request or before[1]
        yield
    finally:
        config._attn_implementation = before[0]
        config._output_attentions = before[1]
        for hook in hooks:
            hook.remove()
