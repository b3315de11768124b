"""A `Training`: data, model, optimizer and position of one run, and what can be done with them.

In: settings, data and, to resume, the checkpoint `last`. Out: the events of each part. The order of the parts is told
by `train.py`; each of these methods is one of them.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core import RunError
from core.config import TrainConfig
from core.detr.device import choose_device, gpu_metrics, seeded
from core.detr.input.batch import Batch
from core.detr.input.loader import step_loader
from core.detr.model import load_model, use_query_groups
from core.evaluation.model_input import ModelInput
from core.keep_result import KeepResult
from core.metrics import SPEED, WAIT
from core.training import preflight
from core.training.batch_picture import draw_batch
from core.training.batch_size import with_batch_size
from core.training.checkpoint import keep_best, latest_checkpoint, read_state, save_checkpoint
from core.training.checkpoint_folder import delete_retired, retire_checkpoint
from core.training.data.detection import adapt, detection_datasets
from core.training.data.training_data import TrainingData
from core.training.data.unreadable import Unreadable, remark_on_unreadable
from core.training.distributed import ProcessGroup
from core.training.events import (
    CHECKS,
    Check,
    Evaluated,
    Evaluating,
    Finished,
    PreflightDone,
    PreflightRunning,
    Progress,
    StepDone,
)
from core.training.profiler import StepProfiler
from core.training.remark import Level, Remark, TrainingRule
from core.training.step import Stepper
from core.training.trainer_state import TrainerState, misfits_explained
from core.training.validation import validate

RECENT = 20  # steps over which speed is measured
FRESH_WEIGHTS = 2**32  # where a step's number stands: the random numbers of fresh weights


class Training:
    """Everything that one process of a training holds while it runs.

    epoch, step   how many are done
    epoch_start   the step at which the current epoch began
    evaluated     the last epoch that was evaluated, 0 for the baseline; None before that
    best_ap       of the epochs that were trained; since_best counts the evaluations since then
    model_loaded  the step of the start that is done with the model
    """

    def __init__(self, config: TrainConfig, folder: Path, resume: bool, data: TrainingData) -> None:
        self.config, self.folder = config, folder
        self.processes = ProcessGroup(use_cpu=config.device == "cpu" or not torch.cuda.is_available())
        self.device = choose_device(config.device, self.processes.local_rank)
        self.problems, self.totals, self.label_map = data.problems, data.totals, data.label_map
        self.train_data, self.val_data = detection_datasets(config, data)
        self.unreadable = Unreadable(len(self.train_data)), Unreadable(len(self.val_data))
        self.epoch, self.step, self.epoch_start, self.best_ap = 0, 0, 0, -1.0
        self.since_best = 0
        self.evaluated: int | None = None
        state = self._read_state(latest_checkpoint(folder)) if resume else None
        self.durations: deque[float] = deque(maxlen=RECENT)  # seconds of the last steps
        self.evaluation_seconds = 0.0  # of the last evaluation
        with seeded(config.seed, FRESH_WEIGHTS, device=self.device):
            source = str(latest_checkpoint(folder)) if resume else config.model
            model, head = load_model(source, data.saved or self.label_map, config.dropout)
        use_query_groups(model, config.query_groups, config.seed)
        model.name_classes(self.label_map)
        adapt((self.train_data, self.val_data), model, config, self.processes.world_size)
        # channels last: 1.3 to 1.7 times as fast on a CPU, and what tensor cores read
        model = model.to(self.device).to(memory_format=torch.channels_last)
        self.config, chosen = with_batch_size(self.config, model, self.train_data, self.device, self.processes)
        self.model_loaded = preflight.describe_model(model, head, self.device, chosen)
        self.model_input = ModelInput(config.shortest_edge, config.longest_edge, model.feature_stride(), config.square)
        self.images_per_step, self.steps_per_epoch = self._count_steps()
        self.steps = self.epoch_start + self.steps_per_epoch * (config.epochs - self.epoch)
        self.stepper = Stepper(model, self.config, self.steps, self.device, self.processes)
        if state:
            with misfits_explained(latest_checkpoint(folder)):
                self.stepper.restore(state)
        wanted = config.profile and self.processes.is_main_process
        self.profiler = StepProfiler(wanted, self.device, self.steps - self.step)

    def _count_steps(self) -> tuple[int, int]:
        """Return how many images a step has, and how many steps an epoch."""
        images = self.config.batch_size * self.config.accumulate * self.processes.world_size
        return images, math.ceil(len(self.train_data) / images)

    def _position(self) -> dict[str, Any]:
        """Return the fields of `Progress`, which every event has."""
        per_step = sum(self.durations) / len(self.durations) if self.durations else None
        evaluations = math.ceil((self.config.epochs - (self.evaluated or 0)) / self.config.eval_every)
        return {
            "epoch": self.epoch, "epochs": self.config.epochs, "step": self.step, "steps": self.steps,
            "images_per_second": self.images_per_step / per_step if per_step else None,
            "seconds_left": per_step and per_step * (self.steps - self.step) + evaluations * self.evaluation_seconds,
            "label_map": self.label_map,
        }  # fmt: skip

    def _steps(self, start: int) -> Iterator[list[Batch]]:
        """Yield this process's batches of each step of the current epoch, from step `start` of it on."""
        c = self.config
        self.train_data.epoch = self.epoch
        loader = step_loader(
            self.train_data, c.batch_size, c.accumulate, self.epoch, start, c.workers, self.processes.rank,
            self.processes.world_size, pin_memory=self.device.type == "cuda", seed=c.seed,
            spare=self.unreadable[0].spare,
        )  # fmt: skip
        return iter(loader)

    def preflight(self) -> Iterator[Progress]:
        """Make the checks before the first step; raise RunError with the evidence of the first one that fails."""
        batches = next(self._steps(0))
        picture = draw_batch(batches[0], self.label_map.names)
        yield self._checking(CHECKS[0], picture=picture)
        checks: list[Check] = []
        for check, following in zip(self._checks(batches), (*CHECKS[1:], "done"), strict=True):
            checks.append(check)
            yield self._checking(following, done=check)
        yield PreflightDone(**self._position(), message="Evaluating the untouched model", checks=tuple(checks))
        for check in checks:
            if not check.ok:
                raise RunError(f"The pre-flight stopped the training. {check.name}: {check.evidence}")

    def _checks(self, batches: list[Batch]) -> Iterator[Check]:
        """Make the pre-flight's CHECKS one by one."""
        model = self.stepper.model
        yield preflight.check_data(self.problems, self.totals)
        yield preflight.check_disk(self.folder, model, bool(self.config.ema))
        yield preflight.check_mapping(self.val_data, self.label_map)
        yield preflight.check_queries((self.train_data, self.val_data), model)
        yield preflight.check_first_batch(self.stepper, batches)

    def _checking(self, name: str, **news: Any) -> Progress:
        return PreflightRunning(**self._position(), message=f"Pre-flight: {name.lower()}", **news)

    def train_epoch(self) -> Iterator[Progress]:
        """Make the steps that remain of the current epoch; yield a StepDone after each."""
        start = self.step - self.epoch_start
        self.stepper.model.train()
        self.profiler.before_step()
        begin = time.perf_counter()
        for batches in self._steps(start):
            waited = time.perf_counter() - begin
            with self.processes.collective():
                metrics = self.stepper.step(self.step, batches)
            images = min(self.images_per_step, len(self.train_data) - start * self.images_per_step)
            self.step, start = self.step + 1, start + 1
            seconds = time.perf_counter() - begin
            self.durations.append(seconds)
            metrics |= {SPEED.tag: images / seconds, WAIT.tag: waited / seconds}
            metrics |= gpu_metrics(self.device, ask_driver=self.step % RECENT == 0)
            remarks, self.stepper.remarks = (*self.stepper.remarks, *self._remarks_on_pictures()), []
            done = StepDone(
                **self._position(), metrics=metrics, remarks=remarks, skipped_images=self.stepper.skipped_images,
                profile=self.profiler.after_step(),
            )  # fmt: skip
            yield from self._until_recorded(done)
            self.profiler.before_step()
            begin = time.perf_counter()  # what the caller does between the steps is not training
        self.epoch, self.epoch_start = self.epoch + 1, self.step

    def is_evaluation_due(self) -> bool:
        """Check whether the model is to be evaluated now: untouched, every `eval_every` epochs, and at the end."""
        if self.step != self.epoch_start or self.evaluated == self.epoch:
            return False
        return self.epoch % self.config.eval_every == 0 or self.epoch == self.config.epochs

    def evaluate(self) -> Iterator[Progress]:
        """Evaluate the model, and keep it once it is recorded as the best; the main process's last event is Evaluated.

        The checkpoint `last` must be of this epoch, but for the baseline's.
        """
        begin = time.perf_counter()
        validation = KeepResult(validate(self.stepper, self.val_data, self.unreadable[1]))
        for images in validation:
            yield Evaluating(**self._position(), message=f"Evaluating image {images} of {len(self.val_data)}")
        ap, measurements = validation.result
        with self.processes.collective():
            for sentences in self.processes.all_gather(self.unreadable[0].sentences):
                self.unreadable[0].add(sentences)
        self.evaluation_seconds = time.perf_counter() - begin
        self.stepper.is_ahead = True
        self.evaluated = self.epoch
        is_best = self.epoch > 0 and ap > self.best_ap
        self.since_best = 0 if is_best or not self.epoch else self.since_best + 1
        if is_best:
            self.best_ap = ap
        if measurements:
            remarks = self._remarks_on_stopping() + self._remarks_on_pictures()
            evaluated = Evaluated(
                **self._position(), metrics=measurements.metrics, remarks=remarks,
                figures=measurements.figures, detections=measurements.detections,
                ground_truth=self.val_data.split.to_dict(), model_input=self.model_input,
                states=measurements.states, is_best=is_best,
            )  # fmt: skip
            try:
                yield from self._until_recorded(evaluated)
            finally:
                if is_best and not self.stepper.is_ahead:
                    keep_best(self.folder)
        self.stepper.is_ahead = False

    def _until_recorded(self, event: Progress) -> Iterator[Progress]:
        """Yield an event; until it is recorded, what it tells of is not to be saved."""
        try:
            yield event
        except GeneratorExit:  # a stop
            self.stepper.is_ahead = False
            raise
        self.stepper.is_ahead = False

    def finished(self) -> Progress:
        """Return the last event."""
        return Finished(**self._position())

    def is_over(self) -> bool:
        """Check whether all epochs are done, or AP has not risen for as long as early stopping allows."""
        return self.epoch == self.config.epochs or self._has_stalled()

    def _has_stalled(self) -> bool:
        return 0 < self.config.early_stopping <= self.since_best

    def _remarks_on_pictures(self) -> tuple[Remark, ...]:
        return remark_on_unreadable(*self.unreadable, self.step)

    def _remarks_on_stopping(self) -> tuple[Remark, ...]:
        if not self._has_stalled() or self.epoch == self.config.epochs:
            return ()
        longer = min(1000, 2 * self.config.early_stopping)
        remark = Remark(
            rule=TrainingRule.STOPPED_EARLY,
            level=Level.INFO,
            title=f"Stopped early, after {self.epoch} of {self.config.epochs} epochs",
            cause=f"AP had not risen for {self.since_best} evaluations, as the setting “Stop early after” asks.",
            evidence=f"Best AP {100 * self.best_ap:.1f}.",
            advice=f"For a longer run, raise “Stop early after” (early_stopping), to {longer} for example.",
            step=self.step,
            changes={"early_stopping": longer},
        )
        return (remark,)

    def save_last(self) -> None:
        """Write the checkpoint `last`, from which this training could go on; only the main process does.

        Nothing is written while there is a step or an evaluation that is not recorded.
        """
        if not self.processes.is_main_process or self.stepper.is_ahead:
            return
        state = {
            "epoch": self.epoch, "step": self.step, "best_ap": self.best_ap, "evaluated": self.evaluated,
            "since_best": self.since_best, "config": self.config.to_dict(), **self.stepper.state(),
            "epoch_start": self.epoch_start, "steps_per_epoch": self.steps_per_epoch,
            "batch_size": self.config.batch_size,
        }  # fmt: skip
        epoch = self.epoch if self.step == self.epoch_start else None
        save_checkpoint(self.folder, "last", self.stepper.evaluated, self.label_map, state, epoch)

    def _read_state(self, checkpoint: Path) -> TrainerState:
        """Read how far the training is; an epoch goes on after as many steps as it had, also on other images."""
        with misfits_explained(checkpoint):
            values = read_state(checkpoint)
            self.config = replace(self.config, batch_size=self.config.batch_size or values["batch_size"])
            steps = self._count_steps()[1]
            state = TrainerState.of(values, steps, self.config.epochs)
        self.epoch, self.step, self.best_ap = state.epoch, state.step, state.best_ap
        self.epoch_start = state.step - min(state.begun, steps)
        self.evaluated, self.since_best = state.evaluated, state.since_best
        return state

    def retire_checkpoint(self) -> None:
        """Move away, at the end, the checkpoint that the setting `keep` does not name: it can still be gone on from."""
        if self.processes.is_main_process:
            retire_checkpoint(self.folder, self.config.keep)

    def delete_retired(self) -> None:
        """Delete what was moved away, once the end is recorded."""
        if self.processes.is_main_process:
            delete_retired(self.folder)
