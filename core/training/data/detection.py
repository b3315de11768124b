"""What a training reads its samples from: a `DetectionDataset` of each split, with the settings' sizes and memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.config import TrainConfig
from core.detr.families.base import Detector
from core.detr.input.balance import Floats, class_weights, fresh_factors, repeat_factors
from core.detr.input.cache import SHARE, free_bytes
from core.detr.input.dataset import DetectionDataset
from core.training.data.training_data import TrainingData


def detection_datasets(config: TrainConfig, data: TrainingData) -> tuple[DetectionDataset, DetectionDataset]:
    """Return the data sets of a training's images and of its validation images; `adapt` them to the model."""
    edges, seed = (config.shortest_edge, config.longest_edge), config.seed
    training = DetectionDataset(
        data.train, data.label_map, *edges, config.augment, seed, config.square, config.start_size, config.epochs,
        config.plain_share,
    )  # fmt: skip
    return training, DetectionDataset(data.val, data.label_map, *edges, seed=seed, square=config.square)


def balance(
    config: TrainConfig, data: DetectionDataset, fresh: Sequence[int] = ()
) -> tuple[Floats | None, tuple[float, ...]]:
    """Return how often each training image is drawn, None for alike, and the weight of each class, () for alike.

    fresh  model indices of the classes that start fresh
    """
    repeats_fresh = config.repeat_fresh > 1 and bool(fresh)
    if config.balance == "none" and not repeats_fresh:
        return None, ()
    labels = [data.targets(image)["labels"] for image in data.split.images]
    classes = len(data.label_map)
    factors = repeat_factors(labels, classes) if config.balance == "repeat rare classes" else None
    if repeats_fresh:
        of_fresh = fresh_factors(labels, fresh, config.repeat_fresh)
        factors = of_fresh if factors is None else factors * of_fresh
    return factors, class_weights(labels, classes) if config.balance == "weigh rare classes" else ()


def adapt(datasets: Iterable[DetectionDataset], model: Detector, config: TrainConfig, processes: int) -> None:
    """Let samples and batches have the sizes that a model wants, and keep decoded pictures, in one of `processes`."""
    room = int(SHARE * free_bytes()) // processes if config.cache == "auto" else 0
    for one in datasets:
        one.stride, one.whole_cells = model.stride, model.whole_cells
        if config.cache == "auto":
            room -= one.keep_pictures(room)
