"""Before a training: which of its settings do not go together? A list of small rules, `RULES`; none of them forbids it.

In: the settings, and what is known of data and model without torch: `Plan`. Out: sentences, for the form and `train`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from core.config import RANDOM_MODEL, RANDOM_MODELS, RANDOM_MULTI_SCALE, STARTERS, TrainConfig
from core.detr.model_folder import read_config
from core.detr.pretrained import copied_and_fresh, find_model, known_classes
from core.detr.processor import read_picture_settings
from core.detr.sources.config import CONFIG
from core.detr.sources.released import RELEASED
from core.presets import PRESETS
from core.wording import short

DEMO, EXPERIMENT, NEW_CLASS = PRESETS["Built-in demo"], PRESETS["Experiment"], PRESETS["New class"]
WIDE, RELEASED_WIDTH = 200, 256  # numbers of each query; the small models have 128
GPU_FILES = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")  # Nvidia's, AMD's, and either's under Windows
FEW_STEPS = 200  # for a fresh class head
FEW_FROM_NOTHING = {RANDOM_MODEL: 3000, RANDOM_MULTI_SCALE: 800}  # for a model of which nothing was trained
SMALL_LR, LARGE_LR = 5e-5, 1.5e-4  # of a small model at least, of a released one at most: between the presets' rates
PHOTOGRAPHS = "facebook/detr-resnet-50"  # the released model that is named first


@dataclass(frozen=True)
class Plan:
    """A training that is planned.

    images    of its training part, 0 if that is not known
    drawn     whether the data are a built-in set
    small     whether the model is a small one, None if that is not known
    edge      the shorter edge in pixels with which the model was trained, None if that is not known
    fresh     classes that start fresh, None if that is not known
    has_gpu   None if that is not known
    copied    classes that the model knows by name
    """

    config: TrainConfig
    images: int
    drawn: bool
    small: bool | None
    edge: int | None
    fresh: tuple[str, ...] | None
    has_gpu: bool | None = None
    copied: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, config: TrainConfig, images: int, classes: tuple[str, ...], drawn: bool, base: Path = Path()
    ) -> Plan:  # fmt: skip
        """Read what the model's folder says; relative ones are looked for from `base`.

        Raises ModelError if the folder holds no model, or one that cannot be read.
        """
        small, edge = _size_of(config.model, base)
        known = known_classes(config.model, base)
        copied, fresh = ((), None) if known is None else copied_and_fresh(classes, known)
        return cls(config, images, drawn, small, edge, fresh, _has_gpu(), copied=copied)

    @property
    def steps(self) -> int:
        """How many steps the training has at most; 0 if that is not known, as by minutes."""
        config = self.config
        if config.minutes:
            return 0
        return config.epochs * ceil(self.images / (config.likely_batch_size * config.accumulate * config.processes))

    @property
    def is_random(self) -> bool:
        """Whether nothing of the model was ever trained."""
        return self.config.model in RANDOM_MODELS

    @property
    def freezes_backbone(self) -> bool:
        """Whether the backbone learns nothing."""
        return self.config.freeze == "backbone" or self.config.lr_backbone == 0


@dataclass(frozen=True)
class Rule:
    """What does not go together: `holds` checks a plan, `sentence` says it and what to do."""

    key: str
    holds: Callable[[Plan], bool]
    sentence: Callable[[Plan], str]


RULES = (
    Rule(
        "starter on photographs",
        lambda plan: plan.config.model in STARTERS and not plan.drawn,
        lambda plan: "The starter model has only seen drawn street scenes: for photographs take a released model, such "
        f"as {PHOTOGRAPHS}.",
    ),
    Rule(
        "slow for a small model",
        lambda plan: plan.small is True and 0 < plan.config.lr < SMALL_LR,
        lambda plan: f"A small model hardly moves at a learning rate of {plan.config.lr:g}: the preset "
        f"“{DEMO.name}” has {DEMO.apply().lr:g}.",
    ),
    Rule(
        "fast for a released model",
        lambda plan: plan.small is False and plan.config.lr > max(LARGE_LR, _published_rate(plan.config.model)),
        lambda plan: f"A learning rate of {plan.config.lr:g} destroys what a released model has learned: the preset "
        f"“{EXPERIMENT.name}” has {EXPERIMENT.apply().lr:g}.",
    ),
    Rule(
        "another image size",
        lambda plan: plan.edge is not None and not 0.5 <= plan.config.shortest_edge / plan.edge <= 2,
        lambda plan: f"The model was trained on images with a shorter edge of {plan.edge} pixels, here it is "
        f"{plan.config.shortest_edge}: objects have a size that it does not know.",
    ),
    Rule(
        "frozen without weights",
        lambda plan: plan.is_random and plan.freezes_backbone,
        lambda plan: "The backbone is untrained and does not learn: unfreeze it, or start from a trained model.",
    ),
    Rule(
        "nothing learns",
        lambda plan: plan.config.lr == 0 and plan.config.lr_head == 0 and plan.freezes_backbone,
        lambda plan: "All learning rates are 0: nothing will change.",
    ),
    Rule(
        "few steps from nothing",
        lambda plan: 0 < plan.steps < FEW_FROM_NOTHING.get(plan.config.model, 0),
        lambda plan: f"{plan.steps:,} steps are few for a model of which nothing was trained: it wants some thousands, "
        "or start from a trained one.",
    ),
    Rule(
        "few steps for fresh classes",
        lambda plan: not plan.is_random and bool(plan.fresh) and 0 < plan.steps < FEW_STEPS,
        lambda plan: f"{plan.steps:,} steps are few for classes that start fresh: take more epochs, or fewer images a "
        "step.",
    ),
    Rule(
        "new classes beside known ones",
        lambda plan: plan.small is True and bool(plan.copied and plan.fresh) and _treats_alike(plan.config),
        lambda plan: f"Rates that teach what is new ({short(', '.join(plan.fresh or ()), 60)}) disturb what the model "
        f"knows: the preset “{NEW_CLASS.name}” spares it, and shows images with new classes more often.",
    ),
    Rule(
        "a rate of fresh classes without one of heads",
        lambda plan: plan.config.lr_fresh > 0 and plan.config.lr_head == 0,
        lambda plan: "The heads do not learn at a learning rate of 0, and so neither do fresh classes.",
    ),
    Rule(
        "released model without a GPU",
        lambda plan: plan.small is False and _on_cpu(plan) and plan.steps > FEW_STEPS,
        lambda plan: f"{plan.config.epochs * plan.images:,} images go through a released model on the CPU, which is "
        "slow: look at the images per second of a short run first.",
    ),
)  # fmt: skip


def mismatches(plan: Plan) -> list[str]:
    """Return a sentence for each rule that holds."""
    return [rule.sentence(plan) for rule in RULES if rule.holds(plan)]


def _treats_alike(config: TrainConfig) -> bool:
    """Check whether nothing is done for classes that start fresh."""
    return config.lr_fresh == 0 and config.repeat_fresh == 1


def _published_rate(model: str) -> float:
    """Return the learning rate of the recipe of a released model's family; 0 if it is none."""
    family = RELEASED[model].family if model in RELEASED else None
    return max((p.apply().lr for p in PRESETS.values() if family in p.families), default=0.0)


def _on_cpu(plan: Plan) -> bool:
    return plan.config.device == "cpu" or (plan.config.device == "auto" and plan.has_gpu is False)


def _size_of(model: str, base: Path) -> tuple[bool | None, int | None]:
    """Return whether a model is small and the shorter edge it was trained with; None for what is not known."""
    if model in RANDOM_MODELS:
        return True, None
    if model in RELEASED:
        return False, RELEASED[model].edges[0]
    folder = Path(find_model(model, base))
    if not (folder / CONFIG).exists():
        return None, None
    return (read_config(folder, model).width or RELEASED_WIDTH) < WIDE, read_picture_settings(folder).get(
        "shortest_edge"
    )


def _has_gpu() -> bool | None:
    """Check for a GPU without torch; None where only torch could tell."""
    return any(map(os.path.exists, GPU_FILES)) if sys.platform == "linux" else None
