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

from core.detr.class_loss import ClassLoss, Divisor
from core.detr.distributions import DistributionLoss
from core.detr.input.batch import ImageTargets

AT_ONCE = 2**15  # costs that a CPU works on at a time
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss in the matching cost (Lin et al. 2017)
CLASS_WEIGHT = "cls_loss_coefficient"  # in config.json; not every family's class in transformers has it
OTHER_CLASS_WEIGHT = "class_loss_coefficient"  # what RF-DETR and LW-DETR call the same


@dataclass(frozen=True)
class Layers:
    """What the L decoder layers say of B images with Q queries; the last layer is the model's answer.

    logits     (L, B, Q, C) float32  C is N+1 with "no object" last, or N where each class is a sigmoid of its own
    boxes      (L, B, Q, 4) float32  cxcywh in [0, 1]
    groups     in how many groups of the same size the queries are: each is matched by itself, the first is the answer
    before     what the same queries say before the first layer, as E layers: the boxes that an encoder chose for them
    proposals  of Deformable DETR in two stages: what its encoder says, as one layer, with a query for each place of its
               feature maps; class 0 is there "an object", whichever, and the others are none
    denoising  in training: what the layers make of objects with noise
    corners    (L, B, Q, 4 · bins) float32, where a box is made of distributions of its left, upper, right and lower
               edge: their logits
    references (B, Q, 4) float32, cxcywh in [0, 1]: the boxes from which these edges are counted, in all layers
    states     (B, Q, width) the last layer's states, of which its heads made the answer; None where they are not given
    """

    logits: torch.Tensor
    boxes: torch.Tensor
    groups: int = 1
    before: Layers | None = None
    proposals: Layers | None = None
    denoising: Denoising | None = None
    corners: torch.Tensor | None = None
    references: torch.Tensor | None = None
    states: torch.Tensor | None = None

    @property
    def every(self) -> Layers:
        """The answers before the first layer and those of the layers as one, E + L; `corners` are the layers' alone."""
        if self.before is None:
            return self
        first = self.before.every
        logits, boxes = torch.cat([first.logits, self.logits]), torch.cat([first.boxes, self.boxes])
        return Layers(logits, boxes, self.groups, corners=self.corners, references=self.references)

    def queries(self, part: slice) -> Layers:
        """Return what some of the queries say, in the layers and before them."""
        corners, references, states = (
            None if one is None else one[..., part, :] for one in (self.corners, self.references, self.states)
        )
        before = None if self.before is None else self.before.queries(part)
        logits, boxes = self.logits[:, :, part], self.boxes[:, :, part]
        return Layers(logits, boxes, before=before, corners=corners, references=references, states=states)


@dataclass(frozen=True)
class Denoising:
    """What the layers say of queries that began as objects with noise, and which object each of them was.

    layers     their answers, of D queries
    positives  of each image the queries (n · groups,) int64 that are to become its n objects again, group by group in
               the objects' order; the others are to find nothing
    groups     how often each object is there
    Source: Zhang et al. 2023 (DINO), section 3.3.
    """

    layers: Layers
    positives: Sequence[torch.Tensor]
    groups: int


