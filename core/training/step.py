"""One step of a training: forward, matching, backward, clip, update – over as many parts as the batch is cut into.

The parts are forward passes of one process (`accumulate`, or because the GPU's memory did not suffice) and processes of
their own; the losses and the gradient are in every case those of the whole batch, because its `LossNormalizers` are
counted before the first part runs.
"""

from __future__ import annotations

import copy
import math
from dataclasses import astuple, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from core import ConfigError, RunError
from core.config import TrainConfig
from core.detr.batch_norms import RunningStatistics
from core.detr.detect import NO_ROOM, forward
from core.detr.device import choose_precision, deterministic, seeded
from core.detr.families.base import Detector
from core.detr.input.batch import Batch, split_batch
from core.detr.losses import COUNTS, LossNormalizers, logged_errors, set_losses, sum_names, total
from core.detr.model import parameter_groups
from core.detr.queries.class_targets import matching_aware
from core.metrics import GRAD_NORM, LOGGED_ERRORS, LOSS, LOSS_BY_NAME, LR, LR_BACKBONE, LR_HEAD, SKIPPED
from core.training.distributed import ProcessGroup
from core.training.length.schedules import ema_decay, learning_rate_factor
from core.training.new_classes.fresh_rows import FreshRows
from core.training.remark import Level, Remark, TrainingRule
from core.training.trainer_state import TrainerState, fitting_optimizer, fitting_scaler, is_plain

MOST_SKIPPED = 10  # steps in a row that are left out before a training gives up
ROOMIER = 4  # times the images of a training's pass fit where no gradients are kept
ENOUGH = 32  # images at a time, to keep a GPU busy in an evaluation
DETAILED_STEPS = 2000  # of a run: how many report the losses of every decoder layer


class _Part(NamedTuple):
    """What a forward pass gave: its share of the step's losses and counts by answer, (S, 1 + L), and its images."""

    sums: torch.Tensor
    images: list[int]


