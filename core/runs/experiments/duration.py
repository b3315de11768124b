"""How long an experiment will likely take: as long as the last training on the same data with the same model took."""

from __future__ import annotations

from collections.abc import Sequence

from core.config import TrainConfig
from core.runs.experiments.halving import ETA, RUNGS, budget
from core.runs.experiments.kind import Planned
from core.runs.experiments.record import cell_of
from core.runs.schema import Status
from core.runs.store import RunStore

SAME = ("data", "model", "shortest_edge", "longest_edge", "square", "device", "processes")


def planned_epochs(base: TrainConfig, planned: Sequence[Planned], details: dict[str, object]) -> int:
    """Return how many epochs of all images are trained; the learning curve's runs take as long as one on all."""
    rungs, eta = details.get(RUNGS), details.get(ETA)
    if isinstance(rungs, list) and isinstance(eta, int):
        cells = len({cell_of(one.variant) for one in planned})
        return len(planned) // cells * budget(rungs, base.epochs, eta, cells)
    return sum(base.epochs if "images" in one.variant else one.config.epochs for one in planned)


def likely_seconds(store: RunStore, base: TrainConfig, epochs: int) -> float | None:
    """Return how long so many epochs would take; None if no training like it has ended here."""
    wanted = base.to_dict()
    for run in store.runs():
        if run.status is not Status.FINISHED or run.is_imported or not (run.epoch and run.started and run.ended):
            continue
        if all(run.config.get(name) == wanted[name] for name in SAME):
            return epochs * (run.ended - run.started) / run.epoch
    return None


def duration_words(seconds: float) -> str:
    """Return a duration as somebody says it.

    >>> duration_words(40), duration_words(100), duration_words(5400)
    ('about a minute', 'about 2 minutes', 'about 1.5 hours')
    """
    minutes = seconds / 60
    if minutes < 1.5:
        return "about a minute"
    return f"about {minutes:.0f} minutes" if minutes < 90 else f"about {minutes / 60:.1f} hours"
