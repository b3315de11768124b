"""The one door to a model's folder: its settings, classes and picture sizes, read within limits and without torch.

In: a folder that anybody may have written. Out: a `ModelConfig`, a `LabelMap`, the edges of pictures; or ModelError,
one sentence. Only the fields that are named here are read. So a config cannot name a class, a repository or a file that
transformers would then fetch or run, and none of its sizes can be without end; `weights.py` compares them with the
weights that are there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from core import DataError, ModelError
from core.files import read_bytes
from core.labels import LabelMap
from core.wording import short

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
LABEL_MAP_FILE = "label_map.json"
PROCESSOR = "preprocessor_config.json"  # of a published model: the edges that it was trained with
MOST_BYTES = 4_000_000  # of a JSON file; a thousand classes take 50,000
FAMILY_NAMES = (
    "detr",
    "conditional_detr",
    "deformable_detr",
)  # the keys of `model.FAMILIES`, which needs torch; a test compares them

T = TypeVar("T")
Count = Annotated[int, Meta(ge=1, le=64)]  # layers, heads, levels, points
Width = Annotated[int, Meta(ge=1, le=16_384)]
Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[int, Meta(ge=0, le=1_000_000)] | Annotated[float, Meta(ge=0, le=1_000_000)]
Word = Annotated[str, Meta(max_length=40)]
Stages = Annotated[list[Annotated[int, Meta(ge=-8, le=8)]], Meta(min_length=1, max_length=8)]
# a model of timm's; "hf-hub:…" and "local-dir:…" would load another's
TimmName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,60}(\.[a-z0-9_]{1,60})?\Z")]

ELSEWHERE = {
    "model_type", "id2label", "num_labels", "backbone_config", "use_timm_backbone", "backbone", "backbone_kwargs",
}  # fmt: skip


class BackboneConfig(msgspec.Struct, omit_defaults=True):
    """What is read of a `backbone_config`: transformers' own ResNet, or a model of timm's."""

    model_type: Literal["resnet", "timm_backbone"]
    num_channels: Count | None = None
    out_indices: Stages | None = None
    # ResNet
    embedding_size: Width | None = None
    hidden_sizes: Annotated[list[Width], Meta(min_length=1, max_length=8)] | None = None
    depths: Annotated[list[Count], Meta(min_length=1, max_length=8)] | None = None
    layer_type: Literal["basic", "bottleneck"] | None = None
    hidden_act: Word | None = None
    downsample_in_first_stage: bool | None = None
    downsample_in_bottleneck: bool | None = None
    out_features: Annotated[list[Word], Meta(min_length=1, max_length=8)] | None = None
    # timm
    backbone: TimmName | None = None
    freeze_batch_norm_2d: bool | None = None
    output_stride: Literal[8, 16, 32] | None = None


class TimmArguments(msgspec.Struct):
    """What is read of `backbone_kwargs`, with which earlier versions of transformers described a model of timm's."""

    in_chans: Count | None = None
    out_indices: Stages | None = None
    output_stride: Literal[8, 16, 32] | None = None


class ModelConfig(msgspec.Struct, omit_defaults=True):
    """What is read of a config.json; what is None is left to the family's own class in transformers."""

    model_type: str
    id2label: Annotated[dict[str, str], Meta(max_length=20_000)] | None = None
    num_labels: Annotated[int, Meta(ge=1, le=20_000)] | None = None
    # the backbone, as it is described today and was earlier
    backbone_config: BackboneConfig | None = None
    use_timm_backbone: bool | None = None
    backbone: TimmName | None = None
    backbone_kwargs: TimmArguments | None = None
    dilation: bool | None = None
    # the transformer
    num_channels: Count | None = None
    d_model: Width | None = None
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
    decoder_n_points: Count | None = None
    return_intermediate: Literal[True] | None = None  # every layer's answer is asked for
    two_stage: bool | None = None
    two_stage_num_proposals: Annotated[int, Meta(ge=1, le=1000)] | None = None
    with_box_refine: bool | None = None
    disable_custom_kernels: bool | None = None
    # matching and losses
    class_cost: Weight | None = None
    bbox_cost: Weight | None = None
    giou_cost: Weight | None = None
    mask_loss_coefficient: Weight | None = None
    dice_loss_coefficient: Weight | None = None
    cls_loss_coefficient: Weight | None = None
    bbox_loss_coefficient: Weight | None = None
    giou_loss_coefficient: Weight | None = None
    eos_coefficient: Share | None = None
    focal_alpha: Share | None = None

    @property
    def names(self) -> dict[int, str]:
        """The name of each row of the class output that has one."""
        return {int(row): name for row, name in (self.id2label or {}).items()}

    def backbone_settings(self) -> dict[str, Any]:
        """Return the backbone's settings, with its `model_type`, however the file describes it."""
        if self.backbone_config is not None:
            settings: dict[str, Any] = msgspec.to_builtins(self.backbone_config)
            return settings
        if self.use_timm_backbone is False:
            return {"model_type": "resnet", "out_features": ["stage4"]}
        arguments = self.backbone_kwargs or TimmArguments()
        maps = [1, 2, 3, 4]  # transformers' defaults
        if self.model_type == "deformable_detr":
            maps = [4] if self.num_feature_levels == 1 else [2, 3, 4]
        return {
            "model_type": "timm_backbone",
            "backbone": self.backbone or "resnet50",
            "num_channels": arguments.in_chans or 3,
            "out_indices": arguments.out_indices or maps,
            "output_stride": arguments.output_stride or (16 if self.dilation else None),
        }

    def settings(self) -> dict[str, Any]:
        """Return what else the file says, but of backbone and classes."""
        settings: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in settings.items() if name not in ELSEWHERE}


