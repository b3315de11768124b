"""What a training needs to go on, out of a checkpoint's `trainer.pt`: read within limits, and checked piece by piece.

In: a file that may be cut, damaged or changed. Out: a `TrainerState`, and the parts of it that fit the training which
goes on. Whatever does not fit is refused, so that no resumed training is another one without saying so. Settings are
the run's: those that optimizer and scaler keep in the file are compared or left there, never taken.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from msgspec import Meta

from core import ModelError
from core.config import TrainConfig
from core.files import FileRefused, open_file
from core.training.length.length import LengthState
from core.typed_json import convert
from core.wording import short

MOST_BYTES = 8_000_000_000  # of the file; of a DETR with a ResNet-101 it has 500,000,000
MOST_STRUCTURE = 50_000_000  # of what in it is no tensor
MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's, of each weight
Whole = Annotated[int, Meta(ge=0, le=2**53)]


class TrainerState(msgspec.Struct):
    """How far a training is (the fields of `Training`), and the states of what `Stepper` holds.

    Earlier versions saved neither `epoch_start` nor `steps_per_epoch`, as an epoch always had as many steps; a training
    by epochs has no `length`.
    """

    epoch: Whole
    step: Whole
    best_ap: Annotated[float, Meta(ge=-1, le=1)]
    evaluated: Whole | None
    since_best: Whole
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    weights: dict[str, Any] | None = None
    averaged: Whole = 0
    epoch_start: Whole | None = None
    steps_per_epoch: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    length: LengthState | None = None
    fresh: tuple[Whole, ...] = ()  # the rows of classes that started fresh; earlier versions did not save them
    class_weight: Annotated[float, Meta(ge=0, le=1_000_000)] = 1.0  # of all families, when no version stated it

    @property
    def begun(self) -> int:
        """How many steps the epoch has had that goes on."""
        return self.step - (self.epoch_start or 0)

    @classmethod
    def of(cls, values: dict[str, Any], steps_per_epoch: int, epochs: int | None) -> TrainerState:
        """Check the values of a state file for a training of that many steps and epochs; raises ValueError.

        epochs  None for a training by minutes: as many as the state says
        """
        state = convert(values, cls)
        if epochs is None:
            epochs = (state.length and state.length.epochs) or state.epoch + 1
        if state.epoch_start is None or state.steps_per_epoch is None:
            state.epoch_start, state.steps_per_epoch = state.epoch * steps_per_epoch, steps_per_epoch
        left = min(1, epochs - state.epoch)  # epochs that can go on: below 0 if there were more than there are
        if not 0 <= state.begun <= left * state.steps_per_epoch:
            raise ValueError(f"step {state.step} is not in epoch {state.epoch}")
        if (state.evaluated or 0) > state.epoch or state.since_best > state.epoch or math.isnan(state.best_ap):
            raise ValueError("its evaluations are not those of its epochs")
        return state


def read_values(path: Path) -> dict[str, Any]:
    """Return what `torch.save` wrote: plain values and tensors, on the CPU.

    Raises OSError or ValueError if the file is missing, damaged or another, and whatever torch makes of it.
    """
    with open_file(path, MOST_BYTES) as file:
        if file.read(4) != b"PK\x03\x04":  # an older format of torch takes the memory that it says before reading
            raise ValueError("it is no file of torch's")
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("it is compressed")  # torch writes it as it is; what is packed may unpack without end
            if sum(entry.file_size for entry in entries if "/data/" not in entry.filename) > MOST_STRUCTURE:
                raise FileRefused("too large a structure", path)
            if damaged := archive.testzip():  # torch itself does not compare the check sums
                raise ValueError(f"{damaged} is damaged")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd content, in words about torch's inside
        values = torch.load(path, weights_only=True, map_location="cpu")
    if type(values) is not dict or not all(isinstance(name, str) for name in values):
        raise ValueError("it holds no state")
    return values


@contextmanager
def misfits_explained(checkpoint: Path) -> Iterator[None]:
    """Turn what is raised where a state does not fit its training into a ModelError that names the checkpoint."""
    try:
        yield
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ModelError(
            f"{short(checkpoint, 120)} was saved by a training with other settings or by another version, so it "
            "cannot be resumed: train again, starting from it."
        ) from error


def fitting_optimizer(saved: dict[str, Any], optimizer: torch.optim.Optimizer, step: int) -> dict[str, Any]:
    """Return the state for `optimizer.load_state_dict`: its own settings, with the saved moments of each weight.

    step  how many steps the training has done
    Raises ValueError if they are moments of other weights; KeyError or TypeError if it is no such state.
    """
    ours = optimizer.state_dict()
    if [_parameters(group) for group in saved["param_groups"]] != [
        _parameters(group) for group in ours["param_groups"]
    ]:
        raise ValueError("other parts learn")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, moments in saved["state"].items():
        if type(index) is not int or not 0 <= index < len(parameters) or set(moments) != {"step", *MOMENTS}:
            raise ValueError("it is the state of another optimizer")
        shape = parameters[index].shape
        if not all(is_plain(value) and value.is_floating_point() for value in moments.values()):
            raise ValueError("its moments are no numbers")
        if any(moments[name].shape != shape for name in MOMENTS) or (moments["exp_avg_sq"] < 0).any():
            raise ValueError("its moments are of other weights")
        if moments["step"].numel() != 1 or not 0 <= moments["step"].item() <= step:
            raise ValueError("a weight has had more steps than there were")
    return {"state": saved["state"], "param_groups": ours["param_groups"]}


def with_saved_decay(config: TrainConfig, saved: dict[str, Any]) -> TrainConfig:
    """Return the settings with the `layer_decay` that the saved optimizer knew: earlier versions' had none of stages.

    Raises KeyError or TypeError if `saved` is no optimizer's state.
    """
    of_backbone = sum(group["name"] == "backbone" for group in saved["param_groups"])
    return replace(config, layer_decay=1.0) if of_backbone <= 2 else config  # with weight decay, and without


def fitting_scaler(saved: dict[str, Any], scaler: torch.amp.GradScaler) -> dict[str, Any]:
    """Return the state for `scaler.load_state_dict`: its own settings, with the saved scale.

    Raises ValueError if that is no scale, KeyError if there is none.
    """
    ours = scaler.state_dict()
    if not ours:  # it does not scale
        return ours
    scale, tracker = saved["scale"], saved["_growth_tracker"]
    if type(scale) is not float or not 0 < scale < math.inf or type(tracker) is not int or tracker < 0:
        raise ValueError("its scale is no scale")
    return {**ours, "scale": scale, "_growth_tracker": tracker}


def is_plain(value: object) -> bool:
    """Check whether a value is an ordinary tensor of finite numbers, each with a place of its own."""
    return (
        type(value) is torch.Tensor
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
        and bool(torch.isfinite(value).all())
    )


def _parameters(group: dict[str, Any]) -> tuple[Any, Any]:
    return group["name"], group["params"]
