"""What the doctor remembers of a run: windows of recent steps, running values, and a row for each evaluation.

In: the metrics of steps and evaluations (`core.metrics`). Out: the figures that the rules ask for. The memory does not
grow with the steps, only with evaluations and classes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core import metrics as tags
from core.config import TrainConfig
from core.metrics import Metric

WINDOW = 100  # steps that a rule on steps looks back
EVERY = 10  # steps between two looks


def finite(metrics: Mapping[str, float], tag: str) -> float:
    """Return the metric if it is a finite number, else NaN: no comparison with NaN is true, so no rule holds by it."""
    value = metrics.get(tag)
    return float(value) if value is not None and math.isfinite(value) else math.nan


def mean(values: Collection[float]) -> float:
    """Return the mean, NaN of no values."""
    return sum(values) / len(values) if values else math.nan


def median(values: Collection[float]) -> float:
    """Return the median, the upper one of two; NaN of no values."""
    return sorted(values)[len(values) // 2] if values else math.nan


def deviation(values: Collection[float]) -> float:
    """Return the standard deviation."""
    centre = mean(values)
    return math.sqrt(mean([(v - centre) * (v - centre) for v in values]))  # not **, which may overflow


def digits(value: float) -> str:
    """Return a figure as evidence shows it: with three digits."""
    return "unknown" if math.isnan(value) else f"{value:.3g}"


def percent(share: float) -> str:
    """Return an AP as the pages show it: 26.8 for 0.268."""
    return "unknown" if math.isnan(share) else f"{100 * share:.1f}"


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation, NaN where one was not recorded.

    epoch       trained epochs; 0 is the baseline
    train_loss  the mean of train/loss since the evaluation before
    predicted   predictions per image with a score of at least `COUNTED_SCORE`
    objects     annotated objects per image
    """

    step: int
    epoch: int
    train_loss: float
    AP: float
    AP50: float
    AP75: float
    loss: float
    loss_class: float
    loss_bbox: float
    loss_giou: float
    predicted: float
    objects: float

    @property
    def result(self) -> str:
        """AP with its epoch: "AP 26.8 after epoch 3"."""
        return f"AP {percent(self.AP)} " + (f"after epoch {self.epoch}" if self.epoch else "of the baseline")


