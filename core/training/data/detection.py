"""What a training reads its samples from: a `DetectionDataset` of each split, with the settings' sizes and memory."""

from __future__ import annotations

from core.config import TrainConfig
from core.detr.input.cache import SHARE, free_bytes
from core.detr.input.dataset import DetectionDataset
from core.training.data.training_data import TrainingData


def detection_datasets(
    config: TrainConfig, data: TrainingData, processes: int
) -> tuple[DetectionDataset, DetectionDataset]:
    """Return the data sets of a training's images and of its validation images, for one of so many processes."""
    edges, seed = (config.shortest_edge, config.longest_edge), config.seed
    training = DetectionDataset(data.train, data.label_map, *edges, config.augment, seed, config.square)
    validation = DetectionDataset(data.val, data.label_map, *edges, "none", seed, config.square)
    if config.cache == "auto":
        room = int(SHARE * free_bytes()) // processes
        for one in (training, validation):
            room -= one.keep_pictures(room)
    return training, validation
