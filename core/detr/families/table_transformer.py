"""Table Transformer: DETR with norms before each block, trained for tables and their parts.

It was trained without auxiliary losses (microsoft/table-transformer, src/*_config.json: aux_loss): its heads have seen
the last decoder layer alone, so that what they make of the others means nothing. So only that one answers, unless the
model's config has `auxiliary_loss`.
Source: Smock et al. 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from transformers import TableTransformerForObjectDetection

from core.detr.attention import AttentionRecord, DenseAttention, record
from core.detr.families.base import in_float32
from core.detr.families.detr import Detr
from core.detr.input.batch import ImageTargets
from core.detr.matching import Layers
from core.detr.queries.groups import QueryInputs


class TableTransformer(Detr):
    """microsoft/table-transformer-detection, -structure-recognition and their like."""

    model_type = "table-transformer"
    model_class = TableTransformerForObjectDetection
    backbone_name = "model.backbone.conv_encoder"
    query_inputs = QueryInputs(("query_position_embeddings",), same=("inputs_embeds",))
    published: ClassVar[dict[str, float]] = {"eos_coefficient": 0.4}  # table-transformer, src/*_config.json

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what every decoder layer that answers says of the images; see `Detector.answer`."""
        with self.padding.hide(pixel_mask):
            decoded = self.inner.model(values, pixel_mask=pixel_mask)
        states = decoded.last_hidden_state[None]  # (1, B, Q, width)
        if self.inner.config.auxiliary_loss:
            states = torch.cat([decoded.intermediate_hidden_states[:-1], states])
        boxes = in_float32(self.inner.bbox_predictor, states).sigmoid()
        return Layers(self.class_head(states), boxes, states=states[-1])

    @property
    def num_layers(self) -> int:
        """How many decoder layers answer: the last, or all where the model is trained so."""
        return super().num_layers if self.inner.config.auxiliary_loss else 1

    def record_attention(self) -> AbstractContextManager[AttentionRecord[Any]]:
        """Record the weights of dense attention, of all decoder layers; see `Detector.record_attention`."""
        config, model = self.inner.config, self.inner.model
        decoder, encoder = [layer.encoder_attn for layer in model.decoder.layers], model.encoder.layers[-1].self_attn
        return record(DenseAttention(), config, self.backbone, self.finest_map, decoder, encoder, on_request=True)
