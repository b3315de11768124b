"""Checkpoints of a training: the model as a `save_pretrained` folder, with what the training needs to go on.

    <folder>/last, best      config.json, model.safetensors, label_map.json, preprocessor_config.json, trainer.pt

Written under a temporary name, then renamed: a reader never sees half of one. The model in it is the one that is
evaluated; where that is the average (EMA), the weights themselves are in `trainer.pt`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError

from core import ModelError, RunError
from core.config import TrainConfig
from core.detr.families.base import Detector
from core.detr.model import save_model
from core.disk import atomic_folder, old_path
from core.labels import LabelMap
from core.training.checkpoint_folder import EPOCH_FILE, STATE_FILE, copy_checkpoint, saved_checkpoint
from core.training.trainer_state import read_values
from core.wording import short


def save_checkpoint(
    folder: Path, name: str, model: Detector, label_map: LabelMap, state: dict[str, Any], epoch: int | None = None
) -> None:
    """Write the checkpoint `folder`/`name` in place of the one that is there.

    `state` is what the training needs to go on: plain values and tensors; `epoch` how many whole epochs are done, None
    in the midst of one. Raises RunError if the disk does not take it; the one that is there then stays.
    """
    final = folder / name
    with _refusals_explained(final), atomic_folder(final, replace=True, old=old_path(final), durable=True) as partial:
        try:
            config = state.get("config")
            save_model(model, label_map, partial, TrainConfig.from_dict(config) if config else None)
        except SafetensorError as error:  # which has the system's reason in its text
            number = re.search(r"os error (\d+)", str(error))
            raise (OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))) from error
        _write_state(state, partial / STATE_FILE)
        (partial / EPOCH_FILE).write_text(json.dumps({"epoch": epoch}), encoding="utf-8")


def keep_best(folder: Path) -> None:
    """Let `folder`/best be the checkpoint that was saved last; raises RunError as `save_checkpoint`."""
    best = folder / "best"
    with _refusals_explained(best):
        source = latest_checkpoint(folder)
        if source != best:
            copy_checkpoint(source, best)


@contextmanager
def _refusals_explained(final: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error) or type(error).__name__).splitlines()[0][:200]
        raise RunError(
            f"The checkpoint {final} cannot be written ({reason}): make room or give access, then resume; the "
            "checkpoint before it is kept."
        ) from error


def _write_state(state: dict[str, Any], path: Path) -> None:
    """Write the state; raises the OSError because of which the system takes no more, which torch does not pass on."""
    with path.open("wb") as file:
        refusing = _Refusing(file)
        try:
            torch.save(state, refusing)  # type: ignore[arg-type]  # it needs no more than these two methods
        except RuntimeError as error:
            raise refusing.refusal or error from error


class _Refusing:
    """A file to write to, which keeps why the system refused that."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.name = file, file.name
        self.refusal: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write bytes; raises OSError."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.refusal = error
            raise

    def flush(self) -> None:
        """Write what waits; raises OSError."""
        self._file.flush()


def latest_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that a training goes on from, as `saved_checkpoint`; raises ModelError if there is none."""
    if path := saved_checkpoint(folder):
        return path
    raise ModelError(f"{folder} holds no checkpoint: there is nothing to resume or evaluate.")


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` was given as `state`; raises ModelError if it is missing or damaged."""
    path = checkpoint / STATE_FILE
    try:
        return read_values(path)
    except Exception as error:  # a cut file gives any of six exceptions
        raise ModelError(
            f"{short(path, 120)} cannot be read, so this training cannot be resumed: train again, starting from its "
            "checkpoint best if that is there."
        ) from error
