"""The layouts of the released models: transformers' config of each, for a model with random weights.

The figures are those of the config.json files, as transformers' conversion scripts write them. A test holds that such a
model has as many parameters as `core/detr/sources/released.py` says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

Layout = tuple[str, dict[str, Any]]  # the name of a config class, and its arguments

COCO_ROWS, CLASSES = 91, 80

# HGNetV2: stem, then for each stage its input, middle and output channels, blocks and layers; D-FINE's sizes
_HGNET = {
    "B0": ((3, 16, 16), (16, 64, 256, 512), (16, 32, 64, 128), (64, 256, 512, 1024), (1, 1, 2, 1), 3),
    "B2": ((3, 24, 32), (32, 96, 384, 768), (32, 64, 128, 256), (96, 384, 768, 1536), (1, 1, 3, 1), 4),
    "B4": ((3, 32, 48), (48, 128, 512, 1024), (48, 96, 192, 384), (128, 512, 1024, 2048), (1, 1, 3, 1), 6),
    "B5": ((3, 32, 64), (64, 128, 512, 1024), (64, 128, 256, 512), (128, 512, 1024, 2048), (1, 2, 5, 2), 6),
    "Pico": ((3, 16, 16), (16, 64, 256), (16, 32, 64), (64, 256, 512), (1, 1, 2), 3),
}
# backbone, its stages, affine block, and the settings in which a size differs from L
_D_FINE: dict[str, tuple[str, tuple[int, ...], bool, dict[str, Any]]] = {
    "nano": ("B0", (3, 4), True, {
        "num_feature_levels": 2, "encoder_ffn_dim": 512, "encode_proj_layers": [1], "d_model": 128,
        "encoder_hidden_dim": 128, "decoder_ffn_dim": 512, "decoder_n_points": [6, 6],
        "decoder_in_channels": [128, 128], "feat_strides": [16, 32], "depth_mult": 0.5, "decoder_layers": 3,
        "hidden_expansion": 0.34,
    }),
    "small": ("B0", (2, 3, 4), True, {"decoder_layers": 3, "hidden_expansion": 0.5, "depth_mult": 0.34}),
    "medium": ("B2", (2, 3, 4), True, {"decoder_layers": 4, "hidden_expansion": 1.0, "depth_mult": 0.67}),
    "large": ("B4", (2, 3, 4), False, {"hidden_expansion": 1.0}),
    "xlarge": ("B5", (2, 3, 4), False, {
        "hidden_expansion": 1.0, "encoder_hidden_dim": 384, "encoder_ffn_dim": 2048,
        "decoder_in_channels": [384, 384, 384],
    }),
}  # fmt: skip
_RT_DETR: dict[str, dict[str, Any]] = {
    "r18vd": {"depths": [2, 2, 2, 2], "decoder_layers": 3},
    "r34vd": {"depths": [3, 4, 6, 3], "decoder_layers": 4},
    "r50vd": {},
    "r101vd": {
        "depths": [3, 4, 23, 3], "encoder_ffn_dim": 2048, "encoder_hidden_dim": 384,
        "decoder_in_channels": [384, 384, 384],
    },
}  # fmt: skip
# decoder layers, edge
_RF_DETR = {"nano": (2, 384), "small": (3, 512), "medium": (4, 576), "large": (4, 704), "base": (3, 518)}
# width, layers and windowed layers of the ViT, maps that are taken of it, queries
_LW_DETR = {
    "tiny": (192, 6, (0, 2, 4), (2, 4, 6), 100),
    "small": (192, 10, (0, 1, 3, 6, 7, 9), (3, 5, 6, 10), 300),
    "medium": (384, 10, (0, 1, 3, 6, 7, 9), (3, 5, 6, 10), 300),
    "large": (384, 10, (0, 1, 3, 6, 7, 9), (3, 5, 6, 10), 300),
    "xlarge": (768, 10, (0, 1, 3, 6, 7, 9), (3, 5, 6, 10), 300),
}


def model_of(name: str) -> Any:
    """Return transformers' model of a released one's layout, with random weights, as it is made on the current device.

    Raises KeyError for a name that has no layout here.
    """
    import transformers

    kind, arguments = LAYOUTS[name]()
    config = getattr(transformers, kind)(**arguments)
    return getattr(transformers, kind.replace("Config", "ForObjectDetection"))(config)


def _backbone(number: int, stride: int | None = None) -> dict[str, Any]:
    """Return the settings of timm's ResNet of this depth, for the families that take its last map."""
    settings = {"model_type": "timm_backbone", "backbone": f"resnet{number}", "out_indices": [1, 2, 3, 4]}
    return {"backbone_config": {**settings, **({"output_stride": stride} if stride else {})}, "num_labels": COCO_ROWS}


