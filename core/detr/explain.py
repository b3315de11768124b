"""Why this box: what one object query of a DETR looked at, and how its box and class came about, layer by layer.

In: a model, a batch of the Collator with one image, and a query, or an object that was missed. Out: `Why`, or the
queries that came `nearest`. Boxes are `xyxy` in pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import DeformableDetrForObjectDetection, PreTrainedModel

from core import DataError
from core.boxes import as_boxes, cxcywh_normalized_to_xyxy, iou, xyxy_to_cxcywh_normalized
from core.detr.detect import forward, refuse_broken
from core.detr.losses import Layers, LossConfig, giou

NEAREST = 3  # queries that are shown of a missed object


@dataclass(frozen=True)
class Why:
    """How a query came to its box; L decoder layers, C classes and "no object", a feature map of h × w cells.

    query          its number
    labels         (L,) int64, its best class after each layer, never "no object"; scores (L,) float32, that one's
    boxes          (L, 4) float32 xyxy, pixels of the original image, after each layer; the last one is the model's
    probabilities  (C + 1,) float32, "no object" last, which sum to 1; or (C,) where each class is a sigmoid of its own
    decoder        (L, h, w) float32, where each layer's cross-attention looks, mean of its heads; each map sums to 1
    encoder        (h, w) float32, what the encoder's last self-attention joined to the cell under the box's centre
    cover          (width, height) in pixels of the original image that the maps cover, from its upper left corner on:
                   the last cells may reach beyond its border
    sampled        whether the maps are made of Deformable DETR's sampling points instead of dense attention
    """

    query: int
    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    probabilities: np.ndarray
    decoder: np.ndarray
    encoder: np.ndarray
    cover: tuple[float, float]
    sampled: bool


@dataclass(frozen=True)
class Near:
    """A query that came near an object: its box (4,) xyxy in pixels, and what it took it for.

    iou            with the object
    score          that it gives the object's own class
    label          its best class, never "no object"; label_score is that one's
    no_object      its probability of "no object"; None where each class is a sigmoid of its own
    """

    query: int
    box: np.ndarray
    iou: float
    score: float
    label: int
    label_score: float
    no_object: float | None


@torch.inference_mode()
def explain(model: PreTrainedModel, batch: dict, query: int, precision: str = "fp32") -> Why:
    """What the query does on the one image of `batch`; `precision` is that of the evaluation.

    Raises DataError for a query that the model does not have, RunError if its answers are not finite numbers.
    """
    with _watched(model) as seen:
        layers = _answer(model, batch, precision)
    if not 0 <= query < layers.boxes.shape[2]:
        raise DataError(f"There is no query {query}: the model has {layers.boxes.shape[2]}, counted from 0.")
    logits, boxes = layers.logits[:, 0, query], layers.boxes[:, 0, query]
    scores, labels = _classes(model, logits).max(-1)
    grid, size = _Grid.of(batch, seen.mask), batch["size"][0]
    maps = [grid.normal(seen.look(found, query)) for found in seen.decoder]
    return Why(
        query, labels.numpy(), scores.numpy(), cxcywh_normalized_to_xyxy(boxes.numpy(), size),
        _probabilities(model, logits[-1]).numpy(), np.stack(maps),
        grid.normal(seen.look(seen.encoder, grid.cell_at(*boxes[-1, :2].tolist()))), grid.cover(size), seen.sampled,
    )  # fmt: skip


@torch.inference_mode()
def nearest(model: PreTrainedModel, batch: dict, box, label: int, precision: str = "fp32") -> tuple[Near, ...]:
    """The NEAREST queries to an object of class `label` at `box` (4,) xyxy, on the one image of `batch`.

    Those whose last boxes have the highest IoU with it, whatever their class; of equal IoU, as where none overlaps it,
    those with the lowest cost of its box in DETR's matching: L1 and GIoU, weighted as the model's config says.
    Raises RunError if the model's answers are not finite numbers.
    """
    layers, size = _answer(model, batch, precision), batch["size"][0]
    logits, found = layers.logits[-1, 0], layers.boxes[-1, 0]
    boxes = cxcywh_normalized_to_xyxy(found.numpy(), size)
    overlap = iou(boxes, as_boxes(box))[:, 0]
    wanted, loss_config = torch.from_numpy(xyxy_to_cxcywh_normalized(box, size)), LossConfig.of(model.config)
    cost = loss_config.bbox_cost * (found - wanted).abs().sum(-1) - loss_config.giou_cost * giou(found, wanted)
    probabilities, (scores, labels) = _probabilities(model, logits), _classes(model, logits).max(-1)
    return tuple(
        Near(
            query, boxes[query], float(overlap[query]), probabilities[query, label].item(), labels[query].item(),
            scores[query].item(), probabilities[query, -1].item() if _has_no_object(model) else None,
        )
        for query in np.lexsort((cost.numpy(), -overlap))[:NEAREST].tolist()
    )  # fmt: skip


def _answer(model: PreTrainedModel, batch: dict, precision: str) -> Layers:
    """All layers' answers as in an evaluation, on the CPU."""
    was_training = model.training
    try:
        layers = forward(model.eval(), batch, model.device, precision)
    finally:
        model.train(was_training)
    refuse_broken(layers, batch)
    return Layers(layers.logits.cpu(), layers.boxes.cpu())


def _has_no_object(model: PreTrainedModel) -> bool:
    return model.config.model_type == "detr"


def _probabilities(model: PreTrainedModel, logits: torch.Tensor) -> torch.Tensor:
    """Of all classes, and of "no object" where the model has it."""
    return logits.softmax(-1) if _has_no_object(model) else logits.sigmoid()