class Stepper:
    """Model, optimizer and what belongs to them; `step` is one update."""

    def __init__(
        self, model: Detector, config: TrainConfig, steps: int, device: torch.device, processes: ProcessGroup,
        class_weights: tuple[float, ...] = (), fresh: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        self.class_weights = class_weights  # in the losses of the training; those of evaluations have none
        self.model, self.config, self.steps = model, config, steps
        self.device, self.processes = device, processes
        self.loss_config = model.loss_config
        if config.class_targets == "matching-aware":
            self.loss_config = matching_aware(self.loss_config)
        self.sums = sum_names(self.loss_config)
        groups = parameter_groups(model, config)
        if not groups:
            raise ConfigError("Every learning rate is 0, so nothing would learn: raise at least one.")
        self.optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=True)
        self.fresh = FreshRows(model, fresh, config)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]  # those that learn
        self.precision = choose_precision(config.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.average = copy.deepcopy(model) if config.ema else None
        self.averaged = 0  # steps that the average knows
        self.statistics = RunningStatistics(model)
        self.images_per_pass = config.batch_size  # halved where they do not fit
        self.skipped = 0  # steps in a row
        self.skipped_images: tuple[int, ...] = ()  # of the last step, if it was left out
        self.remarks: list[Remark] = []  # not yet told
        self.is_ahead = False  # a step is made, or half made, that nobody has recorded: nothing is to be saved

    @property
    def images_evaluated_at_once(self) -> int:
        """How many images an evaluation takes at a time; more than a step's pass where a GPU gains by it."""
        larger = min(ROOMIER * self.images_per_pass, ENOUGH) if self.device.type == "cuda" else 0
        return max(larger, self.images_per_pass)

    @property
    def evaluated(self) -> Detector:
        """The model that counts: the average, if there is one."""
        return self.average or self.model

    def step(self, number: int, batches: list[Batch]) -> dict[str, float]:
        """Take step `number` (from 0) with this process's share of its images; return its metrics.

        Raises RunError if losses or gradient are no finite numbers, unless such steps are to be skipped.
        """
        self.skipped_images = ()
        factor = learning_rate_factor(number, self.steps, self.config)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        share = self._normalizers(batches)
        normalizers = LossNormalizers(*self.processes.all_reduce_sum(*astuple(share)))
        parts = self._backward(number, batches, normalizers)
        self.processes.all_reduce_gradients(self.parameters)
        self.processes.all_reduce_mean(self.statistics.tensors)
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip or math.inf)
        by_part, norm_here = self._fetch(parts, norm)
        *values, gradient = self.processes.all_reduce_sum(
            *by_part.sum(0).ravel().tolist(), norm_here / self.processes.world_size
        )
        by_layer = np.array(values).reshape(len(self.sums), -1)
        if not np.isfinite(by_layer).all() or not (math.isfinite(gradient) or self.scaler.is_enabled()):
            broken = [part.images for part, sums in zip(parts, by_part, strict=True) if not np.isfinite(sums).all()]
            images = [image for part in broken or [part.images for part in parts] for image in part]
            return self._skip(number, by_layer, images)
        self.is_ahead = True
        with self.fresh.at_their_rate():
            self.scaler.step(self.optimizer)  # leaves out what overflowed in half precision, and takes a smaller scale
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.average_weights()
        self.skipped = 0
        right, miscounted = by_layer[-len(COUNTS) :, -1].tolist()
        errors = logged_errors(right, miscounted, normalizers)
        metrics = self._metrics(number, by_layer[: -len(COUNTS)], gradient, factor)
        return metrics | {error.train.tag: errors[error.name] for error in LOGGED_ERRORS}

    def try_out(self, batches: list[Batch]) -> tuple[dict[str, npt.NDArray[np.float64]], float]:
        """Run forward and backward on this process's first batches, without an update.

        Returns the losses by their names, each (1 + L,), and the gradient's norm.
        """
        parts = self._backward(0, batches, self._normalizers(batches))
        norms = [p.grad.norm() for p in self.parameters if p.grad is not None]
        by_part, gradient = self._fetch(parts, torch.stack(norms).norm())
        self._forget()
        losses = dict(zip(self.loss_config.names, by_part.sum(0), strict=False))
        return losses, gradient / self.scaler.get_scale()

    def _fetch(self, parts: list[_Part], norm: torch.Tensor) -> tuple[npt.NDArray[np.float64], float]:
        """Return the sums of all parts (P, S, 1 + L), P may be 0, and a norm: all at once, as a GPU is waited for."""
        *values, norm_here = torch.cat([*(part.sums.flatten() for part in parts), norm.reshape(1)]).tolist()
        return np.array(values).reshape(len(parts), len(self.sums), 1 + self.model.num_layers), norm_here

    def _normalizers(self, batches: list[Batch]) -> LossNormalizers:
        labels = [targets for batch in batches for targets in batch["labels"]]
        return LossNormalizers.of(labels, self.model.num_queries, self.loss_config)

    def _backward(self, number: int, batches: list[Batch], normalizers: LossNormalizers) -> list[_Part]:
        """Run forward and backward; leave gradients.

        A batch for which the GPU's memory does not suffice is cut in halves and tried again.
        """
        self.statistics.keep()
        if self.model.groups:
            normalizers = normalizers.of_groups
        while True:
            try:
                with (
                    seeded(self.config.seed, number, self.processes.rank, device=self.device),
                    deterministic(self.config.deterministic),
                ):
                    return self._accumulate(batches, normalizers)
            except torch.OutOfMemoryError as error:
                if self.images_per_pass == 1:
                    raise ConfigError(NO_ROOM) from error
            self._halve(number)

    def _accumulate(self, batches: list[Batch], normalizers: LossNormalizers) -> list[_Part]:
        parts: list[_Part] = []
        loss_config = replace(self.loss_config, class_weights=self.class_weights)
        for batch in batches:
            for part in split_batch(batch, self.images_per_pass):
                layers = forward(self.model, part, self.device, self.precision)
                values = set_losses(layers, part["labels"], normalizers, loss_config)
                self.scaler.scale(total(values, loss_config)).backward()
                parts.append(_Part(torch.stack([values[name].detach() for name in self.sums]), part["image_id"]))
        return parts

    def _forget(self) -> None:
        """Take back what a pass without an update has left: gradients, and what batch norms have seen."""
        self.optimizer.zero_grad(set_to_none=True)
        self.statistics.restore()

    def _halve(self, number: int) -> None:
        self._forget()
        torch.cuda.empty_cache()
        before, self.images_per_pass = self.images_per_pass, max(1, self.images_per_pass // 2)
        parts = math.ceil(self.config.likely_batch_size / self.images_per_pass)
        accumulate = self.config.accumulate * parts
        self.remarks.append(
            Remark(
                rule=TrainingRule.BATCH_HALVED,
                level=Level.INFO,
                title=f"The batch is cut into parts of {self.images_per_pass}",
                cause="A forward pass of the whole batch does not fit into the GPU's memory.",
                evidence=f"Out of memory with {before} images at step {number + 1}; the losses stay those of the whole "
                "batch.",
                advice=f"To save the failed attempt, set batch size {self.images_per_pass} and accumulate "
                f"{accumulate}.",
                step=number + 1,
                changes={"batch_size": self.images_per_pass, "accumulate": accumulate},
            )
        )

    def _skip(self, number: int, losses: npt.NDArray[np.float64], images: list[int]) -> dict[str, float]:
        """Leave the weights as they are, as losses or gradient are no finite numbers: stop, or say so and go on."""
        self._forget()
        self.scaler.update()
        self.skipped += 1
        quantity = "gradient" if np.isfinite(losses).all() else "loss"
        named = ", ".join(map(str, images[:12])) + (" …" if len(images) > 12 else "")
        if self.config.not_finite == "stop" or self.skipped > MOST_SKIPPED:
            again = f" {self.skipped} times in a row" if self.skipped > 1 else ""
            raise RunError(
                f"The {quantity} was not a finite number{again} at step {number + 1} (images {named}): take a smaller "
                "learning rate, or look at these images' boxes; the weights before it are kept."
            )
        self.skipped_images = tuple(images)
        self.is_ahead = True
        return {SKIPPED.tag: 1.0}

    def _metrics(
        self, number: int, losses: npt.NDArray[np.float64], gradient: float, factor: float
    ) -> dict[str, float]:
        names = [LOSS_BY_NAME[name] for name in self.loss_config.names]
        metrics = {LOSS.train.tag: float(np.array(self.loss_config.weights) @ losses.sum(1))}
        metrics |= {loss.train.tag: float(values[-1]) for loss, values in zip(names, losses, strict=True)}
        metrics[LR.tag] = self.config.lr * factor
        if math.isfinite(gradient):
            metrics[GRAD_NORM.tag] = gradient
        for metric, part in ((LR_BACKBONE, "backbone"), (LR_HEAD, "head")):
            rates = [group["lr"] for group in self.optimizer.param_groups if group["name"] == part]
            metrics[metric.tag] = max(rates, default=0.0)
        if number % max(1, math.ceil(self.steps / DETAILED_STEPS)) == 0:
            for loss, by_layer in zip(names, losses[:, 1:].tolist(), strict=True):
                metrics |= {loss.layers.tag(n): value for n, value in enumerate(by_layer, start=1)}
        return metrics

    @torch.no_grad()
    def average_weights(self) -> None:
        """Let the average, if there is one, follow the weights by `ema_decay`; at first it is they."""
        if self.average:
            share = 1 - ema_decay(self.config.ema, self.averaged) if self.averaged else 1.0
            average = [*self.average.parameters(), *RunningStatistics(self.average).tensors]
            torch._foreach_lerp_(average, [*self.model.parameters(), *self.statistics.tensors], share)
            self.averaged += 1

    # What a checkpoint keeps

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs beside the evaluated model: plain values and tensors.

        `weights` are transformers' names; they are None where the evaluated model has the weights themselves.
        """
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "weights": self.model.inner.state_dict() if self.average else None,
            "averaged": self.averaged,
            "fresh": self.fresh.rows,
            "class_weight": float(self.loss_config.class_weight),
        }

    def restore(self, state: TrainerState) -> None:
        """Go on from `state()`; the model holds what was evaluated, and becomes the weights themselves again.

        Raises ValueError, KeyError, TypeError or RuntimeError for the state of another training.
        """
        if (state.weights is None) != (self.average is None):
            raise ValueError("one of them averages its weights, the other does not")
        self.fresh.require_rows()
        self.loss_config = replace(self.loss_config, class_weight=state.class_weight)
        self.optimizer.load_state_dict(fitting_optimizer(state.optimizer, self.optimizer, state.step))
        self.scaler.load_state_dict(fitting_scaler(state.scaler, self.scaler))
        if self.average and state.weights is not None:
            types = {name: tensor.dtype for name, tensor in self.model.inner.state_dict().items()}
            if not all(is_plain(tensor) and tensor.dtype == types.get(name) for name, tensor in state.weights.items()):
                raise ValueError("its weights are of another model")
            self.model.inner.load_state_dict(state.weights)
            self.averaged = state.averaged
