"""DETR: load it, give it a head for the chosen classes, sort its parameters into groups, let it detect.

In: a checkpoint folder, a name on the Hugging Face hub, or "random". Out: transformers' DetrForObjectDetection with N+1
class outputs, and `Detections`. Losses and matcher are transformers' own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, DetrConfig, DetrForObjectDetection, ResNetConfig

from core import ModelError, RunError
from core.boxes import Detections, cxcywh_normalized_to_xyxy
from core.config import RANDOM_MODEL, TrainConfig
from core.labels import LabelMap

LABEL_MAP_FILE = "label_map.json"
DOWNLOADS = Path("checkpoints")  # where a copy of a hub model is looked for, as checkpoints/<owner>/<name>
LOSSES = ("loss", "loss_ce", "loss_bbox", "loss_giou")


@dataclass(frozen=True)
class Head:
    """How the classes of a new head began: `copied` from the loaded one by name, or `fresh` (random)."""

    copied: tuple[str, ...]
    fresh: tuple[str, ...]


def small_detr(label_map: LabelMap) -> DetrForObjectDetection:
    """A small DETR with random weights: 1.9 M parameters, stride-16 features, 30 queries; for 256-pixel pictures.

    Its norms are frozen, as in every DETR, so it learns slowly from nothing: see checkpoints/make_starter.py.
    """
    backbone = ResNetConfig(
        embedding_size=32, hidden_sizes=[32, 64, 128], depths=[1, 1, 2], layer_type="basic", out_features=["stage3"]
    )
    config = DetrConfig(
        backbone_config=backbone, use_timm_backbone=False, d_model=128, num_queries=30, dropout=0.0,
        encoder_layers=2, encoder_ffn_dim=512, encoder_attention_heads=4,
        decoder_layers=3, decoder_ffn_dim=512, decoder_attention_heads=4,
        num_labels=len(label_map), id2label=label_map.id2label, label2id=label_map.label2id, auxiliary_loss=True,
    )  # fmt: skip
    return DetrForObjectDetection(config)


def load_model(spec: str, label_map: LabelMap) -> tuple[DetrForObjectDetection, Head]:
    """The model named by `spec` with a head for the classes of `label_map`; fresh rows come from torch's generator.

    Raises ModelError if it cannot be found, reached or read, or is not a DETR.
    """
    if spec == RANDOM_MODEL:
        return small_detr(label_map), Head((), label_map.names)
    source = _find(spec)
    try:
        config = AutoConfig.from_pretrained(source)
        if config.model_type != "detr":
            raise ModelError(f"{spec} is a {config.model_type} model, but only DETR (model type detr) can be used.")
        config.auxiliary_loss = True  # off in the released configs, on in the published recipe
        model = DetrForObjectDetection.from_pretrained(source, config=config, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(_why_not(spec, source, error)) from error
    # training decides about this, from its learning rates
    model.requires_grad_(True)
    return model, replace_head(model, label_map)


def _find(spec: str) -> str:
    """The folder that `spec` names, else a downloaded copy under checkpoints/, else the name for the hub."""
    for folder in (Path(spec), DOWNLOADS / spec):
        if (folder / "config.json").is_file():
            return str(folder)
    is_folder = Path(spec).exists() or spec.count("/") > 1 or spec.startswith((".", "/", "~", f"{DOWNLOADS}/"))
    if is_folder:
        raise ModelError(f"There is no model in the folder {spec}: it should hold config.json and model.safetensors.")
    return spec


def _why_not(spec: str, source: str, error: Exception) -> str:
    if Path(source).is_dir():
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        return f"The model in {source} cannot be read ({first}): copy its folder again."
    return (
        f"The model {spec} is not on this machine and the Hugging Face hub did not give it: check the name and the "
        f"network, or put a downloaded copy into {DOWNLOADS / spec}/."
    )


def replace_head(model: DetrForObjectDetection, label_map: LabelMap) -> Head:
    """Give the model N+1 class outputs; rows of classes it knows by name, and "no object", are copied.

    So that a pretrained model starts where its training ended, and not from nothing (its other classes are dropped).
    """
    old, known = model.class_labels_classifier, {name: i for i, name in model.config.id2label.items()}
    copied = {i: known[name] for i, name in enumerate(label_map.names) if name in known}
    new = nn.Linear(old.in_features, len(label_map) + 1)
    copied_rows = {**copied, label_map.no_object: old.out_features - 1}
    with torch.no_grad():
        for row, source in copied_rows.items():
            new.weight[row] = old.weight[source]
            new.bias[row] = old.bias[source]
    model.class_labels_classifier = new
    model.config.id2label, model.config.label2id = label_map.id2label, label_map.label2id
    model.config.num_labels = len(label_map)
    names = label_map.names
    return Head(tuple(names[i] for i in copied), tuple(n for i, n in enumerate(names) if i not in copied))


def parameter_groups(model: DetrForObjectDetection, config: TrainConfig) -> list[dict]:
    """AdamW's groups: backbone, transformer and head, each with its learning rate, norms and biases without decay.

    Every parameter that learns is in exactly one group; a learning rate of 0 freezes its part. Each group has a `name`.
    """
    rates = {"backbone": config.lr_backbone, "transformer": config.lr, "head": config.lr_head}
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
        parameter.requires_grad_(rates[part] > 0)
        if parameter.requires_grad:
            decay = 0.0 if name in norms or name.endswith("bias") else config.weight_decay
            groups[part, decay]["params"].append(parameter)
    return [group for group in groups.values() if group["params"]]


def part_of(parameter_name: str) -> str:
    """Which part of DETR a parameter belongs to: backbone, transformer or head.

    >>> part_of("model.backbone.model.conv1.weight"), part_of("bbox_predictor.layers.0.bias")
    ('backbone', 'head')
    """
    if parameter_name.startswith("model.backbone."):
        return "backbone"
    return "head" if parameter_name.startswith(("class_labels_classifier.", "bbox_predictor.")) else "transformer"


def forward(model: DetrForObjectDetection, batch: dict, device: torch.device):
    """The model's output and its losses for one batch of the Collator: (output, {loss, loss_ce, loss_bbox, loss_giou}).

    `loss` is DETR's weighted sum over all decoder layers; the other three are the last layer's.
    Raises RunError, which names the images, if they are not finite numbers.
    """
    labels = [{key: value.to(device) for key, value in target.items()} for target in batch["labels"]]
    cause = None
    try:
        output = model(
            pixel_values=batch["pixel_values"].to(device, memory_format=torch.channels_last),
            pixel_mask=batch["pixel_mask"].to(device),
            labels=labels,
        )
    except ValueError as error:  # the matcher refuses boxes that are not numbers
        cause = error
    if cause or not torch.isfinite(output.loss):
        raise RunError(
            f"The model's losses are not finite numbers on the images {batch['image_id']}: its weights are broken, "
            "start again from an earlier checkpoint with a smaller learning rate."
        ) from cause
    return output, {"loss": output.loss, **{name: output.loss_dict[name] for name in LOSSES[1:]}}


@torch.no_grad()
def to_detections(logits: torch.Tensor, boxes: torch.Tensor, batch: dict) -> Detections:
    """DETR's answer as Detections, one row per query: its best class, but never "no object", and that class's score.

    logits (B, Q, N+1), boxes (B, Q, 4) normalised cxcywh
    (transformers, DetrImageProcessor.post_process_object_detection, at threshold 0).
    """
    scores, labels = logits.float().softmax(-1)[..., :-1].max(-1)  # (B, Q)
    scores, labels, boxes = scores.cpu().numpy(), labels.cpu().numpy(), boxes.float().cpu().numpy()
    queries = range(scores.shape[1])
    return Detections.concat(
        Detections(
            image_id=[image_id] * len(queries),
            query=queries,
            label=labels[row],
            score=scores[row],
            boxes=cxcywh_normalized_to_xyxy(boxes[row], batch["size"][row]),
        )
        for row, image_id in enumerate(batch["image_id"])
    )


def detect(
    model: DetrForObjectDetection, batches: Iterable[dict], device: torch.device
) -> Iterator[tuple[Detections, dict[str, float]]]:
    """Run the model over batches: for each its Detections at all scores, and its validation losses.

    The model is left in the mode (training or not) in which it was.
    """
    for batch in batches:
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            output, losses = forward(model, batch, device)
            found = to_detections(output.logits, output.pred_boxes, batch)
        model.train(was_training)
        yield found, {name: float(value) for name, value in losses.items()}


def save_model(model: DetrForObjectDetection, label_map: LabelMap, folder: Path) -> None:
    """The model as a `save_pretrained` folder (safetensors), with its label map beside it."""
    model.save_pretrained(folder)
    (folder / LABEL_MAP_FILE).write_text(json.dumps(label_map.to_dict(), indent=1))


def read_label_map(folder: Path) -> LabelMap:
    """The label map of a saved model; raises ModelError if there is none."""
    try:
        return LabelMap.from_dict(json.loads((Path(folder) / LABEL_MAP_FILE).read_text()))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} holds no {LABEL_MAP_FILE}: it was not written by DETR Lab.") from error
