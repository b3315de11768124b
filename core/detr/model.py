"""DETR: load it, give it a head for the chosen classes, sort its parameters into groups, save it.

In: a checkpoint folder, a name on the Hugging Face hub, or "random". Out: a model of transformers – DETR, Conditional
DETR or Deformable DETR – whose class outputs are the chosen classes'.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    ConditionalDetrForObjectDetection,
    DeformableDetrForObjectDetection,
    DetrConfig,
    DetrForObjectDetection,
    PreTrainedModel,
    ResNetConfig,
)

from core import ModelError
from core.config import RANDOM_MODEL, TrainConfig
from core.detr.decoder_layers import hand_out_layers, trained_with_auxiliary
from core.detr.padding import PaddingGuard
from core.detr.pretrained import FAMILY_NAMES, class_rows, copied_and_fresh, find_model, where_a_copy_belongs
from core.labels import LabelMap

LABEL_MAP_FILE = "label_map.json"
MODELS = (DetrForObjectDetection, ConditionalDetrForObjectDetection, DeformableDetrForObjectDetection)
FAMILIES = dict(zip(FAMILY_NAMES, MODELS, strict=True))
FIRST_PROBABILITY = 0.01  # of a fresh class whose score is a sigmoid: RetinaNet's prior, as Deformable DETR has it
HEADS = ("class_labels_classifier", "bbox_predictor", "class_embed", "bbox_embed")
STEM = ("conv1.", "bn1.", "layer1.", "embedder.", "encoder.stages.0.")  # of timm's and of transformers' ResNets
SLOW_OFFSETS = 0.1  # of the transformer's learning rate, for where Deformable DETR looks (its main.py, lr_linear_proj)


@dataclass(frozen=True)
class Head:
    """How the classes of a new head began: `copied` from the loaded one by name, or `fresh` (random)."""

    copied: tuple[str, ...]
    fresh: tuple[str, ...]


def small_detr(label_map: LabelMap, dropout: float = 0.0) -> DetrForObjectDetection:
    """A small DETR with random weights: 1.9 M parameters, stride-16 features, 30 queries; for 256-pixel pictures.

    Its norms are frozen, as in every DETR, so it learns slowly from nothing: see checkpoints/make_starter.py.
    """
    backbone = ResNetConfig(
        embedding_size=32, hidden_sizes=[32, 64, 128], depths=[1, 1, 2], layer_type="basic", out_features=["stage3"]
    )
    config = DetrConfig(
        backbone_config=backbone, use_timm_backbone=False, d_model=128, num_queries=30, dropout=dropout,
        encoder_layers=2, encoder_ffn_dim=512, encoder_attention_heads=4,
        decoder_layers=3, decoder_ffn_dim=512, decoder_attention_heads=4,
        num_labels=len(label_map), id2label=label_map.id2label, label2id=label_map.label2id, auxiliary_loss=True,
    )  # fmt: skip
    return _ready(DetrForObjectDetection(config))


def load_model(spec: str, label_map: LabelMap, dropout: float | None = None) -> tuple[PreTrainedModel, Head]:
    """The model named by `spec` with a head for the classes of `label_map`; fresh rows come from torch's generator.

    `dropout` replaces the model's own. Raises ModelError if it cannot be found, reached or read, or is no such model.
    """
    if spec == RANDOM_MODEL:
        return small_detr(label_map, dropout or 0.0), Head((), label_map.names)
    source = find_model(spec)
    try:
        config = AutoConfig.from_pretrained(source)
        if config.model_type not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise ModelError(f"{spec} is a {config.model_type} model, but only these kinds can be used: {known}.")
        if dropout is not None:
            config.dropout = dropout
        model = FAMILIES[config.model_type].from_pretrained(source, config=config, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(_why_not(spec, source, error)) from error
    head = replace_head(model, label_map)
    return _ready(model), head


def _ready(model: PreTrainedModel) -> PreTrainedModel:
    """As training and evaluation want it.

    Every decoder layer's answer is handed out, padding is hidden from the backbone, and the heads are in float32
    whatever the rest is in: a coordinate in bfloat16 would be 2 or 3 of 800 pixels off.
    """
    hand_out_layers(model)
    PaddingGuard().attach(model)
    heads = [getattr(model, name) for name in HEADS if hasattr(model, name)]
    layers = {id(m): m for head in heads for m in (head if isinstance(head, nn.ModuleList) else [head])}
    for layer in layers.values():  # each once: layers may share a head
        layer.__class__ = _in_float32(type(layer))
    return model.requires_grad_(True)  # `parameter_groups` decides about this


def feature_stride(model: PreTrainedModel) -> int:
    """Pixels of the model's input per cell of the finest feature map that its transformer sees, in width."""
    side = 256
    device = next(model.parameters()).device
    with torch.inference_mode():
        maps = model.model.backbone(
            torch.zeros(1, 3, side, side, device=device), torch.ones(1, side, side, device=device)
        )
    return round(side / maps[0][0].shape[-1])


