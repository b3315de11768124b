"""What a training uses of its data set: the chosen classes, and the images of both splits.

In: the settings, both splits without what cannot be used, and, to resume, the classes of the checkpoint. Out:
`TrainingData`. Apart from `training.py`, because whether the data is still the same is known before a model is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core import ConfigError, DataError, ModelError
from core.config import TrainConfig
from core.datasets.fingerprint.changes import class_changes
from core.datasets.folder.totals import Totals
from core.datasets.part import filter_to_classes
from core.datasets.problems import Problem
from core.datasets.split import CocoSplit
from core.detr.model_folder import read_label_map
from core.labels import LabelMap
from core.training.checkpoint_folder import saved_checkpoint


@dataclass(frozen=True)
class TrainingData:
    """The data of a training.

    label_map  its classes, by the names that they have today
    saved      the classes of the checkpoint from which it goes on; None if it begins
    train      images for training, with the chosen classes only; val: those for validation
    problems   what was left out or repaired
    totals     how many of all pictures and boxes are used, whatever the classes; None if nobody has counted
    """

    label_map: LabelMap
    saved: LabelMap | None
    train: CocoSplit
    val: CocoSplit
    problems: list[Problem]
    totals: Totals | None = None

    def require_same_classes(self) -> None:
        """Raise DataError if other classes than those of the checkpoint are in the data, by id and order."""
        changes = class_changes(self.saved or self.label_map, self.label_map)
        if not changes.are_safe:
            raise DataError(
                f"The checkpoint has other classes than the data: {'; '.join(changes.parts)}. Put the data back, or "
                "train again, starting from the checkpoint."
            )


def saved_classes(folder: Path) -> LabelMap | None:
    """Return the classes of the checkpoint in `folder` that a training goes on from; None if they are not known."""
    checkpoint = saved_checkpoint(folder)
    try:
        return read_label_map(checkpoint) if checkpoint else None
    except (ModelError, DataError):  # reading the model says what is wrong with it
        return None


def choose_data(
    config: TrainConfig, train: CocoSplit, val: CocoSplit, problems: list[Problem], saved: LabelMap | None
) -> TrainingData:
    """Choose the classes and images that the settings name.

    A class of the checkpoint is found by its id, too, so that it may have another name by now. Raises ConfigError or
    DataError if a class is missing, or no image is left.
    """
    names = list(config.classes)
    if names and saved:
        by_id = [c["name"] for c in train.categories if c["id"] in saved.category_ids or c["name"] in saved.names]
        names = by_id or names
    label_map = train.label_map(names)
    share = None if config.empty_share == 1 else config.empty_share
    chosen = list(label_map.names)
    used = filter_to_classes(train, chosen, share, config.seed), filter_to_classes(val, chosen, None)
    if not all(split.images for split in used):
        raise ConfigError(f"{config.data} has no image of the chosen classes in train or in val: choose others.")
    return TrainingData(label_map, saved, *used, problems)
