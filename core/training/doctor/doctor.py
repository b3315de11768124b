"""The doctor: rules over a run's metrics, each with its cause, its evidence and what to change.

    doctor = Doctor(config)
    doctor.update(step, metrics)   # every step and every evaluation, in the order of recording
    doctor.remarks()               # what is the matter, the most urgent first

A resumed run's doctor is fed from the run store, and says the same as one that saw it live.

What the thresholds were tried on: the built-in demo (500 steps, batch 8, clip 0.1) at its own learning rate, at three,
five, ten and fifty times that rate, at batch 1, and on 24 images only. Losses of its healthy runs scatter by 13 to 20 %
from step to step, validation losses by about 1 % from evaluation to evaluation; gradient norms are 80 to 160.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.config import TrainConfig
from core.training.doctor.evaluations import EVALUATION_RULES
from core.training.doctor.history import History
from core.training.doctor.rule import Rule
from core.training.doctor.steps import STEP_RULES, not_finite
from core.training.doctor.trends import TREND_RULES
from core.training.remark import Remark

RULES: tuple[Rule, ...] = STEP_RULES + EVALUATION_RULES + TREND_RULES  # within a level, remarks stand in this order
ORDER = [rule.key for rule in RULES]


class Doctor:
    """Applies the rules to a run's metrics as they come; cheap enough to be asked at every training step.

    skipped_images  what a part of the run before this one knew of `update`'s
    """

    def __init__(self, config: TrainConfig, skipped_images: Sequence[int] = ()) -> None:
        self.history = History(config, skipped_images)
        self._remarks: dict[str, Remark] = {}  # by rule
        self._first: dict[str, int] = {}  # the step at which a rule held first, even if it did not in between

    def update(self, step: int, metrics: Mapping[str, float], skipped_images: Sequence[int] = ()) -> None:
        """Take in what was recorded at `step`: a training step's metrics, an evaluation's, or both; NaN is welcome.

        skipped_images  ids of the images on which the step was left out, if it was and they are known
        """
        history = self.history
        not_finite_before = history.not_finite
        if history.add_step(step, metrics, skipped_images) or history.not_finite > not_finite_before:
            self._apply(STEP_RULES)
        if history.add_evaluation(step, metrics):
            self._apply((not_finite, *EVALUATION_RULES, *TREND_RULES))

    def _apply(self, rules: Sequence[Rule]) -> None:
        for rule in rules:
            remark = rule.remark(self.history)
            if remark is None:
                self._remarks.pop(rule.key, None)
            else:
                first = self._first.setdefault(rule.key, remark.step)
                self._remarks[rule.key] = replace(remark, step=first)

    def remarks(self) -> list[Remark]:
        """Return what is the matter now, the most urgent first, each with the step at which it was seen first.

        A rule that no longer holds is gone, but for a loss that was not finite.
        """
        return sorted(self._remarks.values(), key=lambda r: (r.level.urgency, ORDER.index(r.rule)))
