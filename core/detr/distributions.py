"""Losses of boxes whose edges are distributions, as D-FINE and its kin predict them.

In: for each of a box's four edges the logits of how far it lies from a reference box, over bins that are finer near it;
and which queries are matched with which object. Out: for each decoder layer how far the distributions are from where
the objects' edges are (fine-grained localization), and from those of the last layer, which teaches the others
(decoupled distillation focal).

Source: Peng et al. 2024 (D-FINE), sections 4.1 and 4.2; Peterande/D-FINE, dfine_criterion.py: loss_local.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torchvision.ops import box_convert
from transformers.loss.loss_d_fine import bbox2distance

from core.detr.class_loss import Divisor, Places


@dataclass(frozen=True)
class DistributionLoss:
    """A model's distributions of edges, and what their losses weigh.

    bins       how many bins a distribution has, less one
    reg_scale  how much finer the bins are near the reference box than far from it
    up         how far the bins reach, in sides of the reference box
    """

    fgl_weight: float
    ddf_weight: float
    bins: int
    reg_scale: float
    up: float

    TEMPERATURE: ClassVar[float] = 5.0  # at which distributions are compared with the last layer's

    @property
    def terms(self) -> tuple[tuple[str, float, Divisor], ...]:
        """Each loss as `LossConfig.terms` has it; the distillation is a mean, so a step's parts share it by images."""
        return ("loss_fgl", self.fgl_weight, "boxes"), ("loss_ddf", self.ddf_weight, "images")

    def sums(
        self,
        corners: torch.Tensor,
        references: torch.Tensor,
        logits: torch.Tensor,
        places: Places,
        expected: torch.Tensor,
        overlap: torch.Tensor,
        share: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum of each layer's two losses, (L,) and (L,).

        corners (L, B, Q, 4 · (bins + 1)), references (B, Q, 4) cxcywh, logits (L, B, Q, C); of each of M matches its
        `places` and the object's box, `expected` (M, 4) cxcywh, and `overlap` (M,), the IoU of its boxes.
        share  what the mean over matched queries counts in the distillation; that over the others counts the rest
        """
        corners = corners.reshape(*corners.shape[:-1], 4, self.bins + 1)
        return (
            self._fine_grained(corners, references, places, expected, overlap),
            self._distilled(corners, logits, places, overlap, share),
        )

    def _fine_grained(
        self,
        corners: torch.Tensor,
        references: torch.Tensor,
        places: Places,
        expected: torch.Tensor,
        overlap: torch.Tensor,
    ) -> torch.Tensor:
        """Return the sum of each layer's cross-entropies of the two bins around an object's edge, weighed by the IoU.

        An edge between two bins belongs to both, to the nearer more.
        """
        layer, image, query = places
        up = torch.tensor([self.up], device=corners.device)
        edges = box_convert(expected, "cxcywh", "xyxy")
        distances: Any = bbox2distance
        of_edges = distances(references[image, query], edges, self.bins, self.reg_scale, up)
        bins, above, below = (one.view(-1, 4, 1) for one in of_edges)
        low = bins.long()
        logs = corners[places].log_softmax(-1)  # (M, 4, bins + 1)
        entropies = -(below * logs.gather(-1, low) + above * logs.gather(-1, low + 1))
        return corners.new_zeros(len(corners)).index_add(0, layer, entropies.sum((1, 2)) * overlap)

    def _distilled(
        self, corners: torch.Tensor, logits: torch.Tensor, places: Places, overlap: torch.Tensor, share: float
    ) -> torch.Tensor:
        """Return of each layer how far its distributions are from the last one's, a mean over edges, times the images.

        A matched query weighs as its IoU, another as the last layer's score of its best class.
        """
        students, teacher = corners[:-1], corners[-1].detach()
        expected = (teacher / self.TEMPERATURE).softmax(-1).expand_as(students)
        predicted = (students / self.TEMPERATURE).log_softmax(-1)
        divergence = F.kl_div(predicted, expected, reduction="none").sum(-1).mean(-1)  # (L - 1, B, Q)
        weight = logits[-1].detach().sigmoid().amax(-1).repeat(len(corners), 1, 1)
        matched = torch.zeros_like(weight)
        weight[places], matched[places] = overlap, 1.0
        weight, matched = weight[:-1], matched[:-1]
        losses = self.TEMPERATURE**2 * weight * divergence
        means = [(losses * part).sum((1, 2)) / part.sum((1, 2)).clamp(min=1) for part in (matched, 1 - matched)]
        values = share * means[0] + (1 - share) * means[1]
        return corners.shape[1] * torch.cat([values, values.new_zeros(1)])
