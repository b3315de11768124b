"""The settings of an evaluation: `EvaluationConfig`, which model on which images, and how it is shown them.

Form and command line are made from the fields below, as a training's. Without torch, so that a page can show them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePath

from core import ConfigError, lab_root
from core.config_diff import EVALUATION_SETTINGS
from core.datasets.layouts import TEST
from core.files import real_path
from core.settings import Settings, setting
from core.wording import short

SMALLEST = 32  # pixels: an edge
LARGEST = 4096
MOST_TILES = 8
INPUT = re.compile(r"(?P<size>[0-9]{1,6})|((?P<both>[0-9]{1,6})/)?(?P<across>[0-9]{1,3})x(?P<down>[0-9]{1,3})")


@dataclass(frozen=True)
class EvaluationConfig(Settings):
    """Which model is evaluated on which images; checked when made.

    Raises ConfigError naming the field, its value and what it may be.
    """

    model: tuple[str, ...] = setting(
        (),
        "Model",
        "A run's model as RUN:best, RUN:last or RUN:untouched, a checkpoint folder, an ONNX file, or a name on the "
        "Hugging Face hub. Of several, whose weights must fit together, the average is evaluated.",
        "model",
    )
    data: str = setting(
        "data/street", "Data set", "Folder of a data set, as in a training; or one COCO JSON with its pictures.", "data"
    )
    part: str = setting("val", *EVALUATION_SETTINGS["part"], "data", choices=("val", TEST, "train"))
    images: str = setting(
        "", "Pictures", "Folder of the pictures of a COCO JSON (default: looked for beside it).", "data", optional=True
    )
    size: int = setting(0, *EVALUATION_SETTINGS["size"], "image", min=0, max=LARGEST)
    tiles: int = setting(1, *EVALUATION_SETTINGS["tiles"], "image", min=1, max=MOST_TILES)
    batch_size: int = setting(1, "Batch size", "Images, or tiles, per forward pass.", "machine", min=1, max=512)
    device: str = setting(
        "auto", "Device", "auto takes the GPU if there is one.", "machine", choices=("auto", "cpu", "cuda", "mps")
    )
    precision: str = setting(
        "auto",
        "Precision",
        "Of the forward pass: auto is bf16 on a GPU that has it, tf32 on another, fp32 elsewhere.",
        "machine",
        choices=("auto", "fp32", "tf32", "bf16", "fp16"),
    )
    workers: int = setting(
        0, "Reading processes", "Processes that read images; 0 reads in the evaluation itself.", "machine", min=0,
        max=64,
    )  # fmt: skip
    threads: int = setting(
        0, "CPU threads", "CPU threads for torch; 0 leaves torch's own choice.", "machine", min=0, max=256
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            raise ConfigError("model is empty: name a run's model, a folder, an ONNX file or a name on the hub.")
        if 0 < self.size < SMALLEST:
            raise ConfigError(f"size is {self.size}, but must be 0 or lie between {SMALLEST} and {LARGEST}.")

    @property
    def input_words(self) -> str:
        """How the model sees the images, in a few words; "" as it was trained.

        >>> EvaluationConfig(("a",), size=800, tiles=2).input_words
        '800 px, 2 × 2 tiles'
        """
        size = [f"{self.size} px"] if self.size else []
        return ", ".join(size + ([f"{self.tiles} × {self.tiles} tiles"] if self.tiles > 1 else []))

    @property
    def is_of_file(self) -> bool:
        """Whether the images are those of one COCO JSON."""
        return PurePath(self.data).suffix.lower() == ".json"

    def same_images(self, other: EvaluationConfig) -> bool:
        """Check whether another evaluation is of the same model on the same images, however it sees them."""
        root = lab_root()
        mine, theirs = ((c.model, c.part, *(real_path(root / p) for p in (c.data, c.images))) for c in (self, other))
        return mine == theirs

    def with_input(self, text: str) -> EvaluationConfig:
        """Return the settings with what the model sees as in a text, as `read_input` takes it; raises ConfigError."""
        size, tiles = read_input(text)
        return replace(self, size=size, tiles=tiles)


def read_input(text: str) -> tuple[int, int]:
    """Return the size and the tiles that a text as 640, 2x2 or 640/2x2 means; raise ConfigError for another.

    >>> read_input("640"), read_input("2x2"), read_input("640/2x2")
    ((640, 1), (0, 2), (640, 2))
    """
    match = INPUT.fullmatch(text.strip())
    if match is None or (match["across"] or "1") != (match["down"] or "1"):
        raise ConfigError(f"{short(repr(text))} is no input: write a size as 640, tiles as 2x2, or both as 640/2x2.")
    return int(match["size"] or match["both"] or 0), int(match["across"] or 1)
