"""Models that are kept loaded: `ModelCache` finds, loads and keeps the last few, each as a `LoadedModel`.

In: a run and one of its models (best, last, untouched), a checkpoint's folder, or an ONNX file. Apart from `worker.py`,
which answers the app with them, so that other modules which answer with a model need not import the worker.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from core import ConfigError, ModelError, RunError
from core.config import TrainConfig
from core.datasets.split import CocoSplit
from core.detr.device import choose_device, choose_precision, seeded
from core.detr.families.base import Detector
from core.detr.input.batch import Batch, Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.input.tiles import TiledDataset
from core.detr.model import load_model
from core.detr.model_folder import (
    LABEL_MAP_FILE,
    read_config,
    read_label_map,
    unreadable,
)
from core.detr.pretrained import class_rows, find_model, model_folder
from core.detr.processor import read_picture_settings
from core.detr.sources.image_processor import PROCESSOR
from core.inference.onnx.description import DESCRIPTION
from core.inference.onnx.file import is_onnx
from core.inference.onnx.model import OnnxModel, open_onnx
from core.labels import LabelMap
from core.runs.evaluated.images import onnx_file_of
from core.runs.models import RunModel, checkpoint_of
from core.runs.schema import Run
from core.runs.store import RunStore
from core.training.training import FRESH_WEIGHTS
from core.wording import short

KEPT = 2  # models in memory: the two that Compare asks for
FREE_SHARE = 0.5  # of a GPU's memory; a training that needs more of it is not to be disturbed


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode on `device`, and how pictures are made into its input.

    shortest_edge, longest_edge, square  as `DetectionDataset` takes them
    precision                    of the forward pass, as `detect.forward` takes it
    """

    model: Detector | OnnxModel
    label_map: LabelMap
    shortest_edge: int
    longest_edge: int
    square: bool
    precision: str
    device: torch.device

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The one (width, height) that an ONNX file takes; None where it takes any."""
        if not isinstance(self.model, OnnxModel) or (pixels := self.model.description.preprocessing).height is None:
            return None
        return pixels.width or pixels.height, pixels.height

    @property
    def detector(self) -> Detector:
        """The model itself; raises ModelError if it is in an ONNX file, which says nothing but boxes."""
        if isinstance(self.model, OnnxModel):
            raise ModelError(
                f"{short(self.model.path, 120)} gives boxes, but not why: ask the checkpoint it is made of."
            )
        return self.model

    def dataset(self, split: CocoSplit, label_map: LabelMap, tiles: int = 1) -> DetectionDataset:
        """Return the images of a split, made into its input as in an evaluation; `label_map` has its classes' ids.

        tiles  into how many parts each side of an image is divided; with more than 1 it is a `TiledDataset`
        """
        edges = self.shortest_edge, self.longest_edge
        data = DetectionDataset(split, label_map, *edges, square=self.square)
        if tiles > 1:
            data = TiledDataset(split, label_map, *edges, tiles, self.square)
        data.stride, data.whole_cells = self.model.stride, self.model.whole_cells
        return data

    def batch(self, path: Path, size: tuple[int, int]) -> Batch:
        """Return a picture of `size` (width, height) as a batch of one image, made as in an evaluation; its id is 0.

        Raises DataError if the picture cannot be read or has another size.
        """
        image = {"id": 0, "file_name": path.name, "width": size[0], "height": size[1]}
        split = CocoSplit("picture", path, path.parent, [image], [], [])
        return Collator(self.model.stride)([self.dataset(split, self.label_map)[0]])


def idle_device() -> torch.device:
    """Choose where a question is answered: on a GPU with enough free memory if there is one, else on the CPU."""
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


@dataclass(frozen=True)
class Place:
    """Where models answer, and how exactly.

    device     chooses where, each time that one is loaded
    precision  of the forward pass, as settings have it; None: as each model was trained
    """

    device: Callable[[], torch.device] = idle_device
    precision: str | None = None


ANYWHERE = Place()


class ModelCache:
    """The last models that were asked for, `kept` of them; one that has changed on disk meanwhile is loaded again."""

    def __init__(self, store: RunStore, kept: int = KEPT, place: Place = ANYWHERE) -> None:
        self.store, self.kept, self.place = store, kept, place
        self._loaded: OrderedDict[Hashable, LoadedModel] = OrderedDict()

    def get(self, run_id: str, model: str = "best") -> LoadedModel:
        """Return a model of a run, a `RunModel`, as it was evaluated: a checkpoint, or the baseline made once more.

        Raises RunError for a run or a name that there is not, ModelError if the model is gone or cannot be read.
        """
        run = self.store.get(run_id)
        if (file := onnx_file_of(run)) is not None:
            return self._open_onnx(file)
        if run.is_imported:
            raise RunError(
                f"The run {run.name} was {run.origin}: only its results are here, no model that could be asked."
            )
        config = TrainConfig.from_dict(run.config)
        if model == RunModel.BASELINE:
            return self._keep((run.id, model), lambda: _load_baseline(run, config, self.place))
        folder = checkpoint_of(self.store, run, model)
        return self._keep(
            (run.id, model, *stamp_of_weights(folder)), lambda: _load_checkpoint(folder, config, self.place)
        )

    def open(self, spec: str) -> LoadedModel:
        """Return the model in a checkpoint's folder, an ONNX file, or with a name on the hub, with all its classes.

        The edges are those of its run, else those it was published with, else the defaults. Raises ModelError.
        """
        if is_onnx(spec):
            return self._open_onnx(Path(os.path.expanduser(spec)))
        source = find_model(spec)
        folder = Path(source)
        run_id = folder.resolve().parent.name
        with suppress(RunError):
            if folder.resolve().parent == self.store.checkpoints(run_id).resolve():
                config = TrainConfig.from_dict(self.store.get(run_id).config)
                return self._keep(
                    (run_id, folder.name, *stamp_of_weights(folder)),
                    lambda: _load_checkpoint(folder, config, self.place),
                )
        return self._keep((source, *stamp_of_weights(folder)), lambda: load_published(source, self.place))

    def _open_onnx(self, file: Path) -> LoadedModel:
        return self._keep((str(file), *stamp_of_files(file, file.parent / DESCRIPTION)), lambda: load_onnx(file))

    def forget(self) -> None:
        """Give all memory back."""
        self._loaded.clear()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _keep(self, key: Hashable, load: Callable[[], LoadedModel]) -> LoadedModel:
        if key not in self._loaded:
            while len(self._loaded) >= self.kept:
                self._loaded.popitem(last=False)
            self._loaded[key] = load()
        self._loaded.move_to_end(key)
        return self._loaded[key]


def _load_checkpoint(folder: Path, config: TrainConfig, place: Place) -> LoadedModel:
    return _load(folder, read_label_map(folder), config, place)


def _load(folder: Path, label_map: LabelMap, config: TrainConfig, place: Place) -> LoadedModel:
    model, head = load_model(str(folder), label_map)
    if head.fresh:  # its answers would be random
        raise unreadable(folder, f"{LABEL_MAP_FILE} names {head.fresh[0]}, which the model does not know")
    return _ready(model, label_map, config, place)


def _load_baseline(run: Run, config: TrainConfig, place: Place) -> LoadedModel:
    """Load the model that a training began with: the same head, its fresh rows from the same random numbers."""
    if run.label_map is None:
        raise RunError(f"The run {run.name} does not know its classes yet: wait until its training has begun.")
    label_map = LabelMap.from_dict(run.label_map)
    with seeded(config.seed, FRESH_WEIGHTS, device=torch.device("cpu")):
        model, _ = load_model(config.model, label_map, config.dropout)
    return _ready(model, label_map, config, place)


def load_published(source: str, place: Place = ANYWHERE) -> LoadedModel:
    """Load a model that no run of this store has saved, by its folder or its name on the hub; raises ModelError."""
    folder = model_folder(source)
    if os.path.exists(folder / LABEL_MAP_FILE):
        label_map = read_label_map(folder)
    elif rows := class_rows(read_config(folder, source).names):
        label_map = LabelMap(tuple(rows), tuple(rows.values()))  # rows are category ids, as in COCO's models
    else:
        raise ModelError(f"The model {short(source, 120)} does not name its classes: choose another checkpoint.")
    try:
        config = replace(TrainConfig(), **read_picture_settings(folder))
    except ConfigError as error:
        raise unreadable(folder, f"{PROCESSOR}: {str(error).removesuffix('.')}", "correct it there") from error
    return _load(folder, label_map, config, place)


def _ready(model: Detector, label_map: LabelMap, config: TrainConfig, place: Place) -> LoadedModel:
    device = place.device()
    precision = choose_precision(place.precision or config.precision, device)
    # channels last, as in training
    model = model.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    edges = config.shortest_edge, config.longest_edge, config.square
    return LoadedModel(model, label_map, *edges, precision, device)


def load_onnx(file: Path, threads: int = 0) -> LoadedModel:
    """Load an ONNX file with the description beside it, computed with so many threads; raises ModelError."""
    model = open_onnx(file, threads)
    pixels = model.description.preprocessing
    edges = pixels.shortest_edge, pixels.longest_edge, pixels.square
    return LoadedModel(model, model.description.label_map, *edges, "fp32", torch.device("cpu"))


def stamp_of_weights(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, time and size of the files of a checkpoint's weights, which change with them."""
    return stamp_of_files(*folder.glob("*.safetensors"))


def stamp_of_files(*paths: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, time and size of files; nothing if one is gone."""
    try:
        stats = sorted((path.name, path.stat()) for path in paths)
    except OSError:
        return ()
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
