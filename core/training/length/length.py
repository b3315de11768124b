"""How long a training is, while it runs: its epochs are set, or follow from its minutes and the speed that it measures.

In: settings, the images' steps, a clock, and what a checkpoint keeps. Out: the `Plan` that holds, in every process the
main one's. By minutes there is none before the first steps are timed. From then on the plan of an epoch is saved before
its first step, and changes only where it is saved again: steps that are repeated after a kill are the same steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from core.config import TrainConfig
from core.training.length.plan import Cost, Pace, Place, Plan, first_plan, next_plan

MEASURED_STEPS = 3  # at least, before a training is planned; the first is not among them, as it warms up
MEASURED_SHARE = 0.01  # of the time that is measured, too
UNPLANNED = 10**9  # epochs before there is a plan: rates and sizes are then those of a beginning
SAVING = 0.1  # of the time, at most, in checkpoints between evaluations
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=1, le=10**9)]


class LengthState(msgspec.Struct):
    """What a checkpoint keeps of a training by minutes.

    used  seconds that the training has had; step, evaluation: what they take (`Pace`), 0 where that is not known
    next  the epoch after which there is a plan and a checkpoint again, if not before
    """

    used: Seconds
    step: Seconds = 0.0
    evaluation: Seconds = 0.0
    epochs: Count | None = None
    eval_every: Count | None = None
    next: Annotated[int, Meta(ge=0, le=2**53)] = 0


class Length:
    """How many epochs a training has, how many steps each, and which of them are evaluated.

    by_minutes  whether the setting `minutes` holds
    most_steps  of an epoch: those of one pass over the images
    plan        None where there is none yet
    pace        what was measured; 0 where nothing was
    clock       by which everything is measured, in seconds
    """

    def __init__(
        self,
        config: TrainConfig,
        most_steps: int,
        cost: Cost,
        started: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.by_minutes, self._minutes = config.minutes > 0, 60 * config.minutes
        self.most_steps, self._every, self._cost, self.clock = most_steps, config.eval_every, cost, clock
        self.plan = None if self.by_minutes else Plan(config.epochs, most_steps, config.eval_every)
        self.pace, self._is_settled = Pace(0.0, 0.0), False  # settled: measured when everything was warm
        self._started, self._before = clock() if started is None else started, 0.0  # before: seconds before a resume
        self._steps_done: list[float] = []  # when the steps began, and when each of the first was done
        self._since, self._since_step, self._evaluating = 0.0, 0, 0.0  # what the pace is measured from
        self._saving, self._next = 0.0, 0  # seconds of a checkpoint; the epoch after which one is due

    @property
    def epochs(self) -> int:
        """How many epochs there are; 0 as long as that is not known."""
        return self.plan.epochs if self.plan else 0

    @property
    def steps_per_epoch(self) -> int:
        """How many steps the current epoch has."""
        return self.plan.steps_per_epoch if self.plan else self.most_steps

    @property
    def eval_every(self) -> int:
        """After how many epochs there is an evaluation."""
        return self.plan.eval_every if self.plan else self._every

    def steps(self, epoch: int, epoch_start: int) -> int:
        """Return how many steps there are altogether, where `epoch` epochs are done, by step `epoch_start`."""
        return epoch_start + self.steps_per_epoch * ((self.epochs or UNPLANNED) - epoch)

    def part(self, epoch: int, epoch_start: int, images: int, per_step: int) -> tuple[int, int]:
        """Return which part of the orders of all epochs an epoch has: its first place, and how many images.

        By minutes it begins where the epoch before has ended, and all of its steps have as many images.
        """
        if self.by_minutes:
            return epoch_start * per_step, self.steps_per_epoch * per_step
        return epoch * images, images

    def seconds_left(self, per_step: float | None, steps: int, evaluated: int) -> float | None:
        """Return what `steps` steps and the evaluations after that of epoch `evaluated` take; None if nobody knows.

        By minutes, what is left of them: the plan keeps to these, though the last steps were slow or quick.
        """
        if self.by_minutes or self.plan is None:
            return self._left()
        evaluations = ceil((self.plan.epochs - evaluated) / self.plan.eval_every)
        return per_step and per_step * steps + evaluations * self.pace.evaluation

    def _left(self) -> float:
        return max(0.0, self._minutes - self._used())

    def _used(self) -> float:
        return self._before + self.clock() - self._started

    def is_over(self, epoch: int) -> bool:
        """Check whether so many epochs are all."""
        return self.plan is not None and epoch >= self.plan.epochs

    def is_evaluated(self, epoch: int, evaluated: int | None) -> bool:
        """Check whether the model is to be evaluated after so many epochs; the last time was after `evaluated`."""
        if evaluated is None or evaluated == epoch:
            return evaluated is None
        # by minutes from the last time on, as the number of epochs between two may change
        is_turn = epoch - evaluated >= self.eval_every if self.by_minutes else epoch % self.eval_every == 0
        return is_turn or self.is_over(epoch)

    def is_saved(self, epoch: int, evaluated: int | None) -> bool:
        """Check whether there is to be a checkpoint after so many epochs: always, unless by minutes they take long."""
        # a plan's own, and no look at the clock: epochs that are repeated have plans where they had them before
        is_rare = self.by_minutes and self.plan is not None and not self.is_evaluated(epoch, evaluated)
        return not is_rare or epoch >= self._next

    # What a checkpoint keeps

    def state(self) -> dict[str, Any] | None:
        """Return what a checkpoint keeps, as LengthState reads it; None of a training by epochs."""
        if not self.by_minutes:
            return None
        kept = LengthState(self._used(), self.pace.step, self.pace.evaluation)
        if self.plan:
            kept.epochs, kept.eval_every, kept.next = self.plan.epochs, self.plan.eval_every, self._next
        return msgspec.structs.asdict(kept)

    def restore(self, state: LengthState | None, steps_per_epoch: int) -> None:
        """Go on from a checkpoint, in an epoch of so many steps."""
        if not self.by_minutes or state is None:
            return
        self._before, self.pace, self._next = state.used, Pace(state.step, state.evaluation), state.next
        if state.epochs and state.eval_every:
            self.plan = Plan(state.epochs, min(steps_per_epoch, self.most_steps), state.eval_every)
            self._is_settled = state.step > 0

    # What is measured

    def evaluated(self, seconds: float) -> None:
        """Take note of what an evaluation has taken."""
        self.pace = Pace(self.pace.step, seconds)
        self._evaluating += seconds

    def saved(self, seconds: float) -> None:
        """Take note of what a checkpoint has taken."""
        self._saving = seconds

    def begin_steps(self, step: int) -> None:
        """Take note that steps begin, the next being `step`; only the first call counts."""
        if not self._steps_done:
            self._steps_done.append(self.clock())
            self._since, self._since_step, self._evaluating = self.clock(), step, 0.0

    def is_measured(self) -> bool:
        """Take note that a step is done; check whether a plan can be made now."""
        self._steps_done.append(self.clock())
        seconds = self._steps_done[-1] - self._steps_done[0]
        return len(self._steps_done) > MEASURED_STEPS and seconds >= max(1.0, MEASURED_SHARE * self._minutes)

    def next_plan(self, epoch: int, step: int, epoch_start: int, evaluated: int) -> Plan:
        """Return the plan from here on by what was measured; where there is one, after a whole epoch that is saved.

        epoch, step  how many are done; the current epoch began at step `epoch_start`
        evaluated    the epoch after which there was an evaluation last
        """
        now, left, plan = self.clock(), self._left(), self.plan
        self._measure(now, epoch, step)
        self._since, self._since_step, self._evaluating = now, step, 0.0
        if plan is None and not epoch:
            plan = first_plan(left, self.pace, self.most_steps, step - epoch_start, self._every, self._cost)
        else:
            plan, place = plan or Plan(epoch + 1, self.most_steps, self._every), Place(epoch, step, evaluated)
            plan = next_plan(plan, place, left, self.pace, self.most_steps, self._every, self._cost)
        seconds = self.pace.step * plan.steps_per_epoch * self._cost(epoch, plan.epochs)
        self._next = epoch + max(1, ceil(self._saving / SAVING / max(seconds, 1e-6)))
        return plan

    def _measure(self, now: float, epoch: int, step: int) -> None:
        """Take the pace from the steps since the last plan; before the first, from those after the very first."""
        if self.plan is None:
            times = self._steps_done[1:] if len(self._steps_done) > 2 else self._steps_done
            seconds, steps = times[-1] - times[0], len(times) - 1
        else:
            seconds, steps = now - self._since - self._evaluating, step - self._since_step
        if steps <= 0:
            return
        measured = max(seconds, 1e-6) / steps / self._cost(max(0, epoch - 1), self.epochs or UNPLANNED)
        self.pace = Pace((self.pace.step + measured) / 2 if self._is_settled else measured, self.pace.evaluation)
        self._is_settled = self.plan is not None
