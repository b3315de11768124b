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
from core.detr.input.order import part_order
from core.detr.model import load_model, use_query_groups
from core.evaluation.model_input import ModelInput
from core.keep_result import KeepResult
from core.metrics import SPEED, WAIT
from core.training import preflight
from core.training.batch_picture import draw_batch
from core.training.batch_size import with_batch_size
from core.training.checkpoint import keep_best, latest_checkpoint, read_state, save_checkpoint
from core.training.checkpoint_folder import delete_retired, retire_checkpoint
from core.training.data.detection import adapt, balance, detection_datasets
from core.training.data.training_data import TrainingData
from core.training.data.unreadable import Unreadable, remark_on_unreadable
from core.training.distributed import ProcessGroup
from core.training.events import (
    CHECKS,
    MEASURING,
    Check,
    Evaluated,
    Evaluating,
    Finished,
    PreflightDone,
    PreflightRunning,
    Progress,
    StepDone,
)  # fmt: skip
from core.training.length.length import UNPLANNED, Length
from core.training.length.stopping import EarlyStopping
from core.training.profiler import StepProfiler
from core.training.remark import Remark
from core.training.step import Stepper
from core.training.trainer_state import TrainerState, misfits_explained, with_saved_decay
from core.training.validation import validate

RECENT = 20  # steps over which speed is measured
FRESH_WEIGHTS = 2**32  # where a step's number stands: the random numbers of fresh weights