@dataclass(frozen=True)
class LossConfig:
    """A model's own numbers for matching and losses.

    Source of each family's: `Detector.published`, or its config.json.

    class_loss  of its classes, which also says whether its scores are a softmax or sigmoids
    cost_alpha  as cost_gamma of the focal loss in the matching cost, where scores are sigmoids
    edges       of the distributions of its boxes' edges, where it has such
    united      whether boxes and edges learn, in every answer, from the matches of all answers: see `unite`
    class_weights  of each class in the class loss, 1 on average over the objects; empty: all count the same
    """

    class_cost: float
    bbox_cost: float
    giou_cost: float
    class_weight: float
    bbox_weight: float
    giou_weight: float
    class_loss: ClassLoss
    cost_alpha: float = ALPHA
    cost_gamma: float = GAMMA
    edges: DistributionLoss | None = None
    united: bool = False
    class_weights: tuple[float, ...] = ()

    @property
    def terms(self) -> tuple[tuple[str, float, Divisor], ...]:
        """Each loss by its name, with its weight in the total and what its sum is divided by; the class loss first."""
        return (
            (self.class_loss.name, self.class_weight, self.class_loss.divisor),
            ("loss_bbox", self.bbox_weight, "boxes"),
            ("loss_giou", self.giou_weight, "boxes"),
            *(self.edges.terms if self.edges else ()),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the losses."""
        return tuple(name for name, _, _ in self.terms)

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights of the losses in the total."""
        return tuple(weight for _, weight, _ in self.terms)

    @classmethod
    def of(cls, config: PretrainedConfig, class_loss: ClassLoss) -> LossConfig:
        """Read costs and weights from a model's config, where most families have them under the same names."""
        return cls(
            config.class_cost, config.bbox_cost, config.giou_cost,
            getattr(config, CLASS_WEIGHT, getattr(config, OTHER_CLASS_WEIGHT, 1.0)),
            config.bbox_loss_coefficient, config.giou_loss_coefficient, class_loss,
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
    """M pairs of a query and a target: in answer `layer`, `query` is row `target` of the Targets; (M,) int64."""

    layer: torch.Tensor
    target: torch.Tensor
    query: torch.Tensor

    def on(self, device: torch.device) -> Matches:
        """Return them on another device."""
        return Matches(*torch.stack(self).to(device, non_blocking=True))


@torch.no_grad()
def match(layers: Layers, targets: Targets, loss_config: LossConfig) -> Matches:
    """Return the cheapest one-to-one assignment of targets to queries, for every layer, image and group by itself.

    On the CPU. Of an image with more targets than queries the costliest stay unmatched.
    """
    costs = _costs(layers, targets, loss_config).transpose(0, 1).cpu().numpy()  # (L, T, Q)
    size = costs.shape[-1] // layers.groups
    pairs = [
        (np.full(len(rows), layer), rows + first, queries + start)
        for layer, of_layer in enumerate(costs)
        for start in range(0, size * layers.groups, size)
        for first, count in zip(np.cumsum((0, *targets.counts)), targets.counts, strict=False)
        for rows, queries in [linear_sum_assignment(of_layer[first : first + count, start : start + size])]
    ]
    return Matches(*torch.from_numpy(np.concatenate([np.stack(pair) for pair in pairs], axis=1).astype(np.int64)))


def unite(matches: Matches, counts: Sequence[int], answers: int) -> Matches:
    """Return for each query, the same in all `answers`, the target with which most of them match it; on the CPU.

    Queries that none of them matches have none; several may have the same. Of targets with as many the first counts.
    counts  of targets, of each image
    Source: Peng et al. 2024 (D-FINE), section 4.2; Peterande/D-FINE, dfine_criterion.py: _get_go_indices.
    """
    target, query = matches.target.numpy(), matches.query.numpy()
    image = np.repeat(np.arange(len(counts)), counts)[target]
    pairs, votes = np.unique(np.stack([image, query, target]), axis=1, return_counts=True)
    pairs = pairs[:, np.lexsort((pairs[2], -votes, pairs[1], pairs[0]))]
    _, first = np.unique(pairs[:2], axis=1, return_index=True)
    _, query, target = pairs[:, first]
    layer = np.repeat(np.arange(answers), len(first))
    return Matches(*(torch.from_numpy(one) for one in (layer, np.tile(target, answers), np.tile(query, answers))))


def match_denoising(denoising: Denoising, targets: Targets) -> Matches:
    """Return which objects the denoising queries are to become again, the same in every layer; on the CPU."""
    first = np.cumsum((0, *targets.counts))
    objects = [
        torch.arange(start, start + count).repeat(denoising.groups)
        for start, count in zip(first.tolist(), targets.counts, strict=False)
    ]
    target, query = torch.cat(objects), torch.cat([one.cpu() for one in denoising.positives])
    layers = len(denoising.layers.boxes)
    layer = torch.arange(layers).repeat_interleave(len(target))
    return Matches(layer, target.repeat(layers), query.repeat(layers))


def _costs(layers: Layers, targets: Targets, loss_config: LossConfig) -> torch.Tensor:
    """Return what it costs each query of each layer to have each target, (T, L, Q), 1e9 where that is no number.

    Every coordinate and class is a plane of its own, and on a CPU what is at work at a time stays in its cache.
    """
    boxes = layers.boxes.permute(3, 1, 0, 2).contiguous()  # (4, B, L, Q)
    logits = layers.logits.permute(3, 1, 0, 2).contiguous()  # (C, B, L, Q)
    is_softmax = loss_config.class_loss.has_no_object
    scores = logits.softmax(0) if is_softmax else logits  # a sigmoid is taken of those alone that are asked for
    rows = max(1, AT_ONCE // boxes[0, 0].numel() if boxes.device.type == "cpu" else len(targets.image))
    costs = []
    for first in range(0, max(1, len(targets.image)), rows):
        image, label, expected = (part[first : first + rows] for part in targets.each)
        predicted, expected = boxes[:, image].movedim(0, -1), expected[:, None, None]
        score = scores[label, image]
        cost = loss_config.class_cost * (-score if is_softmax else _focal_cost(score.sigmoid(), loss_config))
        cost += loss_config.bbox_cost * (predicted - expected).abs().sum(-1)
        costs.append(cost - loss_config.giou_cost * giou(predicted, expected))
    # as transformers: what is not a number is matched only where nothing else is left
    return torch.nan_to_num(torch.cat(costs), nan=1e9, posinf=1e9, neginf=1e9)


def _focal_cost(score: torch.Tensor, loss_config: LossConfig) -> torch.Tensor:
    """Return what it costs to have a class that has this score, where each is a sigmoid of its own."""
    alpha, gamma = loss_config.cost_alpha, loss_config.cost_gamma
    positive = alpha * (1 - score) ** gamma * -(score + 1e-8).log()
    return positive - (1 - alpha) * score**gamma * -(1 - score + 1e-8).log()


def giou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the generalised IoU of pairs of boxes, in [-1, 1]; cxcywh (…, 4) and (…, 4), broadcast.

    Fastest where each coordinate lies in memory as a plane of its own.
    Source: Rezatofighi et al. 2019.

    >>> giou(torch.tensor([0.5, 0.5, 1.0, 1.0]), torch.tensor([0.25, 0.5, 0.5, 1.0])).item()
    0.5
    """
    return iou_and_giou(first, second)[1]


def iou_and_giou(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the IoU of pairs of boxes, in [0, 1], and what `giou` returns."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = first.unbind(-1), second.unbind(-1)
    # of each side: what both share, below 0 where they are apart, and what both span
    shared_width, width = _shared_and_spanned(x1, w1, x2, w2)
    shared_height, height = _shared_and_spanned(y1, h1, y2, h2)
    inter = shared_width.clamp(min=0) * shared_height.clamp(min=0)
    union, hull = w1 * h1 + w2 * h2 - inter, width * height
    # two boxes without extent on one spot: 0 / 0
    iou = inter / union.clamp(min=1e-9)
    return iou, iou - (hull - union) / hull.clamp(min=1e-9)


def _shared_and_spanned(
    first: torch.Tensor, first_length: torch.Tensor, second: torch.Tensor, second_length: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how long the overlap of two intervals is, and their hull, from their middles and lengths."""
    low = first - first_length / 2, second - second_length / 2
    high = first + first_length / 2, second + second_length / 2
    return torch.minimum(*high) - torch.maximum(*low), torch.maximum(*high) - torch.minimum(*low)