def _classes(model: PreTrainedModel, logits: torch.Tensor) -> torch.Tensor:
    """The scores of the classes alone, as in a detection."""
    probabilities = _probabilities(model, logits)
    return probabilities[..., :-1] if _has_no_object(model) else probabilities


@dataclass(frozen=True)
class _Grid:
    """The finest feature map of a padded image: `rows` × `columns` of its H × W cells are on the image.

    image (width, height) in pixels of the model's input, without padding; cell the same of one cell
    """

    shape: tuple[int, int]
    rows: int
    columns: int
    image: tuple[int, int]
    cell: tuple[float, float]

    @classmethod
    def of(cls, batch: dict, mask: torch.Tensor) -> _Grid:
        """Of a batch with one image and its mask (H, W), true on the image, as the backbone gave it."""
        pixels = batch["pixel_mask"][0]
        inside = [(m.any(0).sum().item(), m.any(1).sum().item()) for m in (mask, pixels)]
        (columns, rows), image = inside
        cell = pixels.shape[1] / mask.shape[1], pixels.shape[0] / mask.shape[0]
        return cls(tuple(mask.shape), rows, columns, image, cell)

    def cell_at(self, x: float, y: float) -> int:
        """The number of the cell, row by row, at a place in [0, 1] of the image; of a place beside it the nearest."""
        column, row = int(x * self.image[0] / self.cell[0]), int(y * self.image[1] / self.cell[1])
        return min(max(row, 0), self.rows - 1) * self.shape[1] + min(max(column, 0), self.columns - 1)

    def cover(self, size: tuple[int, int]) -> tuple[float, float]:
        """(width, height) in pixels of the original image, `size`, that the cells on the image cover."""
        count = self.columns, self.rows
        return tuple(n * c * s / i for n, c, s, i in zip(count, self.cell, size, self.image, strict=True))

    def normal(self, found: torch.Tensor) -> np.ndarray:
        """What was looked at, (H · W,) or (H, W), as (rows, columns) float32 with the sum 1."""
        values = found.float().cpu().reshape(self.shape)[: self.rows, : self.columns]
        # all sampling points may lie beside the image
        return (values / values.sum()).numpy() if values.sum() > 0 else values.numpy()


@dataclass
class _Seen:
    """What the attentions of a forward pass with one image looked at.

    decoder  of each layer, encoder of the last one: weights (heads, Q, H · W), or (places, weights) of sampling points
    mask     (H, W) bool, which cells of the finest feature map are on the image
    """

    sampled: bool
    decoder: list = field(default_factory=list)
    encoder: torch.Tensor | tuple | None = None
    mask: torch.Tensor | None = None

    def look(self, found, index: int) -> torch.Tensor:
        """Of one query or cell, the mean of the heads: (H · W,), or (H, W)."""
        if not self.sampled:
            return found[:, index].mean(0)
        places, weights = (part[index].float().cpu() for part in found)
        return _spread(places.reshape(-1, 2), weights.flatten(), self.mask.shape)


def _spread(places: torch.Tensor, weights: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Weights (P,) at places (P, 2), (x, y) in [0, 1] of the map, shared among the four nearest cells: (H, W).

    As `grid_sample` reads them (bilinear, nothing beside the map); points of coarser maps too, where they lie.
    """
    corner = places * torch.tensor([shape[1], shape[0]]) - 0.5
    low = corner.floor()
    part = corner - low
    map_ = torch.zeros(shape)
    for right in (0, 1):
        for below in (0, 1):
            x, y = (low + torch.tensor([right, below])).long().unbind(-1)
            share = weights * (part[:, 0] if right else 1 - part[:, 0]) * (part[:, 1] if below else 1 - part[:, 1])
            there = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
            map_.index_put_((y[there], x[there]), share[there], accumulate=True)
    return map_


@contextmanager
def _watched(model: PreTrainedModel) -> Iterator[_Seen]:
    """Within, the model notes what its attentions look at; it is as it was before, afterwards."""
    inner = model.model
    seen = _Seen(isinstance(model, DeformableDetrForObjectDetection))
    cross = [layer.encoder_attn for layer in inner.decoder.layers]
    own = inner.encoder.layers[-1].self_attn

    def note_cells(_, __, maps) -> None:  # DETR reads the last map, Deformable DETR all of them, the finest first
        seen.mask = maps[0 if seen.sampled else -1][1][0].bool()

    def add(found) -> None:
        seen.decoder.append(found)

    def keep(found) -> None:
        seen.encoder = found

    hooks = [inner.backbone.register_forward_hook(note_cells)]
    for attention, take in [*((one, add) for one in cross), (own, keep)]:
        if seen.sampled:  # of MultiScaleDeformableAttention: …, sampling_locations, attention_weights, …
            hooks.append(attention.attn.register_forward_pre_hook(lambda _, a, take=take: take((a[4][0], a[5][0]))))
        else:
            hooks.append(attention.register_forward_hook(lambda _, __, out, take=take: take(out[1][0].float())))
    # only the plain way of computing attention hands its weights out; the decoder has a config of its own (layers.py)
    configs = {id(c): c for c in (model.config, inner.encoder.config, inner.decoder.config)}
    before = {key: config._attn_implementation for key, config in configs.items()}
    try:
        for config in configs.values():
            config._attn_implementation = "eager"
        yield seen
    finally:
        for key, config in configs.items():
            config._attn_implementation = before[key]
        for hook in hooks:
            hook.remove()
