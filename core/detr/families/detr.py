"""DETR: one feature map, dense attention, softmax with "no object".

The decoder layers before the last answer as the published models do. transformers gives their states only with
`config.auxiliary_loss`. But that switch also changes the model: each layer then reads the normalised output of the one
before, where the published models normalise only what goes to the heads (facebookresearch/detr, transformer.py:
TransformerDecoder). Switched on for a released checkpoint, it spoils what that has learned. So a model keeps the
decoder that its own config asks for; without the switch, the states are normalised here, beside the way.
Source: Carion et al. 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import ConditionalDetrForObjectDetection, DetrForObjectDetection, PretrainedConfig, PreTrainedModel

from core.detr.attention import AttentionRecord, DenseAttention, record
from core.detr.class_loss import CrossEntropy
from core.detr.families.base import Detector, in_float32
from core.detr.input.batch import ImageTargets
from core.detr.matching import Layers, LossConfig
from core.detr.queries.groups import QueryInputs


class Detr(Detector):
    """facebook/detr-resnet-50 and its like."""

    model_type = "detr"
    model_class: ClassVar[type[PreTrainedModel]] = DetrForObjectDetection
    has_no_object = True
    finest_map = -1
    head_modules = frozenset({"class_labels_classifier", "bbox_predictor"})
    class_modules = frozenset({"class_labels_classifier"})
    query_inputs = QueryInputs(("object_queries_position_embeddings",), same=("inputs_embeds",))

    inner: DetrForObjectDetection | ConditionalDetrForObjectDetection

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what every decoder layer says of the images; see `Detector.answer`."""
        decoded = self.decode(values, pixel_mask)
        class_head, box_head = self.class_head, self.box_head(decoded)
        last, intermediate = decoded.last_hidden_state[None], self.intermediate_states(decoded)
        logits, boxes = class_head(last), box_head(last)  # the model's answer
        return Layers(
            torch.cat([class_head(intermediate)[:-1], logits]),
            torch.cat([box_head(intermediate)[:-1], boxes]),
            states=last[0],
        )

    def decode(self, values: torch.Tensor, pixel_mask: torch.Tensor | None) -> Any:
        """Return what transformers' decoder gives for normalised pixels: its layers' states among it."""
        model = self.inner.model
        with self.padding.hide(pixel_mask):
            mask = pixel_mask if pixel_mask is not None else torch.ones_like(values[:, 0], dtype=torch.bool)
            features, mask = model.backbone(values, mask)[self.finest_map]
        tokens = model.input_projection(features).flatten(2).transpose(1, 2)  # (B, H · W, width)
        places = model.position_embedding(shape=features.shape, device=features.device, dtype=values.dtype, mask=mask)
        places = places.flatten(2).transpose(1, 2)
        visible = None if pixel_mask is None else mask.flatten(1)
        memory = model.encoder(
            inputs_embeds=tokens, attention_mask=visible, spatial_position_embeddings=places
        ).last_hidden_state
        queries = model.query_position_embeddings.weight.unsqueeze(0).repeat(len(memory), 1, 1)
        return model.decoder(
            inputs_embeds=torch.zeros_like(queries),
            spatial_position_embeddings=places,
            object_queries_position_embeddings=queries,
            encoder_hidden_states=memory,
            encoder_attention_mask=visible,
            output_hidden_states=True,
        )

    def intermediate_states(self, decoded: Any) -> torch.Tensor:
        """Return each decoder layer's state, (L, B, Q, width), as the heads read it; but of the last layer.

        That one's is `decoded.last_hidden_state`: with `auxiliary_loss` it is normalised once more than here.
        """
        if self.inner.config.auxiliary_loss:
            states: torch.Tensor = decoded.intermediate_hidden_states
            return states
        outputs = decoded.hidden_states[1:-1]  # without the decoder's input, and its normalised output
        normalized = [self.inner.model.decoder.layernorm(output) for output in outputs]
        return torch.stack([*normalized, decoded.last_hidden_state])

    def class_head(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logits (L, B, Q, C) of decoder states (L, B, Q, width)."""
        return in_float32(self.inner.class_labels_classifier, states)

    def box_head(self, decoded: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return a function from decoder states (L, B, Q, width) to boxes (L, B, Q, 4), cxcywh in [0, 1]."""
        return lambda states: in_float32(self.inner.bbox_predictor, states).sigmoid()

    def record_attention(self) -> AbstractContextManager[AttentionRecord[Any]]:
        """Record the weights of dense attention; see `Detector.record_attention`."""
        config, model = self.inner.config, self.inner.model
        decoder, encoder = [layer.encoder_attn for layer in model.decoder.layers], model.encoder.layers[-1].self_attn
        return record(DenseAttention(), config, self.backbone, self.finest_map, decoder, encoder)

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of DETR's loss: cross-entropy in which "no object" counts little."""
        return LossConfig.of(config, CrossEntropy(config.eos_coefficient))

    def map_class_outputs(self, replace: Callable[[nn.Linear], nn.Linear]) -> None:
        """Replace the one class output that all layers share."""
        self.inner.class_labels_classifier = replace(self.inner.class_labels_classifier)
