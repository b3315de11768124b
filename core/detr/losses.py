"""DETR's losses, over all decoder layers at once, in float32.

In: what every layer says (`Layers`) and the images' targets. Out: loss_ce, loss_bbox and loss_giou of every answer, and
what DETR's log has beside them: class_error and cardinality_error. The answers are those of the encoder's proposals,
where a model makes them in a first stage, and of every decoder layer.

Written here, with the matching (`matching.py`), rather than taken from transformers: a step may be cut into parts, over
forward passes or processes, and must have the losses of one batch. So each loss is a sum, divided by `LossNormalizers`
that are known from the targets before the first part runs. And it is several times as fast (docs/measurements.md).
Nothing here is in half precision, whatever the forward pass was in.

Source: Carion et al. 2020, equation 2; transformers `loss_for_object_detection.py`, `loss_deformable_detr.py`
(facebookresearch/detr `models/detr.py`), whose results these equal for a whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import torch
import torch.nn.functional as F

from core.detr.input.batch import ImageTargets
from core.detr.matching import Layers, LossConfig, Targets, giou, match
from core.metrics import CARDINALITY_ERROR, CLASS_ERROR, LOSS_PARTS

GAMMA = 2.0  # of the focal loss (Lin et al. 2017)
PARTS = tuple(loss.name for loss in LOSS_PARTS)  # loss_ce, loss_bbox, loss_giou
COUNTS = ("right", "miscounted")  # what the errors of DETR's log are made of: see `logged_errors`
SUMS = PARTS + COUNTS


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


Places = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # the layer, image and query of each match, (M,) int64


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
        alpha, matched = loss_config.focal_alpha, logits[(*places, label)]
        if_absent, if_there = (1 - alpha) * _focal(matched), alpha * _focal(-matched)
        losses = (1 - alpha) * _focal(logits).sum((1, 2, 3))
        return losses.index_add(0, places[0], if_there - if_absent) / max(normalizers.boxes, 1.0)
    no_object = logits.shape[-1] - 1
    expected = torch.full(logits.shape[:3], no_object, dtype=torch.int64, device=logits.device)
    expected[places] = label
    weight = torch.ones(logits.shape[-1], device=logits.device)
    weight[no_object] = loss_config.no_object_weight
    # the class first: several times as fast on a CPU as a softmax over the last few of many rows
    of_expected = logits.movedim(-1, 0).contiguous().log_softmax(0).gather(0, expected[None])[0]
    return -(weight[expected] * of_expected).flatten(1).sum(1) / max(normalizers.weights, 1e-6)


def _focal(logits: torch.Tensor) -> torch.Tensor:
    """Return the focal loss, without its alpha, of classes that are not there (Lin et al. 2017, eq. 5).

    Of those that are there it is that of the negative logits.
    """
    return logits.sigmoid() ** GAMMA * F.softplus(logits)
