"""What is read of the backbone in a model's config.json, within limits and without torch.

In: JSON that anybody may have written, of any version of transformers. Out: named fields of limited size; a field that
is not named here is not read.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=64)]  # layers, heads, levels, points
Width = Annotated[int, Meta(ge=1, le=16_384)]
Share = Annotated[float, Meta(ge=0, le=1)]
Small = Annotated[float, Meta(gt=0, le=1)]
Word = Annotated[str, Meta(max_length=40)]
Name = Annotated[str, Meta(max_length=200)]
Counts = Annotated[list[Count], Meta(min_length=1, max_length=8)]
Switches = Annotated[list[bool], Meta(min_length=1, max_length=8)]
Strides = Annotated[list[Literal[1, 2]], Meta(min_length=1, max_length=8)]
Widths = Annotated[list[Width], Meta(min_length=1, max_length=8)]
Stages = Annotated[list[Annotated[int, Meta(ge=-64, le=64)]], Meta(min_length=1, max_length=8)]
TIMM_NAME = re.compile(r"[a-z0-9_]{1,60}(\.[a-z0-9_]{1,60})?")  # "hf-hub:…" and "local-dir:…" would load another's
# transformers' own ResNets on the hub, which earlier versions named instead of describing them
_LAYERS = {
    18: [2, 2, 2, 2],
    26: [2, 2, 2, 2],
    34: [3, 4, 6, 3],
    50: [3, 4, 6, 3],
    101: [3, 4, 23, 3],
    152: [3, 8, 36, 3],
}
RESNETS: dict[str, dict[str, Any]] = {
    f"microsoft/resnet-{number}": {
        "depths": depths,
        "layer_type": "basic" if number in (18, 34) else "bottleneck",
        "hidden_sizes": [64, 128, 256, 512] if number in (18, 34) else [256, 512, 1024, 2048],
    }
    for number, depths in _LAYERS.items()
}

BackboneKind = Literal[
    "resnet", "rt_detr_resnet", "hgnet_v2", "timm_backbone", "rf_detr_dinov2", "lw_detr_vit", "dinov3_vit"
]  # fmt: skip


class BackboneConfig(msgspec.Struct, omit_defaults=True):
    """What is read of a `backbone_config`: a ResNet, HGNetV2 or vision transformer of transformers, or timm's model."""

    model_type: BackboneKind
    num_channels: Count | None = None
    out_indices: Stages | None = None
    # ResNet
    embedding_size: Width | None = None
    hidden_sizes: Widths | None = None
    depths: Counts | None = None
    layer_type: Literal["basic", "bottleneck"] | None = None
    hidden_act: Word | None = None
    downsample_in_first_stage: bool | None = None
    downsample_in_bottleneck: bool | None = None
    out_features: Annotated[list[Word], Meta(min_length=1, max_length=8)] | None = None
    # HGNetV2
    stem_channels: Widths | None = None
    stem_strides: Strides | None = None
    stage_in_channels: Widths | None = None
    stage_mid_channels: Widths | None = None
    stage_out_channels: Widths | None = None
    stage_num_blocks: Counts | None = None
    stage_numb_of_layers: Counts | None = None
    stage_downsample: Switches | None = None
    stage_downsample_strides: Strides | None = None
    stage_light_block: Switches | None = None
    stage_kernel_size: Counts | None = None
    use_learnable_affine_block: bool | None = None
    # timm
    backbone: Name | None = None
    freeze_batch_norm_2d: bool | None = None
    output_stride: Literal[8, 16, 32] | None = None
    # the vision transformers of RF-DETR, LW-DETR and DEIMv2
    hidden_size: Width | None = None
    num_hidden_layers: Count | None = None
    num_attention_heads: Count | None = None
    mlp_ratio: Count | None = None
    qkv_bias: bool | None = None
    layer_norm_eps: Small | None = None
    image_size: Width | None = None
    pretrain_image_size: Width | None = None
    patch_size: Count | None = None
    num_windows: Count | None = None
    window_block_indices: Annotated[list[Annotated[int, Meta(ge=0, le=64)]], Meta(max_length=64)] | None = None
    use_absolute_position_embeddings: Literal[True] | None = None  # no released model is without
    use_mask_token: bool | None = None
    use_swiglu_ffn: bool | None = None
    apply_layernorm: bool | None = None
    reshape_hidden_states: Literal[True] | None = None  # the decoder reads maps
    layerscale_value: Annotated[float, Meta(ge=0, le=100)] | None = None
    intermediate_size: Width | None = None
    query_bias: bool | None = None
    key_bias: bool | None = None
    value_bias: bool | None = None
    proj_bias: bool | None = None
    mlp_bias: bool | None = None
    use_gated_mlp: bool | None = None
    num_register_tokens: Annotated[int, Meta(ge=0, le=64)] | None = None
    rope_theta: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    pos_embed_shift: Annotated[float, Meta(ge=0, le=10)] | None = None
    pos_embed_jitter: Annotated[float, Meta(ge=1, le=10)] | None = None
    pos_embed_rescale: Annotated[float, Meta(ge=1, le=10)] | None = None
    cae_init_values: Annotated[float, Meta(ge=0, le=100)] | None = None
    dropout_prob: Share | None = None
    hidden_dropout_prob: Share | None = None
    attention_probs_dropout_prob: Share | None = None
    drop_path_rate: Share | None = None


class BackboneArguments(msgspec.Struct):
    """What is read of `backbone_kwargs`, with which transformers 4 described what it took of a named backbone."""

    in_chans: Count | None = None
    num_channels: Count | None = None
    out_indices: Stages | None = None
    out_features: Annotated[list[Word], Meta(min_length=1, max_length=8)] | None = None
    output_stride: Literal[8, 16, 32] | None = None
