"""DETR's matching and losses, over all decoder layers at once, in float32.

In: what every layer says (`Layers`) and the images' targets. Out: loss_ce, loss_bbox and loss_giou of every answer, and
what DETR's log has beside them: class_error and cardinality_error. The answers are those of the encoder's proposals,
where a model makes them in a first stage, and of every decoder layer.

Written here rather than taken from transformers for three reasons. A step may be cut into parts, over forward passes or
processes, and must have the losses of one batch: so each loss is a sum, divided by `LossNormalizers` that are known
from the targets before the first part runs. Each image is matched against its own targets only, and costs leave the
GPU once a step instead of once a layer. And nothing here is in half precision, whatever the forward pass was in.

Source: Carion et al. 2020, equations 1 and 2; transformers `loss_for_object_detection.py`, `loss_deformable_detr.py`
(facebookresearch/detr `models/matcher.py`, `models/detr.py`), whose results these equal for a whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from transformers import PretrainedConfig

from core.detr.input.batch import ImageTargets
from core.metrics import CARDINALITY_ERROR, CLASS_ERROR, LOSS_PARTS

ALPHA, GAMMA = 0.25, 2.0  # of the focal loss in the matching cost (Lin et al. 2017)
CLASS_WEIGHT = "cls_loss_coefficient"  # in config.json; not every family's class in transformers has it
PARTS = tuple(loss.name for loss in LOSS_PARTS)  # loss_ce, loss_bbox, loss_giou
COUNTS = ("right", "miscounted")  # what the errors of DETR's log are made of: see `logged_errors`
SUMS = PARTS + COUNTS


@dataclass(frozen=True)
class Layers:
    """What the L decoder layers say of B images with Q queries; the last layer is the model's answer.

    logits     (L, B, Q, C) float32  C is N+1 with "no object" last, or N where each class is a sigmoid of its own
    boxes      (L, B, Q, 4) float32  cxcywh in [0, 1]
    proposals  of a model in two stages: what its encoder says, as one layer, with a query for each place of its feature
               maps; class 0 is there "an object", whichever, and the others are none
    """

    logits: torch.Tensor
    boxes: torch.Tensor
    proposals: Layers | None = None


@dataclass(frozen=True)
class LossConfig:
    """A model's own numbers for matching and losses.

    Source of each family's: `Detector.published`, or its config.json.

    no_object_weight  of "no object" in the cross-entropy; 0 where each class is a sigmoid of its own
    focal_alpha       of the focal loss of sigmoids; None for cross-entropy over a softmax with "no object"
    """

    class_cost: float
    bbox_cost: float
    giou_cost: float
    class_weight: float
    bbox_weight: float
    giou_weight: float
    no_object_weight: float
    focal_alpha: float | None

    @property
    def weights(self) -> tuple[float, float, float]:
        """The weights of the losses, in the order of PARTS."""
        return self.class_weight, self.bbox_weight, self.giou_weight

    @classmethod
    def of(
        cls, config: PretrainedConfig, no_object_weight: float = 0.0, focal_alpha: float | None = None
    ) -> LossConfig:
        """Read costs and weights from a model's config, where every family has them under the same names."""
        return cls(
            config.class_cost, config.bbox_cost, config.giou_cost, getattr(config, CLASS_WEIGHT, 1.0),
            config.bbox_loss_coefficient, config.giou_loss_coefficient, no_object_weight, focal_alpha,
        )  # fmt: skip


@dataclass(frozen=True)
class LossNormalizers:
    """What the sums of a step's losses are divided by: known from the targets alone, and additive over its parts.

    boxes    number of target boxes
    weights  sum of the class weights of all queries: 1 where matched, `no_object_weight` elsewhere
    matched  number of queries that are matched with a target
    images   number of images
    """

    boxes: float
    weights: float
    matched: float
    images: float

    @classmethod
    def of(cls, labels: Sequence[ImageTargets], queries: int, loss_config: LossConfig) -> LossNormalizers:
        """Count the targets of some images, for a model with so many queries."""
        counts = [len(target["class_labels"]) for target in labels]
        matched = sum(min(count, queries) for count in counts)
        weights = matched + loss_config.no_object_weight * (queries * len(counts) - matched)
        return cls(sum(counts), weights, matched, len(counts))

    def __add__(self, other: LossNormalizers) -> LossNormalizers:
        return LossNormalizers(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Targets:
    """The objects of a batch in one list, those of its first image first; `counts` says how many each image has.

    image  (T,) int64, the image's place in the batch
    label  (T,) int64, model index
    boxes  (T, 4) float32, cxcywh in [0, 1]
    """

    image: torch.Tensor
    label: torch.Tensor
    boxes: torch.Tensor
    counts: tuple[int, ...]

    @classmethod
    def of(cls, labels: Sequence[ImageTargets], device: torch.device) -> Targets:
        """Join the targets of a batch's images, on `device`."""
        counts = tuple(len(target["class_labels"]) for target in labels)
        image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64))
        label = torch.cat([target["class_labels"] for target in labels])
        boxes = torch.cat([target["boxes"] for target in labels])
        image, label, boxes = (part.to(device, non_blocking=True) for part in (image, label, boxes))
        return cls(image, label, boxes, counts)


