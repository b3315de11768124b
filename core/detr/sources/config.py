"""What is read of a model's config.json: `ModelConfig`, within limits and without torch.

In: JSON that anybody may have written, of any version of transformers. Out: named fields of limited size, and the
settings that transformers is given for them. A field that is not named here is not read.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # of weights in several files

Count = Annotated[int, Meta(ge=1, le=64)]  # layers, heads, levels, points
Width = Annotated[int, Meta(ge=1, le=16_384)]
Side = Annotated[int, Meta(ge=1, le=16_384)]  # pixels
Share = Annotated[float, Meta(ge=0, le=1)]
Temperature = Annotated[int, Meta(ge=1, le=1_000_000)]  # of sine position embeddings
Weight = Annotated[int, Meta(ge=0, le=1_000_000)] | Annotated[float, Meta(ge=0, le=1_000_000)]
Power = Annotated[float, Meta(ge=0, le=100)]
Small = Annotated[float, Meta(gt=0, le=1)]
Word = Annotated[str, Meta(max_length=40)]
Name = Annotated[str, Meta(max_length=200)]
Counts = Annotated[list[Count], Meta(min_length=1, max_length=8)]
Switches = Annotated[list[bool], Meta(min_length=1, max_length=8)]
Strides = Annotated[list[Literal[1, 2]], Meta(min_length=1, max_length=8)]
Widths = Annotated[list[Width], Meta(min_length=1, max_length=8)]
Scales = Annotated[list[Annotated[float, Meta(gt=0, le=2)]], Meta(min_length=1, max_length=8)]
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

ELSEWHERE = {
    "model_type", "id2label", "num_labels", "backbone_config", "use_timm_backbone", "backbone", "backbone_kwargs",
}  # fmt: skip
CLASS_WEIGHTS = (  # of the class loss, as the families call it; the first that is stated counts
    "cls_loss_coefficient", "class_loss_coefficient", "ce_loss_coefficient",
)  # fmt: skip
BackboneKind = Literal[
    "resnet", "rt_detr_resnet", "hgnet_v2", "timm_backbone", "rf_detr_dinov2", "lw_detr_vit"
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
    # the vision transformers of RF-DETR and LW-DETR
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


class ModelConfig(msgspec.Struct, omit_defaults=True):
    """What is read of a config.json; what is None is left to the family's own class in transformers."""

    model_type: str
    id2label: Annotated[dict[str, str], Meta(max_length=20_000)] | None = None
    num_labels: Annotated[int, Meta(ge=1, le=20_000)] | None = None
    # the backbone, as it is described today and was earlier
    backbone_config: BackboneConfig | None = None
    use_timm_backbone: bool | None = None
    backbone: Name | None = None
    backbone_kwargs: BackboneArguments | None = None
    dilation: bool | None = None
    # the transformer
    num_channels: Count | None = None
    d_model: Width | None = None
    hidden_size: Width | None = None  # as DAB-DETR and YOLOS call the same
    num_queries: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    max_position_embeddings: Width | None = None
    encoder_layers: Count | None = None
    encoder_ffn_dim: Width | None = None
    encoder_attention_heads: Count | None = None
    decoder_layers: Count | None = None
    decoder_ffn_dim: Width | None = None
    decoder_attention_heads: Count | None = None
    position_embedding_type: Literal["sine", "learned"] | None = None
    activation_function: Word | None = None
    auxiliary_loss: bool | None = None
    dropout: Share | None = None
    attention_dropout: Share | None = None
    activation_dropout: Share | None = None
    encoder_layerdrop: Share | None = None
    decoder_layerdrop: Share | None = None
    init_std: Share | None = None
    init_xavier_std: Annotated[float, Meta(ge=0, le=100)] | None = None
    # Deformable DETR
    num_feature_levels: Annotated[int, Meta(ge=1, le=8)] | None = None
    encoder_n_points: Count | None = None
    decoder_n_points: Count | Counts | None = None  # a list: of each map, in D-FINE
    return_intermediate: Literal[True] | None = None  # every layer's answer is asked for
    two_stage: bool | None = None
    two_stage_num_proposals: Annotated[int, Meta(ge=1, le=1000)] | None = None
    with_box_refine: bool | None = None
    disable_custom_kernels: bool | None = None
    # RT-DETR and its kin
    layer_norm_eps: Small | None = None
    batch_norm_eps: Small | None = None
    freeze_backbone_batch_norms: bool | None = None
    encoder_hidden_dim: Width | None = None
    encoder_in_channels: Widths | None = None
    decoder_in_channels: Widths | None = None
    feat_strides: Widths | None = None
    encode_proj_layers: Stages | None = None
    positional_encoding_temperature: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    encoder_activation_function: Word | None = None
    decoder_activation_function: Word | None = None
    normalize_before: bool | None = None
    hidden_expansion: Annotated[float, Meta(gt=0, le=16)] | None = None
    decoder_n_levels: Count | None = None
    decoder_offset_scale: Annotated[float, Meta(gt=0, le=16)] | None = None
    decoder_method: Literal["default", "discrete"] | None = None
    learn_initial_query: bool | None = None
    num_denoising: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    label_noise_ratio: Share | None = None
    box_noise_scale: Annotated[float, Meta(ge=0, le=100)] | None = None
    # DAB-DETR
    query_dim: Literal[4] | None = None
    num_patterns: Annotated[int, Meta(ge=0, le=64)] | None = None
    temperature_height: Temperature | None = None
    temperature_width: Temperature | None = None
    sine_position_embedding_scale: Annotated[float, Meta(gt=0, le=100)] | None = None
    keep_query_pos: bool | None = None
    random_refpoints_xy: bool | None = None
    # YOLOS
    image_size: Annotated[list[Side], Meta(min_length=2, max_length=2)] | Side | None = None
    patch_size: Count | None = None
    num_hidden_layers: Count | None = None
    num_attention_heads: Count | None = None
    intermediate_size: Width | None = None
    num_detection_tokens: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    use_mid_position_embeddings: bool | None = None
    qkv_bias: bool | None = None
    hidden_act: Word | None = None
    hidden_dropout_prob: Share | None = None
    attention_probs_dropout_prob: Share | None = None
    initializer_range: Share | None = None
    # D-FINE
    depth_mult: Annotated[float, Meta(gt=0, le=16)] | None = None
    eval_idx: Literal[-1] | None = None  # transformers has no layers after the one that answers
    layer_scale: Annotated[float, Meta(ge=1, le=1)] | None = None
    max_num_bins: Annotated[int, Meta(ge=4, le=256)] | None = None
    reg_scale: Annotated[float, Meta(gt=0, le=100)] | None = None
    up: Annotated[float, Meta(gt=0, le=100)] | None = None
    top_prob_values: Count | None = None
    lqe_hidden_dim: Width | None = None
    lqe_layers: Count | None = None
    # RF-DETR and LW-DETR
    c2f_num_blocks: Count | None = None
    projector_scale_factors: Scales | None = None
    decoder_self_attention_heads: Count | None = None
    decoder_cross_attention_heads: Count | None = None
    attention_bias: bool | None = None
    group_detr: Count | None = None
    # matching and losses
    matcher_class_cost: Weight | None = None
    matcher_bbox_cost: Weight | None = None
    matcher_giou_cost: Weight | None = None
    matcher_alpha: Share | None = None
    matcher_gamma: Power | None = None
    use_focal_loss: Literal[True] | None = None  # of matching; no released model has another
    focal_loss_alpha: Share | None = None
    focal_loss_gamma: Power | None = None
    weight_loss_vfl: Weight | None = None
    weight_loss_bbox: Weight | None = None
    weight_loss_giou: Weight | None = None
    weight_loss_fgl: Weight | None = None
    weight_loss_ddf: Weight | None = None
    class_cost: Weight | None = None
    bbox_cost: Weight | None = None
    giou_cost: Weight | None = None
    mask_loss_coefficient: Weight | None = None
    dice_loss_coefficient: Weight | None = None
    cls_loss_coefficient: Weight | None = None
    class_loss_coefficient: Weight | None = None
    ce_loss_coefficient: Weight | None = None
    bbox_loss_coefficient: Weight | None = None
    giou_loss_coefficient: Weight | None = None
    eos_coefficient: Share | None = None
    focal_alpha: Share | None = None

    @property
    def names(self) -> dict[int, str]:
        """The name of each row of the class output that has one."""
        return {int(row): name for row, name in (self.id2label or {}).items()}

    @property
    def width(self) -> int | None:
        """The width of the transformer, whatever the family calls it."""
        return self.d_model or self.hidden_size

    def backbone_settings(self) -> dict[str, Any]:
        """Return the backbone's settings, with its `model_type`, however the file describes it."""
        if self.backbone_config is not None:
            settings: dict[str, Any] = msgspec.to_builtins(self.backbone_config)
            return settings
        arguments = self.backbone_kwargs or BackboneArguments()
        if self.use_timm_backbone is False:  # of transformers; a plain name stands for its default
            named = RESNETS.get(self.backbone or "", {})
            settings = {"model_type": "resnet", **named, "out_features": arguments.out_features or ["stage4"]}
            if arguments.out_indices and not arguments.out_features:
                settings["out_features"] = [f"stage{index}" for index in arguments.out_indices]
            return settings
        maps = [1, 2, 3, 4]  # transformers' defaults
        if self.model_type == "deformable_detr":
            maps = [4] if self.num_feature_levels == 1 else [2, 3, 4]
        return {
            "model_type": "timm_backbone",
            "backbone": self.backbone or "resnet50",
            "num_channels": arguments.in_chans or arguments.num_channels or self.num_channels or 3,
            "out_indices": arguments.out_indices or maps,
            "output_stride": arguments.output_stride or (16 if self.dilation else None),
        }

    def settings(self) -> dict[str, Any]:
        """Return what else the file says, but of backbone and classes."""
        settings: dict[str, Any] = msgspec.to_builtins(self)
        if stated := [settings[name] for name in CLASS_WEIGHTS if name in settings]:
            settings[CLASS_WEIGHTS[0]] = stated[0]
        return {name: value for name, value in settings.items() if name not in ELSEWHERE}
