"""DEIMv2: D-FINE with a matching-aware loss, above an HGNetV2 or above DINOv3 and a small convolutional net beside it.

Its backbone gives maps without masks, and no picture's mask is read but by the convolutions of an HGNetV2: take
squares. The smallest models (Pico and below) have no attention in their encoder, and learn neither edges nor from
united matches. The matching's other cost in the last epochs of a publication's training is not here.

Source: Huang et al. 2025 (Intellindust-AI-Lab/DEIMv2: deim_criterion.py, configs/base/deimv2.yml).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import Deimv2ForObjectDetection, PretrainedConfig

from core.detr.attention import HybridAttention, record
from core.detr.class_loss import MatchingAwareLoss
from core.detr.families.d_fine import DFine
from core.detr.matching import LossConfig
from core.detr.processor import Normalization

GAMMA = 1.5  # of its class loss, in all published configs; config.json has transformers' 2, which none was trained with
VIT = "dinov3_vit"  # its model_type
EMBEDDINGS, BLOCKS = "embeddings.", "model.layer."  # of the vision transformer, before its parameters' names


class Deimv2(DFine):
    """harshaljanjani/DEIMv2_HGNetv2_N_COCO_Transformers and its like."""

    model_type = "deimv2"
    model_class: ClassVar[Any] = Deimv2ForObjectDetection
    backbone_name = "model.conv_encoder.model"

    def __init__(self, inner: Any, normalization: Normalization | None = None) -> None:
        if _has_vit(inner.config):
            self.backbone_name, self.usual_normalization = "model.conv_encoder.backbone", Normalization()
        super().__init__(inner, normalization)

    def feature_stride(self) -> int:
        """Return the pixels of the model's input for each cell of the finest feature map it reads, in width."""
        return int(self.inner.config.feat_strides[self.finest_map])

    @contextmanager
    def record_attention(self) -> Iterator[_UnmaskedMaps]:
        """Record the points that the decoder samples, and the encoder's attention; see `Detector.record_attention`."""
        config, model, into = self.inner.config, self.inner.model, _UnmaskedMaps()
        decoder = [layer.encoder_attn for layer in model.decoder.layers]
        encoder = None if _is_lite(config) else model.encoder.aifi[-1].layers[-1].self_attn
        watching = model.register_forward_pre_hook(into.keep_mask, with_kwargs=True)
        try:
            with record(into, config, model.conv_encoder, self.finest_map, decoder, encoder):
                yield into
        finally:
            watching.remove()

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of DEIMv2's loss: D-FINE's, with a matching-aware loss of each class."""
        of_d_fine, is_lite = super().loss_config_of(config), _is_lite(config)
        return replace(
            of_d_fine,
            class_weight=config.weight_loss_mal,
            class_loss=MatchingAwareLoss(config.mal_alpha, GAMMA),
            edges=None if is_lite else of_d_fine.edges,
            united=config.use_dense_one_to_one and not is_lite,
        )

    def is_stem(self, parameter_name: str) -> bool:
        """Check whether a parameter is of an HGNetV2's first stage, or embeds a vision transformer's patches."""
        return super().is_stem(parameter_name) or parameter_name.startswith(f"{self.backbone_name}.{EMBEDDINGS}")

    def layers_above(self, parameter_name: str) -> int:
        """Return how many of a vision transformer's layers are above a parameter, its embeddings below all of them."""
        if not _has_vit(self.inner.config):
            return super().layers_above(parameter_name)
        name = parameter_name.removeprefix(f"{self.backbone_name}.")
        if name == parameter_name:
            return 0
        layers = int(self.inner.config.backbone_config.num_hidden_layers)
        if name.startswith(EMBEDDINGS):
            return layers
        return layers - 1 - int(name.removeprefix(BLOCKS).partition(".")[0]) if name.startswith(BLOCKS) else 0


class _UnmaskedMaps(HybridAttention):
    """Attention above maps that come without masks: they have the picture's."""

    def keep_mask(self, model: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Keep the mask (B, H, W) of the picture that the model is given; all of it where nothing is padded."""
        given = named["pixel_mask"]
        self._pixels: torch.Tensor = torch.ones_like(inputs[0][:, 0]) if given is None else given.float()

    def keep_maps(self, maps: Any, finest: int) -> None:
        """Keep what is needed of the maps; see `AttentionRecord.keep_maps`."""
        pixels = self._pixels[:, None]
        masks = [nn.functional.interpolate(pixels, size=one.shape[-2:])[:, 0] for one in maps]
        super().keep_maps(list(zip(maps, masks, strict=True)), finest)


def _has_vit(config: Any) -> bool:
    return bool(config.backbone_config.model_type == VIT)


def _is_lite(config: Any) -> bool:
    return bool(config.encoder_type == "lite")