Places = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # the layer, image and query of each match, (M,) int64


class Matches(NamedTuple):
    """M pairs of a query and a target: in decoder layer `layer`, `query` is row `target` of the Targets; (M,) int64."""

    layer: torch.Tensor
    target: torch.Tensor
    query: torch.Tensor


def set_losses(
    layers: Layers, labels: Sequence[ImageTargets], normalizers: LossNormalizers, loss_config: LossConfig
) -> dict[str, torch.Tensor]:
    """Return {loss_ce, loss_bbox, loss_giou} and, for `logged_errors`, {right, miscounted}, each (A,) float32.

    The losses are this part's share of the step. `labels` are those of the images that `layers` answer for;
    `normalizers` are those of the whole step. The A answers are those of the L layers, and before them that of the
    encoder's proposals if there are any: they are matched to the same boxes, all of them of class 0.
    Source: Zhu et al. 2021, appendix A.4 (Deformable-DETR, SetCriterion.forward).
    """
    targets = Targets.of(labels, layers.boxes.device)
    losses = _layer_losses(layers, targets, normalizers, loss_config)
    if layers.proposals is None:
        return losses
    objects = replace(targets, label=torch.zeros_like(targets.label))
    first = _layer_losses(layers.proposals, objects, normalizers, loss_config)
    return {name: torch.cat([first[name], losses[name]]) for name in SUMS}


def _layer_losses(
    layers: Layers, targets: Targets, normalizers: LossNormalizers, loss_config: LossConfig
) -> dict[str, torch.Tensor]:
    matches = match(layers, targets, loss_config)
    image = targets.image[matches.target]
    predicted, expected = layers.boxes[matches.layer, image, matches.query], targets.boxes[matches.target]
    boxes = max(normalizers.boxes, 1.0)

    def per_layer(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(layers.boxes)).index_add(0, matches.layer, values) / boxes

    places, label = (matches.layer, image, matches.query), targets.label[matches.target]
    return {
        "loss_ce": _class_loss(layers.logits, places, label, normalizers, loss_config),
        "loss_bbox": per_layer((predicted - expected).abs().sum(-1)),
        "loss_giou": per_layer(1 - giou(predicted, expected)),
        **_counts(layers.logits.detach(), places, label, targets),
    }


def _counts(logits: torch.Tensor, places: Places, label: torch.Tensor, targets: Targets) -> dict[str, torch.Tensor]:
    """Count, by layer (L,), the matches whose best class is their `label`, and the objects too many or too few.

    The last class is taken for "no object", also where there is none, as in facebookresearch/detr (`loss_labels`,
    `loss_cardinality`) and in what took its code over.
    """
    best = logits.argmax(-1)  # (L, B, Q)
    right, predicted = (best[places] == label).float(), (best != logits.shape[-1] - 1).sum(-1).float()  # (M,), (L, B)
    objects = predicted.new_zeros(logits.shape[1]).index_add(0, targets.image, torch.ones_like(targets.boxes[:, 0]))
    right = predicted.new_zeros(len(logits)).index_add(0, places[0], right)
    return {"right": right, "miscounted": (predicted - objects).abs().sum(1)}


def logged_errors(right: float, miscounted: float, normalizers: LossNormalizers) -> dict[str, float]:
    """Return {class_error, cardinality_error} of the images that `normalizers` count, by the sums of their counts."""
    return {
        CLASS_ERROR.name: 100 - 100 * right / max(normalizers.matched, 1),
        CARDINALITY_ERROR.name: miscounted / max(normalizers.images, 1),
    }