class Training:
    """Everything that one process of a training holds while it runs.

    epoch, step   how many are done
    epoch_start   the step at which the current epoch began
    evaluated     the last epoch that was evaluated, 0 for the baseline; None before that
    length        how many epochs there are, and steps in each; stopping: whether it ends before
    model_loaded  the step of the start that is done with the model
    """

    def __init__(
        self, config: TrainConfig, folder: Path, resume: bool, data: TrainingData, started: float | None = None
    ) -> None:
        self.config, self.folder = config, folder
        self.processes = ProcessGroup(use_cpu=config.device == "cpu" or not torch.cuda.is_available())
        self.device = choose_device(config.device, self.processes.local_rank)
        self.data, self.label_map = data, data.label_map
        self.train_data, self.val_data = detection_datasets(config, data)
        self.unreadable = Unreadable(len(self.train_data)), Unreadable(len(self.val_data))
        self.epoch, self.step, self.epoch_start = 0, 0, 0
        self.evaluated: int | None = None
        self.stopping = EarlyStopping(config)
        state = self._read_state(latest_checkpoint(folder)) if resume else None
        self.durations: deque[float] = deque(maxlen=RECENT)  # seconds of the last steps
        source = str(latest_checkpoint(folder)) if resume else config.model
        with seeded(config.seed, FRESH_WEIGHTS, device=self.device):
            model, head = load_model(source, data.saved or self.label_map, config.dropout)
        use_query_groups(model, config.query_groups, config.seed)
        model.name_classes(self.label_map)
        adapt((self.train_data, self.val_data), model, config, self.processes.world_size)
        model = model.to(self.device).to(memory_format=torch.channels_last)  # 1.3 to 1.7 times as fast on a CPU
        self.config, chosen = with_batch_size(self.config, model, self.train_data, self.device, self.processes)
        self.model_loaded = preflight.describe_model(model, head, self.device, chosen)
        self.model_input = ModelInput(config.shortest_edge, config.longest_edge, model.feature_stride(), config.square)
        self.images_per_step, most_steps = self._count_steps()
        self.length = Length(self.config, most_steps, self.train_data.cost, started)
        if state:
            self.length.restore(state.length, state.steps_per_epoch or most_steps)
        fresh = state.fresh if state else self.label_map.rows(head.fresh)
        self.factors, weights = balance(config, self.train_data, fresh)
        steps = self.length.steps(self.epoch, self.epoch_start)
        self.stepper = Stepper(model, self.config, steps, self.device, self.processes, weights, fresh)
        if state:
            with misfits_explained(latest_checkpoint(folder)):
                self.stepper.restore(state)
        self.train_data.epochs = self.length.epochs or UNPLANNED
        is_profiled = config.profile and self.processes.is_main_process
        self.profiler = StepProfiler(is_profiled, self.device, self.stepper.steps - self.step)

    def _count_steps(self) -> tuple[int, int]:
        """Return how many images a step has, and how many steps an epoch."""
        images = self.config.batch_size * self.config.accumulate * self.processes.world_size
        return images, math.ceil(len(self.train_data) / images)

    @property
    def steps(self) -> int:
        """How many steps there are altogether; 0 as long as that is not known."""
        return self.length.steps(self.epoch, self.epoch_start) if self.length.plan else 0

    def _position(self) -> dict[str, Any]:
        """Return the fields of `Progress`, which every event has."""
        per_step = sum(self.durations) / len(self.durations) if self.durations else None
        return {
            "epoch": self.epoch, "epochs": self.length.epochs, "step": self.step, "steps": self.steps,
            "images_per_second": self.images_per_step / per_step if per_step else None,
            "seconds_left": self.length.seconds_left(per_step, self.steps - self.step, self.evaluated or 0),
            "label_map": self.label_map,
        }  # fmt: skip

    def _steps(self, start: int) -> Iterator[list[Batch]]:
        """Yield this process's batches of each step of the current epoch, from step `start` of it on."""
        c = self.config
        images, self.train_data.epoch = len(self.train_data), self.epoch
        first, self.epoch_images = self.length.part(self.epoch, self.epoch_start, images, self.images_per_step)
        loader = step_loader(
            self.train_data, c.batch_size, c.accumulate, self.epoch, start, c.workers, self.processes.rank,
            self.processes.world_size, pin_memory=self.device.type == "cuda", seed=c.seed,
            spare=self.unreadable[0].spare, order=part_order(images, c.seed, first, self.epoch_images, self.factors),
        )  # fmt: skip
        return iter(loader)

    def preflight(self) -> Iterator[Progress]:
        """Make the checks before the first step; raise RunError with the evidence of the first one that fails."""
        batches = next(self._steps(0))
        picture = draw_batch(batches[0], self.label_map.names)
        yield self._checking(CHECKS[0], picture=picture)
        checks: list[Check] = []
        made = preflight.make_checks(self.stepper, batches, self.data, (self.train_data, self.val_data), self.folder)
        for check, following in zip(made, (*CHECKS[1:], "done"), strict=True):
            checks.append(check)
            yield self._checking(following, done=check)
        yield PreflightDone(**self._position(), message="Evaluating the untouched model", checks=tuple(checks))
        for check in checks:
            if not check.ok:
                raise RunError(f"The pre-flight stopped the training. {check.name}: {check.evidence}")

    def _checking(self, name: str, **news: Any) -> Progress:
        return PreflightRunning(**self._position(), message=f"Pre-flight: {name.lower()}", **news)

    def train_epoch(self) -> Iterator[Progress]:
        """Make the steps that remain of the current epoch, or those that are timed for the first plan; yield each."""
        start = self.step - self.epoch_start
        self.length.begin_steps(self.step)
        self.stepper.model.train()
        self.profiler.before_step()
        begin = time.perf_counter()
        for batches in self._steps(start):
            waited = time.perf_counter() - begin
            with self.processes.collective():
                metrics = self.stepper.step(self.step, batches)
            images = min(self.images_per_step, self.epoch_images - start * self.images_per_step)
            self.step, start = self.step + 1, start + 1
            seconds = time.perf_counter() - begin
            self.durations.append(seconds)
            metrics |= {SPEED.tag: images / seconds, WAIT.tag: waited / seconds}
            metrics |= gpu_metrics(self.device, ask_driver=self.step % RECENT == 0)
            remarks, self.stepper.remarks = (*self.stepper.remarks, *self._remarks_on_pictures()), []
            done = StepDone(
                **self._position(), message="" if self.length.plan else MEASURING, metrics=metrics, remarks=remarks,
                skipped_images=self.stepper.skipped_images, profile=self.profiler.after_step(),
            )  # fmt: skip
            yield from self._until_recorded(done)
            if self.length.plan is None and self.processes.of_main(self.length.is_measured()):
                return self._plan()
            self.profiler.before_step()
            begin = time.perf_counter()  # what the caller does between the steps is not training
        self.epoch, self.epoch_start = self.epoch + 1, self.step

    def _plan(self) -> None:
        """Plan the epochs from here on, as the main process has measured."""
        plan = self.length.next_plan(self.epoch, self.step, self.epoch_start, self.evaluated or 0)
        self.length.plan = self.processes.of_main(plan)
        self.train_data.epochs, self.stepper.steps = self.length.epochs, self.steps

    def save_if_due(self) -> None:
        """Save; by minutes not after each epoch, and with the plan for the next one, which changes at no other time."""
        if self.length.by_minutes and self.step == self.epoch_start:
            if not self.processes.of_main(self.length.is_saved(self.epoch, self.evaluated)):
                return
            if not self.length.is_over(self.epoch):
                self._plan()
        self.save_last()

    def is_evaluation_due(self) -> bool:
        """Check whether the model is to be evaluated now: untouched, every so many epochs, and at the end."""
        return self.step == self.epoch_start and self.length.is_evaluated(self.epoch, self.evaluated)

    def evaluate(self) -> Iterator[Progress]:
        """Evaluate the model, and keep it once it is recorded as the best; the main process's last event is Evaluated.

        The checkpoint `last` must be of this epoch, but for the baseline's.
        """
        begin = self.length.clock()
        validation = KeepResult(validate(self.stepper, self.val_data, self.unreadable[1]))
        for images in validation:
            yield Evaluating(**self._position(), message=f"Evaluating image {images} of {len(self.val_data)}")
        ap, measurements = validation.result
        with self.processes.collective():
            for sentences in self.processes.all_gather(self.unreadable[0].sentences):
                self.unreadable[0].add(sentences)
        self.stepper.is_ahead = True
        self.evaluated = self.epoch
        is_best = self.epoch > 0 and self.stopping.add(ap)
        if measurements:
            remarks = self.stopping.remarks(self.epoch, self.length.epochs, self.step) + self._remarks_on_pictures()
            evaluated = Evaluated(
                **self._position(), metrics=measurements.metrics, remarks=remarks,
                figures=measurements.figures, detections=measurements.detections,
                ground_truth=self.val_data.split.to_dict(), model_input=self.model_input,
                states=measurements.states, is_best=is_best, picture_path=self.val_data.split.path_of,
            )  # fmt: skip
            try:
                yield from self._until_recorded(evaluated)
            finally:
                if is_best and not self.stepper.is_ahead:
                    keep_best(self.folder)
                self.length.evaluated(self.length.clock() - begin)
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
        return self.length.is_over(self.epoch) or self.stopping.has_stalled

    def _remarks_on_pictures(self) -> tuple[Remark, ...]:
        return remark_on_unreadable(*self.unreadable, self.step)

    def save_last(self) -> None:
        """Write the checkpoint `last`, from which this training could go on; only the main process does.

        Nothing is written while there is a step or an evaluation that is not recorded.
        """
        if not self.processes.is_main_process or self.stepper.is_ahead:
            return
        begin = self.length.clock()
        state = {
            "epoch": self.epoch, "step": self.step, "best_ap": self.stopping.best_ap, "evaluated": self.evaluated,
            "since_best": self.stopping.since_best, "config": self.config.to_dict(), **self.stepper.state(),
            "epoch_start": self.epoch_start, "steps_per_epoch": self.length.steps_per_epoch,
            "batch_size": self.config.batch_size, "length": self.length.state(),
        }  # fmt: skip
        epoch = self.epoch if self.step == self.epoch_start else None
        save_checkpoint(self.folder, "last", self.stepper.evaluated, self.label_map, state, epoch)
        self.length.saved(self.length.clock() - begin)

    def _read_state(self, checkpoint: Path) -> TrainerState:
        """Read how far the training is; an epoch goes on after as many steps as it had, also on other images."""
        with misfits_explained(checkpoint):
            values = read_state(checkpoint)
            self.config = replace(self.config, batch_size=self.config.batch_size or values["batch_size"])
            steps = self._count_steps()[1]
            state = TrainerState.of(values, steps, None if self.config.minutes else self.config.epochs)
            self.config = with_saved_decay(self.config, state.optimizer)
        self.epoch, self.step, self.evaluated = state.epoch, state.step, state.evaluated
        self.epoch_start = state.step - min(state.begun, steps)
        self.stopping.best_ap, self.stopping.since_best = state.best_ap, state.since_best
        return state

    def retire_checkpoint(self) -> None:
        """Move away, at the end, the checkpoint that the setting `keep` does not name: it can still be gone on from."""
        if self.processes.is_main_process:
            retire_checkpoint(self.folder, self.stopping.kept)

    def delete_retired(self) -> None:
        """Delete what was moved away, once the end is recorded."""
        if self.processes.is_main_process:
            delete_retired(self.folder)
