"""Small models with random weights, for drawn scenes of 256 pixels: what learns from nothing, and what starters are.

In: the classes. Out: a `Detector` in training mode; its weights come from torch's generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import (
    DetrConfig,
    DetrForObjectDetection,
    ResNetConfig,
    RTDetrResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
)

from core.config import RANDOM_MODEL, RANDOM_MULTI_SCALE
from core.detr.families.base import Detector
from core.detr.families.detr import Detr
from core.detr.families.rt_detr import RTDetrV2
from core.labels import LabelMap


def small_detr(label_map: LabelMap, dropout: float = 0.0) -> Detr:
    """Return a small DETR with random weights: 1.9 M parameters, stride 16, 30 queries; for 256-pixel pictures.

    Its norms are frozen, as in every DETR, so it learns slowly from nothing: see checkpoints/make_starter.py.
    """
    backbone: dict[str, Any] = {
        "embedding_size": 32, "hidden_sizes": [32, 64, 128], "depths": [1, 1, 2], "layer_type": "basic",
        "out_features": ["stage3"],
    }  # fmt: skip
    config: dict[str, Any] = {
        "backbone_config": ResNetConfig(**backbone), "use_timm_backbone": False,
        "d_model": 128, "num_queries": 30, "dropout": dropout,
        "encoder_layers": 2, "encoder_ffn_dim": 512, "encoder_attention_heads": 4,
        "decoder_layers": 3, "decoder_ffn_dim": 512, "decoder_attention_heads": 4, "auxiliary_loss": True,
        "num_labels": len(label_map), "id2label": label_map.id2label, "label2id": label_map.label2id,
    }  # fmt: skip
    return Detr(DetrForObjectDetection(DetrConfig(**config)))


def small_rt_detr(label_map: LabelMap, dropout: float = 0.0) -> RTDetrV2:
    """Return a small RT-DETRv2 with random weights: 2.4 M parameters, strides 8, 16 and 32, 60 queries.

    The norms of its backbone are not frozen, so all of it can learn from nothing.
    """
    backbone: dict[str, Any] = {
        "embedding_size": 32, "hidden_sizes": [32, 64, 128, 192], "depths": [1, 1, 2, 1], "layer_type": "basic",
        "out_features": ["stage2", "stage3", "stage4"],
    }  # fmt: skip
    width = 96
    config: dict[str, Any] = {
        "backbone_config": RTDetrResNetConfig(**backbone), "freeze_backbone_batch_norms": False,
        "encoder_in_channels": [64, 128, 192], "encoder_hidden_dim": width, "encoder_ffn_dim": 256,
        "encoder_attention_heads": 4, "hidden_expansion": 0.5,
        "d_model": width, "decoder_in_channels": [width] * 3, "decoder_layers": 3, "decoder_ffn_dim": 256,
        "decoder_attention_heads": 6, "num_queries": 60, "num_denoising": 40, "dropout": dropout,
        "num_labels": len(label_map), "id2label": label_map.id2label, "label2id": label_map.label2id,
    }  # fmt: skip
    return RTDetrV2(RTDetrV2ForObjectDetection(RTDetrV2Config(**config)))


RANDOM: dict[str, Callable[[LabelMap, float], Detector]] = {
    RANDOM_MODEL: small_detr,
    RANDOM_MULTI_SCALE: small_rt_detr,
}
