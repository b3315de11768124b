"""What is read of a model's config.json: `ModelConfig`, within limits and without torch.

In: JSON that anybody may have written, of any version of transformers. Out: named fields of limited size, and the
settings that transformers is given for them. A field that is not named here is not read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.detr.sources.backbone_config import (
    RESNETS,
    BackboneArguments,
    BackboneConfig,
    Count,
    Counts,
    Name,
    Share,
    Small,
    Stages,
    Width,
    Widths,
    Word,
)

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # of weights in several files

Side = Annotated[int, Meta(ge=1, le=16_384)]  # pixels
Temperature = Annotated[int, Meta(ge=1, le=1_000_000)]  # of sine position embeddings
Weight = Annotated[int, Meta(ge=0, le=1_000_000)] | Annotated[float, Meta(ge=0, le=1_000_000)]
Power = Annotated[float, Meta(ge=0, le=100)]
Scales = Annotated[list[Annotated[float, Meta(gt=0, le=2)]], Meta(min_length=1, max_length=8)]

ELSEWHERE = {
    "model_type", "id2label", "num_labels", "backbone_config", "use_timm_backbone", "backbone", "backbone_kwargs",
}  # fmt: skip
CLASS_WEIGHTS = (  # of the class loss, as the families call it; the first that is stated counts
    "cls_loss_coefficient", "class_loss_coefficient", "ce_loss_coefficient",
)  # fmt: skip


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
    encoder_layers: Annotated[int, Meta(ge=0, le=64)] | None = None  # 0: DEIMv2's encoder without attention
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
    # DEIMv2
    encoder_type: Literal["hybrid", "lite"] | None = None
    encoder_fuse_op: Literal["sum"] | None = None  # no released model joins its maps otherwise
    encoder_has_trailing_conv: bool | None = None
    spatial_tuning_adapter_inplanes: Width | None = None
    use_gateway: bool | None = None
    share_bbox_head: bool | None = None
    weight_loss_mal: Weight | None = None
    mal_alpha: Share | None = None
    use_dense_one_to_one: bool | None = None
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
