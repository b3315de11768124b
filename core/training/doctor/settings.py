"""Before a training: which of its settings do not go together? A list of small rules, `RULES`; none of them forbids it.

In: a `Plan`. Out: a `Judgement`: sentences that are said, and those of settings that will likely spoil the model, for
which whoever trains is asked first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core import LabError
from core.augmentation.kinds import CROPS
from core.config import RANDOM_MODEL, RANDOM_MULTI_SCALE, STARTERS, TrainConfig
from core.datasets.demo import BUILT_IN
from core.datasets.split import CocoSplit, read_split
from core.detr.sources.released import RELEASED
from core.presets import PRESETS, Preset
from core.training.doctor.plan import Plan
from core.wording import short

DEMO, EXPERIMENT, NEW_CLASS = PRESETS["Built-in demo"], PRESETS["Experiment"], PRESETS["New class"]
OWN, FROM_NOTHING = PRESETS["Own pictures"], PRESETS["From nothing"]
FEW_STEPS = 200  # for a fresh class head
FEW_FROM_NOTHING = {RANDOM_MODEL: 3000, RANDOM_MULTI_SCALE: 800}  # for a model of which nothing was trained
SMALL_LR, LARGE_LR = 5e-5, 1.5e-4  # of a small model at least, of a released one at most: between the presets' rates
PHOTOGRAPHS = "facebook/detr-resnet-50"  # the released model that is named first
FEW_EPOCHS_OF_CROPS = 20  # twice as many as crops were measured for on a small model


def has_crops(config: TrainConfig) -> bool:
    """Check whether training images are shown in other sizes and as cut-outs, as in DETR's recipe."""
    return CROPS in config.augment


@dataclass(frozen=True)
class Rule:
    """What does not go together: `holds` checks a plan, `sentence` says it and what to do.

    asks  whether it will likely spoil the model, so that one is asked first; else it is only said
    """

    key: str
    holds: Callable[[Plan], bool]
    sentence: Callable[[Plan], str]
    asks: bool = False


def _spoils_by_crops(plan: Plan) -> bool:
    is_trained = plan.small is True and not plan.is_random
    return is_trained and has_crops(plan.config) and plan.config.epochs <= FEW_EPOCHS_OF_CROPS


