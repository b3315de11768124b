"""What the doctor remembers of a run: windows of recent steps, running values, and a row for each evaluation.

In: the metrics of steps and evaluations, by the tags of the run store. Out: the figures that the rules ask for. The
memory does not grow with the steps, only with evaluations and classes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from core.config import TrainConfig

WINDOW = 100  # steps that a rule on steps looks back
EVERY = 10  # steps between two looks


def figure(metrics: Mapping[str, float], tag: str) -> float:
    """The metric if it is a finite number, else NaN: no comparison with NaN is true, so no rule holds by it."""
    value = metrics.get(tag)
    return float(value) if value is not None and math.isfinite(value) else math.nan


def mean(values: Collection[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def median(values: Collection[float]) -> float:
    return sorted(values)[len(values) // 2] if values else math.nan


def deviation(values: Collection[float]) -> float:
    """The standard deviation."""
    centre = mean(values)
    return math.sqrt(mean([(v - centre) * (v - centre) for v in values]))  # not **, which may overflow


def shown(value: float) -> str:
    """A figure as evidence shows it."""
    return "unknown" if math.isnan(value) else f"{value:.3g}"


def points(share: float) -> str:
    """An AP as the pages show it: 26.8 for 0.268."""
    return "unknown" if math.isnan(share) else f"{100 * share:.1f}"


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation, NaN where one was not recorded.

    epoch       trained epochs; 0 is the untouched model
    train_loss  the mean of train/loss since the evaluation before
    predicted   predictions per image with a score of at least 0.3
    truths      ground-truth objects per image
    """

    step: int
    epoch: int
    train_loss: float
    AP: float
    AP50: float
    AP75: float
    loss: float
    loss_ce: float
    loss_bbox: float
    loss_giou: float
    predicted: float
    truths: float

    @property
    def result(self) -> str:
        """AP with its epoch: "AP 26.8 after epoch 3"."""
        return f"AP {points(self.AP)} " + (f"after epoch {self.epoch}" if self.epoch else "untouched")


VAL_FIGURES = [f.name for f in fields(Evaluation)][3:]


class Record:
    """One run as the doctor knows it.

    steps        training steps seen
    spoiled      steps and evaluations with a number that is not finite; `skipped` of them were left out
    first_loss   of the first step, so of a model not yet changed
    best_loss    the lowest mean of WINDOW steps, its error added; up to best_step
    calm_norm    the lowest median of WINDOW gradient norms
    unpredicted  class to how many of the last evaluations in a row did not predict it; class_ap has its last AP
    """

    def __init__(self, config: TrainConfig):
        self.config = config
        self.step, self.steps = 0, 0
        self.loss, self.grad_norm, self.wait, self.gpu_busy = (deque(maxlen=WINDOW) for _ in range(4))
        self.spoiled, self.skipped, self.first_spoiled, self.last_spoiled = 0, 0, 0, 0
        self.first_loss, self.best_loss, self.best_step, self.calm_norm = math.nan, math.inf, 0, math.inf
        self.lr, self.lr_backbone = math.nan, math.nan
        self.evaluations: list[Evaluation] = []
        self.unpredicted: dict[str, int] = {}
        self.class_ap: dict[str, float] = {}
        self._sum, self._count = 0.0, 0  # of train/loss since the last evaluation
        self._last, self._jumps, self._squares = math.nan, 0, 0.0  # of the differences from step to step

    @property
    def trained(self) -> list[Evaluation]:
        """The evaluations after at least one epoch."""
        return [e for e in self.evaluations if e.epoch]

    @property
    def baseline(self) -> Evaluation | None:
        """The untouched model's evaluation."""
        return self.evaluations[0] if self.evaluations and not self.evaluations[0].epoch else None

    def see_step(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Take in a training step, if it is one; whether it is time to look, which is so every EVERY steps."""
        loss, skipped = metrics.get("train/loss"), metrics.get("train/skipped")
        if loss is None and not skipped:
            return False
        self.step, self.steps = step, self.steps + 1
        norm = metrics.get("train/grad_norm")
        # fp16's loss scaling finds its scale by gradients that overflow: those are no mishap
        wild_norm = norm is not None and not math.isfinite(norm) and self.config.precision != "fp16"
        if skipped or not math.isfinite(loss) or wild_norm:
            self.skipped += bool(skipped)
            self._spoil(step)
        for tag, window in (
            ("train/loss", self.loss), ("train/grad_norm", self.grad_norm),
            ("train/wait", self.wait), ("train/gpu_busy", self.gpu_busy),
        ):  # fmt: skip
            value = metrics.get(tag)
            if value is not None and math.isfinite(value):
                window.append(value)
        if loss is not None and math.isfinite(loss):
            self._sum, self._count = self._sum + loss, self._count + 1
            if math.isnan(self._last):
                self.first_loss = self._last = loss
            jump, self._last = loss - self._last, loss
            self._jumps, self._squares = self._jumps + 1, self._squares + jump * jump
        self.lr, self.lr_backbone = figure(metrics, "train/lr"), figure(metrics, "train/lr_backbone")
        if self.steps % EVERY:
            return False
        self._keep_best()
        return True

    @property
    def error(self) -> float:
        """Three standard errors of a WINDOW's mean loss, by what the whole run scatters from step to step."""
        return 3 * math.sqrt(self._squares / self._jumps / 2 / WINDOW) if self._jumps else math.nan

    def _spoil(self, step: int) -> None:
        self.first_spoiled = step if not self.spoiled else self.first_spoiled
        self.last_spoiled, self.spoiled = step, self.spoiled + 1

    def _keep_best(self) -> None:
        if len(self.loss) == WINDOW and mean(self.loss) + self.error < self.best_loss:
            self.best_loss, self.best_step = mean(self.loss) + self.error, self.step
        if len(self.grad_norm) == WINDOW:
            self.calm_norm = min(self.calm_norm, median(self.grad_norm))

    def see_evaluation(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Take in an evaluation, if it is one; whether it is."""
        if "val/AP" not in metrics and "val/loss" not in metrics:
            return False
        self.step = step
        if not math.isfinite(metrics.get("val/loss") or 0.0):
            self._spoil(step)
        epoch = min(self.config.epochs, (len(self.trained) + 1) * self.config.eval_every) if step else 0
        found = {name: figure(metrics, f"val/{name}") for name in VAL_FIGURES}
        train_loss = self._sum / self._count if self._count else math.nan
        self.evaluations.append(Evaluation(step, epoch, train_loss, **found))
        self._sum, self._count = 0.0, 0
        if epoch and "val/predicted" in metrics:
            self._count_classes(metrics)
        return True

    def _count_classes(self, metrics: Mapping[str, float]) -> None:
        tags = [tag for tag in metrics if tag.startswith("val/AP/")]
        self.class_ap = {tag.removeprefix("val/AP/"): figure(metrics, tag) for tag in tags}
        self.unpredicted = {
            name: 0 if figure(metrics, f"val/predicted/{name}") > 0 else self.unpredicted.get(name, 0) + 1
            for name in self.class_ap
        }
