"""Checkpoints of a training: the model as a `save_pretrained` folder, with what the training needs to go on.

    <folder>/last, best      config.json, model.safetensors, label_map.json, trainer.pt

Written under a temporary name, then renamed: a reader never sees half of one. The model in it is the one that is
evaluated; where that is the average (EMA), the weights themselves are in `trainer.pt`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from core import ModelError, RunError
from core.detr.families.base import Detector
from core.detr.model import save_model
from core.disk import old_path, partial_path, put_in_place
from core.labels import LabelMap

STATE_FILE = "trainer.pt"


def save_checkpoint(folder: Path, name: str, model: Detector, label_map: LabelMap, state: dict[str, Any]) -> None:
    """Write the checkpoint `folder`/`name` in place of the one that is there.

    `state` is what the training needs to go on: plain values and tensors. Raises RunError if the disk does not take it;
    the one that is there then stays.
    """
    final = folder / name
    partial = partial_path(final)
    for left in (partial, folder / f"{name}.new"):  # by a killed save, the second by one of an earlier version
        shutil.rmtree(left, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        save_model(model, label_map, partial)
        torch.save(state, partial / STATE_FILE)
        put_in_place(partial, final, old_path(final))
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RunError(
            f"The checkpoint {final} cannot be written ({_reason(error)}): make room on the disk, then resume; the "
            "checkpoint before it is kept."
        ) from error


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0][:200]


def latest_checkpoint(folder: Path) -> Path:
    """Return the checkpoint `last`, or the one before it if the machine stopped between its two renames.

    Raises ModelError if there is none.
    """
    last = folder / "last"
    for path in (last, old_path(last)):
        if (path / "config.json").is_file():
            return path
    raise ModelError(f"{folder} holds no checkpoint: there is nothing to resume or evaluate.")


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` was given as `state`; raises ModelError if it is missing or damaged."""
    path = checkpoint / STATE_FILE
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a cut file gives any of six exceptions
        raise ModelError(
            f"{path} cannot be read, so this training cannot be resumed: train again, starting from "
            f"{checkpoint.parent / 'best'} if that is there."
        ) from error
    return state
