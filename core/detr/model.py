"""Models as folders: load one, give it a head for the chosen classes, sort its parameters into groups, save it.

In: a checkpoint folder, a name on the Hugging Face hub, or one of `config.RANDOM_MODELS`. Out: a `Detector` of one of
the FAMILIES, whose class outputs are the chosen classes'.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from torch import nn

from core import ConfigError
from core.config import TrainConfig
from core.detr.families.base import Detector, Head, Part
from core.detr.families.conditional_detr import ConditionalDetr
from core.detr.families.d_fine import DFine
from core.detr.families.dab_detr import DabDetr
from core.detr.families.deformable_detr import DeformableDetr
from core.detr.families.deimv2 import Deimv2
from core.detr.families.detr import Detr
from core.detr.families.rf_detr import LwDetr, RfDetr
from core.detr.families.rt_detr import RTDetr, RTDetrV2
from core.detr.families.table_transformer import TableTransformer
from core.detr.families.yolos import Yolos
from core.detr.model_folder import LABEL_MAP_FILE, read_config
from core.detr.pretrained import find_model, model_folder
from core.detr.queries.groups import QueryGroups
from core.detr.small import RANDOM
from core.detr.sources.image_processor import write_image_processor
from core.detr.weights import load_detector
from core.labels import LabelMap

_FAMILIES = (
    Detr, ConditionalDetr, DeformableDetr, RfDetr, RTDetrV2, RTDetr, DFine, Deimv2, LwDetr, DabDetr, TableTransformer,
    Yolos,
)  # fmt: skip
FAMILIES: dict[str, type[Detector]] = {family.model_type: family for family in _FAMILIES}
SLOW_OFFSETS = 0.1  # of the transformer's learning rate, for where Deformable DETR looks (its main.py, lr_linear_proj)


def load_model(spec: str, label_map: LabelMap, dropout: float | None = None) -> tuple[Detector, Head]:
    """Return the model named by `spec`, with a head for the classes of `label_map`.

    Fresh rows come from torch's generator. `dropout` replaces the model's own. Raises ModelError if the model cannot be
    found, reached or read, or is of no family that is known.
    """
    if spec in RANDOM:
        return RANDOM[spec](label_map, dropout or 0.0), Head((), label_map.names)
    source = find_model(spec)
    folder = model_folder(source)
    config = read_config(folder, spec)
    detector = load_detector(FAMILIES[config.model_type], config, folder, dropout)
    return detector, detector.replace_head(label_map)


def use_query_groups(detector: Detector, count: int, seed: int) -> None:
    """Let a model have so many groups of queries while it is trained; 1 leaves it as it is.

    seed  of the noise by which the groups differ
    Raises ConfigError if its family cannot have more than its own.
    """
    if count == 1:
        return
    if detector.query_inputs is None:
        able = ", ".join(name for name, family in FAMILIES.items() if family.query_inputs)
        raise ConfigError(
            f"query_groups is {count}, but a model of the family {detector.model_type} has no other groups of queries "
            f"than its own: leave it at 1, or take a model of {able}."
        )
    detector.groups = QueryGroups(count, detector.num_queries, seed)


def parameter_groups(detector: Detector, config: TrainConfig) -> list[dict[str, Any]]:
    """Return AdamW's groups: each part with its learning rate; without decay what has one dimension: norms, biases.

    Every parameter that learns is in exactly one group; `freeze` and a learning rate of 0 take a part's out. Each group
    has the part's name as `name`; with `layer_decay` each stage of the backbone, or layer of a vision transformer, has
    groups of its own. The order of groups and parameters is stored: checkpoints count by it.
    """
    rates: dict[Part, float] = {
        "backbone": config.lr_backbone if config.freeze != "backbone" else 0.0,
        "transformer": config.lr,
        "offsets": config.lr * SLOW_OFFSETS,
        "head": config.lr_head,
    }
    parameters: dict[tuple[Part, float, float], list[nn.Parameter]] = {
        (part, decay, 1.0): [] for part in get_args(Part) for decay in (config.weight_decay, 0.0)
    }
    for name, parameter in detector.inner.named_parameters():
        part, names = detector.part_of(name), set(name.split("."))
        frozen = (config.freeze == "stem" and detector.is_stem(name)) or bool(names & detector.constants)
        parameter.requires_grad_(rates[part] > 0 and not frozen)
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim > 1 and not names & detector.undecayed else 0.0
            share = config.layer_decay ** detector.layers_above(name) if config.layer_decay < 1 else 1.0
            parameters.setdefault((part, decay, share), []).append(parameter)
    return [
        {"params": params, "lr": rates[part] * share, "weight_decay": decay, "name": part}
        for (part, decay, share), params in parameters.items()
        if params
    ]


def save_model(detector: Detector, label_map: LabelMap, folder: Path, config: TrainConfig | None = None) -> None:
    """Write the model as a `save_pretrained` folder (safetensors), with its label map beside it.

    With the `config` of its training transformers is told there how its pictures are made, too.
    """
    detector.save_pretrained(folder)
    (folder / LABEL_MAP_FILE).write_text(json.dumps(label_map.to_dict(), indent=1), encoding="utf-8")
    if config:
        normalization = detector.normalization
        write_image_processor(folder, detector.model_type, config, normalization.mean, normalization.std)
