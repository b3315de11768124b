"""A run with what the doctor advised of another one: its settings, and what it says of itself.

In: a run, and the rule of a remark on it. Out: an `AdvisedRun`, ready for the queue; or the line of a shell that trains
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import ConfigError, RunError
from core.config import TrainConfig
from core.config_diff import TRAIN_SETTINGS, compare_settings, value_text
from core.datasets.split import CocoSplit, read_split
from core.runs.schema import Run
from core.runs.store import MOST_LETTERS, RunStore
from core.system.console import quoted
from core.training.doctor.settings import judge_settings
from core.wording import sentence, short


@dataclass(frozen=True)
class AdvisedRun:
    """A run that is to be queued: its settings, its name and its notes, which say what was changed and of which run."""

    config: TrainConfig
    name: str
    notes: str


def advised_run(
    store: RunStore,
    run_id: str,
    rule: str,
    base: Path = Path(),
    read: Callable[[str | Path, str], CocoSplit] = read_split,
) -> AdvisedRun:
    """Return the run that differs from `run_id` by what its remark of a rule advises.

    base  from which relative folders are looked for
    read  replaces `read_split`

    Raises RunError if there is no such advice, if it cannot be followed or would spoil the model, and if a run with
    these settings waits or trains already.
    """
    run = store.get(run_id)
    remark = next((one for one in run.remarks if one["rule"] == rule), None)
    if remark is None:
        raise RunError(f"The doctor no longer says that of the run {run.id}: look at what it says now.")
    changes = remark.get("changes")
    if not changes or run.is_imported:
        raise RunError(f"The advice on the run {run.id} is about no setting: there is nothing to train anew.")
    config = settings_of(run)
    try:
        changed = TrainConfig.from_dict({**config.to_dict(), **changes})
    except ConfigError as error:
        raise RunError(f"The run {run.id} cannot be trained with what was advised: {sentence(error)}") from error
    if again := next((r for r in store.runs() if r.is_live and r.config == changed.to_dict()), None):
        raise RunError(f"The run {again.id} has these settings, and waits or trains already.")
    before, after = (judge_settings(one, base, read) for one in (config, changed))
    if spoils := [text for text in after.asks if text not in before.asks]:
        raise RunError(f"The run {run.id} is not trained with what was advised: {' '.join(spoils)}")
    short_words = ", ".join(f"{name} {value_text(value)}" for name, value in changes.items())
    name = short(f"{short_words} · {run.name}", MOST_LETTERS["name"])
    notes = f"As the doctor advised of the run {run.id} ({remark['title']}): {differences(config, changed)}."
    return AdvisedRun(changed, name, short(notes, MOST_LETTERS["notes"]))


def settings_of(run: Run) -> TrainConfig:
    """Return a training's settings; raise RunError if it has none that this version knows."""
    if run.is_imported or run.is_damaged:
        raise RunError(f"The run {run.id} is {run.label.lower()}: it has no settings of a training.")
    try:
        return TrainConfig.from_dict(run.config)
    except ConfigError as error:
        raise RunError(f"The settings of the run {run.id} cannot be taken: {sentence(error)}") from error


def differences(before: TrainConfig, after: TrainConfig) -> str:
    """Return in words which settings differ: “Learning rate” (lr) from 0.001 to 0.0001; “Epochs” …"""
    changed = [setting for setting in compare_settings([before.to_dict(), after.to_dict()]) if setting.differs]
    return "; ".join(
        f"“{TRAIN_SETTINGS[one.name][0]}” ({one.name}) from {' to '.join(map(value_text, one.values))}"
        for one in changed
    )


def train_command(run_id: str, changes: Mapping[str, Any]) -> str:
    """Return the line of a shell that trains a run's settings with these changes.

    >>> train_command("20261201-1", {"lr": 1e-05, "square": False, "augment": "flip, scale and crop"})
    "python -m core train --like 20261201-1 --lr 1e-05 --no-square --augment 'flip, scale and crop'"
    """
    words = ["python", "-m", "core", "train", "--like", run_id]
    for name, value in changes.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", *(map(str, value) if isinstance(value, list | tuple) else [str(value)])]
    return quoted(words)
