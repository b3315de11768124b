"""Class targets that know how well a matched box lies: a score is to say both, what it is and where it is.

In: a model's own `LossConfig`. Out: the same with another class loss, for the setting `class_targets`. AP orders all
detections by their scores, so that a sure score on a poor box costs more than a modest one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from core.detr.class_loss import ClassLoss, CrossEntropy, FocalLoss, Matched, MatchingAwareLoss, VarifocalLoss
from core.detr.matching import LossConfig

GAMMA = 1.5  # of the matching-aware loss, as published (DEIM, configs/base/deim.yml)


@dataclass(frozen=True)
class OverlapCrossEntropy(CrossEntropy):
    """DETR's cross-entropy with soft targets: a matched query is its class by the IoU of its boxes, else "no object".

    The targets are those of the varifocal loss (Zhang et al. 2021, equation 2), carried over to a softmax; weights and
    divisor stay DETR's.
    """

    def sums(self, logits: torch.Tensor, matched: Matched) -> torch.Tensor:
        """Return the sum of each answer's losses; see `ClassLoss.sums`."""
        places, label, overlap, weight = matched
        logs = logits.movedim(-1, 0).contiguous().log_softmax(0)  # (C, A, B, Q): see `CrossEntropy.sums`
        losses = -self.no_object_weight * logs[-1].flatten(1).sum(1)  # as if none were matched
        absent = -self.no_object_weight * logs[-1][places]
        present = logs[(label, *places)] if weight is None else weight * logs[(label, *places)]
        present = -overlap * present + (1 - overlap) * absent
        return losses.index_add(0, places[0], present - absent)


def matching_aware(loss_config: LossConfig) -> LossConfig:
    """Return numbers of losses with matching-aware class targets; a loss whose targets follow the overlap stays.

    Source: for sigmoids Huang et al. 2024 (DEIM), equation 4.
    """
    return replace(loss_config, class_loss=_matching_aware(loss_config.class_loss))


def _matching_aware(loss: ClassLoss) -> ClassLoss:
    if isinstance(loss, CrossEntropy):
        return OverlapCrossEntropy(loss.no_object_weight)
    return MatchingAwareLoss(None, GAMMA) if isinstance(loss, FocalLoss | VarifocalLoss) else loss
