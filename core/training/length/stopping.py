"""When a training ends before its last epoch: as AP has not risen for so many evaluations.

In: the settings and the evaluations. Out: whether it is over, and a `Remark` that says so; its model is then the best.
"""

from __future__ import annotations

from core.config import TrainConfig
from core.training.remark import Level, Remark, TrainingRule

MOST = 1000  # evaluations, as the setting may have


class EarlyStopping:
    """The best AP of the epochs that were trained, and the number of evaluations since then."""

    def __init__(self, config: TrainConfig) -> None:
        self._patience, self._keep = config.early_stopping, config.keep
        self.best_ap, self.since_best = -1.0, 0

    def add(self, ap: float) -> bool:
        """Take note of an evaluation's AP, not of the baseline's; return whether it is the best."""
        is_best = ap > self.best_ap
        self.best_ap, self.since_best = (ap, 0) if is_best else (self.best_ap, self.since_best + 1)
        return is_best

    @property
    def has_stalled(self) -> bool:
        """Whether AP has not risen for as long as the settings allow."""
        return 0 < self._patience <= self.since_best

    @property
    def kept(self) -> str:
        """Which checkpoints stay, as the setting `keep` has it: after an early stop the best one in any case."""
        return "best and last" if self.has_stalled and self._keep == "last" else self._keep

    def remarks(self, epoch: int, epochs: int, step: int) -> tuple[Remark, ...]:
        """Return the remark that a training ends after `epoch` of its `epochs`; none where that is its end."""
        if not self.has_stalled or epoch >= epochs:
            return ()
        longer = min(MOST, 2 * self._patience)
        remark = Remark(
            rule=TrainingRule.STOPPED_EARLY,
            level=Level.INFO,
            title=f"Stopped early, after {epoch} of {epochs} epochs",
            cause=f"AP had not risen for {self.since_best} evaluations, as the setting “Stop early after” asks.",
            evidence=f"Best AP {100 * self.best_ap:.1f}.",
            advice="The run's model is the best one. For a longer run, raise “Stop early after” (early_stopping), to "
            f"{longer} for example.",
            step=step,
            changes={"early_stopping": longer},
        )
        return (remark,)
