"""The loop that a user of transformers writes, and its `Trainer`: what a training here is compared with.

Written as transformers' example and notebooks of object detection do: a data set that gives what `DetrImageProcessor`
makes of a picture and its annotations, a collator that pads, the model with its labels, its loss, AdamW.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from core.config import TrainConfig
from core.datasets.split import CocoSplit
from core.labels import LabelMap


class Pictures(Dataset):
    """The images of a split as transformers' processor makes them: pixel_values (3, H, W) and labels."""

    def __init__(self, split: CocoSplit, label_map: LabelMap, processor) -> None:
        self.processor, self.paths, self.targets = processor, [], []
        for image in split.images:
            annotations = split.annotations_by_image[image["id"]]
            labels = label_map.to_labels([a["category_id"] for a in annotations]).tolist()
            named = [{**a, "category_id": label} for a, label in zip(annotations, labels, strict=True)]
            self.paths.append(split.image_path(image))
            self.targets.append({"image_id": image["id"], "annotations": named})

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        with Image.open(self.paths[index]) as image:
            encoding = self.processor(
                images=image.convert("RGB"), annotations=self.targets[index], return_tensors="pt", do_pad=False
            )
        return {"pixel_values": encoding["pixel_values"][0], "labels": encoding["labels"][0]}


def collate(processor, samples: list[dict[str, Any]]) -> dict[str, Any]:
    pictures = [sample["pixel_values"] for sample in samples]
    height, width = (max(picture.shape[side] for picture in pictures) for side in (1, 2))
    padded = [processor.pad(picture, (height, width))[:2] for picture in pictures]
    pixels, masks = (torch.stack(parts) for parts in zip(*padded, strict=True))
    return {"pixel_values": pixels, "pixel_mask": masks, "labels": [sample["labels"] for sample in samples]}


def optimizer_of(model: torch.nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW with one learning rate for the backbone and one for the rest."""
    parts: tuple[list, list] = ([], [])
    for name, parameter in model.named_parameters():
        parts["backbone" in name].append(parameter)
    rates = zip(parts, (config.lr, config.lr_backbone), strict=True)
    groups = [{"params": parameters, "lr": rate} for parameters, rate in rates]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


def plain_step(model: torch.nn.Module, batch: dict, optimizer: torch.optim.Optimizer, clip: float) -> float:
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def plain_loop(model: torch.nn.Module, pictures: Pictures, config: TrainConfig) -> None:
    batches = DataLoader(
        pictures, config.batch_size, shuffle=True, num_workers=config.workers,
        collate_fn=partial(collate, pictures.processor),
    )  # fmt: skip
    optimizer = optimizer_of(model, config)
    for _ in range(config.epochs):
        for batch in batches:
            plain_step(model, batch, optimizer, config.clip)


def trainer_loop(model: torch.nn.Module, pictures: Pictures, config: TrainConfig, folder: Path) -> None:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=config.epochs, per_device_train_batch_size=config.batch_size,
        dataloader_num_workers=config.workers, learning_rate=config.lr, weight_decay=config.weight_decay,
        max_grad_norm=config.clip, remove_unused_columns=False, save_strategy="no", logging_strategy="no",
        report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    trainer = Trainer(model, arguments, partial(collate, pictures.processor), pictures)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
