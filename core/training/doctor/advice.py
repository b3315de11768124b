"""What the doctor advises: settings by their label in the form and their name on the command line, with both values.

A learning rate is only blamed where it stands above that of the preset which the run's settings are nearest to: a run
that goes wrong does not by itself say which of its rates did it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache

from core.config import RANDOM_MODEL, RANDOM_MULTI_SCALE, TrainConfig
from core.presets import PRESETS
from core.training.doctor.history import History

LABELS = {f.name: f.metadata["label"] for f in fields(TrainConfig)}
PRESET_SETTINGS = {name: preset.apply() for name, preset in PRESETS.items()}
RATES = ("lr", "lr_backbone", "lr_head")
MOST_EPOCHS, MOST_MINUTES = (
    next(f.metadata["max"] for f in fields(TrainConfig) if f.name == name) for name in ("epochs", "minutes")
)
CHOSEN = ("data", "model", "classes")  # what no preset says
FAR = 2.0  # times a preset's rate: from there on it counts as another one
BESIDE = 0.1  # of the rate that is the furthest above its preset's: what is less far above it is not blamed


def named(name: str) -> str:
    """Return a setting's name: “Learning rate” (lr)."""
    return f"“{LABELS[name]}” ({name})"


def change(config: TrainConfig, name: str, value: str | float) -> str:
    """Return how to change a setting, after “set”: “Learning rate” (lr) from 0.001 to 0.0001."""
    old, new = (f"{v:g}" if isinstance(v, float) else str(v) for v in (getattr(config, name), value))
    return f"{named(name)} from {old} to {new}"


@lru_cache(maxsize=64)
def nearest_preset(config: TrainConfig) -> tuple[str, TrainConfig]:
    """Return the name and the settings of the preset that most of the run's settings are those of.

    For a DETR that starts from nothing it is the recipe that DETR itself began with.
    """
    if config.model == RANDOM_MULTI_SCALE:
        return "From nothing", PRESET_SETTINGS["From nothing"]
    if config.model == RANDOM_MODEL:
        # a backbone that knows nothing yet has as much to learn as the rest
        recipe = PRESET_SETTINGS["Full recipe"]
        return "Full recipe", replace(recipe, lr_backbone=recipe.lr)
    names = [name for name in LABELS if name not in CHOSEN]

    def same(preset: str) -> int:
        return sum(getattr(PRESET_SETTINGS[preset], name) == getattr(config, name) for name in names)

    best = max(PRESET_SETTINGS, key=same)
    return best, PRESET_SETTINGS[best]


def learning_rates(config: TrainConfig) -> dict[str, float]:
    """Return the learning rates, by setting, of the parts that learn."""
    frozen = {"lr_backbone"} if config.freeze == "backbone" else set()
    return {name: getattr(config, name) for name in RATES if getattr(config, name) and name not in frozen}


def too_high(config: TrainConfig) -> dict[str, float]:
    """Return the learning rates that stand far above the nearest preset's: setting to how many times as high."""
    _, preset = nearest_preset(config)
    times = {name: rate / getattr(preset, name) for name, rate in learning_rates(config).items()}
    furthest = max(times.values(), default=0.0)
    return {name: ratio for name, ratio in times.items() if ratio >= max(FAR, BESIDE * furthest)}


def blame(config: TrainConfig) -> str:
    """Return which learning rates are too high, and by how much, to be put after other evidence; "" if none is."""
    name, preset = nearest_preset(config)
    return "".join(
        f"; {named(rate)} is {getattr(config, rate):g}, {times:.3g} times the usual {getattr(preset, rate):g} (preset "
        f"{name})"
        for rate, times in too_high(config).items()
    )


def slower(config: TrainConfig) -> str:
    """Return how to bring the learning rates that are too high down to the nearest preset's; "" if none is."""
    _, preset = nearest_preset(config)
    changes = [change(config, name, getattr(preset, name)) for name in too_high(config)]
    return "set " + ", ".join(changes) if changes else ""


def gentler(config: TrainConfig) -> str:
    """Return how to take shorter steps: by the rates that are too high, else by what else makes them long."""
    if lower := slower(config):
        return lower
    name, preset = nearest_preset(config)
    others = [] if config.clip else [f"clip long gradients, set {change(config, 'clip', preset.clip)}"]
    others += [] if config.warmup_steps else [f"begin with a warm-up, set {change(config, 'warmup_steps', 100)}"]
    return (
        f"no learning rate is far above those of the preset {name}, so none is shown to be at fault; "
        f"{'; '.join(others) or 'look at the data'}"
    )


def quicker(config: TrainConfig, name: str) -> str:
    """Return how to raise a learning rate that stands far below the nearest preset's, after “set”; "" if it does not.

    A backbone that does not learn is left so.
    """
    _, preset = nearest_preset(config)
    usual = getattr(preset, name)
    is_frozen = name == "lr_backbone" and name not in learning_rates(config)
    return change(config, name, usual) if getattr(config, name) * FAR <= usual and not is_frozen else ""


def more_epochs(history: History) -> str:
    """Return what longer training may still do, as a clause: in the epochs that the run has left, or in another run."""
    config, left = history.config, history.epochs_left
    if left:
        return f"the run has {left} of its {history.epochs} epochs left to do that, if it goes on"
    if history.has_stalled:
        return f"a longer run may do that: set {change(config, 'early_stopping', min(1000, 2 * config.early_stopping))}"
    if config.minutes:
        return f"a longer run may do that: set {change(config, 'minutes', min(MOST_MINUTES, 2 * config.minutes))}"
    if config.epochs < MOST_EPOCHS:
        return f"a longer run may do that: set {change(config, 'epochs', min(MOST_EPOCHS, 2 * config.epochs))}"
    return "more than so many epochs will hardly do that"


def best_checkpoint(history: History) -> str:
    """Return where the model with the highest AP is, or how not to lose it in the next run."""
    config = history.config
    if config.keep != "last":
        return "Take the checkpoint “best”, the one with the highest AP"
    keep = f"to keep it in another run, set {change(config, 'keep', 'best and last')}"
    if history.is_over:
        return f"The model with the highest AP is not kept: {keep}"
    return f"The checkpoint “best” has the highest AP, and is deleted when the run finishes: copy it before, or {keep}"
