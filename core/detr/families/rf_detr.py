"""RF-DETR and LW-DETR: a vision transformer with windows, queries chosen by places, several groups of them in training.

There is no encoder behind the backbone: its places choose the queries, and each decoder layer's boxes are counted from
those chosen, which are not refined from layer to layer (`lite_refpoint_refine`, `bbox_reparam`). In training every
group has its own queries and chooses by itself; an evaluation has the first group alone.

The vision transformer is told nothing of a picture's mask: its attention sees padding, and its embeddings of places are
those of the whole batch. So take squares. RF-DETR cuts its windows right of a square only, here and as published: other
pictures are padded to one.

Source: Chen et al. 2024 (Atten4Vis/LW-DETR); Robinson et al. 2025 (roboflow/rf-detr).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from transformers import LwDetrForObjectDetection, PretrainedConfig, PreTrainedModel, RfDetrForObjectDetection

from core.detr.attention import AttentionRecord, WindowedAttention, record
from core.detr.class_loss import IouAwareLoss
from core.detr.families.base import Detector, in_float32
from core.detr.families.places import enough_places
from core.detr.input.batch import ImageTargets
from core.detr.matching import Layers, LossConfig

EMBEDDINGS, BLOCKS = "embeddings.", "encoder.layer."  # of the vision transformer, before its parameters' names


class LwDetr(Detector):
    """AnnaZhang/lwdetr_small_60e_coco and its like."""

    model_type = "lw_detr"
    model_class: ClassVar[type[PreTrainedModel]] = LwDetrForObjectDetection
    has_no_object = False
    backbone_name = "model.backbone.backbone"
    finest_map = 0
    head_modules = frozenset({"class_embed", "bbox_embed", "enc_out_class_embed", "enc_out_bbox_embed"})
    class_modules = frozenset({"class_embed", "enc_out_class_embed"})
    undecayed = frozenset({"position_embeddings"})  # get_param_dicts.py: get_vit_weight_decay_rate

    inner: Any

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what every decoder layer says of the images; see `Detector.answer`."""
        model = self.inner.model
        with enough_places(self.num_queries):
            decoded = model(values, pixel_mask=pixel_mask)
        states, chosen = decoded.intermediate_hidden_states, decoded.intermediate_reference_points[-1].float()
        boxes = _moved(chosen, in_float32(self.inner.bbox_embed, states))  # (L, B, Q, 4)
        groups = self.inner.config.group_detr if self.training else 1
        parts = zip(model.enc_out_class_embed, decoded.enc_outputs_class.chunk(groups, 1), strict=False)
        scores = torch.cat([in_float32(output, part) for output, part in parts], 1)
        before = Layers(scores[None], decoded.enc_outputs_coord_logits.float()[None])
        return Layers(in_float32(self.inner.class_embed, states), boxes, groups, before, states=states[-1])

    @property
    def _vit(self) -> Any:
        """The vision transformer's config."""
        return self.backbone.config

    @property
    def _windows(self) -> int:
        """How many windows the vision transformer has along each side of a picture."""
        return int(self._vit.num_windows_side)

    @property
    def _scales(self) -> Sequence[float]:
        """How many times as fine as the vision transformer's each map is that the decoder reads; the finest first."""
        scales: Sequence[float] = self.inner.config.projector_scale_factors
        return scales

    @property
    def stride(self) -> int:
        """The pixels to whose multiples its batches are padded: so that its windows are of one size."""
        return int(self._vit.patch_size) * self._windows

    @property
    def smallest_side(self) -> int:
        """The sides of the smallest square picture with a place for each query, in pixels."""
        patch, side = int(self._vit.patch_size), self.stride
        while self._scales and sum(int(side // patch * scale) ** 2 for scale in self._scales) < self.num_queries:
            side += self.stride
        return side

    def feature_stride(self) -> int:
        """Return the pixels of the model's input for each cell of the finest feature map it reads, in width."""
        return round(int(self._vit.patch_size) / self._scales[self.finest_map])

    def record_attention(self) -> AbstractContextManager[AttentionRecord[Any]]:
        """Record the points that the decoder samples, and what the vision transformer's places see of each other.

        Of its layers the last one that the decoder reads of and that looks beyond its windows, if there is any.
        """
        config, maps = self.inner.config, self.inner.model.backbone
        layers = self.inner.model.backbone.backbone.encoder.layer[: max(self._vit.out_indices)]
        whole = [layer for layer in layers if self._looks_everywhere(layer)]
        decoder = [layer.cross_attn for layer in self.inner.model.decoder.layers]
        into = WindowedAttention(self._windows, self._scales[self.finest_map])
        return record(into, config, maps, self.finest_map, decoder, (whole or layers)[-1].attention)

    def _looks_everywhere(self, layer: Any) -> bool:
        return not layer.window

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of LW-DETR's loss: an IoU-aware cross-entropy of each class."""
        return LossConfig.of(config, IouAwareLoss(config.focal_alpha))

    def is_stem(self, parameter_name: str) -> bool:
        """Check whether a parameter embeds patches or places, before the vision transformer's first layer."""
        return parameter_name.startswith(f"{self.backbone_name}.{EMBEDDINGS}")

    def layers_above(self, parameter_name: str) -> int:
        """Return how many layers are above a parameter of the vision transformer; see `Detector.layers_above`.

        Source: Atten4Vis/LW-DETR, get_param_dicts.py: get_vit_lr_decay_rate.
        """
        return self._layers_above(parameter_name, self._vit.num_hidden_layers)

    def _layers_above(self, parameter_name: str, layers: int) -> int:
        name = parameter_name.removeprefix(f"{self.backbone_name}.")
        if name == parameter_name:
            return 0
        if name.startswith(EMBEDDINGS):
            return layers + 1
        return layers - int(name.removeprefix(BLOCKS).split(".")[0]) if name.startswith(BLOCKS) else 0

    def map_class_outputs(self, replace: Callable[[nn.Linear], nn.Linear]) -> None:
        """Replace the class output of all layers, and those of the places, one for each group of queries."""
        self.inner.class_embed = replace(self.inner.class_embed)
        self.inner.model.enc_out_class_embed = nn.ModuleList(map(replace, self.inner.model.enc_out_class_embed))


class RfDetr(LwDetr):
    """Roboflow/rf-detr-nano and its like."""

    model_type = "rf_detr"
    model_class = RfDetrForObjectDetection
    undecayed = frozenset({"embeddings"})  # backbone.py: get_dinov2_weight_decay_rate

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what every decoder layer says of the images, padded to squares; see `Detector.answer`."""
        height, width = values.shape[-2:]
        if height != width:
            side = max(height, width)
            if pixel_mask is None:
                pixel_mask = torch.ones_like(values[:, 0], dtype=torch.bool)
            beside = (0, side - width, 0, side - height)
            values, pixel_mask = F.pad(values, beside), F.pad(pixel_mask, beside)
        return super().answer(values, pixel_mask, labels)

    @property
    def top_k(self) -> int:
        """As many as it has queries, as published (rfdetr/config.py, num_select)."""
        return self.num_queries

    @property
    def _windows(self) -> int:
        return int(self._vit.num_windows)

    @property
    def _scales(self) -> Sequence[float]:
        return (1.0,)

    def _looks_everywhere(self, layer: Any) -> bool:
        return bool(layer.global_attention)

    def layers_above(self, parameter_name: str) -> int:
        """Return how many layers are above a parameter of the vision transformer; see `Detector.layers_above`.

        Source: roboflow/rf-detr, backbone.py: get_dinov2_lr_decay_rate, which counts to one after the last map's.
        """
        return self._layers_above(parameter_name, max(self._vit.out_indices) + 1)


def _moved(boxes: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return boxes (…, 4) moved by `offsets` (…, 4): by so many widths and heights, and as many times e as large."""
    return torch.cat((offsets[..., :2] * boxes[..., 2:] + boxes[..., :2], offsets[..., 2:].exp() * boxes[..., 2:]), -1)