@cache
def _in_float32(kind: type[nn.Module]) -> type[nn.Module]:
    """The module's class, but computing in float32 under autocast too; a class, so that its copies do so as well."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return kind.forward(self, values.float())

    return type(kind.__name__, (kind,), {"forward": forward})


def _why_not(spec: str, source: str, error: Exception) -> str:
    if Path(source).is_dir():
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        return f"The model in {source} cannot be read ({first}): copy its folder again."
    return (
        f"The model {spec} is not on this machine and the Hugging Face hub did not give it: check the name and the "
        f"network, or put a downloaded copy into {where_a_copy_belongs(spec)}/."
    )


def replace_head(model: PreTrainedModel, label_map: LabelMap) -> Head:
    """Give the model outputs for the chosen classes; rows of classes it knows by name, and "no object", are copied.

    So that a pretrained model starts where its training ended, and not from nothing (its other classes are dropped).
    """
    known = class_rows(model.config.id2label)
    copied = {i: known[name] for i, name in enumerate(label_map.names) if name in known}
    if isinstance(model, DeformableDetrForObjectDetection):
        # one head for all layers, or one a layer: what was one module stays one
        fresh = {id(old): _new_rows(old, label_map, copied, no_object=False) for old in model.class_embed}
        model.class_embed = nn.ModuleList(fresh[id(old)] for old in model.class_embed)
        if model.config.two_stage:
            model.model.decoder.class_embed = model.class_embed
    else:
        softmax = isinstance(model, DetrForObjectDetection)
        model.class_labels_classifier = _new_rows(model.class_labels_classifier, label_map, copied, softmax)
    model.config.id2label, model.config.label2id = label_map.id2label, label_map.label2id
    model.config.num_labels = len(label_map)
    return Head(*copied_and_fresh(label_map.names, known))


def _new_rows(old: nn.Linear, label_map: LabelMap, copied: dict[int, int], no_object: bool) -> nn.Linear:
    """A class output with row `new` like the old one's row `copied[new]`, the others fresh."""
    new = nn.Linear(old.in_features, len(label_map) + no_object)
    if no_object:
        copied = {**copied, label_map.no_object: old.out_features - 1}
    else:
        nn.init.constant_(new.bias, math.log(FIRST_PROBABILITY / (1 - FIRST_PROBABILITY)))
    with torch.no_grad():
        for row, source in copied.items():
            new.weight[row] = old.weight[source]
            new.bias[row] = old.bias[source]
    return new


def parameter_groups(model: PreTrainedModel, config: TrainConfig) -> list[dict]:
    """AdamW's groups: each part with its learning rate, norms and biases without decay.

    Every parameter that learns is in exactly one group; `freeze` and a learning rate of 0 take a part's out. Each group
    has a `name`: backbone, transformer, offsets (where Deformable DETR looks) or head.
    """
    rates = {
        "backbone": config.lr_backbone if config.freeze != "backbone" else 0.0,
        "transformer": config.lr,
        "offsets": config.lr * SLOW_OFFSETS,
        "head": config.lr_head,
    }
    groups = {
        (part, decay): {"params": [], "lr": rates[part], "weight_decay": decay, "name": part}
        for part in rates
        for decay in (config.weight_decay, 0.0)
    }
    norms = {
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm))
        for name, _ in module.named_parameters(recurse=False)
    }
    for name, parameter in model.named_parameters():
        part = part_of(name)
        frozen = config.freeze == "stem" and part == "backbone" and is_stem(name)
        parameter.requires_grad_(rates[part] > 0 and not frozen)
        if parameter.requires_grad:
            decay = 0.0 if name in norms or name.endswith("bias") else config.weight_decay
            groups[part, decay]["params"].append(parameter)
    return [group for group in groups.values() if group["params"]]


def part_of(parameter_name: str) -> str:
    """Which part of the model a parameter belongs to: backbone, transformer, offsets or head.

    >>> part_of("model.backbone.model.conv1.weight"), part_of("bbox_predictor.layers.0.bias")
    ('backbone', 'head')
    """
    if parameter_name.startswith("model.backbone."):
        return "backbone"
    words = parameter_name.split(".")
    if set(HEADS) & set(words):
        return "head"
    return "offsets" if {"reference_points", "sampling_offsets"} & set(words) else "transformer"


def is_stem(parameter_name: str) -> bool:
    """Whether a backbone's parameter is of its first convolution or stage, which DETR's recipe freezes.

    >>> is_stem("model.backbone.model.layer1.0.conv1.weight"), is_stem("model.backbone.model.layer2.0.conv1.weight")
    (True, False)
    """
    inner = parameter_name.removeprefix("model.backbone.").removeprefix("conv_encoder.").removeprefix("model.")
    return inner.startswith(STEM)


def save_model(model: PreTrainedModel, label_map: LabelMap, folder: Path) -> None:
    """The model as a `save_pretrained` folder (safetensors), with its label map beside it."""
    running = model.config.auxiliary_loss
    model.config.auxiliary_loss = trained_with_auxiliary(model)
    try:
        model.save_pretrained(folder)
    finally:
        model.config.auxiliary_loss = running
    (folder / LABEL_MAP_FILE).write_text(json.dumps(label_map.to_dict(), indent=1))


def read_label_map(folder: Path) -> LabelMap:
    """The label map of a saved model; raises ModelError if there is none."""
    try:
        return LabelMap.from_dict(json.loads((Path(folder) / LABEL_MAP_FILE).read_text()))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} holds no {LABEL_MAP_FILE}: it was not written by DETR Lab.") from error
