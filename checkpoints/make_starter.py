"""Make the starter model: `python -m checkpoints.make_starter` draws its data, warms it up and trains it.

Hours on two CPU cores, less with a GPU; what is done is kept, and the same command goes on from there. A small DETR
from nothing learns very slowly, for two reasons. Its backbone's norms are frozen, so it cannot start from random
weights; and a query's place enters the decoder through attention weights only, never through values, so the decoder
can say where a box is only after the image features themselves do. So there are three stages, each kept in
`checkpoints/starter-work/` and skipped when it is there:

1. Warm-up. Backbone (with trainable norms) and encoder learn a dense task: every cell of the feature map says the class
   of the object on it and that object's box in *absolute* coordinates, through DETR's own two heads.
2. Decoder. Its attention starts as copying: the queries' places form a grid, each query attends around its place, and
   values pass through unchanged, so that the heads at once say what the cells there say.
3. `core.training.train.train`, like any run, on the `day` look: the rounds of `RECIPE`, each from the best of the one
   before.

The best checkpoint by AP becomes `checkpoints/starter/`, with its figures on fresh day and dusk scenes beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm
from transformers.models.detr.modeling_detr import DetrFrozenBatchNorm2d

from core.boxes import Detections
from core.config import PRESETS, TrainConfig
from core.datasets.demo import DEMO_CLASSES, draw_dataset
from core.datasets.split import filter_to_classes, read_split
from core.detr.batch import Batch, ImageTargets
from core.detr.dataset import DetectionDataset
from core.detr.detect import detect
from core.detr.families.base import Detector
from core.detr.families.detr import Detr
from core.detr.loader import EpochOrder, loader
from core.detr.losses import giou
from core.detr.model import load_model, save_model, small_detr
from core.disk import atomic_folder, old_path
from core.evaluation.coco_eval import evaluate
from core.training.train import train

HERE = Path(__file__).resolve().parent
WORK, STARTER = HERE / "starter-work", HERE / "starter"
SIZE, STRIDE = (256, 192), 16
COLUMNS, ROWS = SIZE[0] // STRIDE, SIZE[1] // STRIDE
HELD_OUT = 500  # scenes that choose the best epoch, and as many others for the card's figures of each look
TEST_SEED = 8  # of the scenes that the card's figures come from: never learned from, never chosen by
GRID = (6, 5)  # the queries' places at the start
WARM_UP_STEPS = 3000
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
READERS = max(1, CORES - 2) if DEVICE.type == "cuda" else 0  # processes; a CPU computes more slowly than one reads


@dataclass(frozen=True)
class Round:
    """One training: on how many day scenes of which seed (it orders them, too), and how."""

    seed: int
    images: int
    epochs: int
    batch_size: int
    lr: float


RECIPE = (
    Round(seed=7, images=12000, epochs=6, batch_size=16, lr=3e-4),
    Round(seed=9, images=16000, epochs=6, batch_size=16, lr=3e-4),
    Round(seed=10, images=16000, epochs=6, batch_size=16, lr=3e-4),
    Round(seed=7, images=48000, epochs=4, batch_size=64, lr=4e-4),  # the first round's scenes and 36,000 more
)


def draw(look: str, train_images: int, val_images: int, seed: int) -> Path:
    """A demo data set for the starter; one that is there is kept."""
    folder = WORK / f"{look}-{train_images}-seed{seed}"
    with tqdm(desc=f"Drawing {look} scenes", unit="image", mininterval=5) as bar:
        for done, bar.total in draw_dataset(folder, look, train_images, val_images, seed, processes=CORES):
            bar.update(done - bar.n)
    return folder


def day_data(folder: Path, seed: int) -> DetectionDataset:
    split = read_split(folder, "train")
    return DetectionDataset(split, split.label_map(DEMO_CLASSES), SIZE[1], SIZE[0], augment="flip", seed=seed)


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
    """What each cell should say: class (R·C,), box cxcywh (R·C, 4), and weight (R·C,).

    A cell belongs to the smallest object whose inner 60 % hold the cell's centre; an object's cells share its weight.
    """
    x = ((torch.arange(COLUMNS) + 0.5) / COLUMNS).repeat(ROWS)
    y = ((torch.arange(ROWS) + 0.5) / ROWS).repeat_interleave(COLUMNS)
    boxes = labels["boxes"]
    if not len(boxes):
        return torch.full_like(x, no_object, dtype=torch.int64), torch.zeros(len(x), 4), torch.ones(len(x))
    cx, cy, w, h = boxes[:, :, None].unbind(1)  # each (n, 1)
    inside = ((x - cx).abs() <= 0.3 * w) & ((y - cy).abs() <= 0.3 * h)  # (n, R·C)
    own = (cy * ROWS).long().clamp(max=ROWS - 1) * COLUMNS + (cx * COLUMNS).long().clamp(max=COLUMNS - 1)
    inside.scatter_(1, own, True)  # also where no cell's centre lies in the object
    smallest = torch.where(inside, w * h, torch.inf).argmin(0)  # (R·C,)
    is_object = inside.any(0)
    classes = torch.where(is_object, labels["class_labels"][smallest], no_object)
    weights = torch.where(is_object, inside.sum(1).rsqrt()[smallest], 1.0)
    return classes, boxes[smallest] * is_object[:, None], weights


def dense_loss(model: Detr, batch: Batch) -> torch.Tensor:
    """The dense task's loss: weighted cross-entropy, L1 and GIoU, with DETR's own weights 5 and 2 for the boxes."""
    heads, detr, config = model.inner, model.inner.model, model.inner.config
    device = next(model.parameters()).device
    pixels = batch["pixel_values"].to(device, memory_format=torch.channels_last, non_blocking=True)
    features, mask = detr.backbone(pixels, batch["pixel_mask"].to(device, non_blocking=True))[-1]
    places = detr.position_embedding(shape=features.shape, device=features.device, dtype=features.dtype, mask=mask)
    memory = detr.encoder(
        inputs_embeds=detr.input_projection(features).flatten(2).transpose(1, 2),
        attention_mask=mask.flatten(1),
        spatial_position_embeddings=places.flatten(2).transpose(1, 2),
    ).last_hidden_state
    memory = F.layer_norm(memory, memory.shape[-1:])  # as the decoder's norms will
    logits, found = heads.class_labels_classifier(memory), heads.bbox_predictor(memory).sigmoid()
    targets = [dense_targets(labels, config.num_labels) for labels in batch["labels"]]
    classes, boxes, weights = (torch.stack(part).to(device) for part in zip(*targets, strict=True))
    is_object = classes < config.num_labels
    cell_weights = torch.where(is_object, 2 * weights, 0.25)
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none").view_as(classes)
    loss_ce = (cross_entropy * cell_weights).sum() / cell_weights.sum()
    weights = weights * is_object
    each = config.bbox_loss_coefficient * (found - boxes).abs().sum(-1)
    each = each + config.giou_loss_coefficient * (1 - giou(found, boxes))
    return 2 * loss_ce + (each * weights).sum() / weights.sum().clamp(min=1e-6)


def warm_up(folder: Path, steps: int, batch_size: int, lr: float, seed: int):
    """Stage 1: a small DETR whose backbone, encoder and heads have learned the dense task."""
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
            for batch in loader(data, batch_size, READERS, EpochOrder(len(data), seed, data.epoch)):
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
    """Make the decoder copy what the cells around each query's place say.

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
    """DETR's sine embedding (N, features) of positions (N,) in [0, 1] (DetrSinePositionEmbedding, normalised)."""
    wave = 10000 ** (2 * torch.div(torch.arange(features), 2, rounding_mode="floor") / features)
    angle = position[:, None] * 2 * math.pi / wave
    return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)


