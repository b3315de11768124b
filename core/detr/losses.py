"""DETR's matching and losses, over all decoder layers at once, in float32.

In: what every layer says (`Layers`) and the images' targets. Out: loss_ce, loss_bbox and loss_giou of every layer.

Ours rather than transformers' own for three reasons. A step may be cut into parts, over forward passes or processes,
and must have the losses of one batch: so a loss is a sum that the caller's `LossNormalizers` divide, which are
known from the targets before the first part runs. Each image is matched against its own targets only, and costs leave the GPU once a
step instead of once a layer. And nothing here is in half precision, whatever the forward pass was in.

Source: Carion et al. 2020, equations 1 and 2; transformers `loss_for_object_detection.py`, `loss_deformable_detr.py`
(facebookresearch/detr `models/matcher.py`, `models/detr.py`), whose results these equal for a whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

ALPHA, GAMMA = 0.25, 2.0  # of the focal loss in the matching cost (Lin et al. 2017)
PARTS = ("loss_ce", "loss_bbox", "loss_giou")


@dataclass(frozen=True)
class Layers:
    """What the L decoder layers say of B images with Q queries; the last layer is the model's answer.

    logits  (L, B, Q, C) float32  C is N+1 with "no object" last, or N where each class is a sigmoid of its own
    boxes   (L, B, Q, 4) float32  cxcywh in [0, 1]
    """

    logits: torch.Tensor
    boxes: torch.Tensor


@dataclass(frozen=True)
class LossConfig:
    """A model's own numbers for matching and losses, from its config; `focal` is None for softmax with "no object"."""

    class_cost: float
    bbox_cost: float
    giou_cost: float
    bbox_weight: float
    giou_weight: float
    no_object_weight: float
    focal: float | None

    @classmethod
    def of(cls, config) -> LossConfig:
        """From a transformers config of a detr, conditional_detr or deformable_detr model."""
        return cls(
            config.class_cost, config.bbox_cost, config.giou_cost,
            config.bbox_loss_coefficient, config.giou_loss_coefficient,
            getattr(config, "eos_coefficient", 0.0), None if config.model_type == "detr" else config.focal_alpha,
        )  # fmt: skip


@dataclass(frozen=True)
class LossNormalizers:
    """What the sums of a step's losses are divided by: known from the targets alone, and additive over its parts.

    boxes    number of target boxes
    weights  sum of the class weights of all queries: 1 where matched, `no_object_weight` elsewhere
    """

    boxes: float
    weights: float

    @classmethod
    def of(cls, labels: list[dict], queries: int, loss_config: LossConfig) -> LossNormalizers:
        """Of some images' labels."""
        counts = [len(target["class_labels"]) for target in labels]
        matched = sum(min(count, queries) for count in counts)
        return cls(sum(counts), matched + loss_config.no_object_weight * (queries * len(counts) - matched))

    def __add__(self, other: LossNormalizers) -> LossNormalizers:
        return LossNormalizers(self.boxes + other.boxes, self.weights + other.weights)


@dataclass(frozen=True)
class Targets:
    """The objects of a batch in one list, those of its first image first; `counts` says how many each image has.

    image (T,) int64, place in the batch; label (T,) int64; boxes (T, 4) float32 cxcywh in [0, 1]
    """

    image: torch.Tensor
    label: torch.Tensor
    boxes: torch.Tensor
    counts: tuple[int, ...]

    @classmethod
    def of(cls, labels: list[dict], device: torch.device) -> Targets:
        """From the Collator's labels."""
        counts = tuple(len(target["class_labels"]) for target in labels)
        image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64))
        parts = image, *(torch.cat([target[key] for target in labels]) for key in ("class_labels", "boxes"))
        return cls(*(part.to(device, non_blocking=True) for part in parts), counts)


def set_losses(
    layers: Layers, labels: list[dict], normalizers: LossNormalizers, loss_config: LossConfig
) -> dict[str, torch.Tensor]:
    """{loss_ce, loss_bbox, loss_giou}, each (L,) float32, this part's share of the step that `normalizers` are of.

    `labels` are the Collator's: class_labels (n,) and boxes (n, 4) cxcywh in [0, 1]; n may be 0.
    """
    targets = Targets.of(labels, layers.boxes.device)
    layer, target, query = match(layers, targets, loss_config)
    image = targets.image[target]
    found, expected = layers.boxes[layer, image, query], targets.boxes[target]
    boxes = max(normalizers.boxes, 1.0)

    def per_layer(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(layers.boxes)).index_add(0, layer, values) / boxes

    return {
        "loss_ce": _class_loss(layers.logits, (layer, image, query), targets.label[target], normalizers, loss_config),
        "loss_bbox": per_layer((found - expected).abs().sum(-1)),
        "loss_giou": per_layer(1 - giou(found, expected)),
    }


def total(losses: dict[str, torch.Tensor], loss_config: LossConfig) -> torch.Tensor:
    """DETR's weighted sum over all layers, a scalar."""
    weights = (1.0, loss_config.bbox_weight, loss_config.giou_weight)
    return sum(weight * losses[name].sum() for name, weight in zip(PARTS, weights, strict=True))


