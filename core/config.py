"""The settings of a training: `TrainConfig`, the one place of every default and its line of help.

Form, command line and checkpoint are all made from the fields below. Apart from the training so that a page can show
the form without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core import ConfigError
from core.augmentation import kinds as augmentation
from core.settings import Settings, setting
from core.system.processes import start_method
from core.trackers import kinds as trackers

PLAIN_BATCH = 4  # images: the experiment's, and where no memory is to be filled
# `model` for a small model with random weights: a DETR, and an RT-DETRv2, which learns from nothing
STARTER, MULTI_SCALE_STARTER = "checkpoints/starter", "checkpoints/starter-multi-scale"
STARTERS = {STARTER: "Starter model (built in)", MULTI_SCALE_STARTER: "Multi-scale starter, an RT-DETRv2 (built in)"}
RANDOM_MODEL, RANDOM_MULTI_SCALE = "random", "random multi-scale"
RANDOM_MODELS = {RANDOM_MODEL: "Small DETR, untrained", RANDOM_MULTI_SCALE: "Small RT-DETRv2, untrained"}


@dataclass(frozen=True)
class TrainConfig(Settings):
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
    minutes: float = setting(
        0.0,
        "Minutes",
        "How long the training takes on this machine, from its start to its end, evaluations included: it measures its "
        "speed and sets the epochs by it, also between two evaluations; 0 goes by the epochs.",
        "length",
        min=0.0,
        max=100_000.0,
        step=1.0,
    )
    batch_size: int = setting(
        4,
        "Batch size",
        "Images per forward pass and process; 0 takes as many as fit into the GPU's memory, elsewhere 4.",
        "length",
        min=0,
        max=512,
    )
    accumulate: int = setting(
        1, "Accumulate",
        "Forward passes per step: a step sees batch size × accumulate × processes images, as one batch would.",
        "length", min=1, max=256,
    )  # fmt: skip
    eval_every: int = setting(
        1, "Evaluate every n epochs",
        "Evaluate after every so many epochs, and after the last; by minutes less often where it takes long.",
        "length", min=1, max=1000,
    )  # fmt: skip
    early_stopping: int = setting(
        0,
        "Stop early after",
        "End when AP has not risen for so many evaluations; the best model is then the run's, and kept in any case. 0 "
        "goes through all epochs.",
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
    lr_fresh: float = setting(
        0.0,
        "Learning rate, fresh classes",
        "Learning rate of the class outputs of classes that the model does not know by name; 0: as the heads'.",
        "optimizer",
        min=0.0,
        max=1.0,
    )
    weight_decay: float = setting(
        1e-4, "Weight decay", "AdamW's weight decay; norms and biases have none.", "optimizer", min=0.0, max=1.0
    )
    layer_decay: float = setting(
        1.0,
        "Rate decay by layer",
        "Of the backbone: each stage, or layer of a vision transformer, learns by this factor slower than the one "
        "above it, as 0.8; 1 for all alike.",
        "optimizer",
        min=0.1,
        max=1.0,
    )
    clip: float = setting(
        0.1, "Gradient clip", "Largest norm of the gradient; 0 does not clip.", "optimizer", min=0.0, max=1000.0
    )
    warmup_steps: int = setting(
        0, "Warm-up steps", "Steps in which the learning rates rise from 0.", "optimizer", min=0, max=1_000_000
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
    query_groups: int = setting(
        1,
        "Query groups",
        "In training so many groups of queries learn from each image: the model's, and copies of them with noise that "
        "are dropped afterwards. 3 may be ahead in a short training, and makes its steps slower; 1 is off.",
        "weights",
        min=1,
        max=13,
    )
    class_targets: str = setting(
        "own",
        "Class targets",
        "What a query's score is to become: own, as the model was published; matching-aware, the overlap of its box "
        "with the object, so that poor boxes score lower. RF-DETR, LW-DETR and DEIMv2 learn such scores anyway.",
        "weights",
        choices=("own", "matching-aware"),
    )
    dropout: float = setting(0.1, "Dropout", "Dropout in the transformer.", "weights", min=0.0, max=0.9)
    ema: float = setting(
        0.0,
        "EMA decay",
        "Evaluate and keep an exponential moving average of the weights, as 0.999, which begins with smaller decays; 0 "
        "takes the weights themselves.",
        "weights",
        min=0.0,
        max=0.99999,
    )
    balance: str = setting(
        "none",
        "Rare classes",
        "repeat rare classes: their images come more often, others less; weigh rare classes: their objects count more "
        "in the class loss of the training.",
        "data",
        choices=("none", "repeat rare classes", "weigh rare classes"),
    )
    repeat_fresh: float = setting(
        1.0,
        "Repeat fresh classes",
        "How many times as often as others images come that have classes which the model does not know by name, as 3; "
        "an epoch stays as long.",
        "data",
        min=1.0,
        max=100.0,
    )
    keep: str = setting(
        "best and last",
        "Keep",
        "Which checkpoints stay when all epochs are done; last, with the optimizer's state, is the larger one.",
        "weights",
        choices=("best and last", "best", "last"),
    )
    shortest_edge: int = setting(
        800, "Shortest edge, pixels", "Images are resized until their shorter side has so many pixels …", "image",
        min=32, max=4096,
    )  # fmt: skip
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
    augment: tuple[str, ...] = setting(
        ("flip",),
        "Augmentation",
        "Of training images, each at random: some of the kinds, or a preset: "
        f"{'; '.join(preset.name for preset in augmentation.PRESETS)}.",
        "image",
        choices=augmentation.KEYS,
    )
    plain_share: float = setting(
        0.2,
        "Plain at the end",
        "Share of the epochs at the end without rotation, perspective, mosaic, mixup and copy-paste: images as they "
        "will be.",
        "image",
        min=0.0,
        max=1.0,
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
        2 if start_method() == "fork" else 0,  # elsewhere each is a new program, in every epoch
        "Reading processes", "Processes that read images; 0 reads in the training itself.", "machine", min=0, max=64
    )  # fmt: skip
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
    trackers: tuple[str, ...] = setting(
        (), "Trackers",
        "Experiment trackers to which a process of its own sends the run's record; none: it stays here. "
        + " ".join(f"{kind.key}: {kind.sentence}" for kind in trackers.TRACKERS),
        "machine", choices=trackers.KEYS, is_bookkeeping=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", augmentation.expanded(self.augment))
        super().__post_init__()
        if self.shortest_edge > self.longest_edge:
            raise ConfigError(
                f"shortest_edge {self.shortest_edge} is larger than longest_edge {self.longest_edge}: make it smaller."
            )

    @property
    def likely_batch_size(self) -> int:
        """How many images a forward pass has, as far as that is known before a training has begun."""
        return self.batch_size or PLAIN_BATCH

    @classmethod
    def _renamed(cls, data: dict[str, Any]) -> dict[str, Any]:
        if "flip" in data:  # what `augment` was called while it was a switch
            flip = data.pop("flip")
            data["augment"] = ("flip" if flip else "none") if isinstance(flip, bool) else flip
        return data
