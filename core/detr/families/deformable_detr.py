"""Deformable DETR: several feature maps, attention to sampled points, each class a sigmoid of its own.

transformers answers for all its layers in any case, so nothing has to be taken from inside its decoder.
Source: Zhu et al. 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import DeformableDetrForObjectDetection, PretrainedConfig

from core.detr.attention import AttentionRecord, SampledAttention, record
from core.detr.class_loss import FocalLoss
from core.detr.families.base import Detector, in_float32, inverse_sigmoid
from core.detr.families.class_outputs import ClassOutput
from core.detr.families.places import enough_places
from core.detr.input.batch import ImageTargets
from core.detr.matching import CLASS_WEIGHT, Layers, LossConfig
from core.detr.queries.groups import QueryInputs

POSITIONS = "object_queries_position_embeddings"


class DeformableDetr(Detector):
    """SenseTime/deformable-detr and its like, also with box refinement and in two stages."""

    model_type = "deformable_detr"
    model_class = DeformableDetrForObjectDetection
    has_no_object = False
    published: ClassVar[dict[str, float]] = {CLASS_WEIGHT: 2, "class_cost": 2}  # Deformable-DETR, main.py
    projections = ("model.input_proj",)
    finest_map = 0
    head_modules = frozenset({"class_embed", "bbox_embed"})
    class_modules = frozenset({"class_embed"})
    offset_modules = frozenset({"reference_points", "sampling_offsets"})
    query_inputs = QueryInputs(("inputs_embeds", POSITIONS), same=("reference_points",))

    inner: DeformableDetrForObjectDetection

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what every decoder layer says of the images; see `Detector.answer`."""
        with self.padding.hide(pixel_mask), enough_places(self.num_queries):
            decoded = self.inner.model(values, pixel_mask=pixel_mask)
        # what each layer's boxes are counted from: the layer before's, refined or not
        references = [decoded.init_reference_points, *decoded.intermediate_reference_points.unbind(1)]
        logits, boxes = [], []
        for layer, states in enumerate(decoded.intermediate_hidden_states.unbind(1)):  # (B, Q, width)
            logits.append(in_float32(self.inner.class_embed[layer], states))
            offsets = in_float32(self.inner.bbox_embed[layer], states)
            reference = inverse_sigmoid(references[layer])
            offsets[..., : reference.shape[-1]] += reference  # a point, or a box where boxes are refined
            boxes.append(offsets.sigmoid())
        states = decoded.intermediate_hidden_states[:, -1]
        return Layers(torch.stack(logits), torch.stack(boxes), proposals=_proposals(decoded), states=states)

    def multiply_queries(self, arguments: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return what `Detector.multiply_queries` does: in one stage, copies look around points of their own."""
        multiplied, model = super().multiply_queries(arguments), self.inner.model
        if not self.inner.config.two_stage:
            multiplied["reference_points"] = model.reference_points(multiplied[POSITIONS]).sigmoid()
        return multiplied

    @property
    def num_queries(self) -> int:
        """How many queries there are: one for each box that the encoder proposes, where it does."""
        config = self.inner.config
        return int(config.two_stage_num_proposals if config.two_stage else config.num_queries)

    @property
    def smallest_side(self) -> int:
        """The sides of the smallest square picture with a place for each proposal, in two stages; in pixels."""
        config, side = self.inner.config, self.stride
        if config.two_stage:
            strides = [self.feature_stride() * 2**level for level in range(config.num_feature_levels)]
            while sum(math.ceil(side / stride) ** 2 for stride in strides) < self.num_queries:
                side += self.stride
        return side

    def record_attention(self) -> AbstractContextManager[AttentionRecord[Any]]:
        """Record the points that attention samples; see `Detector.record_attention`."""
        config, model = self.inner.config, self.inner.model
        decoder, encoder = [layer.encoder_attn for layer in model.decoder.layers], model.encoder.layers[-1].self_attn
        return record(SampledAttention(), config, self.backbone, self.finest_map, decoder, encoder)

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of Deformable DETR's loss: a focal loss of each class."""
        return LossConfig.of(config, FocalLoss(config.focal_alpha))

    def map_class_outputs(self, replace: Callable[[nn.Linear], nn.Linear]) -> None:
        """Replace the class output of each layer, and of the encoder where it proposes boxes (two stages).

        The encoder's, which is the last, has as many rows, but its first is no class: it says whether there is an
        object, and picks the proposals. So this row stays, whatever the classes are.
        """
        outputs = [output for output in self.inner.class_embed if isinstance(output, nn.Linear)]
        fresh = {id(old): replace(old) for old in outputs}  # layers may share one
        self.inner.class_embed = nn.ModuleList(fresh[id(old)] for old in outputs)
        if self.inner.config.two_stage:
            with torch.no_grad():
                other = fresh[id(outputs[-1])]
                of_encoder = ObjectOutput(other.in_features, other.out_features)
                of_encoder.load_state_dict(other.state_dict())
                of_encoder.weight[0], of_encoder.bias[0] = outputs[-1].weight[0], outputs[-1].bias[0]
                self.inner.class_embed[-1] = of_encoder
            self.inner.model.decoder.class_embed = self.inner.class_embed


class ObjectOutput(ClassOutput):
    """The encoder's output, with as many rows as there are classes, of which the first says "an object"."""

    rows_are_classes = False  # `FreshRows` asks


def _proposals(decoded: Any) -> Layers | None:
    """Return what the encoder says of every place, as one layer; None where the model has one stage."""
    if decoded.enc_outputs_class is None:
        return None
    logits, boxes = decoded.enc_outputs_class.float(), decoded.enc_outputs_coord_logits.float().sigmoid()
    return Layers(logits[None], boxes[None])
