"""Small models of each family that can be trained, released as the real ones are: 91 labels, index = COCO id."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    ConditionalDetrConfig,
    DabDetrConfig,
    DeformableDetrConfig,
    Deimv2Config,
    DetrConfig,
    DFineConfig,
    HGNetV2Config,
    LwDetrConfig,
    ResNetConfig,
    RfDetrConfig,
    RTDetrConfig,
    RTDetrResNetConfig,
    RTDetrV2Config,
    TableTransformerConfig,
    TimmBackboneConfig,
    YolosConfig,
)

from core.detr.model import FAMILIES
from core.detr.pretrained import COCO_CLASSES, COCO_ROWS
from core.labels import COCO_TEN, LabelMap

TEN = LabelMap(tuple(COCO_TEN), tuple(COCO_TEN.values()))
COCO = LabelMap(COCO_CLASSES, tuple(COCO_ROWS.values()))
CONFIGS = {
    "detr": DetrConfig, "conditional_detr": ConditionalDetrConfig, "deformable_detr": DeformableDetrConfig,
    "dab-detr": DabDetrConfig, "table-transformer": TableTransformerConfig, "yolos": YolosConfig,
}  # fmt: skip
STAGES = {"deformable_detr": ["stage2", "stage3"]}
SOFTMAX = ("detr", "table-transformer", "yolos")  # with "no object"
LAST_ONLY = ("table-transformer", "yolos")  # the layers before do not answer
DENSE = ("detr", "conditional_detr", "dab-detr", "table-transformer")  # attention, to one feature map
NAMES = dict.fromkeys(range(91), "N/A") | {i: name for name, i in COCO_TEN.items()}

HYBRID = {  # an encoder over three maps
    "rt_detr_v2": RTDetrV2Config, "rt_detr": RTDetrConfig, "d_fine": DFineConfig, "deimv2": Deimv2Config,
}  # fmt: skip
EDGES = ("d_fine", "deimv2")  # boxes made of distributions of edges


def small_hgnet(**settings):
    """A small HGNetV2, whose stages 2 to 4 have 16, 32 and 32 channels."""
    return HGNetV2Config(
        stem_channels=[3, 8, 8], stage_in_channels=[8, 8, 16, 32], stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[8, 16, 32, 32], stage_num_blocks=[1, 1, 1, 1], stage_numb_of_layers=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 32, 32], depths=[1, 1, 1, 1], use_learnable_affine_block=True, out_indices=[2, 3, 4],
        **settings,
    )  # fmt: skip


def hybrid_config(kind: str, layers: int = 3):
    """Three layers, width 32, 12 queries, three maps; index = place among COCO's 80, as released."""
    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32, 32], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    more = {}
    if kind in EDGES:
        backbone, more = small_hgnet(), {"decoder_n_points": [3, 6, 3], "depth_mult": 0.34, "hidden_expansion": 0.5}
    return HYBRID[kind](
        backbone_config=backbone, encoder_in_channels=[16, 32, 32], encoder_hidden_dim=32, d_model=32,
        decoder_in_channels=[32, 32, 32], encoder_ffn_dim=64, decoder_ffn_dim=64, encoder_attention_heads=2,
        decoder_attention_heads=2, decoder_layers=layers, num_queries=12, num_denoising=10, num_labels=80,
        id2label=dict(enumerate(COCO_CLASSES)), **more,
    )  # fmt: skip


WINDOWED = {"rf_detr": RfDetrConfig, "lw_detr": LwDetrConfig}  # with a vision transformer, whose places choose queries
SQUARE = ("rf_detr",)  # of which transformers itself answers for squares alone


