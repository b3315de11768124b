"""The losses of a set of queries, over all decoder layers at once, in float32.

In: what every layer says (`Layers`) and the images' targets. Out: the model's losses of every decoder layer, and of all
its other answers together: those of its encoder, and in training of its denoising queries. Beside them what DETR's log
has: class_error and cardinality_error.

Written here, with the matching (`matching.py`), rather than taken from transformers: a step may be cut into parts, over
forward passes or processes, and must have the losses of one batch. So each loss is a sum, divided by `LossNormalizers`
that are known from the targets before the first part runs; only where matches are united (`LossConfig.united`) their
number is not, and a part takes its own. And it is several times as fast (docs/measurements.md).
Nothing here is in half precision, whatever the forward pass was in.

Source: Carion et al. 2020, equation 2; transformers `loss_for_object_detection.py`, `loss_deformable_detr.py`
(facebookresearch/detr `models/detr.py`), `loss_rt_detr.py`, `loss_lw_detr.py`, whose results these equal for a whole
batch; what a family has of its own is in `class_loss.py` and `distributions.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import NamedTuple

import torch

from core.detr.class_loss import Divisor, Matched, Places
from core.detr.distributions import DistributionLoss
from core.detr.input.batch import ImageTargets
from core.detr.matching import (
    Layers,
    LossConfig,
    Matches,
    Targets,
    iou_and_giou,
    match,
    match_denoising,
    unite,
)
from core.metrics import CARDINALITY_ERROR, CLASS_ERROR

COUNTS = ("right", "miscounted")  # what the errors of DETR's log are made of: see `logged_errors`


@dataclass(frozen=True)
class LossNormalizers:
    """What the sums of a step's losses are divided by: known from the targets alone, and additive over its parts.

    boxes    number of target boxes
    weights  sum of the class weights of all queries: see `ClassLoss.weights`
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
        weights = loss_config.class_loss.weights(queries * len(counts), matched)
        return cls(sum(counts), weights, matched, len(counts))

    def divisor(self, kind: Divisor, copies: float = 1) -> float:
        """Return what a sum of losses is divided by, where each target is matched `copies` times, or not at all."""
        if kind == "boxes":
            return max(self.boxes * (copies or 1.0), 1.0)
        return max(self.weights * (copies or 1.0), 1e-6) if kind == "weights" else max(self.images, 1.0)

    @property
    def of_groups(self) -> LossNormalizers:
        """The same for a mean over groups of queries, which is one also where there are no objects at all."""
        return replace(self, boxes=max(self.boxes, 1.0))

    def __add__(self, other: LossNormalizers) -> LossNormalizers:
        return LossNormalizers(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def sum_names(loss_config: LossConfig) -> tuple[str, ...]:
    """Return the names of all that `set_losses` gives: the model's losses, and COUNTS."""
    return (*loss_config.names, *COUNTS)


def set_losses(
    layers: Layers, labels: Sequence[ImageTargets], normalizers: LossNormalizers, loss_config: LossConfig
) -> dict[str, torch.Tensor]:
    """Return the losses by their names and, for `logged_errors`, {right, miscounted}, each (1 + L,) float32.

    First of all answers that are no decoder layer's, together; 0 where there are none. Then of each of the L layers.
    The losses are this part's share of the step. `labels` are those of the images that `layers` answer for;
    `normalizers` are those of the whole step. Every answer is matched with the same boxes; those that Deformable DETR
    proposes in its first stage are all of class 0 (Zhu et al. 2021, appendix A.4: SetCriterion.forward).
    """
    targets = Targets.of(labels, layers.boxes.device)
    every = layers.every
    matches = match(every, targets, loss_config)
    boxes = unite(matches, targets.counts, len(every.boxes)) if loss_config.united else matches
    pairing = _Pairing(matches, boxes, layers.groups, _share_of_matched(boxes, every))
    losses = _losses(every, targets, pairing, normalizers, loss_config)
    early = len(every.boxes) - len(layers.boxes)
    others = [{name: of_all[:early] for name, of_all in losses.items()}]
    if layers.proposals is not None:
        objects = replace(targets, label=torch.zeros_like(targets.label))
        matched = match(layers.proposals, objects, loss_config)
        alike = replace(loss_config, class_weights=())
        others.append(_losses(layers.proposals, objects, _Pairing(matched, matched), normalizers, alike))
    if layers.denoising is not None:
        noised = replace(layers.denoising, layers=layers.denoising.layers.every)
        again = match_denoising(noised, targets)
        pairing = _Pairing(again, again, noised.groups, pairing.share)
        others.append(_losses(noised.layers, targets, pairing, normalizers, loss_config))
    both = {
        name: torch.cat([torch.stack([one[name].sum() for one in others]).sum().reshape(1), of_all[early:]])
        for name, of_all in losses.items()
    }
    return both | _counts(layers, targets, matches, early)


class _Pairing(NamedTuple):
    """Which queries of some answers learn from which targets.

    classes  their classes; boxes: their boxes, the same but where matches are united
    copies   how often every target is matched in each answer, but where matches are united
    share    of the matched queries in the distillation of edges: see `DistributionLoss.sums`
    """

    classes: Matches
    boxes: Matches
    copies: int = 1
    share: float = 0.0


def _share_of_matched(matches: Matches, layers: Layers) -> float:
    """Return the share of the square roots of the numbers of matched queries and of the others, in each answer."""
    answers, images, queries = layers.boxes.shape[:3]
    matched = len(matches.layer) / answers
    roots = math.sqrt(matched), math.sqrt(images * queries - matched)
    return roots[0] / sum(roots)


class _Pairs(NamedTuple):
    """M predicted boxes and those that were expected, (M, 4), with their labels (M,), IoU and GIoU (M,)."""

    places: Places
    label: torch.Tensor
    predicted: torch.Tensor
    expected: torch.Tensor
    iou: torch.Tensor
    giou: torch.Tensor

    @classmethod
    def of(cls, layers: Layers, targets: Targets, matches: Matches) -> _Pairs:
        """Look up what is matched."""
        matches = matches.on(layers.boxes.device)
        places = matches.layer, targets.image[matches.target], matches.query
        predicted, expected = layers.boxes[places], targets.boxes[matches.target]
        return cls(places, targets.label[matches.target], predicted, expected, *iou_and_giou(predicted, expected))


def _losses(
    layers: Layers, targets: Targets, pairing: _Pairing, normalizers: LossNormalizers, loss_config: LossConfig
) -> dict[str, torch.Tensor]:
    """Return each loss of each answer, (A,)."""
    classes = _Pairs.of(layers, targets, pairing.classes)
    is_united = pairing.boxes is not pairing.classes
    boxes = _Pairs.of(layers, targets, pairing.boxes) if is_united else classes

    def per_layer(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(layers.boxes)).index_add(0, boxes.places[0], values)

    weight = None
    if loss_config.class_weights:
        weight = torch.tensor(loss_config.class_weights, device=classes.label.device)[classes.label]
    matched_classes = Matched(classes.places, classes.label, classes.iou.detach(), weight)
    sums = [
        loss_config.class_loss.sums(layers.logits, matched_classes),
        per_layer((boxes.predicted - boxes.expected).abs().sum(-1)),
        per_layer(1 - boxes.giou),
    ]
    if loss_config.edges:
        sums.extend(_edge_sums(layers, boxes, loss_config.edges, pairing.share))
    matched = len(pairing.boxes.layer) / len(layers.boxes)
    of_boxes = matched / max(len(targets.label), 1) if is_united else pairing.copies
    copies = [pairing.copies, *[of_boxes] * (len(sums) - 1)]
    return {
        name: values / normalizers.divisor(divisor, copies)
        for (name, _, divisor), values, copies in zip(loss_config.terms, sums, copies, strict=True)
    }


def _edge_sums(layers: Layers, pairs: _Pairs, edges: DistributionLoss, share: float) -> list[torch.Tensor]:
    """Return the sums of the losses of edges in each answer, (A,), 0 in those before the first layer."""
    assert layers.corners is not None and layers.references is not None
    early = len(layers.boxes) - len(layers.corners)
    first = len(pairs.expected) * early // len(layers.boxes)  # every answer has as many pairs, one after another
    layer, image, query = (place[first:] for place in pairs.places)
    sums = edges.sums(
        layers.corners, layers.references, layers.logits[early:], (layer - early, image, query),
        pairs.expected[first:], pairs.iou[first:].detach(), share,
    )  # fmt: skip
    return [torch.cat([values.new_zeros(early), values]) for values in sums]


def _counts(layers: Layers, targets: Targets, matches: Matches, early: int) -> dict[str, torch.Tensor]:
    """Count, by decoder layer (1 + L,), matches whose best class is their object's, and objects too many or too few.

    The last class is taken for "no object", also where there is none, as in facebookresearch/detr (`loss_labels`,
    `loss_cardinality`) and in what took its code over. Of several groups of queries the first counts.
    """
    queries = layers.boxes.shape[2] // layers.groups
    logits = layers.logits.detach()[:, :, :queries]
    if early or layers.groups > 1:
        kept = (matches.layer >= early) & (matches.query < queries)
        matches = Matches(matches.layer[kept] - early, matches.target[kept], matches.query[kept])
    matches = matches.on(logits.device)
    best = logits.argmax(-1)  # (L, B, Q)
    of_matches = best[matches.layer, targets.image[matches.target], matches.query]
    is_right, predicted = (of_matches == targets.label[matches.target]).float(), (best != logits.shape[-1] - 1).sum(-1)
    objects = is_right.new_zeros(logits.shape[1]).index_add(0, targets.image, torch.ones_like(targets.boxes[:, 0]))
    right = is_right.new_zeros(len(logits)).index_add(0, matches.layer, is_right)
    miscounted = (predicted.float() - objects).abs().sum(1)
    return {name: torch.cat([one.new_zeros(1), one]) for name, one in zip(COUNTS, (right, miscounted), strict=True)}


def logged_errors(right: float, miscounted: float, normalizers: LossNormalizers) -> dict[str, float]:
    """Return {class_error, cardinality_error} of the images that `normalizers` count, by the sums of their counts."""
    return {
        CLASS_ERROR.name: 100 - 100 * right / max(normalizers.matched, 1),
        CARDINALITY_ERROR.name: miscounted / max(normalizers.images, 1),
    }


def total(losses: dict[str, torch.Tensor], loss_config: LossConfig) -> torch.Tensor:
    """Return the weighted sum of the losses over all answers, a scalar."""
    return torch.stack([weight * losses[name].sum() for name, weight, _ in loss_config.terms]).sum()
