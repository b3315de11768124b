"""From minutes to epochs: how many steps and evaluations fit into the seconds that are left.

In: what a step and an evaluation take, measured. Out: a `Plan`: made once, after the first steps, and corrected between
epochs where the speed is another one than was thought. No clock is read here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

EVALUATING = 0.1  # of the time, at most, in evaluations
MOST_EVALUATIONS = 50  # of a training, whatever they take
LEAST_EPOCHS = 20  # where one pass over the images is a larger share of the training, an epoch is a part of one
LEAST_STEPS = 5  # of such an epoch
MOST_SUMMED = 32  # epochs whose costs are added up one by one
SHORTER = 0.02  # of the training: by so much it may be too short or too long before its plan is changed

Cost = Callable[[int, int], float]  # of a step in epoch (from 0) of epochs, relative to another's; it never falls


@dataclass(frozen=True)
class Plan:
    """How many epochs there are altogether, and steps in each from now on; every so many epochs are evaluated."""

    epochs: int
    steps_per_epoch: int
    eval_every: int


@dataclass(frozen=True)
class Pace:
    """Seconds of a step whose cost is 1, with all that is between steps, and of an evaluation."""

    step: float
    evaluation: float


@dataclass(frozen=True)
class Place:
    """How many epochs and steps are done, and after which epoch there was an evaluation last."""

    epoch: int
    step: int
    evaluated: int


def first_plan(seconds: float, pace: Pace, most_steps: int, begun: int, eval_every: int, cost: Cost) -> Plan:
    """Plan a training that has had `begun` steps of its first epoch, and has so many seconds left.

    most_steps  of an epoch: one pass over the images
    eval_every  at least, as the settings say
    """
    evaluations = _evaluations(seconds, pace)
    mean_cost = _summed(cost, 0, 100) / 100
    steps = begun + max(0.0, seconds - evaluations * pace.evaluation) / (pace.step * mean_cost)
    epochs = max(1, ceil(steps / most_steps), min(LEAST_EPOCHS, int(steps / LEAST_STEPS)))
    per_epoch = min(most_steps, max(1, begun, round(steps / epochs)))
    epochs = max(1, round(steps / per_epoch))
    return Plan(epochs, per_epoch, max(eval_every, ceil(epochs / evaluations)))


def next_plan(
    plan: Plan, place: Place, seconds: float, pace: Pace, most_steps: int, eval_every: int, cost: Cost
) -> Plan:
    """Correct a plan between two epochs, when so many seconds are left: at least one more epoch is made.

    The plan stays as it is where the training would end within SHORTER of its time.
    """
    epoch, per_epoch, evaluations = place.epoch, plan.steps_per_epoch, _evaluations(seconds, pace)
    budget = seconds - evaluations * pace.evaluation
    epochs = _epochs_within(budget, epoch, pace.step * per_epoch, cost)
    every = max(eval_every, ceil((epochs - place.evaluated) / evaluations))
    if plan.eval_every / 1.5 <= every <= plan.eval_every * 1.5:
        every = plan.eval_every
    budget = seconds - ceil((epochs - place.evaluated) / every) * pace.evaluation
    epochs = _epochs_within(budget, epoch, pace.step * per_epoch, cost)
    left = (epochs - epoch) * per_epoch
    needed = _summed(cost, epoch, epochs) * pace.step * per_epoch
    if abs(needed - budget) > SHORTER * needed * (place.step + left) / left:  # an epoch is too coarse a measure
        per_epoch = min(most_steps, max(1, round(per_epoch * max(0.25, budget / needed))))
    elif abs(epochs - plan.epochs) <= SHORTER * (epochs - epoch):
        epochs = plan.epochs
    return Plan(epochs, per_epoch, every)


def _evaluations(seconds: float, pace: Pace) -> int:
    """Return how many evaluations there are in so many seconds, the one at the end among them."""
    fitting = EVALUATING * max(seconds, 0.0) / max(pace.evaluation, 1e-6)
    return max(1, round(min(fitting, MOST_EVALUATIONS)))


def _summed(cost: Cost, epoch: int, epochs: int) -> float:
    """Return what the epochs from `epoch` on cost together; of many, by some of them."""
    count, first = epochs - epoch, cost(epoch, epochs)
    if first == cost(epochs - 1, epochs):  # images never become smaller
        return count * first
    some = min(count, MOST_SUMMED)
    return count * sum(cost(epoch + count * one // some, epochs) for one in range(some)) / some


def _epochs_within(seconds: float, epoch: int, per_epoch: float, cost: Cost) -> int:
    """Return after how many epochs, more than `epoch`, as many seconds are over as come nearest to `seconds`."""

    def needed(epochs: int) -> float:
        return per_epoch * _summed(cost, epoch, epochs)

    low, high = epoch + 1, epoch + 2
    while needed(high) < seconds:
        low, high = high, epoch + 2 * (high - epoch)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle) < seconds else (low, middle)
    return min((low, high), key=lambda epochs: abs(needed(epochs) - seconds))
