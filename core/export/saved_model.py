"""The trained model of a run that is to leave the lab: its checkpoint, and the evaluation that says how good it is.

In: a run, and which epoch of it. Out: a `SavedModel`, which every form of `model_formats.py` is written from.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core import ModelError, RunError
from core.config import TrainConfig
from core.labels import LabelMap
from core.runs.models import RunModel, checkpoint_of
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore
from core.training.checkpoint_folder import epoch_of
from core.wording import short


@dataclass(frozen=True)
class SavedModel:
    """A checkpoint of a run.

    name        "best" or "last"
    folder      of the checkpoint
    epoch       after how many; None in the midst of one, or where it is not known
    evaluation  of this epoch; None if it was not evaluated
    """

    store: RunStore
    run: Run
    name: str
    folder: Path
    epoch: int | None
    evaluation: Evaluation | None

    @property
    def config(self) -> TrainConfig:
        """The settings of its training."""
        return TrainConfig.from_dict(self.run.config)

    @property
    def labels(self) -> LabelMap:
        """Its classes; raises RunError if the run does not know them."""
        if self.run.label_map is None:
            raise RunError(f"The run {self.run.name} does not know its classes: wait until its training has begun.")
        return LabelMap.from_dict(self.run.label_map)


def saved_model(store: RunStore, run: Run, epoch: int | None = None) -> SavedModel:
    """Return the checkpoint of an epoch of a run; by default the best one, else the last.

    Raises RunError for imported results, ModelError if there is no checkpoint, or none of that epoch.
    """
    if run.is_imported:
        raise RunError(
            f"The run {run.name} was {run.origin}: only its results are here, no model that could be exported."
        )
    folders: dict[str, Path] = {}
    for model in (RunModel.BEST, RunModel.LAST):
        with suppress(ModelError):
            folders[model.value] = checkpoint_of(store, run, model.value)
    epochs = {name: epoch_of(folder) for name, folder in folders.items()}
    if "best" in epochs and epochs["best"] is None:  # of an earlier version, which did not note it
        epochs["best"] = run.best_epoch
    if not folders:
        raise ModelError(f"The run {run.name} has no checkpoint, so there is no model to export: train, or resume it.")
    name = next((name for name, trained in epochs.items() if epoch in (None, trained)), None)
    if name is None:
        kept = " and ".join(f"{name} (epoch {n})" if n else name for name, n in epochs.items())
        raise ModelError(f"The model of epoch {epoch} of {short(run.id)} is not kept: take one of {kept}.")
    evaluations = {one.epoch: one for one in store.evaluations(run.id)}
    trained = epochs[name]
    evaluation = None if trained is None else evaluations.get(trained)
    return SavedModel(store, run, name, folders[name], trained, evaluation)
