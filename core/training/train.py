"""The training of a DETR: a generator of Progress.

    for progress in train(config, folder):
        …

In: a TrainConfig. Out: Progress after every step and every evaluation, and the checkpoints `last` and `best` (by AP) in
`folder`. To stop is to stop iterating: `finally` leaves a checkpoint that `train(…, resume=True)` goes on from. There
are no callbacks: the background thread, the command line and the tests all drive this same generator.

Processes that train together (`distributed.py`) all run it; the first one's Progress counts, and only it writes.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from pathlib import Path

import torch

from core import ConfigError, ModelError, RunError
from core.boxes import Detections
from core.config import TrainConfig
from core.datasets.check import sound_splits
from core.datasets.problems import Problem
from core.datasets.split import CocoSplit, filter_to_classes, read_split
from core.detr.dataset import DetectionDataset, loader, step_loader
from core.detr.detect import detect
from core.detr.device import choose_device, gpu_metrics
from core.detr.losses import LossSums
from core.detr.model import feature_stride, load_model
from core.evaluation.coco_eval import CocoFigures, evaluate
from core.evaluation.table import ModelInput
from core.keep_result import KeepResult
from core.training.batch_picture import draw_batch
from core.training.checkpoint import latest, read_state, save
from core.training.distributed import ProcessGroup, Stopped
from core.training.preflight import check_data, check_disk, check_first_batch, check_mapping, check_queries
from core.training.profiler import StepProfiler
from core.training.progress import Progress, Remark
from core.training.step import Stepper, deterministic, seeded

RECENT = 20  # steps over which speed is measured
COUNTED_SCORE = 0.3  # from which a detection counts as a prediction in val/predicted
FRESH_WEIGHTS = 2**32  # where a step's number stands: the random numbers of fresh weights


class _Training:
    """Everything that a training holds while it runs; `train` below tells its story."""

    def __init__(self, config: TrainConfig, folder: Path, resume: bool, splits: tuple[CocoSplit, CocoSplit, list]):
        self.config, self.folder = config, folder
        self.processes = ProcessGroup(use_cpu=config.device == "cpu" or not torch.cuda.is_available())
        self.device = choose_device(config.device, self.processes.local_rank)
        train_split, val_split, self.problems = splits
        self.label_map = train_split.label_map(list(config.classes))
        share = None if config.empty_share == 1 else config.empty_share
        names = list(self.label_map.names)
        self.train_data = self._dataset(filter_to_classes(train_split, names, share, config.seed), config.augment)
        self.val_data = self._dataset(filter_to_classes(val_split, names, None), "none")
        if not self.train_data or not self.val_data:
            raise ConfigError(f"{config.data} has no image of the chosen classes in train or in val: choose others.")
        self.epoch, self.step, self.best_ap = 0, 0, -1.0
        self.since_best = 0  # evaluations without a better AP
        self.evaluated: int | None = None  # the last epoch that was evaluated; 0 is the untouched model
        self.images_per_step = config.batch_size * config.accumulate * self.processes.world_size
        self.per_epoch = math.ceil(len(self.train_data) / self.images_per_step)
        self.steps = self.per_epoch * config.epochs
        self.durations: deque[float] = deque(maxlen=RECENT)
        self.evaluation_seconds = 0.0
        with seeded(config.seed, FRESH_WEIGHTS, device=self.device):
            model, _ = load_model(str(latest(folder)) if resume else config.model, self.label_map, config.dropout)
        # channels last: 1.3 to 1.7 times as fast on a CPU, and what tensor cores read
        model = model.to(self.device, memory_format=torch.channels_last)
        self.model_input = ModelInput(config.shortest_edge, config.longest_edge, feature_stride(model))
        self.stepper = Stepper(model, config, self.steps, self.device, self.processes)
        if resume:
            self._restore(latest(folder))
        self.profiler = StepProfiler(
            config.profile and self.processes.is_main_process, self.device, self.steps - self.step
        )

    def _dataset(self, split: CocoSplit, augment: str) -> DetectionDataset:
        c = self.config
        return DetectionDataset(split, self.label_map, c.shortest_edge, c.longest_edge, augment, c.seed)

    def progress(self, kind: str, message: str = "", **news) -> Progress:
        per_step = sum(self.durations) / len(self.durations) if self.durations else None
        evaluations = math.ceil((self.config.epochs - (self.evaluated or 0)) / self.config.eval_every)
        return Progress(
            kind, self.epoch, self.config.epochs, self.step, self.steps, message,
            images_per_second=self.images_per_step / per_step if per_step else None,
            seconds_left=per_step and per_step * (self.steps - self.step) + evaluations * self.evaluation_seconds,
            label_map=self.label_map, **news,
        )  # fmt: skip

    def _steps(self, start: int):
        """This process's share of the images of each step of the current epoch, from step `start` of it on."""
        c = self.config
        self.train_data.epoch = self.epoch
        return step_loader(
            self.train_data, c.batch_size, c.accumulate, self.epoch, start, c.workers, self.processes.rank,
            self.processes.world_size, pin_memory=self.device.type == "cuda", seed=c.seed,
        )  # fmt: skip

    def preflight(self) -> Iterator[Progress]:
        """The checks before the first step; raises RunError with the evidence of the first one that fails."""
        yield self.progress("preflight", "Pre-flight: reading the first batch")
        batches = next(iter(self._steps(0)))
        yield self.progress("preflight", "Pre-flight: checking data, model and disk")
        model = self.stepper.model
        checks = (
            check_data(self.problems),
            check_disk(self.folder, model, bool(self.config.ema)),
            check_mapping(self.val_data, self.label_map),
            check_queries([self.train_data.split, self.val_data.split], self.label_map, model.config.num_queries),
            check_first_batch(self.stepper, batches),
        )
        picture = draw_batch(batches[0], self.label_map.names)
        yield self.progress("preflight", "Pre-flight done", checks=checks, picture=picture)
        for check in checks:
            if not check.ok:
                raise RunError(f"The pre-flight stopped the training. {check.name}: {check.evidence}")

    def one_epoch(self) -> Iterator[Progress]:
        """The rest of the current epoch, a Progress after each step."""
        start = self.step - self.epoch * self.per_epoch
        self.stepper.model.train()
        self.profiler.before()
        begin = time.perf_counter()
        for batches in self._steps(start):
            waited = time.perf_counter() - begin
            with self.processes.collective():
                metrics = self.stepper.step(self.step, batches)
            images = min(self.images_per_step, len(self.train_data) - start * self.images_per_step)
            self.step, start = self.step + 1, start + 1
            seconds = time.perf_counter() - begin
            self.durations.append(seconds)
            metrics |= {"train/images_per_second": images / seconds, "train/wait": waited / seconds}
            metrics |= gpu_metrics(self.device, ask_driver=self.step % RECENT == 0)
            remarks, self.stepper.remarks = tuple(self.stepper.remarks), []
            yield self.progress("step", metrics=metrics, remarks=remarks, profile=self.profiler.after())
            self.profiler.before()
            begin = time.perf_counter()  # what the caller does between the steps is not training
        self.epoch += 1

    def is_due(self) -> bool:
        """Whether the model as it is now is to be evaluated: untouched, every `eval_every` epochs, and at the end."""
        if self.step % self.per_epoch or self.evaluated == self.epoch:
            return False
        return self.epoch % self.config.eval_every == 0 or self.epoch == self.config.epochs

    def evaluation(self) -> Iterator[Progress]:
        """Evaluate on the validation images; the last Progress carries figures, detections and validation losses."""
        begin = time.perf_counter()
        parts, losses, images = [], LossSums(self.stepper.loss_config), 0
        own = range(self.processes.rank, len(self.val_data), self.processes.world_size)
        batches = loader(self.val_data, self.config.batch_size, self.config.workers, list(own))
        with deterministic(self.config.deterministic):
            for found in detect(self.stepper.evaluated, batches, self.device, losses, self.config.precision):
                parts.append(found)
                images += len(set(found.image_id.tolist())) * self.processes.world_size
                so_far = min(images, len(self.val_data))
                yield self.progress("evaluating", f"Evaluating image {so_far} of {len(self.val_data)}")
        with self.processes.collective():
            shares = self.processes.all_gather((Detections.concat(parts), losses.sums, losses.normalizers))
            figures = self._figures(shares) if self.processes.is_main_process else None
            ap = self.processes.all_gather(figures and (figures[0].AP or 0.0))[0]
        self.evaluation_seconds = time.perf_counter() - begin
        self.evaluated = self.epoch
        is_best = self.epoch > 0 and ap > self.best_ap
        self.since_best = 0 if is_best or not self.epoch else self.since_best + 1
        if is_best:
            self.best_ap = ap
            self.save("best")
        if figures:
            found, metrics = figures[1:]
            yield self.progress(
                "epoch" if self.epoch else "baseline", metrics=metrics, figures=figures[0], detections=found,
                ground_truth=self.val_data.split.to_dict(), model_input=self.model_input, is_best=is_best,
                remarks=self._about_stopping(),
            )  # fmt: skip

    def _figures(self, shares: list[tuple]) -> tuple[CocoFigures, Detections, dict[str, float]]:
        """Of all processes' shares: COCO's figures, the detections in the images' order, and the metrics."""
        losses = LossSums(self.stepper.loss_config)
        for _, sums, normalizers in shares:
            losses.take(sums, normalizers)
        found = Detections.concat(share[0] for share in shares)
        place = {image["id"]: i for i, image in enumerate(self.val_data.split.images)}
        found = found[sorted(range(len(found)), key=lambda row: place[int(found.image_id[row])])]
        truths, images = self.val_data.split.to_dict(), len(self.val_data)
        figures = evaluate(truths, found, self.label_map)
        metrics = {f"val/{name}": value for name, value in losses.values().items()}
        twelve = {k: v for k, v in figures.to_dict().items() if k != "per_class"}
        metrics |= {f"val/{name}": value for name, value in twelve.items() if value is not None}
        metrics |= {f"val/AP/{name}": value for name, value in figures.per_class.items() if value is not None}
        predicted = Counter(found.label[found.score >= COUNTED_SCORE].tolist())
        metrics |= {f"val/predicted/{name}": float(predicted[i]) for i, name in enumerate(self.label_map.names)}
        metrics["val/predicted"] = predicted.total() / images
        metrics["val/truths"] = sum(not a["iscrowd"] for a in truths["annotations"]) / images
        return figures, found, metrics

    def is_over(self) -> bool:
        return self.epoch == self.config.epochs or self._has_stalled()

    def _has_stalled(self) -> bool:
        return 0 < self.config.early_stopping <= self.since_best

    def _about_stopping(self) -> tuple[Remark, ...]:
        if not self._has_stalled() or self.epoch == self.config.epochs:
            return ()
        return (
            Remark(
                "stopped_early",
                "info",
                f"Stopped early, after {self.epoch} of {self.config.epochs} epochs",
                f"AP had not risen for {self.since_best} evaluations, as the setting “Stop early after” asks.",
                f"Best AP {100 * self.best_ap:.1f}.",
                "To go on longer, raise “Stop early after”.",
                self.step,
            ),
        )

    def save(self, name: str) -> None:
        """Write the checkpoint `name`, from which this training could go on."""
        if not self.processes.is_main_process:
            return
        state = {
            "epoch": self.epoch, "step": self.step, "best_ap": self.best_ap, "evaluated": self.evaluated,
            "since_best": self.since_best, "config": self.config.to_dict(), **self.stepper.state(),
        }  # fmt: skip
        save(self.folder, name, self.stepper.evaluated, self.label_map, state)

    def _restore(self, checkpoint: Path) -> None:
        state = read_state(checkpoint)
        try:
            self.stepper.restore(state)
            for name in ("epoch", "step", "best_ap", "evaluated", "since_best"):
                setattr(self, name, state[name])
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError(
                f"{checkpoint} was saved by a training with other settings or by another version, so it cannot be "
                "resumed: train again, starting from it."
            ) from error

    def tidy(self) -> None:
        """At the end only the checkpoints that are to be kept stay."""
        dropped = {"best": "last", "last": "best"}.get(self.config.keep)
        if self.processes.is_main_process and dropped and (self.folder / self.config.keep).is_dir():
            shutil.rmtree(self.folder / dropped, ignore_errors=True)


