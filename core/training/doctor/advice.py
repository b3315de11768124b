"""How the doctor names settings: by their label in the form and their name on the command line."""

from __future__ import annotations

from dataclasses import fields

from core.config import TrainConfig

LABELS = {f.name: f.metadata["label"] for f in fields(TrainConfig)}


def named(name: str) -> str:
    """Return a setting's name: “Learning rate” (lr)."""
    return f"“{LABELS[name]}” ({name})"


def change(config: TrainConfig, name: str, value: str | float) -> str:
    """Return how to change a setting, after “set”: “Learning rate” (lr) from 0.001 to 0.0001."""
    old, new = (f"{v:g}" if isinstance(v, float) else str(v) for v in (getattr(config, name), value))
    return f"{named(name)} from {old} to {new}"


def slower(config: TrainConfig) -> str:
    """Return how to lower all learning rates to a fifth or less: the transformer's to 1e-4, DETR's own, at most."""
    factor = min(0.2, 1e-4 / config.lr) if config.lr else 0.2
    rates = [name for name in ("lr", "lr_backbone", "lr_head") if getattr(config, name)]
    changes = [change(config, name, float(f"{getattr(config, name) * factor:.1g}")) for name in rates]
    return "set " + ", ".join(changes) if changes else "look at the data, for all learning rates are 0 already"


def best_checkpoint(config: TrainConfig) -> str:
    """Return where the model with the highest AP is, or how not to lose it."""
    if config.keep == "last":
        return f"Set {change(config, 'keep', 'best and last')}, or the model with the highest AP is lost"
    return "Take the checkpoint “best”, the one with the highest AP"
