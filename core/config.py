"""The settings of a training: `TrainConfig`, the one place of every default and its line of help.

Form, command line and checkpoint are all made from the fields below. Apart from the training so that a page can show
the form without importing torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from core import ConfigError
from core.wording import is_utf8, short

T = TypeVar("T")

PLAIN_BATCH = 4  # images: the experiment's, and where no memory is to be filled
# `model` for a small model with random weights: a DETR, and an RT-DETRv2, which learns from nothing
STARTER, MULTI_SCALE_STARTER = "checkpoints/starter", "checkpoints/starter-multi-scale"
STARTERS = {STARTER: "Starter model (built in)", MULTI_SCALE_STARTER: "Multi-scale starter, an RT-DETRv2 (built in)"}
RANDOM_MODEL, RANDOM_MULTI_SCALE = "random", "random multi-scale"
RANDOM_MODELS = {RANDOM_MODEL: "Small DETR, untrained", RANDOM_MULTI_SCALE: "Small RT-DETRv2, untrained"}


def setting(default: T, label: str, help: str, group: str, **limits: Any) -> T:
    """Make a dataclass field with what form and command line need: `label`, `help`, `group`, and limits.

    The limits are `min` and `max`, or `choices`.
    """
    return field(default=default, metadata={"label": label, "help": help, "group": group, **limits})


@dataclass(frozen=True)
class TrainConfig:
    """What to train, on what and how; checked when made.

    Raises ConfigError naming the field, its value and what it may be.
    """

    data: str = setting(
        "data/street", "Data set", "Folder of the data set: COCO, YOLO, Pascal VOC, or another tool's export.", "data"
    )
    model: str = setting(
        STARTER,
        "Model",
        "Checkpoint folder, name on the Hugging Face hub, or a small untrained model: 'random', a "
        "DETR; 'random multi-scale', an RT-DETRv2.",
        "model",
    )
    classes: tuple[str, ...] = setting((), "Classes", "Classes to detect; empty: all classes of the data set.", "data")
    empty_share: float = setting(
        1.0,
        "Share of images without objects",
        "Largest share of training images without any chosen class; 1 keeps them all.",
        "data",
        min=0.0,
        max=1.0,
    )
    epochs: int = setting(10, "Epochs", "How often the training set is gone through.", "length", min=1, max=1000)
    batch_size: int = setting(
        4,
        "Batch size",
        "Images per forward pass and process; 0 takes as many as fit into the GPU's memory, elsewhere 4.",
        "length",
        min=0,
        max=512,
    )
    accumulate: int = setting(
        1,
        "Accumulate",
        "Forward passes per step: a step sees batch size × accumulate × processes images, as one batch would.",
        "length",
        min=1,
        max=256,
    )
    eval_every: int = setting(
        1,
        "Evaluate every n epochs",
        "Evaluate after every so many epochs, and after the last.",
        "length",
        min=1,
        max=1000,
    )
    early_stopping: int = setting(
        0,
        "Stop early after",
        "End when AP has not risen for so many evaluations; 0 goes through all epochs.",
        "length",
        min=0,
        max=1000,
    )
    seed: int = setting(
        0, "Seed", "Seed of the data order, the augmentation and fresh weights.", "length", min=0, max=2**31
    )
    lr: float = setting(1e-5, "Learning rate", "Learning rate of the transformer.", "optimizer", min=0.0, max=1.0)
    lr_backbone: float = setting(
        1e-6, "Learning rate, backbone", "Learning rate of the backbone; 0 freezes it.", "optimizer", min=0.0, max=1.0
    )
    lr_head: float = setting(
        1e-4, "Learning rate, heads", "Learning rate of the class and box heads.", "optimizer", min=0.0, max=1.0
    )
    weight_decay: float = setting(
        1e-4, "Weight decay", "AdamW's weight decay; norms and biases have none.", "optimizer", min=0.0, max=1.0
    )
    layer_decay: float = setting(
        1.0,
        "Rate decay by layer",
        "Of a vision transformer as backbone: each layer learns by this factor slower than the one above it, as 0.8; "
        "1 for all alike.",
        "optimizer",
        min=0.1,
        max=1.0,
    )
    clip: float = setting(
        0.1, "Gradient clip", "Largest norm of the gradient; 0 does not clip.", "optimizer", min=0.0, max=1000.0
    )
    warmup_steps: int = setting(
        0,
        "Warm-up steps",
        "Steps over which the learning rates rise from 0 to their value.",
        "optimizer",
        min=0,
        max=1_000_000,
    )
    schedule: str = setting(
        "constant",
        "Schedule",
        "Learning rate over time: constant; step: a tenth for the last fifth; cosine: falls to 0.",
        "optimizer",
        choices=("constant", "step", "cosine"),
    )
    freeze: str = setting(
        "stem",
        "Freeze",
        "What never learns: stem is the backbone's first convolution and stage, as in DETR's recipe; "
        "the norms of the backbone are frozen in any case.",
        "weights",
        choices=("none", "stem", "backbone"),
    )
    dropout: float = setting(0.1, "Dropout", "Dropout in the transformer.", "weights", min=0.0, max=0.9)
    ema: float = setting(
        0.0,
        "EMA decay",
        "Evaluate and keep an exponential moving average of the weights, as 0.999; 0 takes the weights themselves.",
        "weights",
        min=0.0,
        max=0.99999,
    )
    keep: str = setting(
        "best and last",
        "Keep",
        "Which checkpoints stay when all epochs are done; last, with the optimizer's state, is the larger one.",
        "weights",
        choices=("best and last", "best", "last"),
    )
    shortest_edge: int = setting(
        800,
        "Shortest edge, pixels",
        "Images are resized until their shorter side has so many pixels …",
        "image",
        min=32,
        max=4096,
    )
    longest_edge: int = setting(
        1333, "Longest edge, pixels", "… but their longer side at most so many.", "image", min=32, max=4096
    )
    square: bool = setting(
        False,
        "Stretch to a square",
        "Images are stretched to longest edge × longest edge instead of keeping their shape: as RT-DETR, D-FINE and "
        "RF-DETR were trained.",
        "image",
    )
    start_size: float = setting(
        1.0,
        "Size at the start",
        "Training images have this share of the edges in the first half of the epochs, then grow, and are whole in the "
        "last quarter. 0.5 learns faster from nothing, as small pictures cost little; 1: always whole.",
        "image",
        min=0.25,
        max=1.0,
    )
    augment: str = setting(
        "flip",
        "Augmentation",
        "Of training images. flip: mirrored at random; flip, scale and crop: also other sizes and cut-outs, as in "
        "DETR's recipe.",
        "image",
        choices=("none", "flip", "flip, scale and crop"),
    )
    device: str = setting(
        "auto", "Device", "auto takes the GPU if there is one.", "machine", choices=("auto", "cpu", "cuda", "mps")
    )
    processes: int = setting(
        1, "Processes", "Processes that train together, each on a GPU of its own.", "machine", min=1, max=64
    )
    precision: str = setting(
        "auto",
        "Precision",
        "Of the forward pass: auto is bf16 on a GPU that has it, tf32 on another, fp32 elsewhere; matching and losses "
        "are always float32.",
        "machine",
        choices=("auto", "fp32", "tf32", "bf16", "fp16"),
    )
    workers: int = setting(
        2, "Reading processes", "Processes that read images; 0 reads in the training itself.", "machine", min=0, max=64
    )
    cache: str = setting(
        "auto",
        "Keep pictures in memory",
        "auto decodes each picture once, as far as they fit into a quarter of the memory that is free at the start; "
        "off reads them anew in every epoch.",
        "machine",
        choices=("auto", "off"),
    )
    threads: int = setting(
        0, "CPU threads", "CPU threads for torch; 0 leaves torch's own choice.", "machine", min=0, max=256
    )
    deterministic: bool = setting(
        False, "Deterministic", "Same seed, same losses, also on a GPU, where it is slower.", "machine"
    )
    not_finite: str = setting(
        "stop",
        "Loss not finite",
        "When a loss or gradient is not a finite number: stop, or leave out that step (at most ten in a row).",
        "machine",
        choices=("stop", "skip"),
    )
    profile: bool = setting(False, "Profile", "Record ten steps with PyTorch's profiler.", "machine")

    def __post_init__(self) -> None:
        classes: Any = self.classes  # the command line gives them as one text
        names = classes.split(",") if isinstance(classes, str) else classes
        if not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
            raise ConfigError(f"classes is {short(repr(names))}, but must be a list of names.")
        object.__setattr__(self, "classes", tuple(name.strip() for name in names if name.strip()))
        for f in fields(self):
            self._check(f.name, getattr(self, f.name), type(f.default), f.metadata)
        if self.shortest_edge > self.longest_edge:
            raise ConfigError(
                f"shortest_edge {self.shortest_edge} is larger than longest_edge {self.longest_edge}: make it smaller."
            )

    def _check(self, name: str, value: object, kind: type, limits: Mapping[str, Any]) -> None:
        if kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
            object.__setattr__(self, name, value)
        if type(value) is not kind:
            raise ConfigError(f"{name} is {short(repr(value))}, but must be of type {kind.__name__}.")
        if isinstance(value, str) and not value.strip():
            raise ConfigError(f"{name} is empty: give one.")
        if isinstance(value, str) and not is_utf8(value):
            raise ConfigError(f"{name} is {short(value)}, which is not UTF-8: give the file or folder another name.")
        if "choices" in limits and value not in limits["choices"]:
            raise ConfigError(f"{name} is {short(repr(value))}, but must be one of: {', '.join(limits['choices'])}.")
        # written so that NaN fails too
        if "min" in limits and not limits["min"] <= value <= limits["max"]:
            raise ConfigError(f"{name} is {short(value)}, but must lie between {limits['min']} and {limits['max']}.")

    @property
    def likely_batch_size(self) -> int:
        """How many images a forward pass has, as far as that is known before a training has begun."""
        return self.batch_size or PLAIN_BATCH

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for JSON; `from_dict` reads them back."""
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainConfig:
        """Make the config of the settings that `to_dict` returned, also in an earlier version.

        Raises ConfigError if a setting is unknown, as after a newer version wrote it, or is not what it may be.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"The settings are {short(repr(data))}, but must be a mapping of names to values.")
        data = dict(data)
        if "flip" in data:  # what `augment` was called while it was a switch
            flip = data.pop("flip")
            data["augment"] = ("flip" if flip else "none") if isinstance(flip, bool) else flip
        if unknown := set(data) - {f.name for f in fields(cls)}:
            raise ConfigError(
                f"Unknown setting {short(repr(min(unknown, key=str)))}: it comes from another version of DETR Lab."
            )
        return cls(**data)
