"""RT-DETR: a hybrid encoder over three feature maps, queries chosen by the encoder, learning from noised objects too.

transformers' decoder refines boxes layer by layer, and cuts the gradient between two layers. Published RT-DETR lets it
reach one layer back (`rtdetrv2_decoder.py`, "look forward twice" of DINO), so here boxes are made as there: the same
values, and its gradients. Batch norms outside the backbone are no frozen ones: a step cut into parts is normalised by
its parts. Nothing of it reads a picture's mask beyond the backbone: padding is seen as black picture, so take squares.

Source: Zhao et al. 2023; RT-DETRv2: Lv et al. 2024 (lyuwenyu/RT-DETR).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, RTDetrForObjectDetection, RTDetrV2ForObjectDetection

from core.detr.attention import AttentionRecord, HybridAttention, record
from core.detr.class_loss import VarifocalLoss
from core.detr.families.base import Detector, in_float32, inverse_sigmoid
from core.detr.families.places import enough_places
from core.detr.input.batch import ImageTargets
from core.detr.matching import Denoising, Layers, LossConfig
from core.detr.processor import AS_THEY_ARE
from core.detr.queries.groups import QueryInputs


class RTDetrV2(Detector):
    """PekingU/rtdetr_v2_r18vd and its like."""

    model_type = "rt_detr_v2"
    model_class: ClassVar[type[PreTrainedModel]] = RTDetrV2ForObjectDetection
    has_no_object = False
    finest_map = 0
    head_modules = frozenset({"class_embed", "bbox_embed", "enc_score_head", "enc_bbox_head", "denoising_class_embed"})
    class_modules = frozenset({"class_embed", "enc_score_head"})
    usual_normalization = AS_THEY_ARE
    query_inputs = QueryInputs(("inputs_embeds",), same=("reference_points",))

    inner: Any

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what every decoder layer says of the images; see `Detector.answer`."""
        decoded = self.decode(values, pixel_mask, labels)
        layers = self.layers_of(decoded)
        noise = decoded.denoising_meta_values
        denoising = None
        if noise is not None:
            first = noise["dn_num_split"][0]
            noised = layers.queries(slice(0, first))
            denoising = Denoising(noised, noise["dn_positive_idx"], noise["dn_num_group"])
            layers = layers.queries(slice(first, None))
        chosen = Layers(decoded.enc_topk_logits.float()[None], decoded.enc_topk_bboxes.float()[None])
        if self.training and self.groups:  # all begin as what the encoder chose
            logits, boxes = (one.repeat(1, 1, self.groups.count, 1) for one in (chosen.logits, chosen.boxes))
            chosen = Layers(logits, boxes)
        before = chosen if layers.before is None else replace(layers.before, before=chosen).every
        return replace(layers, before=before, denoising=denoising)

    def decode(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None
    ) -> Any:
        """Return transformers' output of the model without its heads; with `labels`, of noised objects first."""
        targets = None
        if labels is not None:
            targets = [
                {"class_labels": one["class_labels"].to(values.device), "boxes": one["boxes"].to(values.device)}
                for one in labels
            ]
        with self.padding.hide(pixel_mask), enough_places(self.num_queries):
            return self.inner.model(values, pixel_mask=pixel_mask, labels=targets)

    def layers_of(self, decoded: Any) -> Layers:
        """Return what the layers say of all of a decoder's queries, in float32, each box refining the layer's before.

        Source: rtdetrv2_decoder.py, TransformerDecoder.forward.
        """
        reference = decoded.init_reference_points.float().sigmoid()  # what the encoder chose, without a gradient
        logits, boxes, decoder = [], [], self.inner.model.decoder
        for layer, states in enumerate(decoded.intermediate_hidden_states.unbind(1)):  # (B, Q, width)
            logits.append(in_float32(decoder.class_embed[layer], states))
            offsets = in_float32(decoder.bbox_embed[layer], states)
            boxes.append((offsets + inverse_sigmoid(reference)).sigmoid())
            reference = (offsets + inverse_sigmoid(reference.detach())).sigmoid()
        return Layers(torch.stack(logits), torch.stack(boxes), states=decoded.intermediate_hidden_states[:, -1])

    @property
    def top_k(self) -> int:
        """As many as it has queries, as published (rtdetr_postprocessor.py, num_top_queries)."""
        return self.num_queries

    @property
    def smallest_side(self) -> int:
        """The sides of the smallest square picture with a place for each query, in pixels."""
        strides, side = self.inner.config.feat_strides, self.stride
        while sum((side // stride) ** 2 for stride in strides) < self.num_queries:
            side += self.stride
        return side

    def record_attention(self) -> AbstractContextManager[AttentionRecord[Any]]:
        """Record the points that the decoder samples, and the encoder's attention; see `Detector.record_attention`."""
        config, model = self.inner.config, self.inner.model
        decoder, encoder = [layer.encoder_attn for layer in model.decoder.layers], model.encoder.aifi[-1].layers[-1]
        return record(HybridAttention(), config, self.backbone, self.finest_map, decoder, encoder.self_attn)

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of RT-DETR's loss: a varifocal loss of each class."""
        return LossConfig(
            config.matcher_class_cost, config.matcher_bbox_cost, config.matcher_giou_cost,
            config.weight_loss_vfl, config.weight_loss_bbox, config.weight_loss_giou,
            VarifocalLoss(config.focal_loss_alpha, config.focal_loss_gamma), config.matcher_alpha, config.matcher_gamma,
        )  # fmt: skip

    def map_class_outputs(self, replace: Callable[[nn.Linear], nn.Linear]) -> None:
        """Replace the class output of each layer, and that of the encoder, which chooses the queries."""
        model = self.inner.model
        model.decoder.class_embed = nn.ModuleList(map(replace, model.decoder.class_embed))
        if hasattr(self.inner, "class_embed"):  # RT-DETRv2 holds them twice
            self.inner.class_embed = model.decoder.class_embed
        model.enc_score_head = replace(model.enc_score_head)

    def map_class_embeddings(self, replace: Callable[[nn.Embedding], nn.Embedding]) -> None:
        """Replace the embedding of the noised objects' classes, where the model learns from such."""
        if self.inner.config.num_denoising > 0:
            self.inner.model.denoising_class_embed = replace(self.inner.model.denoising_class_embed)


class RTDetr(RTDetrV2):
    """PekingU/rtdetr_r50vd and its like."""

    model_type = "rt_detr"
    model_class = RTDetrForObjectDetection