def best_of(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """Return the first one with the highest AP; None if none has an AP."""
    known = [e for e in evaluations if not math.isnan(e.AP)]
    return max(known, key=lambda e: e.AP) if known else None


def fall(before: float, now: float) -> float:
    """Return by what share a loss has fallen, NaN if that cannot be said."""
    return 1 - now / before if before > 0 else math.nan


FIGURES: dict[str, Metric] = {  # of an Evaluation, and the metrics that they are
    **{name: tags.COCO[name] for name in ("AP", "AP50", "AP75")},
    **{loss.name: loss.val for loss in (tags.LOSS, tags.LOSS_BBOX, tags.LOSS_GIOU)},
    "predicted": tags.PREDICTED,
    "objects": tags.OBJECTS,
}


class History:
    """One run as the doctor knows it.

    steps           how many training steps there were; `step` is the number of the last one
    not_finite      steps and evaluations with a number that is not finite; `skipped` of them were left out
    skipped_images  ids of the images of the last step that was left out; empty where they are not known
    epochs          how many the run has: of a run by minutes as it is planned now
    first_loss      of the first step, so of a model not yet changed
    best_loss       the lowest mean of WINDOW steps, its error added; up to best_step
    lowest_norm     the lowest median of WINDOW gradient norms
    class_loss      which loss of classes the model has
    unpredicted     class to how many of the last evaluations in a row did not predict it; class_ap has its last AP
    """

    def __init__(self, config: TrainConfig, skipped_images: Sequence[int] = ()) -> None:
        self.config = config
        self.epochs, self._steps_per_epoch = config.epochs, 0.0  # by minutes both are told: `set_length`
        self.step, self.steps = 0, 0
        windows: tuple[deque[float], ...] = tuple(deque(maxlen=WINDOW) for _ in range(4))
        self.loss, self.grad_norm, self.wait, self.gpu_busy = windows
        self.not_finite, self.skipped, self.first_not_finite, self.last_not_finite = 0, 0, 0, 0
        self.class_loss = tags.LOSS_CE
        self.skipped_images = tuple(skipped_images)
        self.first_loss, self.best_loss, self.best_step, self.lowest_norm = math.nan, math.inf, 0, math.inf
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
        """The evaluation of the untouched model."""
        return self.evaluations[0] if self.evaluations and not self.evaluations[0].epoch else None

    @property
    def has_stalled(self) -> bool:
        """Whether AP has not risen for as long as early stopping allows, which ends the run (`Training.is_over`)."""
        patience, best, since = self.config.early_stopping, -1.0, 0
        for evaluation in self.trained:
            ap = 0.0 if math.isnan(evaluation.AP) else evaluation.AP
            best, since = (ap, 0) if ap > best else (best, since + 1)
        return 0 < patience <= since

    @property
    def epochs_left(self) -> int:
        """How many epochs there are after the last evaluation, as far as is known; 0 once the run is over."""
        last = self.evaluations[-1].epoch if self.evaluations else 0
        return 0 if self.has_stalled else max(0, self.epochs - last)

    @property
    def is_over(self) -> bool:
        """Whether the last evaluation was the run's last: nothing is trained after it, resumed or not."""
        return not self.epochs_left

    @property
    def error(self) -> float:
        """Three standard errors of a WINDOW's mean loss, by what the whole run scatters from step to step."""
        return 3 * math.sqrt(self._squares / self._jumps / 2 / WINDOW) if self._jumps else math.nan

    def set_length(self, epochs: int, steps: int) -> None:
        """Take note of how many epochs and steps a training by minutes has, which may change."""
        if self.config.minutes and epochs and steps:
            self.epochs, self._steps_per_epoch = epochs, steps / epochs

    def add_step(self, step: int, metrics: Mapping[str, float], skipped_images: Sequence[int] = ()) -> bool:
        """Take in a training step, if these are one's metrics.

        Returns whether it is time to apply the rules, which is so every EVERY steps.
        """
        loss, skipped = metrics.get(tags.LOSS.train.tag), metrics.get(tags.SKIPPED.tag)
        if loss is None and not skipped:
            return False
        self.step, self.steps = step, self.steps + 1
        self.skipped_images = tuple(skipped_images) or self.skipped_images
        norm = metrics.get(tags.GRAD_NORM.tag)
        # fp16's loss scaling finds its scale by gradients that overflow: those are no mishap
        is_norm_broken = norm is not None and not math.isfinite(norm) and self.config.precision != "fp16"
        if skipped or loss is None or not math.isfinite(loss) or is_norm_broken:
            self.skipped += bool(skipped)
            self._count_not_finite(step)
        for tag, window in (
            (tags.LOSS.train.tag, self.loss), (tags.GRAD_NORM.tag, self.grad_norm),
            (tags.WAIT.tag, self.wait), (tags.GPU_BUSY.tag, self.gpu_busy),
        ):  # fmt: skip
            value = metrics.get(tag)
            if value is not None and math.isfinite(value):
                window.append(value)
        if loss is not None and math.isfinite(loss):
            self._add_loss(loss)
        self.lr, self.lr_backbone = finite(metrics, tags.LR.tag), finite(metrics, tags.LR_BACKBONE.tag)
        if self.steps % EVERY:
            return False
        self._keep_best()
        return True

    def _add_loss(self, loss: float) -> None:
        self._sum, self._count = self._sum + loss, self._count + 1
        if math.isnan(self._last):
            self.first_loss = self._last = loss
        jump, self._last = loss - self._last, loss
        self._jumps, self._squares = self._jumps + 1, self._squares + jump * jump

    def _count_not_finite(self, step: int) -> None:
        self.first_not_finite = step if not self.not_finite else self.first_not_finite
        self.last_not_finite, self.not_finite = step, self.not_finite + 1

    def _keep_best(self) -> None:
        if len(self.loss) == WINDOW and mean(self.loss) + self.error < self.best_loss:
            self.best_loss, self.best_step = mean(self.loss) + self.error, self.step
        if len(self.grad_norm) == WINDOW:
            self.lowest_norm = min(self.lowest_norm, median(self.grad_norm))

    def add_evaluation(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Take in an evaluation, if these are one's metrics; return whether they are."""
        if tags.AP.tag not in metrics and tags.LOSS.val.tag not in metrics:
            return False
        self.step = step
        if not math.isfinite(metrics.get(tags.LOSS.val.tag) or 0.0):
            self._count_not_finite(step)
        epoch = self._epoch_at(step) if step else 0
        figures = {name: finite(metrics, metric.tag) for name, metric in FIGURES.items()}
        self.class_loss = next((loss for loss in tags.CLASS_LOSSES if loss.val.tag in metrics), self.class_loss)
        figures["loss_class"] = finite(metrics, self.class_loss.val.tag)
        train_loss = self._sum / self._count if self._count else math.nan
        self.evaluations.append(Evaluation(step, epoch, train_loss, **figures))
        self._sum, self._count = 0.0, 0
        if epoch and tags.PREDICTED.tag in metrics:
            self._count_classes(metrics)
        return True

    def _epoch_at(self, step: int) -> int:
        """Return how many epochs were done when a trained model was evaluated at `step`."""
        if self._steps_per_epoch:
            return max(1, round(step / self._steps_per_epoch))
        return min(self.epochs, (len(self.trained) + 1) * self.config.eval_every)

    def _count_classes(self, metrics: Mapping[str, float]) -> None:
        aps = {tags.AP_BY_CLASS.name(tag): finite(metrics, tag) for tag in metrics}
        self.class_ap = {name: ap for name, ap in aps.items() if name is not None}
        self.unpredicted = {
            name: 0 if finite(metrics, tags.PREDICTED_BY_CLASS.tag(name)) > 0 else self.unpredicted.get(name, 0) + 1
            for name in self.class_ap
        }
