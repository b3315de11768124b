"""The loops that are compared: ours, a plain one as transformers' users write it, and ours on batches that are ready.

In: a `Workbench` and a `Setting`. Out: generators that take a training step each time they are asked, and say how many
images it had and how long it waited for them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from itertools import count, cycle, islice
from typing import Any, NamedTuple, TypeVar

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from transformers import DetrImageProcessor

from bench.gpu.workbench import Setting, Workbench
from core.config import TrainConfig
from core.datasets.split import CocoSplit
from core.detr.input.batch import Batch
from core.detr.input.loader import step_loader
from core.training.remark import Remark

READY_STEPS = 8  # steps that the limit takes again and again

T = TypeVar("T")


class Step(NamedTuple):
    """A step that was taken: its images, and the seconds for which it waited for them."""

    images: int
    waited: float


def timed(batches: Iterable[T]) -> Generator[tuple[T, float]]:
    """Yield each of the batches with the seconds that it took to come."""
    iterator = iter(batches)
    while True:
        begin = time.perf_counter()
        batch = next(iterator, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - begin


def our_batches(bench: Workbench, setting: Setting) -> Generator[list[Batch]]:
    """Yield the batches of each step, epoch after epoch, as a training reads them."""
    data, readers = bench.dataset(setting.sizes), bench.readers(setting.batch)
    on_gpu = bench.device.type == "cuda"
    for epoch in count():
        data.epoch = epoch
        yield from step_loader(data, setting.batch, 1, epoch, workers=readers, pin_memory=on_gpu)


class OurLoop:
    """A `Stepper` and its data."""

    def __init__(self, bench: Workbench, setting: Setting) -> None:
        self.bench, self.setting = bench, setting
        self.stepper = bench.stepper(setting)
        self._ready: list[list[Batch]] = []
        self._number = count()

    def run(self) -> Generator[Step]:
        """Take steps on what the loader reads."""
        for batches, waited in timed(our_batches(self.bench, self.setting)):
            if len(self._ready) < READY_STEPS:
                self._ready.append(batches)
            yield self._step(batches, waited)

    def run_ready(self) -> Generator[Step]:
        """Take steps on the first batches of `run`, again and again: nothing is read, nothing is waited for."""
        self._ready = self._ready or list(islice(our_batches(self.bench, self.setting), READY_STEPS))
        for batches in cycle(self._ready):
            yield self._step(batches, 0.0)

    def remarks(self) -> list[Remark]:
        """Return what the training had to say, as that a batch was halved."""
        return self.stepper.remarks

    def _step(self, batches: list[Batch], waited: float) -> Step:
        self.stepper.step(next(self._number), batches)
        return Step(sum(len(batch["image_id"]) for batch in batches), waited)


class Pictures(Dataset[tuple[Image.Image, dict[str, Any]]]):
    """Pictures and their annotations, as `DetrImageProcessor` wants them."""

    def __init__(self, split: CocoSplit) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split.images)

    def __getitem__(self, index: int) -> tuple[Image.Image, dict[str, Any]]:
        info = self.split.images[index]
        image = Image.open(self.split.image_path(info)).convert("RGB")
        return image, {"image_id": info["id"], "annotations": self.split.annotations_by_image[info["id"]]}


class Processed:
    """Makes a batch of pictures with transformers' processor, in the process that reads."""

    def __init__(self, bench: Workbench) -> None:
        edges = {"shortest_edge": bench.scale.shortest_edge, "longest_edge": bench.scale.longest_edge}
        self.processor = DetrImageProcessor(size=edges)
        self.labels = {category: row for row, category in enumerate(bench.label_map.category_ids)}

    def __call__(self, samples: list[tuple[Image.Image, dict[str, Any]]]) -> dict[str, Any]:
        images, annotations = zip(*samples, strict=True)
        batch = self.processor(images=list(images), annotations=list(map(self._relabelled, annotations)),
                               return_tensors="pt")  # fmt: skip
        labels = [{name: one[name] for name in ("class_labels", "boxes")} for one in batch["labels"]]
        return {"pixel_values": batch["pixel_values"], "pixel_mask": batch["pixel_mask"], "labels": labels}

    def _relabelled(self, target: dict[str, Any]) -> dict[str, Any]:
        annotations = [{**a, "category_id": self.labels[a["category_id"]]} for a in target["annotations"]]
        return {**target, "annotations": annotations}


def plain_batches(bench: Workbench, setting: Setting) -> Generator[dict[str, Any]]:
    """Yield the batches of torch's loader of the same pictures, with as many reading processes as ours."""
    loader = DataLoader(
        Pictures(bench.splits[setting.sizes]), setting.batch, shuffle=True, drop_last=True,
        num_workers=bench.readers(setting.batch), collate_fn=Processed(bench), pin_memory=bench.device.type == "cuda",
        generator=torch.Generator(),
    )  # fmt: skip
    while True:
        yield from loader


def plain_loop(bench: Workbench, setting: Setting) -> Generator[Step]:
    """Take steps as a loop on transformers does: its processor, model and loss, autocast, clip, AdamW."""
    config, device = bench.config(setting), bench.device  # its precision holds for this loop, too
    model = bench.plain_model()
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=TrainConfig.lr, weight_decay=TrainConfig.weight_decay)
    for batch, waited in timed(plain_batches(bench, setting)):
        labels = [{name: value.to(device) for name, value in one.items()} for one in batch["labels"]]
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            pixels, mask = (batch[name].to(device, non_blocking=True) for name in ("pixel_values", "pixel_mask"))
            loss = model(pixel_values=pixels, pixel_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, TrainConfig.clip)
        optimizer.step()
        optimizer.zero_grad()
        yield Step(len(labels), waited)
