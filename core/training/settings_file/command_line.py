"""The line of a shell that trains with given settings: a preset, and what differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from core.config import TrainConfig
from core.presets import PRESETS
from core.system.console import quoted

ALWAYS = ("data", "model")


def reproduce(config: TrainConfig, program: str = "python -m core") -> str:
    """Return the line of a shell that trains with exactly these settings, whatever a model's folder says today.

    It begins with the general preset from which least differs: a family's depend on the model's files.
    """

    def differences(name: str) -> dict[str, Any]:
        begun = PRESETS[name].apply()
        return {
            f.name: getattr(config, f.name) for f in fields(config) if getattr(config, f.name) != getattr(begun, f.name)
        }

    general = [preset.name for preset in PRESETS.values() if not preset.families]
    preset = min(general, key=lambda name: len(differences(name)))
    changes = {name: getattr(config, name) for name in ALWAYS} | differences(preset)
    if "epochs" in changes:  # --epochs alone would put --minutes to 0
        changes["minutes"] = config.minutes
    return f"{program} train " + quoted([*option("preset", preset), *options_of(changes)])


def options_of(changes: Mapping[str, Any]) -> list[str]:
    """Return the arguments that set these settings."""
    return [argument for name, value in changes.items() for argument in option(name, value)]


def option(name: str, value: Any) -> list[str]:
    """Return the arguments of one setting, which the parser takes whatever a text begins with."""
    word = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [word if value else f"--no-{word[2:]}"]
    values = [str(one) for one in value] or [""] if isinstance(value, list | tuple) else [str(value)]
    if any(text.startswith("-") for text in values):
        return [f"{word}={text}" for text in values]
    return [word, *values]
