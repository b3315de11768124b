"""Matching: which query of a decoder layer answers for which object of an image.

In: what every layer says (`Layers`) and the images' targets. Out: `Matches`, on which the losses are computed
(`losses.py`). Each image is matched against its own targets only, for all layers at once, and costs leave the GPU once
a step instead of once a layer. Nothing here is in half precision, whatever the forward pass was in.

Source: Carion et al. 2020, equation 1; transformers `loss_for_object_detection.py`, `loss_deformable_detr.py`
(facebookresearch/detr `models/matcher.py`), whose results these equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from transformers import PretrainedConfig

from core.detr.input.batch import ImageTargets

AT_ONCE = 2**15  # costs that a CPU works on at a time
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss in the matching cost (Lin et al. 2017)
CLASS_WEIGHT = "cls_loss_coefficient"  # in config.json; not every family's class in transformers has it


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

    @property
    def each(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return image, label and boxes, each with a row for every object."""
        return self.image, self.label, self.boxes

    @classmethod
    def of(cls, labels: Sequence[ImageTargets], device: torch.device) -> Targets:
        """Join the targets of a batch's images, on `device`."""
        counts = tuple(len(target["class_labels"]) for target in labels)
        image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64))
        label = torch.cat([target["class_labels"] for target in labels])
        boxes = torch.cat([target["boxes"] for target in labels])
        image, label, boxes = (part.to(device, non_blocking=True) for part in (image, label, boxes))
        return cls(image, label, boxes, counts)


class Matches(NamedTuple):
    """M pairs of a query and a target: in decoder layer `layer`, `query` is row `target` of the Targets; (M,) int64."""

    layer: torch.Tensor
    target: torch.Tensor
    query: torch.Tensor


@torch.no_grad()
def match(layers: Layers, targets: Targets, loss_config: LossConfig) -> Matches:
    """Return the cheapest one-to-one assignment of targets to queries, for every layer and image by itself.

    Of an image with more targets than queries the costliest stay unmatched.
    """
    costs = _costs(layers, targets, loss_config).transpose(0, 1).cpu().numpy()  # (L, T, Q)
    pairs = [
        (np.full(len(rows), layer), rows + first, queries)
        for layer, of_layer in enumerate(costs)
        for first, count in zip(np.cumsum((0, *targets.counts)), targets.counts, strict=False)
        for rows, queries in [linear_sum_assignment(of_layer[first : first + count])]
    ]
    joined = np.concatenate([np.stack(pair) for pair in pairs], axis=1).astype(np.int64)
    return Matches(*torch.from_numpy(joined).to(layers.boxes.device, non_blocking=True))


def _costs(layers: Layers, targets: Targets, loss_config: LossConfig) -> torch.Tensor:
    """Return what it costs each query of each layer to have each target, (T, L, Q), 1e9 where that is no number.

    Every coordinate and class is a plane of its own, and on a CPU what is at work at a time stays in its cache.
    """
    boxes = layers.boxes.permute(3, 1, 0, 2).contiguous()  # (4, B, L, Q)
    logits = layers.logits.permute(3, 1, 0, 2).contiguous()  # (C, B, L, Q)
    is_softmax = loss_config.focal_alpha is None
    scores = logits.softmax(0) if is_softmax else logits  # a sigmoid is taken of those alone that are asked for
    rows = max(1, AT_ONCE // boxes[0, 0].numel() if boxes.device.type == "cpu" else len(targets.image))
    costs = []
    for first in range(0, max(1, len(targets.image)), rows):
        image, label, expected = (part[first : first + rows] for part in targets.each)
        predicted, expected = boxes[:, image].movedim(0, -1), expected[:, None, None]
        score = scores[label, image]
        cost = loss_config.class_cost * (-score if is_softmax else _focal_cost(score.sigmoid()))
        cost += loss_config.bbox_cost * (predicted - expected).abs().sum(-1)
        costs.append(cost - loss_config.giou_cost * giou(predicted, expected))
    # as transformers: what is not a number is matched only where nothing else is left
    return torch.nan_to_num(torch.cat(costs), nan=1e9, posinf=1e9, neginf=1e9)


def _focal_cost(score: torch.Tensor) -> torch.Tensor:
    """Return what it costs to have a class that has this score, where each is a sigmoid of its own."""
    positive = ALPHA * (1 - score) ** GAMMA * -(score + 1e-8).log()
    return positive - (1 - ALPHA) * score**GAMMA * -(1 - score + 1e-8).log()


def giou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the generalised IoU of pairs of boxes, in [-1, 1]; cxcywh (…, 4) and (…, 4), broadcast.

    Fastest where each coordinate lies in memory as a plane of its own.

    Source: Rezatofighi et al. 2019.

    >>> giou(torch.tensor([0.5, 0.5, 1.0, 1.0]), torch.tensor([0.25, 0.5, 0.5, 1.0])).item()
    0.5
    """
    (x1, y1, w1, h1), (x2, y2, w2, h2) = first.unbind(-1), second.unbind(-1)
    # of each side: what both share, below 0 where they are apart, and what both span
    shared_width, width = _shared_and_spanned(x1, w1, x2, w2)
    shared_height, height = _shared_and_spanned(y1, h1, y2, h2)
    inter = shared_width.clamp(min=0) * shared_height.clamp(min=0)
    union, hull = w1 * h1 + w2 * h2 - inter, width * height
    # two boxes without extent on one spot: 0 / 0
    return inter / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)


def _shared_and_spanned(
    first: torch.Tensor, first_length: torch.Tensor, second: torch.Tensor, second_length: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how long the overlap of two intervals is, and their hull, from their middles and lengths."""
    low = first - first_length / 2, second - second_length / 2
    high = first + first_length / 2, second + second_length / 2
    return torch.minimum(*high) - torch.maximum(*low), torch.maximum(*high) - torch.minimum(*low)
