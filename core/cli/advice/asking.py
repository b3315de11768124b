"""What `train` says and asks before it begins: settings that do not go together, and those that spoil the model.

In: the settings of a training. Out: sentences on stderr, and a question at a terminal; without one a refusal.
"""

from __future__ import annotations

import os
import sys

from core import ConfigError
from core.cli.command import show
from core.config import TrainConfig

YES = ("y", "yes")


def confirm(config: TrainConfig, preset: str | None, anyway: bool, is_main: bool = True) -> None:
    """Say what does not go together; where settings will likely spoil the model, go on only if somebody wants that.

    preset   that fits the model, if one is known
    anyway   whether that was asked for already
    is_main  whether this process talks: of several only the first, all of which then decide alike

    Raises ConfigError if nobody wants it, or nobody can be asked.
    """
    from core.training.doctor.settings import judge_settings

    judgement = judge_settings(config)
    for text in (*judgement.warns, *judgement.asks) if is_main else ():
        show(f"Note: {text}", file=sys.stderr)
    if not judgement.asks or anyway:
        return
    fits = f"Take the preset that fits the model (--preset {preset!r}) as it is" if preset else "Take other settings"
    if not _can_ask():
        raise ConfigError(
            f"This will likely spoil the model. {' '.join(judgement.asks)} {fits}, or train so with --anyway."
        )
    show(f"This will likely spoil the model. {fits}. Train anyway? [y/N]", file=sys.stderr)
    if sys.stdin.readline().strip().lower() not in YES:
        raise ConfigError(f"Nothing was trained. {fits}.")


def _can_ask() -> bool:
    """Check whether somebody sits at a terminal; of processes that train together none can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty() and "WORLD_SIZE" not in os.environ