def day_scenes(one: Round) -> Path:
    return draw("day", one.images, HELD_OUT, one.seed)


def one_round(one: Round, model: Path, folder: Path) -> Path:
    """Stage 3: the project's own training in `folder`, resumed where it was interrupted; its best checkpoint by AP."""
    config = replace(
        PRESETS["Built-in demo"].apply(TrainConfig(data=str(day_scenes(one)), model=str(model))),
        epochs=one.epochs, batch_size=one.batch_size, lr=one.lr, lr_backbone=one.lr / 3, lr_head=one.lr,
        warmup_steps=200, schedule="cosine", clip=1.0, ema=0.0, seed=one.seed, workers=READERS,
    )  # fmt: skip
    resume = any((path / "config.json").is_file() for path in (folder / "last", old_path(folder / "last")))
    with tqdm(desc=f"Training in {folder.name}", unit="step", mininterval=30) as bar:
        for progress in train(config, folder, resume):
            bar.total = progress.steps or None
            bar.update(progress.step - bar.n)
            if progress.figures:
                bar.write(f"{folder.name}, epoch {progress.epoch}: AP {100 * progress.figures.AP:.1f}")
    return folder / "best"


def measure(checkpoint: Path, folder: Path) -> dict:
    """COCO's figures of a checkpoint on a data set's validation images."""
    split = read_split(folder, "val")
    label_map = split.label_map(DEMO_CLASSES)
    data = DetectionDataset(filter_to_classes(split, label_map.names, None), label_map, SIZE[1], SIZE[0])
    model, _ = load_model(str(checkpoint), label_map)
    found = Detections.concat(detect(model.to(DEVICE), loader(data, 16), DEVICE))
    return evaluate(data.split.to_dict(), found, label_map).to_dict()


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    parser.add_argument("--go-on", action="store_true", help="one round more, from the starter that is there")
    group = parser.add_argument_group("the round of --go-on")
    more = Round(seed=11, images=48000, epochs=4, batch_size=64, lr=4e-4)
    for name, default in asdict(more).items():
        group.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help="(default: %(default)s)"
        )
    options = parser.parse_args(arguments)
    if options.seed == TEST_SEED:
        parser.error(f"seed {TEST_SEED} makes the scenes of the card's figures: take another one")
    return options


def warmed_up() -> Path:
    """The checkpoint that the first round starts from, made if it is not there."""
    warm = WORK / "warm"
    if not warm.exists():
        first = RECIPE[0]
        model, label_map = warm_up(day_scenes(first), WARM_UP_STEPS, first.batch_size, 1e-3, first.seed)
        start_decoder(model)
        with atomic_folder(warm) as partial:
            save_model(model, label_map, partial)
    return warm


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.go_on:
        more = Round(*(getattr(options, f.name) for f in fields(Round)))
        best = one_round(more, STARTER, WORK / f"run-seed{more.seed}-{more.images}")
        rounds = [*json.loads((STARTER / "figures.json").read_text())["rounds"], asdict(more)]
    else:
        best, rounds = warmed_up(), [asdict(one) for one in RECIPE]
        for number, one in enumerate(RECIPE, 1):
            best = one_round(one, best, WORK / f"round{number}")
    # scenes that neither taught the model nor chose the best epoch
    figures = {look: measure(best, draw(look, 1, HELD_OUT, TEST_SEED)) for look in ("day", "dusk")}
    STARTER.mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors", "label_map.json"):
        shutil.copy(best / name, STARTER / name)
    record = {"warm_up_steps": WARM_UP_STEPS, "rounds": rounds, "figures": figures}
    (STARTER / "figures.json").write_text(json.dumps(record, indent=1) + "\n")
    print({look: round(100 * f["AP"], 1) for look, f in figures.items()})


if __name__ == "__main__":
    main()
