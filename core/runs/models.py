"""The models of a run that can be looked at and asked: its best, its last, and the baseline.

In: a run's evaluations and folder. Out: the evaluation of each of these models, by its name in addresses and on the
command line; its checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core import ConfigError, ModelError, RunError
from core.config import TrainConfig
from core.files import real_path
from core.labelled_enum import LabelledEnum
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore
from core.training.checkpoint_folder import epoch_of


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


def checkpoint_of(store: RunStore, run: Run, model: str) -> Path:
    """Return the folder of a run's "best" or "last" checkpoint; the other's where both are the same and one is kept.

    Raises RunError for another name, ModelError if it is not there.
    """
    if model not in (RunModel.BEST, RunModel.LAST):
        raise RunError(f"A run has the models {', '.join(RunModel)}, not {model!r}.")
    other_name = RunModel.LAST if model == RunModel.BEST else RunModel.BEST
    folder, other = store.checkpoint(run.id, model), store.checkpoint(run.id, other_name)
    if model == RunModel.BEST and epoch_of(other) == run.best_epoch != epoch_of(folder):
        return other  # killed when the best one was recorded, and not yet kept as such
    if folder.is_dir():
        return folder
    if run.best_epoch and run.best_epoch == run.epoch and other.is_dir():
        return other
    raise ModelError(f"The checkpoint {folder} is gone, so its model cannot be asked.")


def run_settings(store: RunStore, model: str, base: Path = Path()) -> TrainConfig | None:
    """Return the settings of the run whose checkpoint a model is; None if it is none, or its settings are unknown.

    base  from which a relative folder is looked for
    """
    folder = real_path(base / model)
    if folder.parent.parent != real_path(store.checkpoints_dir):
        return None
    try:
        run = store.get(folder.parent.name)
        return None if run.is_imported else TrainConfig.from_dict(run.config)
    except (RunError, ConfigError):
        return None