def windowed_config(kind: str, layers: int = 3):
    """Three layers, width 32, 12 queries in three groups, windows of two places; index = COCO id, as released."""
    backbone = {
        "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 8,
        "out_features": ["stage2", "stage4"],
    }  # fmt: skip
    if kind == "rf_detr":
        more = {}
        backbone |= {"model_type": "rf_detr_dinov2", "image_size": 64, "num_windows": 2}
    else:
        more = {"projector_scale_factors": [2.0, 0.5]}
        backbone |= {
            "model_type": "lw_detr_vit", "pretrain_image_size": 64, "image_size": 256, "num_windows": 4,
            "window_block_indices": [0, 1, 3],
        }  # fmt: skip
    return WINDOWED[kind](
        backbone_config=backbone, **more, d_model=32, num_queries=12, group_detr=3, decoder_layers=layers,
        decoder_ffn_dim=64, decoder_self_attention_heads=2, decoder_cross_attention_heads=2, decoder_n_points=2,
        num_labels=91, id2label=NAMES,
    )  # fmt: skip


def small_config(kind: str, timm: bool = False, layers: int = 3):
    """Three layers, width 32, 12 queries; with `timm` the backbone is timm's, as in the released models."""
    if kind in HYBRID:
        return hybrid_config(kind, layers)
    if kind in WINDOWED:
        return windowed_config(kind, layers)
    if kind == "yolos":
        return YolosConfig(
            hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64, image_size=[48, 80],
            num_detection_tokens=12, num_labels=91, id2label=NAMES,
        )  # fmt: skip
    resnet = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32], depths=[1, 1, 1], layer_type="basic",
        out_features=STAGES.get(kind, ["stage3"]),
    )  # fmt: skip
    if timm:
        resnet = TimmBackboneConfig(backbone="resnet18", use_pretrained_backbone=False, out_indices=[4])
    more = {"num_feature_levels": 2} if kind == "deformable_detr" else {}
    width = {"hidden_size" if kind == "dab-detr" else "d_model": 32}
    return CONFIGS[kind](
        backbone_config=resnet, use_timm_backbone=False, **more, **width, num_queries=12, encoder_layers=2,
        decoder_layers=layers, encoder_ffn_dim=64, decoder_ffn_dim=64, encoder_attention_heads=2,
        decoder_attention_heads=2, num_labels=91, id2label=NAMES,
    )  # fmt: skip


def columns(model, label_map=TEN) -> list[int]:
    """The columns of a label map's classes in a released model's logits, and of "no object" where it has that."""
    rows = {name: row for row, name in model.config.id2label.items()}
    more = [len(model.config.id2label)] if FAMILIES[model.config.model_type].has_no_object else []
    return [rows[name] for name in label_map.names] + more


def released(kind: str, folder: Path, timm: bool = False, auxiliary: bool = False) -> Path:
    """A folder with such a model, its weights random; `auxiliary` is what its config says of auxiliary_loss."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = small_config(kind, timm)
        config.auxiliary_loss = auxiliary
        model = as_trained(FAMILIES[kind].model_class(config))
        if kind in WINDOWED:
            unnamed = [row for row, name in NAMES.items() if name == "N/A"]
            for name, parameter in model.named_parameters():
                if "class_embed" in name and name.endswith("bias"):
                    parameter.data[unnamed] = -20.0  # as where no picture has such an object
        model.save_pretrained(folder)
    if kind == "dab-detr":  # whose release names the box head, which it has once, by the decoder
        weights = load_file(folder / "model.safetensors")
        named = {name.replace("bbox_predictor.", "model.decoder.bbox_embed."): w for name, w in weights.items()}
        save_file(named, folder / "model.safetensors", {"format": "pt"})
    return folder


def as_trained(model):
    """The model with weights that tell its parts apart: norms that are not 1, boxes, tokens and positions not 0."""
    for module in model.modules():
        if isinstance(module, (torch.nn.LayerNorm, torch.nn.BatchNorm2d)):  # normalising twice is not once
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, torch.nn.Conv2d) and model.config.model_type in EDGES:  # begin too small to see by
            torch.nn.init.kaiming_normal_(module.weight)
    if model.config.model_type == "dab-detr":
        torch.nn.init.normal_(model.bbox_predictor.layers[-1].weight, std=0.1)
    if model.config.model_type in LAST_ONLY:
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "backbone" not in name:
                torch.nn.init.normal_(parameter, std=0.2)
    return model
