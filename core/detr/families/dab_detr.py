"""DAB-DETR: as Conditional DETR, but each query is a box, which every decoder layer refines.

transformers answers for all its layers in any case. Its config states a class loss of weight 2, which its own loss does
not read; DAB-DETR was trained with 1 (IDEA-Research/DAB-DETR, main.py: cls_loss_coef).
Source: Liu et al. 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import DabDetrForObjectDetection, PretrainedConfig

from core.detr.attention import AttentionRecord, DenseAttention, record
from core.detr.class_loss import FocalLoss
from core.detr.families.base import Detector, in_float32, inverse_sigmoid
from core.detr.input.batch import ImageTargets
from core.detr.matching import Layers, LossConfig
from core.detr.queries.groups import QueryInputs


class DabDetr(Detector):
    """IDEA-Research/dab-detr-resnet-50 and its like, also with several patterns for each box."""

    model_type = "dab-detr"
    model_class = DabDetrForObjectDetection
    has_no_object = False
    backbone_name = "model.backbone.conv_encoder"
    finest_map = -1
    head_modules = frozenset({"class_embed", "bbox_predictor", "bbox_embed"})  # the last is the decoder's: the same one
    class_modules = frozenset({"class_embed"})
    query_inputs = QueryInputs(("inputs_embeds", "query_position_embeddings"))

    inner: DabDetrForObjectDetection

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what every decoder layer says of the images; see `Detector.answer`."""
        with self.padding.hide(pixel_mask):
            decoded = self.inner.model(values, pixel_mask=pixel_mask)
        logits, boxes = [], []
        for states, reference in zip(decoded.intermediate_hidden_states, decoded.reference_points, strict=True):
            logits.append(in_float32(self.inner.class_embed, states))  # of (B, Q, width)
            offsets = in_float32(self.inner.bbox_predictor, states)
            boxes.append((offsets + inverse_sigmoid(reference)).sigmoid())
        return Layers(torch.stack(logits), torch.stack(boxes), states=decoded.intermediate_hidden_states[-1])

    @property
    def num_queries(self) -> int:
        """How many queries there are: one for each box, or for each pattern of each."""
        config = self.inner.config
        return int(config.num_queries * max(1, config.num_patterns))

    def record_attention(self) -> AbstractContextManager[AttentionRecord[Any]]:
        """Record the weights of dense attention; see `Detector.record_attention`."""
        config, model = self.inner.config, self.inner.model
        decoder = [layer.cross_attn.cross_attn for layer in model.decoder.layers]
        encoder = model.encoder.layers[-1].self_attn
        return record(DenseAttention(), config, self.backbone, self.finest_map, decoder, encoder, on_request=True)

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of DAB-DETR's loss: a focal loss of each class, of the published weight."""
        return replace(LossConfig.of(config, FocalLoss(config.focal_alpha)), class_weight=1.0)

    def map_class_outputs(self, replace: Callable[[nn.Linear], nn.Linear]) -> None:
        """Replace the one class output that all layers share."""
        self.inner.class_embed = replace(self.inner.class_embed)
