"""Rehearsal: what the untouched model answers, which the trained one is to go on answering about the classes it knows.

In: the answers of the trained model for a batch. Out: how far they are from those of the untouched model, as a loss.
The same query is compared with itself, layer by layer, so that nothing has to be matched; that is only meaningful where
queries are learned, and not chosen by an encoder, image by image.

Source: Li and Hoiem 2016 (Learning without Forgetting), section 3; of boxes Shmelkov et al. 2017, equation 3.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from core import ConfigError
from core.config import TrainConfig
from core.detr.detect import forward
from core.detr.device import seeded
from core.detr.families.base import Detector
from core.detr.input.batch import Batch
from core.detr.losses import LossNormalizers
from core.detr.matching import Layers, LossConfig, giou
from core.detr.model import load_model
from core.labels import LabelMap

NO_REHEARSAL = (
    "Rehearsal compares a query with itself, but this model chooses its queries anew for each image: set the rehearsal "
    "to 0."
)


class Rehearsal:
    """The untouched model beside the trained one, if the setting `rehearsal` is not 0 and it knows a class at all."""

    def __init__(self, model: Detector, fresh: Sequence[int], config: TrainConfig) -> None:
        self.config, self.fresh = config, tuple(fresh)
        classes = len(model.inner.config.id2label or {})
        known = [row for row in range(classes) if row not in self.fresh]
        self.rows = [*known, classes] if model.has_no_object else known
        self.teacher = _frozen(copy.deepcopy(model)) if config.rehearsal and known else None

    def restore(self) -> None:
        """Load the untouched model anew, as the training goes on with another.

        Raises ModelError if it is not there any more, ValueError if it knows other classes than at the beginning.
        """
        if self.teacher is None:
            return
        device = self.teacher.inner.device
        names = {int(row): str(name) for row, name in (self.teacher.inner.config.id2label or {}).items()}
        label_map = LabelMap(tuple(names[row] for row in sorted(names)), tuple(range(len(names))))
        with seeded(self.config.seed, device=device):  # of fresh rows, which nothing asks
            teacher, head = load_model(self.config.model, label_map, self.config.dropout)
        if label_map.rows(head.fresh) != self.fresh:
            raise ValueError("the model that it began with knows other classes by now")
        self.teacher = _frozen(teacher.to(device).to(memory_format=torch.channels_last))

    def loss(
        self, layers: Layers, batch: Batch, normalizers: LossNormalizers, loss_config: LossConfig, precision: str
    ) -> torch.Tensor | float:
        """Return the loss of one forward pass, as a share of the step's that `normalizers` counts; 0 without rehearsal.

        Of classes it is the divergence of the trained model's probabilities from the untouched one's, the fresh classes
        left out, of boxes their L1 and GIoU losses by how sure the untouched model is of an object; with the weights of
        the model's own losses, boxes by half. Raises ConfigError where queries are chosen anew for each image.
        """
        if self.teacher is None:
            return 0.0
        with torch.no_grad():
            before = forward(self.teacher, batch, layers.logits.device, precision)
        if before.before is not None or before.proposals is not None:
            raise ConfigError(NO_REHEARSAL)
        now = layers.queries(slice(0, before.logits.shape[2]))
        expected, logits = before.logits[..., self.rows], now.logits[..., self.rows]
        if self.teacher.has_no_object:
            none = expected.softmax(-1)[..., -1]
            weight = 1 - none + loss_config.class_loss.weights(1, 0) * none  # as the class loss weighs "no object"
            classes = (weight * _divergence(logits.log_softmax(-1), expected.log_softmax(-1))).sum()
            certain = 1 - none
        else:
            classes = _binary_divergence(logits, expected).sum()
            certain = expected.sigmoid().amax(-1)
        l1 = (certain * (now.boxes - before.boxes).abs().sum(-1)).sum()
        overlap = (certain * (1 - giou(now.boxes, before.boxes))).sum()
        boxes = (loss_config.bbox_weight * l1 + loss_config.giou_weight * overlap) / normalizers.divisor("boxes")
        classes = loss_config.class_weight * classes / normalizers.divisor(loss_config.class_loss.divisor)
        return self.config.rehearsal * (classes + 0.5 * boxes)


def _frozen(teacher: Detector) -> Detector:
    return teacher.eval().requires_grad_(False)


def _divergence(logs: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Return the Kullback-Leibler divergence of probabilities (…, C) from expected ones, both by their logarithms."""
    return (expected.exp() * (expected - logs)).sum(-1)


def _binary_divergence(logits: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Return the same of each class by itself, (…, C), by the logits of sigmoids."""
    probability = expected.sigmoid()
    difference = F.logsigmoid(expected) - F.logsigmoid(logits)
    return probability * difference + (1 - probability) * (difference - expected + logits)
