"""A training that is planned: its settings, and what is known of data and model without torch."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from core.config import RANDOM_MODELS, TrainConfig
from core.detr.model_folder import read_config
from core.detr.pretrained import copied_and_fresh, find_model, known_classes
from core.detr.processor import read_picture_settings
from core.detr.sources.config import CONFIG
from core.detr.sources.released import RELEASED

WIDE, RELEASED_WIDTH = 200, 256  # numbers of each query; the small models have 128
GPU_FILES = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")  # Nvidia's, AMD's, and either's under Windows


@dataclass(frozen=True)
class Plan:
    """A training that is planned.

    images    of its training part, 0 if that is not known
    drawn     whether the data are a built-in set
    small     whether the model is a small one, None if that is not known
    edge      the shorter edge in pixels with which the model was trained, None if that is not known
    fresh     classes that start fresh, None if that is not known
    has_gpu   None if that is not known
    square    whether the model was trained on pictures stretched to a square, None if that is not known
    copied    classes that the model knows by name
    """

    config: TrainConfig
    images: int
    drawn: bool
    small: bool | None
    edge: int | None
    fresh: tuple[str, ...] | None
    has_gpu: bool | None = None
    square: bool | None = None
    copied: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, config: TrainConfig, images: int, classes: tuple[str, ...], drawn: bool, base: Path = Path()
    ) -> Plan:  # fmt: skip
        """Read what the model's folder says; relative ones are looked for from `base`.

        Raises ModelError if the folder holds no model, or one that cannot be read.
        """
        small, edge, square = _size_of(config.model, base)
        known = known_classes(config.model, base)
        copied, fresh = ((), None) if known is None else copied_and_fresh(classes, known)
        return cls(config, images, drawn, small, edge, fresh, _has_gpu(), square, copied)

    @property
    def steps(self) -> int:
        """How many steps the training has at most; 0 if that is not known, as by minutes."""
        config = self.config
        if config.minutes:
            return 0
        return config.epochs * ceil(self.images / (config.likely_batch_size * config.accumulate * config.processes))

    @property
    def shown_edge(self) -> int:
        """The shorter edge in pixels with which images are shown to the model."""
        return self.config.longest_edge if self.config.square else self.config.shortest_edge

    @property
    def highest_rate(self) -> float:
        """The higher of the learning rates of transformer and backbone, of what learns."""
        return max(self.config.lr, 0.0 if self.freezes_backbone else self.config.lr_backbone)

    @property
    def is_random(self) -> bool:
        """Whether nothing of the model was ever trained."""
        return self.config.model in RANDOM_MODELS

    @property
    def freezes_backbone(self) -> bool:
        """Whether the backbone learns nothing."""
        return self.config.freeze == "backbone" or self.config.lr_backbone == 0


def _size_of(model: str, base: Path) -> tuple[bool | None, int | None, bool | None]:
    """Return whether a model is small, the shorter edge it was trained with, and whether on squares.

    None for what is not known.
    """
    if model in RANDOM_MODELS:
        return True, None, None
    if model in RELEASED:
        return False, RELEASED[model].edges[0], RELEASED[model].square
    folder = Path(find_model(model, base))
    if not (folder / CONFIG).exists():
        return None, None, None
    pictures = read_picture_settings(folder)
    small = (read_config(folder, model).width or RELEASED_WIDTH) < WIDE
    return small, pictures.get("shortest_edge"), bool(pictures.get("square")) if pictures else None


def _has_gpu() -> bool | None:
    """Check for a GPU without torch; None where only torch could tell."""
    return any(map(os.path.exists, GPU_FILES)) if sys.platform == "linux" else None
