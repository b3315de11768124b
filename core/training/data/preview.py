"""The first training images as a model will see them: what the settings do to them, before anything is trained.

In: the settings of a training. Out: one picture, drawn as the batch of a run's pre-flight is.
"""

from __future__ import annotations

from PIL import Image

from core import DataError
from core.config import TrainConfig
from core.datasets.part import filter_to_classes
from core.datasets.split import CocoSplit
from core.detr.input.batch import Collator, Sample
from core.training.batch_picture import draw_batch
from core.training.data.detection import detection_datasets
from core.training.data.training_data import TrainingData

SHOWN = 24  # images


def draw_preview(config: TrainConfig, train: CocoSplit, epoch: int) -> Image.Image:
    """Draw the first SHOWN training images as they are in `epoch` (from 0), with the boxes that are to be learned.

    Images that cannot be read are left out. Raises DataError if none can be, or if a class is missing or there is no
    image of the classes.
    """
    label_map = train.label_map(list(config.classes))
    share = None if config.empty_share == 1 else config.empty_share
    used = filter_to_classes(train, list(label_map.names), share, config.seed)
    if not used.images:
        raise DataError(f"{config.data} has no training image of the chosen classes: choose others.")
    data, _ = detection_datasets(config, TrainingData(label_map, None, used, used, []))
    data.epoch = epoch % config.epochs  # by minutes nobody knows yet how many there will be
    samples: list[Sample] = []
    refusal: DataError | None = None
    for index in range(len(data)):
        try:
            samples.append(data[index])
        except DataError as error:
            refusal = error
        if len(samples) == SHOWN:
            break
    if not samples:
        raise refusal or DataError(f"{config.data} has no training image.")
    return draw_batch(Collator()(samples), label_map.names, SHOWN)
