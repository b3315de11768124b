"""Successive halving: of many settings the worst end early, by what the run store says, so that nothing is forgotten.

Every run of the experiment first goes to the lowest rung, a number of epochs, and stops there once that epoch's
evaluation is recorded (`RunQueue.must_stop`), as after a click on Stop: with a checkpoint, its learning rate on its way
over the whole length. When no run is on its way to the rung any more, the best 1/eta of the settings go back into the
queue, to the next rung, and in the end to their last epoch. A setting is judged by the median over its seeds of the
best AP up to the rung. Runs that failed, were stopped by their user or deleted are not waited for; one that reaches a
rung later, having been resumed, goes on if it is among the best of those that reached it by then.

Which runs go on follows from the recorded evaluations alone, and each goes on in one transaction: an app that is killed
at any instant continues where it was.

Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016; the rungs are
those of one bracket of Hyperband (Li et al., 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from core import RunError
from core.runs.experiments.record import Experiments, Member
from core.runs.queue import RunQueue
from core.runs.schema import Run, Status
from core.runs.store import RunStore

RUNGS, ETA = "rungs", "halving"  # in an experiment's plan
MAY_GO_ON = (Status.STOPPED, Status.INTERRUPTED)
# all that promotions depend on, of all experiments
STATE = """select group_concat(run || status || stop_requested || ':' || coalesce(pause_epoch, '') || ':' || cancelled
    || ':' || coalesce(deleted, '') || (select count(*) from evaluations as e where e.run = number), ' ')
from experiment_runs join runs on number = run join experiments as x on x.id = experiment
"""
NO_AP = -1.0  # of a model that found nothing that can be counted: below all others


def plan_rungs(epochs: int, eta: int, settings: int, eval_every: int = 1) -> tuple[int, ...]:
    """Return the epochs at which the best 1/eta go on, rising, each an evaluated one before the last.

    As many as leave at least one of `settings` at the end; none where there is nothing to choose or no room.

    >>> plan_rungs(9, 3, 9)
    (1, 3)
    >>> plan_rungs(10, 2, 4, eval_every=2)
    (4, 6)
    """
    steps = int(math.log(settings) / math.log(eta) + 1e-9) if settings > 1 else 0
    rungs = {eval_every * math.ceil(epochs / eta ** (steps - i) / eval_every - 1e-9) for i in range(steps)}
    return tuple(sorted(rung for rung in rungs if 0 < rung < epochs))


def budget(rungs: Sequence[int], epochs: int, eta: int, settings: int) -> int:
    """Return how many epochs the settings take together, for each seed.

    >>> budget((1, 3), 9, 3, 9)
    21
    """
    total, before, left = 0, 0, settings
    for rung in (*rungs, epochs):
        total += left * (rung - before)
        before, left = rung, max(left // eta, 1)
    return total


@dataclass(frozen=True)
class Standing:
    """How far a run is: what halving needs to know of it.

    setting      what it is a run of; runs of several seeds have the same
    aps          the best AP up to each rung that it has reached, by the rung
    is_live      it waits or is at work
    pause_epoch  the rung that it is on its way to; None: it goes to its end
    may_go_on    it stopped at a rung, and its user did not stop it
    """

    run: str
    setting: Any
    aps: Mapping[int, float] = field(default_factory=dict)
    is_live: bool = False
    pause_epoch: int | None = None
    may_go_on: bool = False


def promotions(standings: Sequence[Standing], rungs: Sequence[int], eta: int) -> dict[str, int | None]:
    """Return the runs that are to go on now, each with the rung at which it pauses next, None for none.

    Only the lowest rung that some run is on its way to decides nothing yet; so do all above it.
    """
    going: dict[str, int | None] = {}
    for place, rung in enumerate(rungs):
        before = rungs[place - 1] if place else 0
        here = [one for one in standings if one.pause_epoch is None or one.pause_epoch > before]
        if any(one.is_live and rung not in one.aps for one in here):
            break
        following = rungs[place + 1] if place + 1 < len(rungs) else None
        for one in best_share([one for one in here if rung in one.aps], rung, eta):
            if one.pause_epoch == rung and one.may_go_on:
                going[one.run] = following
        if going:
            break
    return going


def best_share(reached: Sequence[Standing], rung: int, eta: int) -> list[Standing]:
    """Return the runs of the best 1/eta of the settings that reached a rung, at least one; at a tie the first."""
    aps: dict[Any, list[float]] = {}
    for one in reached:
        aps.setdefault(one.setting, []).append(one.aps[rung])
    ranked = sorted(aps, key=lambda setting: -median(aps[setting]))  # stable
    best = ranked[: max(len(ranked) // eta, 1)]
    return [one for one in reached if one.setting in best]


def standing_of(store: RunStore, member: Member, rungs: Sequence[int]) -> Standing:
    """Return how far a run of an experiment is."""
    run = member.run
    done = [(e.epoch, e.figures.get("AP")) for e in store.evaluations(run.id) if e.epoch > 0]
    best = {
        rung: max([NO_AP, *(ap for epoch, ap in done if epoch <= rung and isinstance(ap, float))])
        for rung in rungs
        if any(epoch >= rung for epoch, _ in done)
    }
    may_go_on = run.status in MAY_GO_ON and not run.stop_requested
    return Standing(run.id, member.cell, best, run.is_live, member.pause_epoch, may_go_on)


class Halving:
    """Lets runs go on as `advance` does, again and again: what did not change since the last time costs one query."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._seen: str | None = None

    def advance(self) -> list[Run]:
        """Put into the queue the runs that are to go on now; return them."""
        with self._store.database.read() as db:
            state = db.execute(STATE).fetchone()[0]
        if state == self._seen:
            return []
        begun = advance(self._store)
        self._seen = None if begun else state
        return begun


def advance(store: RunStore) -> list[Run]:
    """Put into the queue the runs of all experiments that are to go on now; return them.

    A run whose checkpoint is gone cannot: it becomes FAILED, and says so.
    """
    experiments, queue = Experiments(store), RunQueue(store)
    begun = []
    for experiment in experiments.all():
        rungs, eta = rungs_of(experiment.plan)
        if not rungs or experiment.is_cancelled:
            continue
        members = experiments.members(experiment.id)
        if not any(member.pause_epoch in rungs and not member.run.is_live for member in members):
            continue
        for run_id, rung in promotions([standing_of(store, one, rungs) for one in members], rungs, eta).items():
            try:
                begun.append(queue.requeue(run_id, pause_epoch=rung))
            except RunError as error:
                with suppress(RunError):
                    if store.get(run_id).status in MAY_GO_ON:
                        store.update(run_id, status=Status.FAILED, message=str(error))
    return begun


def rungs_of(plan: Mapping[str, Any]) -> tuple[tuple[int, ...], int]:
    """Return an experiment's rungs, none if it has no halving, and its eta."""
    rungs, eta = plan.get(RUNGS), plan.get(ETA)
    if not isinstance(rungs, list) or not all(type(rung) is int and rung > 0 for rung in rungs):
        return (), 0
    if type(eta) is not int or eta < 2:
        return (), 0
    return tuple(sorted(set(rungs))), eta


def ended_early(member: Member, rungs: Sequence[int]) -> bool:
    """Check whether a run stopped at a rung and has not gone on: others were better, or it is not decided yet."""
    run, rung = member.run, member.pause_epoch
    has_reached = rung is not None and rung in rungs and (run.epoch or 0) >= rung
    return has_reached and run.status in MAY_GO_ON and not run.stop_requested