def _class_loss(
    logits: torch.Tensor, place: tuple, label: torch.Tensor, normalizers: LossNormalizers, loss_config: LossConfig
) -> torch.Tensor:
    """Cross-entropy in which "no object" counts little, or the focal loss, by layer: (L,)."""
    if loss_config.focal is not None:
        wanted = torch.zeros_like(logits)
        wanted[(*place, label)] = 1.0
        return _focal(logits, wanted, loss_config.focal).sum((1, 2, 3)) / max(normalizers.boxes, 1.0)
    no_object = logits.shape[-1] - 1
    wanted = torch.full(logits.shape[:3], no_object, dtype=torch.int64, device=logits.device)
    wanted[place] = label
    weight = torch.ones(logits.shape[-1], device=logits.device)
    weight[no_object] = loss_config.no_object_weight
    each = F.cross_entropy(logits.flatten(0, 2), wanted.flatten(), weight, reduction="none")
    return each.view(len(logits), -1).sum(1) / max(normalizers.weights, 1e-6)


def _focal(logits: torch.Tensor, wanted: torch.Tensor, alpha: float) -> torch.Tensor:
    """Lin et al. 2017, equation 5, element by element."""
    probability = logits.sigmoid()
    right = probability * wanted + (1 - probability) * (1 - wanted)
    balance = alpha * wanted + (1 - alpha) * (1 - wanted)
    return balance * (1 - right) ** GAMMA * F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


@torch.no_grad()
def match(layers: Layers, targets: Targets, loss_config: LossConfig) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The cheapest one-to-one assignment of targets to queries, for every layer and image on its own.

    Returns (layer, target, query), each (M,) int64: row t of `targets` belongs to that query in that layer. Of an image
    with more targets than queries the costliest stay unmatched.
    """
    boxes = layers.boxes[:, targets.image]  # (L, T, Q, 4)
    expected = targets.boxes[None, :, None, :]
    cost = loss_config.bbox_cost * (boxes - expected).abs().sum(-1) - loss_config.giou_cost * giou(boxes, expected)
    cost += loss_config.class_cost * _class_cost(layers.logits, targets, loss_config)
    # as transformers: what is not a number is matched only where nothing else is left
    cost = torch.nan_to_num(cost, nan=1e9, posinf=1e9, neginf=1e9).cpu().numpy()
    pairs = [
        (np.full(len(rows), layer), rows + first, queries)
        for layer, of_layer in enumerate(cost)
        for first, count in zip(np.cumsum((0, *targets.counts)), targets.counts, strict=False)
        for rows, queries in [linear_sum_assignment(of_layer[first : first + count])]
    ]
    joined = np.concatenate([np.stack(pair) for pair in pairs], axis=1).astype(np.int64)
    return tuple(torch.from_numpy(joined).to(layers.boxes.device))


def _class_cost(logits: torch.Tensor, targets: Targets, loss_config: LossConfig) -> torch.Tensor:
    """What it costs each query to have each target's class, (L, T, Q)."""
    own = logits[:, targets.image]  # (L, T, Q, C)
    label = targets.label[None, :, None, None].expand(*own.shape[:3], 1)
    if loss_config.focal is None:
        return -own.softmax(-1).gather(-1, label)[..., 0]
    p = own.gather(-1, label)[..., 0].sigmoid()
    found = ALPHA * (1 - p) ** GAMMA * -(p + 1e-8).log()
    return found - (1 - ALPHA) * p**GAMMA * -(1 - p + 1e-8).log()


def giou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Generalised IoU box by box, in [-1, 1]; cxcywh (…, 4) and (…, 4), broadcast (Rezatofighi et al. 2019).

    >>> giou(torch.tensor([0.5, 0.5, 1.0, 1.0]), torch.tensor([0.25, 0.5, 0.5, 1.0])).item()
    0.5
    """
    low1, low2 = (box[..., :2] - box[..., 2:] / 2 for box in (first, second))
    high1, high2 = (box[..., :2] + box[..., 2:] / 2 for box in (first, second))
    inter = (torch.minimum(high1, high2) - torch.maximum(low1, low2)).clamp(min=0).prod(-1)
    union = first[..., 2:].prod(-1) + second[..., 2:].prod(-1) - inter
    hull = (torch.maximum(high1, high2) - torch.minimum(low1, low2)).prod(-1)
    # two boxes without extent on one spot: 0 / 0
    return inter / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)


@dataclass
class LossSums:
    """Losses summed over any number of batches, as if they were one: the same however they were cut."""

    loss_config: LossConfig
    normalizers: LossNormalizers = LossNormalizers(0, 0.0)
    sums: dict[str, torch.Tensor] | None = None  # each (L,) float64

    def add(self, layers: Layers, labels: list[dict]) -> None:
        losses = set_losses(layers, labels, LossNormalizers(1, 1.0), self.loss_config)
        self.take({name: value.double().cpu() for name, value in losses.items()},
                  LossNormalizers.of(labels, layers.logits.shape[2], self.loss_config))  # fmt: skip

    def take(self, sums: dict[str, torch.Tensor] | None, normalizers: LossNormalizers) -> None:
        """Add the sums of another process."""
        if sums is not None:
            self.sums = sums if self.sums is None else {name: self.sums[name] + sums[name] for name in PARTS}
            self.normalizers = self.normalizers + normalizers

    def values(self) -> dict[str, float]:
        """{loss, loss_ce, loss_bbox, loss_giou}: DETR's weighted sum over all layers, and the last layer's parts."""
        boxes = max(self.normalizers.boxes, 1.0)
        of_classes = boxes if self.loss_config.focal is not None else max(self.normalizers.weights, 1e-6)
        losses = {name: self.sums[name] / (of_classes if name == "loss_ce" else boxes) for name in PARTS}
        whole = float(total(losses, self.loss_config))
        return {"loss": whole, **{name: float(value[-1]) for name, value in losses.items()}}
