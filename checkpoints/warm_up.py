"""Stages 1 and 2 of the starter model: a warm-up on a dense task, and a decoder that starts as copying.

In: a folder of day scenes. Out: a small DETR that says where boxes are before its first training. Apart from
`make_starter.py`, which says why both are needed, because that is the recipe, and this is how it begins.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm
from transformers.models.detr.modeling_detr import DetrFrozenBatchNorm2d

from core.datasets.demo import DEMO_CLASSES
from core.datasets.split import read_split
from core.detr.families.base import Detector
from core.detr.families.detr import Detr
from core.detr.input.batch import Batch, ImageTargets
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.input.order import epoch_order
from core.detr.matching import giou
from core.detr.small import small_detr
from core.labels import LabelMap

SIZE, STRIDE = (256, 192), 16
COLUMNS, ROWS = SIZE[0] // STRIDE, SIZE[1] // STRIDE
GRID = (6, 5)  # the queries' places at the start
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
READERS = max(1, CORES - 2) if DEVICE.type == "cuda" else 0  # processes; a CPU computes more slowly than one reads


def day_data(folder: Path, seed: int) -> DetectionDataset:
    split = read_split(folder, "train")
    return DetectionDataset(split, split.label_map(DEMO_CLASSES), SIZE[1], SIZE[0], augment=("flip",), seed=seed)


def swap_norms(module: nn.Module, old: type, new: type) -> None:
    """Replace every norm of one kind by the other, with its weights and statistics."""
    for name, child in module.named_children():
        if isinstance(child, old):
            fresh = new(child.weight.numel())
            for part in ("weight", "bias", "running_mean", "running_var"):
                getattr(fresh, part).data.copy_(getattr(child, part).data)
            setattr(module, name, fresh)
        else:
            swap_norms(child, old, new)


def dense_targets(labels: ImageTargets, no_object: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what each cell should say: class (R·C,), box cxcywh (R·C, 4), and weight (R·C,).

    A cell belongs to the smallest object whose inner 60 % hold the cell's centre; an object's cells share its weight.
    """
    x = ((torch.arange(COLUMNS) + 0.5) / COLUMNS).repeat(ROWS)
    y = ((torch.arange(ROWS) + 0.5) / ROWS).repeat_interleave(COLUMNS)
    boxes = labels["boxes"]
    if not len(boxes):
        return torch.full_like(x, no_object, dtype=torch.int64), torch.zeros(len(x), 4), torch.ones(len(x))
    cx, cy, w, h = boxes[:, :, None].unbind(1)  # each (n, 1)
    inside = ((x - cx).abs() <= 0.3 * w) & ((y - cy).abs() <= 0.3 * h)  # (n, R·C)
    centre = (cy * ROWS).long().clamp(max=ROWS - 1) * COLUMNS + (cx * COLUMNS).long().clamp(max=COLUMNS - 1)
    inside.scatter_(1, centre, True)  # also where no cell's centre lies in the object
    smallest = torch.where(inside, w * h, torch.inf).argmin(0)  # (R·C,)
    is_object = inside.any(0)
    classes = torch.where(is_object, labels["class_labels"][smallest], no_object)
    weights = torch.where(is_object, inside.sum(1).rsqrt()[smallest], 1.0)
    return classes, boxes[smallest] * is_object[:, None], weights