def _sound_splits(config: TrainConfig) -> Generator[Progress, None, tuple[CocoSplit, CocoSplit, list[Problem]]]:
    """Both splits without what cannot be used, and the problems that were found; says how far it is."""
    yield Progress("loading", 0, config.epochs, 0, 0, "Reading the annotations")
    work = KeepResult(sound_splits(read_split(config.data, "train"), read_split(config.data, "val")))
    for done, total in work:
        yield Progress("loading", 0, config.epochs, 0, 0, f"Looking at the pictures: {done:,} of {total:,}")
    return work.result


def train(config: TrainConfig, folder: Path, resume: bool = False) -> Iterator[Progress]:
    """Fine-tune as `config` says; checkpoints go to `folder`. With `resume`, go on from `folder`/last.

    Yields Progress; every training checks itself (`preflight.py`) and evaluates the untouched model before its first
    step. Raises ConfigError, DataError or ModelError before the first step, RunError if the pre-flight fails, losses
    are no finite numbers or a checkpoint cannot be written, DataError when a picture cannot be read.
    """
    splits = yield from _sound_splits(config)
    yield Progress("loading", 0, config.epochs, 0, 0, "Loading the model")
    training = _Training(config, Path(folder), resume, splits)
    finished, began = False, resume
    try:
        if not resume and training.processes.is_main_process:
            yield from training.preflight()
        began = True
        while not finished:
            if training.is_due():
                yield from training.evaluation()
            if training.epoch:
                training.save("last")
            finished = training.is_over()
            if not finished:
                yield from training.one_epoch()
        training.tidy()
    except Stopped:
        pass
    finally:
        training.profiler.close()
        if not finished:
            training.processes.broadcast_stop()
            if began:
                training.save("last")
        training.processes.close()