def _resnet(kind: str, number: int, stride: int | None = None) -> Layout:
    return kind, _backbone(number, stride)


def _dab(ending: str) -> Layout:
    patterns = {"num_patterns": 3} if ending.endswith("pat3") else {}
    return "DabDetrConfig", {**_backbone(50, 16 if "dc5" in ending else None), **patterns}


def _deformable(levels: int = 4, **settings: Any) -> Layout:
    maps = [2, 3, 4] if levels > 1 else [4]
    backbone = {"model_type": "timm_backbone", "backbone": "resnet50", "out_indices": maps}
    return "DeformableDetrConfig", {
        "num_labels": COCO_ROWS, "num_feature_levels": levels, "backbone_config": backbone, **settings,
    }  # fmt: skip


def _hgnet(kind: str, maps: tuple[int, ...], affine: bool) -> dict[str, Any]:
    stem, inputs, middle, outputs, blocks, layers = _HGNET[kind]
    stages = len(outputs)
    return {
        "model_type": "hgnet_v2", "stem_channels": list(stem), "stage_in_channels": list(inputs),
        "stage_mid_channels": list(middle), "stage_out_channels": list(outputs), "hidden_sizes": list(outputs),
        "stage_num_blocks": list(blocks), "stage_numb_of_layers": [layers] * stages, "depths": [layers] * stages,
        "stage_downsample": [False, True, True, True][:stages],
        "stage_light_block": [False, False, True, True][:stages],
        "stage_kernel_size": [3, 3, 5, 5][:stages], "use_learnable_affine_block": affine,
        "out_indices": list(maps), "return_idx": [number - 1 for number in maps],
    }  # fmt: skip


def _d_fine(size: str) -> Layout:
    kind, maps, affine, settings = _D_FINE[size]
    channels = [_HGNET[kind][3][number - 1] for number in maps]
    points = {"decoder_n_points": [3, 6, 3]} | settings
    return "DFineConfig", {
        "num_labels": CLASSES, "backbone_config": _hgnet(kind, maps, affine), "encoder_in_channels": channels, **points,
    }  # fmt: skip


def _deimv2(size: str) -> Layout:
    shared = {"num_labels": CLASSES, "decoder_activation_function": "silu"}
    if size == "N":
        _, maps, affine, settings = _D_FINE["nano"]
        return "Deimv2Config", {
            **shared, **settings, "head_dim": 16, "encoder_in_channels": [512, 1024],
            "backbone_config": _hgnet("B0", maps, affine),
        }  # fmt: skip
    return "Deimv2Config", {
        **shared, "backbone_config": _hgnet("Pico", (3,), True), "encoder_type": "lite", "encoder_layers": 0,
        "encoder_in_channels": [512], "feat_strides": [16], "encoder_hidden_dim": 112, "d_model": 112,
        "decoder_in_channels": [112, 112], "decoder_ffn_dim": 320, "num_feature_levels": 2, "decoder_layers": 3,
        "decoder_n_points": [4, 2], "num_queries": 200, "hidden_expansion": 0.34, "depth_mult": 0.5,
        "share_bbox_head": True, "use_gateway": False, "head_dim": 14,
    }  # fmt: skip


def _rt_detr(kind: str, size: str) -> Layout:
    settings = dict(_RT_DETR[size])
    backbone = {"model_type": "rt_detr_resnet", "out_features": ["stage2", "stage3", "stage4"]}
    if "depths" in settings:
        backbone["depths"] = settings.pop("depths")
    if size in ("r18vd", "r34vd"):
        backbone |= {"hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"}
        settings |= {"encoder_in_channels": [128, 256, 512], "hidden_expansion": 0.5}
    return kind, {"num_labels": CLASSES, "backbone_config": backbone, **settings}


