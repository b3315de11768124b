"""Settings as somebody typed them: what of them is told to be wrong before anything starts, so that it leaves no run.

In: a `TrainConfig`. Out: nothing, or the error of what is not there. Torch is not needed: the app asks, too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.config import TrainConfig
from core.datasets.layouts import find_splits
from core.datasets.split import CocoSplit, read_split
from core.detr.pretrained import check_weights, known_classes
from core.trackers.kinds import check_trackers


def check_typed(
    config: TrainConfig, base: Path = Path(), read: Callable[[str | Path, str], CocoSplit] = read_split
) -> None:
    """Raise DataError for data or classes, ModelError for a model that are not there or cannot be read.

    Raises ConfigError for a tracker whose package is not installed.

    base  from which relative folders are looked for
    read  replaces `read_split`; it is called only for classes, and for a data set without a training part
    """
    folder = base / config.data
    if "train" not in find_splits(folder) or config.classes:
        read(folder, "train").label_map(list(config.classes))
    check_trackers(config.trackers)
    known_classes(config.model, base)
    check_weights(config.model, base)
