"""Which preset fits a model: by its family, its size, and what a run's checkpoint was trained with.

In: a model as `TrainConfig.model` names it; torch is not needed. Out: the name of a preset, of which no rule of
`settings.py` says that it does not go with the model.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core import ConfigError, ModelError
from core.config import RANDOM_MODELS, TrainConfig
from core.detr.pretrained import family_of, preset_config
from core.presets import PRESETS
from core.training.doctor.advice import nearest_preset
from core.training.doctor.plan import Plan
from core.training.doctor.settings import DEMO, EXPERIMENT, FROM_NOTHING, RULES


def suits(preset: str, model: str, base: Path = Path()) -> bool:
    """Check whether a preset goes with a model, whatever the data are.

    Raises ModelError or ConfigError for a model that cannot be read or used.
    """
    if model in RANDOM_MODELS:
        return preset == FROM_NOTHING.name
    return _suits(preset, Plan.of(TrainConfig(model=model), 0, (), True, base), base)


def _suits(preset: str, model: Plan, base: Path) -> bool:
    """Check whether a preset goes with the model that a plan without any data has."""
    if PRESETS[preset].model in RANDOM_MODELS:  # the story of one of which nothing was trained
        return False
    name = model.config.model
    plan = replace(model, config=replace(preset_config(preset, name, base), model=name))
    return not any(rule.holds(plan) for rule in RULES)


def fitting_preset(model: str, base: Path = Path(), trained_with: TrainConfig | None = None) -> str | None:
    """Return the preset that fits a model best; None for a model of which too little is known, or that cannot be read.

    trained_with  the settings of the run whose checkpoint it is
    """
    if model in RANDOM_MODELS:
        return FROM_NOTHING.name
    try:
        family = family_of(model, base) if model else None
        if family is None:
            return None
        recipes = [preset.name for preset in PRESETS.values() if family in preset.families]
        names = [EXPERIMENT.name, *recipes] if family == "detr" else [*recipes, EXPERIMENT.name]
        if trained_with and trained_with.model not in RANDOM_MODELS:
            nearest = nearest_preset(trained_with)[0]
            names = [nearest, *names] if not PRESETS[nearest].model else names
        plan = Plan.of(TrainConfig(model=model), 0, (), True, base)
        return next((name for name in [*names, DEMO.name] if _suits(name, plan, base)), None)
    except (ModelError, ConfigError):
        return None