RULES = (
    Rule(
        "starter on photographs",
        lambda plan: plan.config.model in STARTERS and not plan.drawn and plan.config.lr < OWN.apply().lr,
        lambda plan: "The starter model has only seen drawn street scenes: for photographs take a released model, such "
        f"as {PHOTOGRAPHS}, or, without a GPU, the preset “{OWN.name}”.",
    ),
    Rule(
        "slow for a small model",
        lambda plan: plan.small is True and 0 < _pace(plan) < SMALL_LR,
        lambda plan: f"A small model hardly moves at a learning rate of {_pace(plan):g}: the preset "
        f"“{_quick(plan).name}” has {_quick(plan).apply().lr_backbone:g}.",
    ),
    Rule(
        "fast for a released model",
        lambda plan: plan.small is False and plan.highest_rate > max(LARGE_LR, _published_rate(plan.config.model)),
        lambda plan: f"A learning rate of {plan.highest_rate:g} destroys what a released model has learned: the preset "
        f"“{EXPERIMENT.name}” has {EXPERIMENT.apply().lr:g}.",
        asks=True,
    ),
    Rule(
        "another image size",
        lambda plan: plan.edge is not None and not 0.5 <= plan.shown_edge / plan.edge <= 2,
        lambda plan: f"The model was trained on images with a shorter edge of {plan.edge} pixels, here it is "
        f"{plan.shown_edge}: objects have a size that it does not know.",
        asks=True,
    ),
    Rule(
        "another image shape",
        lambda plan: plan.square is not None and plan.square != plan.config.square,
        lambda plan: "The model was trained on images that were stretched to a square, here they keep their shape."
        if plan.square
        else "The model was trained on images that keep their shape, here they are stretched to a square.",
        asks=True,
    ),
    Rule(  # measured with the starter: docs/guide.md has the command
        "crops in few epochs",
        _spoils_by_crops,
        lambda plan: "DETR's scale and crop cost a small model 20 AP in ten epochs (38 instead of 60 on the built-in "
        "demo): mirrored images alone do best there; “zoom” beside them costs nothing where they are few.",
        asks=True,
    ),
    Rule(
        "crops on a small model",
        lambda plan: plan.small is True and has_crops(plan.config) and not _spoils_by_crops(plan),
        lambda plan: "DETR's scale and crop are for hundreds of epochs: they cost a small model 20 AP in ten. Mirrored "
        "images alone do best there; “zoom” beside them costs nothing where they are few.",
    ),
    Rule(
        "frozen without weights",
        lambda plan: plan.is_random and plan.freezes_backbone,
        lambda plan: "The backbone is untrained and does not learn: unfreeze it, or start from a trained model.",
        asks=True,
    ),
    Rule(
        "nothing learns",
        lambda plan: plan.config.lr == 0 and plan.config.lr_head == 0 and plan.freezes_backbone,
        lambda plan: "All learning rates are 0: nothing will change.",
        asks=True,
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
        lambda plan: plan.small is True and bool(plan.copied and plan.fresh)
        and (plan.config.repeat_fresh == 1 or _is_slow_for_fresh(plan.config)),
        lambda plan: f"Rates that teach what is new ({short(', '.join(plan.fresh or ()), 60)}) disturb what the model "
        f"knows: the preset “{NEW_CLASS.name}” spares it, and shows images with new classes more often.",
    ),
    Rule(
        "slow for fresh classes",
        lambda plan: plan.small is True
        and bool(plan.fresh and not plan.copied and not plan.is_random)
        and _is_slow_for_fresh(plan.config),
        lambda plan: f"Classes that start fresh hardly learn at a learning rate of {_fresh_rate(plan.config):g}: the "
        f"preset “{OWN.name}” has {OWN.apply().lr_head:g}.",
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


@dataclass(frozen=True)
class Judgement:
    """What is to be said of settings before a training, a sentence for each rule that holds.

    asks   what will likely spoil the model: whoever trains so is asked first
    warns  what is only said
    """

    asks: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()


def judge(plan: Plan) -> Judgement:
    """Return what is to be said of a plan."""
    holding = [rule for rule in RULES if rule.holds(plan)]
    return Judgement(
        tuple(rule.sentence(plan) for rule in holding if rule.asks),
        tuple(rule.sentence(plan) for rule in holding if not rule.asks),
    )


def judge_settings(
    config: TrainConfig, base: Path = Path(), read: Callable[[str | Path, str], CocoSplit] = read_split
) -> Judgement:
    """Return what is to be said of settings; nothing where data or model cannot be read, as the training tells that.

    base  from which relative folders are looked for
    read  replaces `read_split`
    """
    try:
        split = read(base / config.data, "train")
        names = config.classes or tuple(category["name"] for category in split.categories)
        is_drawn = any(Path(config.data).name == one.folder for one in BUILT_IN)
        return judge(Plan.of(config, len(split.images), names, is_drawn, base))
    except LabError:
        return Judgement()


def _pace(plan: Plan) -> float:
    """Return the rate that moves a small model: the backbone's may do where it knows things, from nothing all learn."""
    return plan.config.lr if plan.is_random else plan.highest_rate


def _fresh_rate(config: TrainConfig) -> float:
    """Return the rate at which classes that start fresh learn."""
    return config.lr_fresh or config.lr_head


def _is_slow_for_fresh(config: TrainConfig) -> bool:
    return 0 < _fresh_rate(config) < SMALL_LR


def _quick(plan: Plan) -> Preset:
    """Return the preset whose rates move the plan's small model."""
    return FROM_NOTHING if plan.is_random else DEMO


def _published_rate(model: str) -> float:
    """Return the highest learning rate of the recipe of a released model's family; 0 if it is none."""
    family = RELEASED[model].family if model in RELEASED else None
    recipes = [preset.apply() for preset in PRESETS.values() if family in preset.families]
    return max((max(recipe.lr, recipe.lr_backbone) for recipe in recipes), default=0.0)


def _on_cpu(plan: Plan) -> bool:
    return plan.config.device == "cpu" or (plan.config.device == "auto" and plan.has_gpu is False)
