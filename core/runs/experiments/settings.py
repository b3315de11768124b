"""The settings of each kind of experiment, from which form and command line are made."""

from __future__ import annotations

from dataclasses import dataclass

from core import ConfigError
from core.settings import Settings, setting


@dataclass(frozen=True)
class SweepSettings(Settings):
    """What is tried; checked when made, but for the values, which `Sweep.plan` reads."""

    values: tuple[str, ...] = setting(
        (), "Values", "A setting with its values, as lr=1e-4,2e-4 or, a range and a number, lr=1e-5..1e-3:4.", "sweep"
    )
    seeds: int = setting(1, "Seeds", "How many seeds each setting is trained with.", "sweep", min=1, max=50)
    halving: int = setting(
        0,
        "Successive halving",
        "End bad settings early: 3 lets the best third go on at each rung, 2 the better half; 0 trains all to the end.",
        "sweep",
        min=0,
        max=10,
    )

    def __post_init__(self) -> None:
        # `Settings` splits one text at its commas, which belong to the values here
        if isinstance(self.values, str):
            object.__setattr__(self, "values", (self.values,))
        super().__post_init__()
        if self.halving == 1:
            raise ConfigError("halving is 1, but must be 0 for none, 2 or more: 3 lets the best third go on.")


@dataclass(frozen=True)
class FoldsSettings(Settings):
    """Into how many folds the images are divided."""

    folds: int = setting(
        5, "Folds", "Into so many parts all images are divided; each is validated on once.", "folds", min=2, max=50
    )


@dataclass(frozen=True)
class SharesSettings(Settings):
    """Which shares of the training images are trained on, and with how many seeds."""

    shares: tuple[str, ...] = setting(
        ("1/8", "1/4", "1/2", "1"),
        "Shares",
        "Shares of the training images, as 1/8 or 0.25; smaller ones lie inside larger ones.",
        "shares",
    )
    seeds: int = setting(
        1, "Seeds", "How often each is trained, each time with other images and another seed.", "shares", min=1, max=50
    )


SETTINGS: dict[str, type[Settings]] = {  # by the key of the kind
    "sweep": SweepSettings,
    "folds": FoldsSettings,
    "learning-curve": SharesSettings,
}
