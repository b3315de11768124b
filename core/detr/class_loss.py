"""Class losses: how wrong the classes of a layer's queries are, for each kind of DETR.

In: logits of all answers, which queries are matched with which class, and how well the matched boxes overlap their
objects. Out: a sum for each answer, which `losses.py` divides. A kind is one class here; a family names its own in
`loss_config_of`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F

Places = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # the answer, image and query of each match, (M,) int64
Divisor = Literal["boxes", "weights", "images"]  # what a sum of losses is divided by: see `LossNormalizers`


class Matched(NamedTuple):
    """The M queries that are matched with an object.

    places   which they are
    label    (M,) int64, the objects' classes
    overlap  (M,), the IoU of the query's box and the object's
    weight   (M,), what the loss that says "its class is there" is multiplied by; None: 1
    """

    places: Places
    label: torch.Tensor
    overlap: torch.Tensor
    weight: torch.Tensor | None = None


class ClassLoss(ABC):
    """One kind of class loss.

    name           in the record, as the publication's code calls it
    divisor        what its sum is divided by
    has_no_object  whether scores are a softmax with "no object" as its last class, or a sigmoid of each class
    """

    name: ClassVar[str] = "loss_ce"
    divisor: ClassVar[Divisor] = "boxes"
    has_no_object: ClassVar[bool] = False

    def weights(self, queries: int, matched: int) -> float:
        """Return the sum of the class weights of so many queries, of which some are matched."""
        return float(matched)

    @abstractmethod
    def sums(self, logits: torch.Tensor, matched: Matched) -> torch.Tensor:
        """Return the sum of each answer's losses, (A,); logits (A, B, Q, C). Divisors have no part in it."""


@dataclass(frozen=True)
class CrossEntropy(ClassLoss):
    """DETR's: cross-entropy over classes and "no object", which counts `no_object_weight` (Carion et al. 2020)."""

    no_object_weight: float

    divisor = "weights"
    has_no_object = True

    def weights(self, queries: int, matched: int) -> float:
        """Return the sum of the class weights of so many queries, of which some are matched."""
        return matched + self.no_object_weight * (queries - matched)

    def sums(self, logits: torch.Tensor, matched: Matched) -> torch.Tensor:
        """Return the sum of each answer's losses; see `ClassLoss.sums`."""
        places, label, _, weight = matched
        no_object = logits.shape[-1] - 1
        expected = torch.full(logits.shape[:3], no_object, dtype=torch.int64, device=logits.device)
        expected[places] = label
        weights = torch.full(logits.shape[:3], self.no_object_weight, device=logits.device)
        weights[places] = 1.0 if weight is None else weight
        # the class first: several times as fast on a CPU as a softmax over the last few of many rows
        of_expected = logits.movedim(-1, 0).contiguous().log_softmax(0).gather(0, expected[None])[0]
        return -(weights * of_expected).flatten(1).sum(1)


class SigmoidLoss(ClassLoss):
    """A loss of each class by itself: `absent` where it is not there, `present` where a match says that it is."""

    def sums(self, logits: torch.Tensor, matched: Matched) -> torch.Tensor:
        """Return the sum of each answer's losses; see `ClassLoss.sums`."""
        places, label, overlap, weight = matched
        of_matches = logits[(*places, label)]
        losses = self.absent(logits).sum((1, 2, 3))
        present = self.present(of_matches, overlap)
        present = present if weight is None else weight * present
        return losses.index_add(0, places[0], present - self.absent(of_matches))

    @abstractmethod
    def absent(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the losses of classes that are not there, in the shape of their logits."""

    @abstractmethod
    def present(self, logits: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
        """Return the losses (M,) of classes that are there, by their logits (M,) and their boxes' IoU (M,)."""


@dataclass(frozen=True)
class FocalLoss(SigmoidLoss):
    """The focal loss (Lin et al. 2017, equation 5), of Conditional, Deformable and DAB-DETR."""

    alpha: float
    gamma: float = 2.0

    def absent(self, logits: torch.Tensor) -> torch.Tensor:
        """Return (1 − α) p^γ · −log(1 − p)."""
        return (1 - self.alpha) * logits.sigmoid() ** self.gamma * F.softplus(logits)

    def present(self, logits: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
        """Return α (1 − p)^γ · −log p."""
        return self.alpha * (-logits).sigmoid() ** self.gamma * F.softplus(-logits)


@dataclass(frozen=True)
class VarifocalLoss(SigmoidLoss):
    """The varifocal loss (Zhang et al. 2021, equation 2), of RT-DETR and D-FINE: the score is to be the IoU.

    Source: lyuwenyu/RT-DETR, rtdetrv2_criterion.py: loss_labels_vfl.
    """

    alpha: float
    gamma: float

    name = "loss_vfl"

    def absent(self, logits: torch.Tensor) -> torch.Tensor:
        """Return α p^γ · −log(1 − p), the weight without a gradient."""
        return self.alpha * logits.detach().sigmoid() ** self.gamma * F.softplus(logits)

    def present(self, logits: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
        """Return IoU times the binary cross-entropy of score and IoU."""
        return overlap * (F.softplus(logits) - overlap * logits)


@dataclass(frozen=True)
class IouAwareLoss(SigmoidLoss):
    """The IoU-aware binary cross-entropy of LW-DETR (Chen et al. 2024, section 3.2) and RF-DETR.

    Source: Atten4Vis/LW-DETR, lwdetr.py: loss_labels, ia_bce_loss.
    """

    alpha: float
    gamma: float = 2.0

    LEAST = 0.01  # of a match's quality

    def absent(self, logits: torch.Tensor) -> torch.Tensor:
        """Return p^γ · −log(1 − p)."""
        return logits.sigmoid() ** self.gamma * F.softplus(logits)

    def present(self, logits: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
        """Return the binary cross-entropy of the score and t = p^α IoU^(1 − α), which has no gradient."""
        quality = logits.detach().sigmoid() ** self.alpha * overlap ** (1 - self.alpha)
        quality = quality.clamp(min=self.LEAST)
        return quality * F.softplus(-logits) + (1 - quality) * F.softplus(logits)


@dataclass(frozen=True)
class MatchingAwareLoss(SigmoidLoss):
    """The matching-aware loss of DEIM (Huang et al. 2024, equation 4): the score is to be IoU^γ.

    alpha  of classes that are not there; None is 1
    Source: Intellindust-AI-Lab/DEIM, deim_criterion.py: loss_labels_mal.
    """

    alpha: float | None
    gamma: float

    name = "loss_mal"

    def absent(self, logits: torch.Tensor) -> torch.Tensor:
        """Return α p^γ · −log(1 − p), the weight without a gradient."""
        alpha = 1.0 if self.alpha is None else self.alpha
        return alpha * logits.detach().sigmoid() ** self.gamma * F.softplus(logits)

    def present(self, logits: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
        """Return the binary cross-entropy of score and IoU^γ."""
        return F.softplus(logits) - overlap**self.gamma * logits
