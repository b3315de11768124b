"""Models that are kept loaded to be asked: `Models` finds, loads and keeps the last few, each as `Loaded`.

In: a run and the name of one of its models (best, last, untouched), or a checkpoint's folder. Apart from `answers.py`,
which serves them to the app, so that what answers with a model can name them.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from core import ModelError, RunError
from core.config import TrainConfig
from core.datasets.split import CocoSplit
from core.detr.batch import Batch, Collator
from core.detr.dataset import DetectionDataset
from core.detr.device import choose_device
from core.detr.families.base import Detector
from core.detr.model import LABEL_MAP_FILE, load_model, read_label_map
from core.detr.pretrained import class_rows, find_model
from core.labels import LabelMap
from core.runs.schema import Run
from core.runs.store import RunStore
from core.training.step import seeded
from core.training.training import FRESH_WEIGHTS

WEIGHTS = "model.safetensors"
PROCESSOR = "preprocessor_config.json"  # of a published model: the edges that it was trained with
MODELS = ("best", "last", "untouched")
KEPT = 2  # models in memory: the two that Compare asks
FREE_SHARE = 0.5  # of a GPU's memory; a training that needs more of it is not to be disturbed


@dataclass(frozen=True)
class Loaded:
    """A model ready to be asked, in evaluation mode on `device`, and how its images are to be made.

    shortest_edge, longest_edge  pixels, as `DetectionDataset` takes them
    precision                    of the forward pass, as `detect.forward` takes it
    """

    model: Detector
    label_map: LabelMap
    shortest_edge: int
    longest_edge: int
    precision: str
    device: torch.device

    def batch(self, path: Path, size: tuple[int, int]) -> Batch:
        """A picture of `size` (width, height) as a batch of one image, made as in an evaluation; its image id is 0.

        Raises DataError if the picture cannot be read or has another size.
        """
        image = {"id": 0, "file_name": path.name, "width": size[0], "height": size[1]}
        split = CocoSplit("picture", path, path.parent, [image], [], [])
        return Collator()([DetectionDataset(split, self.label_map, self.shortest_edge, self.longest_edge)[0]])


class Models:
    """The last KEPT models that were asked for; one that has changed on disk meanwhile is loaded again."""

    def __init__(self, store: RunStore, kept: int = KEPT) -> None:
        self.store, self.kept = store, kept
        self._loaded: OrderedDict[tuple, Loaded] = OrderedDict()

    def get(self, run_id: str, model: str = "best") -> Loaded:
        """The model of a run as it was evaluated: its "best" or "last" checkpoint, or "untouched", as training began.

        Raises RunError for a run or a name that there is not, ModelError if the model is gone or cannot be read.
        """
        run = self.store.get(run_id)
        if run.is_imported:
            raise RunError(f"The run {run.name} was imported: only its results are here, no model that could be asked.")
        config = TrainConfig.from_dict(run.config)
        if model == "untouched":
            return self._kept((run.id, model), lambda: _untouched(run, config))
        folder = checkpoint_of(self.store, run, model)
        return self._kept((run.id, model, *_stamp(folder)), lambda: _from_folder(folder, config))

    def open(self, spec: str) -> Loaded:
        """A checkpoint's folder, or a name on the hub; with its own classes, or all that it knows by name.

        The edges are those of its run, else those it was published with, else the defaults. Raises ModelError.
        """
        source = find_model(spec)
        folder = Path(source)
        run_id = folder.resolve().parent.name
        with suppress(RunError):
            if folder.resolve().parent == self.store.checkpoints(run_id).resolve():
                config = TrainConfig.from_dict(self.store.get(run_id).config)
                return self._kept((run_id, folder.name, *_stamp(folder)), lambda: _from_folder(folder, config))
        return self._kept((source, *_stamp(folder)), lambda: _from_anywhere(source))

    def forget(self) -> None:
        """Give all memory back."""
        self._loaded.clear()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _kept(self, key: tuple, load: Callable[[], Loaded]) -> Loaded:
        if key not in self._loaded:
            while len(self._loaded) >= self.kept:
                self._loaded.popitem(last=False)
            self._loaded[key] = load()
        self._loaded.move_to_end(key)
        return self._loaded[key]


def checkpoint_of(store: RunStore, run: Run, model: str) -> Path:
    """The folder of a run's "best" or "last" checkpoint; the other one where both are the same and one is kept.

    Raises RunError for another name, ModelError if it is not there.
    """
    if model not in MODELS[:2]:
        raise RunError(f"A run has the models {', '.join(MODELS)}, not {model!r}.")
    other = MODELS[1 - MODELS.index(model)]
    for name in (model, other) if run.best_epoch and run.best_epoch == run.epoch else (model,):
        if (folder := store.checkpoint(run.id, name)).is_dir():
            return folder
    raise ModelError(f"The checkpoint {store.checkpoint(run.id, model)} is gone, so its model cannot be asked.")


def idle_device() -> torch.device:
    """Where a question is answered: on the GPU if there is one with enough free memory, else on the CPU."""
    device = choose_device("auto")
    if device.type != "cuda":
        return device
    try:
        used = torch.cuda.device_memory_used(device)  # asks the driver, and takes no memory for it
        total = torch.cuda.get_device_properties(device).total_memory
    except Exception:  # whatever a driver without this figure, or without its library, raises
        free, total = torch.cuda.mem_get_info(device)
        used = total - free
    return device if used <= (1 - FREE_SHARE) * total else torch.device("cpu")


def _from_folder(folder: Path, config: TrainConfig) -> Loaded:
    label_map = read_label_map(folder)
    model, _ = load_model(str(folder), label_map)
    return _ready(model, label_map, config)


def _untouched(run: Run, config: TrainConfig) -> Loaded:
    """As `train` begins: the same head, its fresh rows from the same random numbers."""
    if run.label_map is None:
        raise RunError(f"The run {run.name} does not know its classes yet: wait until its training has begun.")
    label_map = LabelMap.from_dict(run.label_map)
    with seeded(config.seed, FRESH_WEIGHTS, device=torch.device("cpu")):
        model, _ = load_model(config.model, label_map, config.dropout)
    return _ready(model, label_map, config)


def _from_anywhere(source: str) -> Loaded:
    """A model that no run of this store has saved."""
    folder = Path(source)
    own = (folder / LABEL_MAP_FILE).is_file()
    label_map = read_label_map(folder) if own else _named_classes(source)
    edges = {}
    with suppress(OSError, ValueError, AttributeError):
        size = json.loads((folder / PROCESSOR).read_text()).get("size")
        edges = {name: int(size[name]) for name in ("shortest_edge", "longest_edge") if name in size}
    model, _ = load_model(source, label_map)
    return _ready(model, label_map, TrainConfig(**edges))


def _named_classes(source: str) -> LabelMap:
    """The classes that a model of others knows by name, their rows as category ids, as in models of COCO."""
    from transformers import AutoConfig

    try:
        rows = class_rows(AutoConfig.from_pretrained(source).id2label)
    except (OSError, ValueError) as error:
        raise ModelError(f"The model {source} cannot be read or fetched: check the name and the network.") from error
    if not rows:
        raise ModelError(f"The model {source} does not name its classes: choose another checkpoint.")
    return LabelMap(tuple(rows), tuple(rows.values()))


def _ready(model: Detector, label_map: LabelMap, config: TrainConfig) -> Loaded:
    device = idle_device()
    # channels last, as in training
    model = model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    return Loaded(model, label_map, config.shortest_edge, config.longest_edge, config.precision, device)


def _stamp(folder: Path) -> tuple[int, int]:
    """Time and size of a checkpoint's weights, which change with them; zeros if there are none."""
    try:
        found = (folder / WEIGHTS).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