def _rf_detr(size: str) -> Layout:
    layers, edge = _RF_DETR[size]
    backbone = {
        "model_type": "rf_detr_dinov2", "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6,
        "image_size": edge, "patch_size": 14 if size == "base" else 16, "num_windows": 4 if size == "base" else 2,
        "out_features": [f"stage{n}" for n in ((2, 5, 8, 11) if size == "base" else (3, 6, 9, 12))],
    }  # fmt: skip
    return "RfDetrConfig", {
        "num_labels": COCO_ROWS, "backbone_config": backbone, "d_model": 256, "num_queries": 300,
        "decoder_layers": layers, "decoder_self_attention_heads": 8, "decoder_cross_attention_heads": 16,
        "decoder_n_points": 2, "projector_scale_factors": [1.0],
    }  # fmt: skip


def _lw_detr(size: str) -> Layout:
    width, layers, windows, maps, queries = _LW_DETR[size]
    backbone = {
        "model_type": "lw_detr_vit", "image_size": 1024, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": 12, "window_block_indices": list(windows), "out_features": [f"stage{n}" for n in maps],
    }  # fmt: skip
    wide = size in ("large", "xlarge")
    return "LwDetrConfig", {
        "num_labels": COCO_ROWS, "backbone_config": backbone, "d_model": 384 if wide else 256, "num_queries": queries,
        "projector_scale_factors": [2.0, 0.5] if wide else [1.0], "decoder_layers": 3,
        "decoder_self_attention_heads": 12 if wide else 8, "decoder_cross_attention_heads": 24 if wide else 16,
        "decoder_n_points": 4 if wide else 2,
    }  # fmt: skip


def _yolos(width: int, heads: int, size: tuple[int, int], middle: bool) -> Layout:
    return "YolosConfig", {
        "num_labels": COCO_ROWS, "hidden_size": width, "num_attention_heads": heads, "intermediate_size": 4 * width,
        "image_size": list(size), "use_mid_position_embeddings": middle,
    }  # fmt: skip


def _tables() -> Layout:
    return "TableTransformerConfig", {**_backbone(18), "num_labels": 2, "num_queries": 15}


LAYOUTS: dict[str, Callable[[], Layout]] = {
    **{
        f"facebook/detr-resnet-{number}{'-dc5' if stride else ''}": partial(_resnet, "DetrConfig", number, stride)
        for number in (50, 101)
        for stride in (None, 16)
    },
    "microsoft/conditional-detr-resnet-50": partial(_resnet, "ConditionalDetrConfig", 50),
    "SenseTime/deformable-detr-single-scale": partial(_deformable, 1),
    "SenseTime/deformable-detr-single-scale-dc5": partial(_deformable, 1, dilation=True),
    "SenseTime/deformable-detr": _deformable,
    "SenseTime/deformable-detr-with-box-refine": partial(_deformable, with_box_refine=True),
    "SenseTime/deformable-detr-with-box-refine-two-stage": partial(_deformable, with_box_refine=True, two_stage=True),
    **{
        f"IDEA-Research/dab-detr-resnet-50{ending}": partial(_dab, ending)
        for ending in ("", "-pat3", "-dc5", "-dc5-pat3")
    },
    **{f"Roboflow/rf-detr-{size}": partial(_rf_detr, size) for size in _RF_DETR},
    **{f"AnnaZhang/lwdetr_{size}_60e_coco": partial(_lw_detr, size) for size in _LW_DETR},
    **{f"ustc-community/dfine-{size}-coco": partial(_d_fine, size) for size in _D_FINE},
    **{
        f"ustc-community/dfine-{size}-obj2coco{'-e25' if size == 'large' else ''}": partial(_d_fine, size)
        for size in _D_FINE
        if size != "nano"
    },
    **{f"PekingU/rtdetr_v2_{size}": partial(_rt_detr, "RTDetrV2Config", size) for size in _RT_DETR},
    **{f"PekingU/rtdetr_{size}": partial(_rt_detr, "RTDetrConfig", size) for size in _RT_DETR},
    **{
        f"PekingU/rtdetr_{size}_coco_o365": partial(_rt_detr, "RTDetrConfig", size)
        for size in ("r18vd", "r50vd", "r101vd")
    },
    **{
        f"harshaljanjani/DEIMv2_HGNetv2_{size}_COCO_Transformers": partial(_deimv2, size) for size in ("N", "PICO")
    },
    "hustvl/yolos-tiny": partial(_yolos, 192, 3, (800, 1333), False),
    "hustvl/yolos-small": partial(_yolos, 384, 6, (512, 864), True),
    "microsoft/table-transformer-detection": _tables,
}  # fmt: skip