def dense_loss(model: Detr, batch: Batch) -> torch.Tensor:
    """Return the dense task's loss: weighted cross-entropy, L1 and GIoU, the latter two with DETR's weights 5 and 2."""
    heads, detr, config = model.inner, model.inner.model, model.inner.config
    device = next(model.parameters()).device
    mask = batch["pixel_mask"].to(device, non_blocking=True)
    values = model.normalize(batch["pixel_values"].to(device, non_blocking=True), mask)
    features, mask = detr.backbone(values, mask)[-1]
    places = detr.position_embedding(shape=features.shape, device=features.device, dtype=features.dtype, mask=mask)
    memory = detr.encoder(
        inputs_embeds=detr.input_projection(features).flatten(2).transpose(1, 2),
        attention_mask=mask.flatten(1),
        spatial_position_embeddings=places.flatten(2).transpose(1, 2),
    ).last_hidden_state
    memory = F.layer_norm(memory, memory.shape[-1:])  # as the decoder's norms will
    logits, predicted = heads.class_labels_classifier(memory), heads.bbox_predictor(memory).sigmoid()
    targets = [dense_targets(labels, config.num_labels) for labels in batch["labels"]]
    classes, boxes, weights = (torch.stack(part).to(device) for part in zip(*targets, strict=True))
    is_object = classes < config.num_labels
    cell_weights = torch.where(is_object, 2 * weights, 0.25)
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none").view_as(classes)
    loss_ce = (cross_entropy * cell_weights).sum() / cell_weights.sum()
    weights = weights * is_object
    each = config.bbox_loss_coefficient * (predicted - boxes).abs().sum(-1)
    each = each + config.giou_loss_coefficient * (1 - giou(predicted, boxes))
    return 2 * loss_ce + (each * weights).sum() / weights.sum().clamp(min=1e-6)


def warm_up(folder: Path, steps: int, batch_size: int, lr: float, seed: int) -> tuple[Detector, LabelMap]:
    """Return a small DETR whose backbone, encoder and heads have learned the dense task (stage 1)."""
    torch.manual_seed(seed)
    data = day_data(folder, seed)
    model = small_detr(data.label_map).train()
    swap_norms(model.backbone, DetrFrozenBatchNorm2d, nn.BatchNorm2d)
    model.to(DEVICE).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    with tqdm(total=steps, desc="Warm-up", unit="step", mininterval=5) as bar:
        while bar.n < steps:
            data.epoch += 1
            for batch in loader(data, batch_size, READERS, epoch_order(len(data), seed, data.epoch)):
                loss = dense_loss(model, batch)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                if bar.n % 50 == 0:
                    bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                bar.update()
                if bar.n == steps:
                    break
    model.cpu()
    swap_norms(model.backbone, nn.BatchNorm2d, DetrFrozenBatchNorm2d)
    return model, data.label_map


@torch.no_grad()
def start_decoder(model: Detector, sharpness: float = 4.0) -> None:
    """Make the decoder copy what the cells around each query's place say (stage 2).

    Queries and keys meet through one matrix that deals the sine embedding's frequencies of y and x out to all heads, so
    that every head attends around the query's place; values pass unchanged.
    """
    detr, config = model.inner.model, model.inner.config
    width, heads = config.d_model, config.decoder_attention_heads
    x = ((torch.arange(GRID[0]) + 0.5) / GRID[0]).repeat(GRID[1])
    y = ((torch.arange(GRID[1]) + 0.5) / GRID[1]).repeat_interleave(GRID[0])
    # a cell's embedding is that of its far edge (DetrSinePositionEmbedding counts from 1)
    places = torch.cat([sine(y + 0.5 / ROWS, width // 2), sine(x + 0.5 / COLUMNS, width // 2)], dim=1)
    detr.query_position_embeddings.weight.copy_(places)
    dealt = torch.cat([torch.tensor([2 * p, 2 * p + 1]) for h in range(heads) for p in range(h, width // 2, heads)])
    identity = torch.eye(width)
    for layer in detr.decoder.layers:
        cross = layer.encoder_attn
        weights = {"q_proj": sharpness * identity[dealt], "k_proj": identity[dealt], "v_proj": identity}
        for name, weight in {**weights, "o_proj": identity}.items():
            getattr(cross, name).weight.copy_(weight)
            getattr(cross, name).bias.zero_()
        # what the layer adds besides starts small
        for part in (layer.self_attn.o_proj, layer.mlp.fc2):
            part.weight.mul_(0.1)
            part.bias.zero_()
        layer.self_attn.v_proj.bias.zero_()


def sine(position: torch.Tensor, features: int) -> torch.Tensor:
    """Return DETR's sine embedding (N, features) of positions (N,) in [0, 1]: DetrSinePositionEmbedding, normalised."""
    wave = 10000 ** (2 * torch.div(torch.arange(features), 2, rounding_mode="floor") / features)
    angle = position[:, None] * 2 * math.pi / wave
    return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)
