"""Conditional DETR: as DETR, but boxes are counted from reference points, and each class is a sigmoid of its own.

Source: Meng et al. 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from transformers import ConditionalDetrForObjectDetection, PretrainedConfig

from core.detr.class_loss import FocalLoss
from core.detr.families.base import in_float32, inverse_sigmoid
from core.detr.families.detr import Detr
from core.detr.matching import CLASS_WEIGHT, LossConfig


class ConditionalDetr(Detr):
    """microsoft/conditional-detr-resnet-50 and its like."""

    model_type = "conditional_detr"
    model_class = ConditionalDetrForObjectDetection
    has_no_object = False
    published: ClassVar[dict[str, float]] = {CLASS_WEIGHT: 2, "class_cost": 2}  # ConditionalDETR, main.py

    inner: ConditionalDetrForObjectDetection

    def box_head(self, decoded: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return a function from states to boxes, whose centres are offsets from each query's reference point."""
        reference = inverse_sigmoid(decoded.reference_points).transpose(0, 1)  # (B, Q, 2)

        def boxes_of(states: torch.Tensor) -> torch.Tensor:
            boxes = []
            for state in states:
                offsets = in_float32(self.inner.bbox_predictor, state)
                offsets[..., :2] += reference
                boxes.append(offsets.sigmoid())
            return torch.stack(boxes)

        return boxes_of

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of Conditional DETR's loss: a focal loss of each class."""
        return LossConfig.of(config, FocalLoss(config.focal_alpha))
