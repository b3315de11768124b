"""Small models of each family that can be trained, released as the real ones are: 91 labels, index = COCO id."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import ConditionalDetrConfig, DeformableDetrConfig, DetrConfig, ResNetConfig, TimmBackboneConfig

from core.detr.model import FAMILIES
from core.labels import COCO_TEN, LabelMap

TEN = LabelMap(tuple(COCO_TEN), tuple(COCO_TEN.values()))
CONFIGS = {"detr": DetrConfig, "conditional_detr": ConditionalDetrConfig, "deformable_detr": DeformableDetrConfig}
STAGES = {"deformable_detr": ["stage2", "stage3"]}


def small_config(kind: str, timm: bool = False, layers: int = 3):
    """Three layers, width 32, 12 queries; with `timm` the backbone is timm's, as in the released models."""
    resnet = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32], depths=[1, 1, 1], layer_type="basic",
        out_features=STAGES.get(kind, ["stage3"]),
    )  # fmt: skip
    backbone = {"backbone_config": resnet, "use_timm_backbone": False}
    if timm:
        resnet = TimmBackboneConfig(backbone="resnet18", use_pretrained_backbone=False, out_indices=[4])
        backbone = {"backbone_config": resnet, "use_timm_backbone": False}
    more = {"num_feature_levels": 2} if kind == "deformable_detr" else {}
    names = dict.fromkeys(range(91), "N/A") | {i: name for name, i in COCO_TEN.items()}
    return CONFIGS[kind](
        **backbone, **more, d_model=32, num_queries=12, encoder_layers=2, decoder_layers=layers, encoder_ffn_dim=64,
        decoder_ffn_dim=64, encoder_attention_heads=2, decoder_attention_heads=2, num_labels=91, id2label=names,
    )  # fmt: skip


def released(kind: str, folder: Path, timm: bool = False, auxiliary: bool = False) -> Path:
    """A folder with such a model, its weights random; `auxiliary` is what its config says of auxiliary_loss."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = small_config(kind, timm)
        config.auxiliary_loss = auxiliary
        model = FAMILIES[kind].model_class(config)
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):  # as after a training: normalising twice is not once
                torch.nn.init.uniform_(module.weight, 0.5, 2.0)
                torch.nn.init.uniform_(module.bias, -0.5, 0.5)
        model.save_pretrained(folder)
    return folder
