"""The doctor: rules over a run's own record, each with its cause, its evidence and what to change.

    doctor = Doctor(config)
    doctor.see(step, metrics)      # every step and every evaluation, in the order of recording
    doctor.remarks()               # what is the matter, the most urgent first

A resumed run's doctor is fed from the run store, and says the same as one that saw it live. Each file imports only
those above it in this order: record, advice, steps, evaluations. The two last hold the rules, one function each, whose
docstring says where its threshold comes from.

What the thresholds were tried on: the built-in demo (500 steps, batch 8, clip 0.1) at its own learning rate, at three,
five, ten and fifty times that rate, at batch 1, and on 24 images only. Losses of its healthy runs scatter by 13 to 20 %
from step to step, validation losses by about 1 % from evaluation to evaluation; gradient norms are 80 to 160.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from core.config import TrainConfig
from core.training.doctor import evaluations, steps
from core.training.doctor.record import Record
from core.training.progress import LEVELS, Remark

Rule = Callable[[Record], Remark | None]

# within a level, remarks stand in this order
STEP_RULES: tuple[Rule, ...] = (
    steps.not_finite,
    steps.learning_rate_too_high,
    steps.waiting_for_data,
    steps.gpu_idle,
    steps.backbone_rate,
    steps.always_clipped,
)
EVALUATION_RULES: tuple[Rule, ...] = (
    evaluations.predicts_nothing,
    evaluations.below_baseline,
    evaluations.ap_near_zero,
    evaluations.overfitting,
    evaluations.past_best,
    evaluations.class_never_predicted,
    evaluations.misplaced_boxes,
    evaluations.plateau,
)
ORDER = [rule.__name__ for rule in STEP_RULES + EVALUATION_RULES]  # a rule's function is named as its remark's `rule`


class Doctor:
    """Sees a run's record as it grows; cheap enough to be asked at every training step."""

    def __init__(self, config: TrainConfig):
        self.record = Record(config)
        self._said: dict[str, Remark] = {}
        self._first: dict[str, int] = {}  # the step at which a rule held first, even if it did not in between

    def see(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take in what was recorded at `step`: a training step's metrics, an evaluation's, or both; NaN is welcome."""
        record = self.record
        spoiled = record.spoiled
        if record.see_step(step, metrics) or record.spoiled > spoiled:
            self._check(STEP_RULES)
        if record.see_evaluation(step, metrics):
            self._check((steps.not_finite, *EVALUATION_RULES))

    def _check(self, rules: tuple[Rule, ...]) -> None:
        for rule in rules:
            remark = rule(self.record)
            if remark is None:
                self._said.pop(rule.__name__, None)
            else:
                first = self._first.setdefault(remark.rule, remark.step)
                self._said[remark.rule] = replace(remark, step=first)

    def remarks(self) -> list[Remark]:
        """What is the matter now, the most urgent first, with today's figures and the step at which it was seen first.

        A rule that no longer holds is gone, but for a loss that was not finite.
        """
        return sorted(self._said.values(), key=lambda r: (LEVELS.index(r.level), ORDER.index(r.rule)))
