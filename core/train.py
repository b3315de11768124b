"""The training loop of DETR: a generator of Progress.

    for progress in train(config, folder):
        …

In: a TrainConfig. Out: Progress after every step and every evaluation, and the checkpoints `last` and `best` (by AP) in
`folder`. To stop is to stop iterating: `finally` leaves a checkpoint that `train(…, resume=True)` goes on from. There
are no callbacks: the background thread, the command line and the tests all drive this same generator.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core import ConfigError, ModelError, RunError
from core.boxes import Detections
from core.coco import CocoSplit, filter_to_classes, read_split
from core.config import TrainConfig
from core.data import DetectionDataset, EpochOrder, loader
from core.evaluate import evaluate
from core.model import LOSSES, DetrForObjectDetection, detect, forward, load_model, parameter_groups, save_model
from core.progress import Progress

STATE_FILE = "trainer.pt"
RECENT = 20  # steps over which speed is measured


def choose_device(name: str) -> torch.device:
    """The device that `auto` means here, or the named one; raises ConfigError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[name]:
        raise ConfigError(f"The device {name} is not available on this machine: choose auto or cpu.")
    return torch.device(name)


def learning_rate_factor(step: int, steps: int, config: TrainConfig) -> float:
    """By what the learning rates are multiplied at `step` (from 0) of `steps`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "step":
        return 0.1 if step >= 0.8 * steps else 1.0
    if config.schedule == "cosine":
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1.0


class _Generator:
    """A random state of the training's own, swapped in for torch's while a step runs.

    So that seeding a training does not seed its caller, and a checkpoint can hold the state.
    """

    def __init__(self, seed: int, device: torch.device):
        self.cuda = device.type == "cuda"
        with self.swapped(fresh=True):
            torch.manual_seed(seed)

    @contextmanager
    def swapped(self, fresh: bool = False):
        outside = self._read()
        if not fresh:
            self.load(self.state)
        try:
            yield
        finally:
            self.state = self._read()
            self.load(outside)

    def _read(self) -> dict:
        return {"cpu": torch.get_rng_state(), **({"cuda": torch.cuda.get_rng_state()} if self.cuda else {})}

    def load(self, state: dict) -> None:
        torch.set_rng_state(state["cpu"])
        if self.cuda:
            torch.cuda.set_rng_state(state["cuda"])


class _Training:
    """Everything that a training holds while it runs; `train` below tells its story."""

    def __init__(self, config: TrainConfig, folder: Path, resume: bool):
        self.config, self.folder = config, folder
        self.device = choose_device(config.device)
        self.generator = _Generator(config.seed, self.device)
        train_split, val_split = read_split(config.data, "train"), read_split(config.data, "val")
        self.label_map = train_split.label_map(list(config.classes))
        share = None if config.empty_share == 1 else config.empty_share
        names = list(self.label_map.names)
        self.train_data = self._dataset(filter_to_classes(train_split, names, share, config.seed), config.flip)
        self.val_data = self._dataset(filter_to_classes(val_split, names, None), flip=False)
        if not self.train_data or not self.val_data:
            raise ConfigError(f"{config.data} has no image of the chosen classes in train or in val: choose others.")
        self.epoch, self.step, self.best_ap = 0, 0, -1.0
        self.evaluated: int | None = None  # the last epoch that was evaluated; 0 is the untouched model
        self.per_epoch = math.ceil(len(self.train_data) / config.batch_size)
        self.steps = self.per_epoch * config.epochs
        self.durations: deque[float] = deque(maxlen=RECENT)
        self.evaluation_seconds = 0.0
        source = str(latest(folder)) if resume else config.model
        with self.generator.swapped():
            self.model = self._load(source)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model, config), lr=config.lr)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        if resume:
            self._restore(latest(folder))

    def _dataset(self, split: CocoSplit, flip: bool) -> DetectionDataset:
        c = self.config
        return DetectionDataset(split, self.label_map, c.shortest_edge, c.longest_edge, flip, c.seed)

    def _load(self, source: str) -> DetrForObjectDetection:
        model, _ = load_model(source, self.label_map)
        # channels last: 1.3 to 1.7 times as fast on a CPU, and what tensor cores read
        return model.to(self.device, memory_format=torch.channels_last)

    def progress(self, kind: str, message: str = "", **news) -> Progress:
        per_step = sum(self.durations) / len(self.durations) if self.durations else None
        evaluations = math.ceil((self.config.epochs - (self.evaluated or 0)) / self.config.eval_every)
        return Progress(
            kind, self.epoch, self.config.epochs, self.step, self.steps, message,
            images_per_second=self.config.batch_size / per_step if per_step else None,
            seconds_left=per_step and per_step * (self.steps - self.step) + evaluations * self.evaluation_seconds,
            label_map=self.label_map, **news,
        )  # fmt: skip

    def one_step(self, batch: dict) -> dict[str, float]:
        """Forward, backward, clip, update: the metrics of one step."""
        factor = learning_rate_factor(self.step, self.steps, self.config)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        with self.generator.swapped():
            _, losses = forward(self.model, batch, self.device)
            losses["loss"].backward()
        learning = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(learning, self.config.clip or math.inf)
        if not torch.isfinite(norm):  # before it reaches the weights, so that the last checkpoint stays usable
            raise RunError(
                f"The gradient was not a finite number at step {self.step + 1} (images {batch['image_id']}): "
                "take a smaller learning rate, or look at these images' boxes."
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        values = torch.stack([losses[name].detach().float() for name in LOSSES] + [norm.float()]).tolist()
        metrics = {f"train/{name}": value for name, value in zip(LOSSES, values, strict=False)}
        return {**metrics, "train/grad_norm": values[-1], "train/lr": self.config.lr * factor}

    def one_epoch(self) -> Iterator[Progress]:
        """The rest of the current epoch, a Progress after each step."""
        config = self.config
        start = (self.step - self.epoch * self.per_epoch) * config.batch_size
        self.train_data.epoch = self.epoch
        order = EpochOrder(len(self.train_data), config.seed, self.epoch, start)
        self.model.train()
        begin = time.perf_counter()
        for batch in loader(self.train_data, config.batch_size, config.workers, order):
            metrics = self.one_step(batch)
            now = time.perf_counter()
            self.durations.append(now - begin)
            begin = now
            metrics["train/images_per_second"] = len(batch["image_id"]) / self.durations[-1]
            yield self.progress("step", metrics=metrics)
            begin += time.perf_counter() - now  # what the caller does between the steps is not training
        self.epoch += 1

    def is_due(self) -> bool:
        """Whether the model as it is now is to be evaluated: untouched, every `eval_every` epochs, and at the end."""
        if self.step % self.per_epoch or self.evaluated == self.epoch:
            return False
        return self.epoch % self.config.eval_every == 0 or self.epoch == self.config.epochs

    def evaluation(self) -> Iterator[Progress]:
        """Evaluate on the validation images; the last Progress carries figures, detections and validation losses."""
        kind = "epoch" if self.epoch else "baseline"
        begin = time.perf_counter()
        parts, sums, images = [], dict.fromkeys(LOSSES, 0.0), 0
        batches = loader(self.val_data, self.config.batch_size, self.config.workers)
        for detections, losses in detect(self.model, batches, self.device):
            size = len(set(detections.image_id.tolist()))
            parts.append(detections)
            sums = {name: sums[name] + losses[name] * size for name in LOSSES}
            images += size
            yield self.progress("evaluating", f"Evaluating image {images} of {len(self.val_data)}")
        found = Detections.concat(parts)
        truths = self.val_data.split.to_dict()
        figures = evaluate(truths, found, self.label_map)
        self.evaluation_seconds = time.perf_counter() - begin
        self.evaluated = self.epoch
        metrics = {f"val/{name}": value / images for name, value in sums.items()}
        twelve = {k: v for k, v in figures.to_dict().items() if k != "per_class"}
        metrics |= {f"val/{name}": value for name, value in twelve.items() if value is not None}
        metrics |= {f"val/AP/{name}": value for name, value in figures.per_class.items() if value is not None}
        is_best = kind == "epoch" and (figures.AP or 0.0) > self.best_ap
        if is_best:
            self.best_ap = figures.AP or 0.0
            self.save("best")
        news = {"figures": figures, "detections": found, "ground_truth": truths, "is_best": is_best}
        yield self.progress(kind, metrics=metrics, **news)

    def save(self, name: str) -> None:
        """Write a checkpoint under a temporary name, then put it in its place: a reader never sees half of one."""
        final, fresh, old = (self.folder / (name + suffix) for suffix in ("", ".new", ".old"))
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save_model(self.model, self.label_map, fresh)
        state = {
            "epoch": self.epoch, "step": self.step, "best_ap": self.best_ap, "evaluated": self.evaluated,
            "random": self.generator.state, "optimizer": self.optimizer.state_dict(), "config": self.config.to_dict(),
        }  # fmt: skip
        torch.save(state, fresh / STATE_FILE)
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            os.replace(final, old)
        os.replace(fresh, final)
        shutil.rmtree(old, ignore_errors=True)

    def _restore(self, checkpoint: Path) -> None:
        try:
            state = torch.load(checkpoint / STATE_FILE, weights_only=True, map_location="cpu")
            self.optimizer.load_state_dict(state["optimizer"])
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise ModelError(f"{checkpoint / STATE_FILE} cannot be read: the training cannot be resumed.") from error
        self.epoch, self.step, self.best_ap = state["epoch"], state["step"], state["best_ap"]
        self.evaluated, self.generator.state = state["evaluated"], state["random"]


def latest(folder: Path) -> Path:
    """The checkpoint `last`, or the one before it if the machine stopped between its two renames.

    Raises ModelError if there is none.
    """
    for name in ("last", "last.old"):
        if (folder / name / "config.json").is_file():
            return folder / name
    raise ModelError(f"{folder} holds no checkpoint: there is nothing to resume or evaluate.")


def train(config: TrainConfig, folder: Path, resume: bool = False) -> Iterator[Progress]:
    """Fine-tune as `config` says; checkpoints go to `folder`. With `resume`, go on from `folder`/last.

    Yields Progress; every training evaluates the untouched model before its first step.
    Raises ConfigError, DataError or ModelError before the first step, DataError when a picture cannot be read.
    """
    yield Progress("loading", 0, config.epochs, 0, 0, "Loading model and data")
    training = _Training(config, Path(folder), resume)
    finished = False
    try:
        while not finished:
            if training.is_due():
                yield from training.evaluation()
            if training.epoch:
                training.save("last")
            finished = training.epoch == config.epochs
            if not finished:
                yield from training.one_epoch()
    finally:
        if not finished:
            training.save("last")