class _Kind(msgspec.Struct):
    model_type: str | None = None


class _Edges(msgspec.Struct):
    shortest_edge: int | None = None
    longest_edge: int | None = None


class _Processor(msgspec.Struct):
    size: _Edges | int | None = None
    max_size: int | None = None


def read_config(folder: Path, name: str = "") -> ModelConfig:
    """Read the config.json of a folder; `name` is what the user calls the model, if not by its folder.

    Raises ModelError if it cannot be read, or is of no known family.
    """
    kind = _read(folder, CONFIG, _Kind).model_type
    if kind is None:
        raise unreadable(folder, f"{CONFIG} names no model_type")
    if kind not in FAMILY_NAMES:
        raise ModelError(
            f"{short(name or folder, 120)} is a {short(kind, 40)} model, but only these kinds can be used: "
            f"{', '.join(FAMILY_NAMES)}."
        )
    config = _read(folder, CONFIG, ModelConfig)
    rows = config.id2label or {}
    if set(rows) != {str(row) for row in range(len(rows))}:
        raise unreadable(folder, f"{CONFIG}: id2label does not name the rows 0 to {len(rows) - 1}")
    if config.use_timm_backbone is False and config.backbone_config is None and config.backbone:
        raise unreadable(folder, f"{CONFIG}: its backbone {config.backbone} would have to be fetched")
    return config


def read_label_map(folder: str | Path) -> LabelMap:
    """Read the label map of a saved model; raises ModelError if there is none, or it cannot be read."""
    folder = Path(folder)
    if not os.path.exists(folder / LABEL_MAP_FILE):
        raise ModelError(f"{short(folder, 120)} holds no {LABEL_MAP_FILE}: it was not written by DETR Lab.")
    try:
        return LabelMap.from_dict(_read(folder, LABEL_MAP_FILE, dict[str, Any]))
    except DataError as error:
        raise unreadable(folder, f"{LABEL_MAP_FILE}: {error}") from None


def read_edges(folder: Path) -> dict[str, Any]:
    """Read the edges with which a published model was trained, as far as its preprocessor_config.json names them.

    Raises ModelError if that is there and cannot be read.
    """
    if not os.path.exists(folder / PROCESSOR):
        return {}
    processor = _read(folder, PROCESSOR, _Processor)
    size = processor.size
    if isinstance(size, int):  # as transformers wrote it before it knew more than one edge
        size = _Edges(size, processor.max_size)
    edges = {} if size is None else {"shortest_edge": size.shortest_edge, "longest_edge": size.longest_edge}
    return {name: edge for name, edge in edges.items() if edge is not None}


def unreadable(folder: Path, reason: str) -> ModelError:
    """Return the error for a folder whose model cannot be read, for a `reason` in a few words."""
    return ModelError(
        f"The model in {short(folder, 120)} cannot be read ({short(reason, 110)}): copy its folder again."
    )


def _read(folder: Path, name: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(read_bytes(folder / name, MOST_BYTES), type=kind)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except msgspec.ValidationError as error:
        reason = _place_first(str(error).replace(" | null", ""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reason = "not valid JSON"
    raise unreadable(folder, f"{name}: {reason}")


def _place_first(message: str) -> str:
    """Return msgspec's message with the field before the fault.

    >>> _place_first("Expected `int` <= 64 - at `$.decoder_layers`")
    'decoder_layers, expected `int` <= 64'
    """
    match = re.fullmatch(r"(.*) - at (.*)", message, re.DOTALL)
    if not match:
        return message
    place = re.sub(r"[`$]", "", match[2]).removeprefix(".")
    return f"{place}, {match[1][:1].lower()}{match[1][1:]}"
