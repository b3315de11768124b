"""The losses of a set of queries, over all decoder layers at once, in float32.

In: what every layer says (`Layers`) and the images' targets. Out: the model's losses of every decoder layer, and of all
its other answers together: those of its encoder, and in training of its denoising queries. Beside them what DETR's log
has: class_error and cardinality_error.

Written here, with the matching (`matching.py`), rather than taken from transformers: a step may be cut into parts, over
forward passes or processes, and must have the losses of one batch. So each loss is a sum, divided by `LossNormalizers`
that are known from the targets before the first part runs. And it is several times as fast (docs/measurements.md).
Nothing here is in half precision, whatever the forward pass was in.

Source: Carion et al. 2020, equation 2; transformers `loss_for_object_detection.py`, `loss_deformable_detr.py`
(facebookresearch/detr `models/detr.py`), `loss_rt_detr.py`, `loss_lw_detr.py`, whose results these equal for a whole
batch; what a family has of its own is in `class_loss.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import torch

from core.detr.class_loss import Divisor, Places
from core.detr.input.batch import ImageTargets
from core.detr.matching import (
    Layers,
    LossConfig,
    Matches,
    Targets,
    iou_and_giou,
    match,
    match_denoising,
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
        """Return what a sum of losses is divided by, where each target is matched `copies` times."""
        if kind == "boxes":
            return max(self.boxes * copies, 1.0)
        return max(self.weights, 1e-6) if kind == "weights" else max(self.images, 1.0)

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
    every = _joined(layers)
    matches = match(every, targets, loss_config)
    losses = _losses(every, targets, matches, normalizers, loss_config, layers.groups)
    early = len(every.boxes) - len(layers.boxes)
    others = [{name: of_all[:early] for name, of_all in losses.items()}]
    if layers.proposals is not None:
        objects = replace(targets, label=torch.zeros_like(targets.label))
        matched = match(layers.proposals, objects, loss_config)
        others.append(_losses(layers.proposals, objects, matched, normalizers, loss_config))
    if layers.denoising is not None:
        again = match_denoising(layers.denoising, targets)
        noised = _joined(layers.denoising.layers)
        others.append(_losses(noised, targets, again, normalizers, loss_config, layers.denoising.groups))
    both = {
        name: torch.cat([torch.stack([one[name].sum() for one in others]).sum().reshape(1), of_all[early:]])
        for name, of_all in losses.items()
    }
    return both | _counts(layers, targets, matches, early)


def _joined(layers: Layers) -> Layers:
    """Return the answers before the first layer and those of the layers as one."""
    if layers.before is None:
        return layers
    logits, boxes = (torch.cat([getattr(one, part) for one in (layers.before, layers)]) for part in ("logits", "boxes"))
    return Layers(logits, boxes, layers.groups)


def _losses(
    layers: Layers,
    targets: Targets,
    matches: Matches,
    normalizers: LossNormalizers,
    loss_config: LossConfig,
    copies: int = 1,
) -> dict[str, torch.Tensor]:
    """Return each loss of each answer, (A,); `copies` is how often every target is matched in each."""
    matches = matches.on(layers.boxes.device)
    image, label = targets.image[matches.target], targets.label[matches.target]
    places: Places = (matches.layer, image, matches.query)
    predicted, expected = layers.boxes[places], targets.boxes[matches.target]
    iou, giou = iou_and_giou(predicted, expected)

    def per_layer(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(layers.boxes)).index_add(0, matches.layer, values)

    sums = (
        loss_config.class_loss.sums(layers.logits, places, label, iou.detach()),
        per_layer((predicted - expected).abs().sum(-1)),
        per_layer(1 - giou),
    )
    return {
        name: values / normalizers.divisor(divisor, copies)
        for (name, _, divisor), values in zip(loss_config.terms, sums, strict=True)
    }


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