def total(losses: dict[str, torch.Tensor], loss_config: LossConfig) -> torch.Tensor:
    """Return DETR's weighted sum of the losses over all answers, a scalar."""
    loss_ce, loss_bbox, loss_giou = (losses[name].sum() for name in PARTS)
    class_weight, bbox_weight, giou_weight = loss_config.weights
    return class_weight * loss_ce + bbox_weight * loss_bbox + giou_weight * loss_giou


def _class_loss(
    logits: torch.Tensor,
    places: Places,
    label: torch.Tensor,
    normalizers: LossNormalizers,
    loss_config: LossConfig,
) -> torch.Tensor:
    """Return cross-entropy in which "no object" counts little, or the focal loss, by layer: (L,).

    places: (layer, image, query) of each match; label (M,) of its target.
    """
    if loss_config.focal_alpha is not None:
        expected = torch.zeros_like(logits)
        expected[(*places, label)] = 1.0
        losses = _focal_loss(logits, expected, loss_config.focal_alpha)
        return losses.sum((1, 2, 3)) / max(normalizers.boxes, 1.0)
    no_object = logits.shape[-1] - 1
    expected = torch.full(logits.shape[:3], no_object, dtype=torch.int64, device=logits.device)
    expected[places] = label
    weight = torch.ones(logits.shape[-1], device=logits.device)
    weight[no_object] = loss_config.no_object_weight
    losses = F.cross_entropy(logits.flatten(0, 2), expected.flatten(), weight, reduction="none")
    return losses.view(len(logits), -1).sum(1) / max(normalizers.weights, 1e-6)


def _focal_loss(logits: torch.Tensor, expected: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return the focal loss of each element; `expected` is 1 for the class that is there (Lin et al. 2017, eq. 5)."""
    probability = logits.sigmoid()
    right = probability * expected + (1 - probability) * (1 - expected)
    balance = alpha * expected + (1 - alpha) * (1 - expected)
    return balance * (1 - right) ** GAMMA * F.binary_cross_entropy_with_logits(logits, expected, reduction="none")


@torch.no_grad()
def match(layers: Layers, targets: Targets, loss_config: LossConfig) -> Matches:
    """Return the cheapest one-to-one assignment of targets to queries, for every layer and image by itself.

    Of an image with more targets than queries the costliest stay unmatched.
    """
    boxes = layers.boxes[:, targets.image]  # (L, T, Q, 4)
    expected = targets.boxes[None, :, None, :]
    cost = loss_config.bbox_cost * (boxes - expected).abs().sum(-1) - loss_config.giou_cost * giou(boxes, expected)
    cost += loss_config.class_cost * _class_cost(layers.logits, targets, loss_config)
    # as transformers: what is not a number is matched only where nothing else is left
    costs = torch.nan_to_num(cost, nan=1e9, posinf=1e9, neginf=1e9).cpu().numpy()  # (L, T, Q)
    pairs = [
        (np.full(len(rows), layer), rows + first, queries)
        for layer, of_layer in enumerate(costs)
        for first, count in zip(np.cumsum((0, *targets.counts)), targets.counts, strict=False)
        for rows, queries in [linear_sum_assignment(of_layer[first : first + count])]
    ]
    joined = np.concatenate([np.stack(pair) for pair in pairs], axis=1).astype(np.int64)
    return Matches(*torch.from_numpy(joined).to(layers.boxes.device))


def _class_cost(logits: torch.Tensor, targets: Targets, loss_config: LossConfig) -> torch.Tensor:
    """Return what it costs each query to have each target's class, (L, T, Q)."""
    of_image = logits[:, targets.image]  # (L, T, Q, C)
    label = targets.label[None, :, None, None].expand(*of_image.shape[:3], 1)
    if loss_config.focal_alpha is None:
        return -of_image.softmax(-1).gather(-1, label)[..., 0]
    p = of_image.gather(-1, label)[..., 0].sigmoid()
    positive = ALPHA * (1 - p) ** GAMMA * -(p + 1e-8).log()
    return positive - (1 - ALPHA) * p**GAMMA * -(1 - p + 1e-8).log()


def giou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the generalised IoU of pairs of boxes, in [-1, 1]; cxcywh (…, 4) and (…, 4), broadcast.

    Source: Rezatofighi et al. 2019.

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
