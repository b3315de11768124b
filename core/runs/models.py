"""The models of a run that can be looked at and asked: its best, its last, and the baseline.

In: a run's evaluations. Out: the evaluation of each of these models, by its name in addresses and on the command line.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.labelled_enum import LabelledEnum
from core.runs.schema import Evaluation


class RunModel(LabelledEnum):
    """A model of a run: the value stands in addresses and requests; `label` and `description` are for the user."""

    BEST = "best", "Best", "The model after the epoch with the highest AP."
    LAST = "last", "Last", "The model after the last evaluated epoch."
    BASELINE = "untouched", "Baseline", "The untouched model, before the first step."

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names that the command line takes: "baseline" is another one for "untouched"."""
        return ("baseline", *cls)

    @classmethod
    def from_name(cls, name: str) -> RunModel:
        """Return the model with one of `names()`; raise ValueError for another name."""
        return cls.BASELINE if name == "baseline" else cls(name)


def baseline_of(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """Return the untouched model's evaluation among those of a run, which are in the order of epochs."""
    return evaluations[0] if evaluations and evaluations[0].epoch == 0 else None


def evaluated_models(evaluations: Sequence[Evaluation]) -> dict[str, Evaluation]:
    """Return the evaluation of each model of a run, by the `RunModel`'s value, the best first.

    The evaluations are those with detection tables, in the order of epochs: of other epochs none is kept. The last
    model is left out where it is the best one, and the best one where it is the baseline.
    """
    models: dict[str, Evaluation] = {}
    best = next((e for e in reversed(evaluations) if e.is_best), None)
    if best and best.epoch:
        models[RunModel.BEST.value] = best
    if evaluations and evaluations[-1].epoch and evaluations[-1] is not best:
        models[RunModel.LAST.value] = evaluations[-1]
    if baseline := baseline_of(evaluations):
        models[RunModel.BASELINE.value] = baseline
    return models
