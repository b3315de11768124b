"""What all measurements work on: the photographs, the model with random weights, and each precision.

In: a `Scale`, of a GPU or tiny for a CPU. Out: data sets, models and `Stepper`s, each as a training makes them.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import DetrConfig, DetrForObjectDetection

from bench.photographs import draw_photographs
from core.config import TrainConfig
from core.datasets.split import CocoSplit, read_split
from core.detr.device import choose_device, set_float32_products
from core.detr.families.detr import Detr
from core.detr.input.dataset import DetectionDataset
from core.detr.model import parameter_groups
from core.detr.small import small_detr
from core.detr.sources.released import FAMILIES, RELEASED
from core.labels import LabelMap
from core.training.distributed import ProcessGroup
from core.training.step import Stepper

PRECISIONS = ("bf16", "tf32", "fp32")  # the most important first
MIXED, ONE_SIZE = "mixed", "one size"
SIZE = (640, 480)  # of "one size"
STEPS = 10_000  # that a training would have: its schedule is constant
WAITING = 2  # batches of each reading process


@dataclass(frozen=True)
class Setting:
    """One way to train: precision, images a batch, pictures of one size or of all."""

    precision: str
    batch: int
    sizes: str = MIXED

    def key(self, loop: str) -> dict:
        return {"loop": loop, "precision": self.precision, "batch": self.batch, "sizes": self.sizes}


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    seconds          for which one loop is measured at most
    warm, least      steps before the clock starts, and the fewest that count
    traced           steps that are traced
    batches          images a batch; those of `plain_batches` for the plain loop, too
    crowded          images of the batch for which there is no memory
    families         released models of which one is trained in each precision
    demo_images      for training and validation; None for the demo as it is
    """

    device: str
    shortest_edge: int
    longest_edge: int
    train: int
    make_model: Callable[[LabelMap, float], DetrForObjectDetection]
    batches: tuple[int, ...]
    plain_batches: tuple[int, ...]
    readers: int
    seconds: float
    warm: int
    least: int
    traced: int
    crowded: int
    families: tuple[str, ...]
    demo_seeds: tuple[int, ...]
    demo_images: tuple[int, int] | None = None
    demo_epochs: int = 10


def detr_r50(label_map: LabelMap, dropout: float) -> DetrForObjectDetection:
    """Return facebook/detr-resnet-50 as it was before its training: random weights, nothing is downloaded."""
    config = DetrConfig(
        use_timm_backbone=True, backbone="resnet50", use_pretrained_backbone=False, auxiliary_loss=True,
        dropout=dropout, num_labels=len(label_map), id2label=label_map.id2label, label2id=label_map.label2id,
    )  # fmt: skip
    return DetrForObjectDetection(config)


FIRST_OF_FAMILY = {model.family: model.name for model in reversed(RELEASED.values())}
SMALLEST = min(RELEASED.values(), key=lambda model: model.parameters).name
READERS = max(1, min(12, (os.cpu_count() or 1) - 2))
ON_GPU = Scale(
    device="cuda", shortest_edge=800, longest_edge=1333, train=1024, make_model=detr_r50, batches=(4, 8, 16),
    plain_batches=(4, 8), readers=READERS, seconds=4.0, warm=3, least=3, traced=6, crowded=16,
    families=tuple(FIRST_OF_FAMILY[family] for family in FAMILIES), demo_seeds=(0, 1, 2),
)  # fmt: skip
ON_CPU = Scale(
    device="cpu", shortest_edge=64, longest_edge=96, train=8, make_model=lambda *a: small_detr(*a).inner, batches=(2,),
    plain_batches=(2,), readers=0, seconds=0.0, warm=1, least=1, traced=1, crowded=8, families=(SMALLEST,),
    demo_seeds=(0,), demo_images=(8, 4), demo_epochs=1,
)  # fmt: skip


class Workbench:
    """The photographs, and new models with the same weights for every measurement."""

    def __init__(self, scale: Scale, folder: Path) -> None:
        self.scale, self.folder = scale, folder
        draw_photographs(folder, scale.train, 1)
        split = read_split(folder, "train")
        self.splits: dict[str, CocoSplit] = {MIXED: split, ONE_SIZE: _of_one_size(split)}
        self.label_map = split.label_map()
        self.device = choose_device(scale.device)
        self._model = self.make_model(TrainConfig.dropout)
        detector = Detr(copy.deepcopy(self._model))
        parameter_groups(detector, TrainConfig())  # it says which parameters learn
        self._learning = {name for name, p in detector.inner.named_parameters() if p.requires_grad}

    def dataset(self, sizes: str) -> DetectionDataset:
        edges = self.scale.shortest_edge, self.scale.longest_edge
        return DetectionDataset(self.splits[sizes], self.label_map, *edges, ("flip",))

    def plain_model(self) -> DetrForObjectDetection:
        """Return transformers' own model, on the device; what a training does not teach does not learn here, either."""
        model = copy.deepcopy(self._model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in self._learning)
        return model.to(self.device).train()

    def make_model(self, dropout: float) -> DetrForObjectDetection:
        """Return a model whose weights are the same each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.scale.make_model(self.label_map, dropout)

    def stepper(self, setting: Setting, model: DetrForObjectDetection | None = None) -> Stepper:
        """Return a Stepper as a training makes it, with a copy of `model`: of all loops' if None."""
        detector = Detr(copy.deepcopy(model or self._model))
        detector = detector.to(self.device).to(memory_format=torch.channels_last).train()
        return Stepper(detector, self.config(setting), STEPS, self.device, ProcessGroup())

    def config(self, setting: Setting) -> TrainConfig:
        """Return the settings of a training; their precision holds for float32 products of this process from now on."""
        set_float32_products(setting.precision)
        return replace(TrainConfig(data=str(self.folder)), batch_size=setting.batch, precision=setting.precision)

    def readers(self, batch: int) -> int:
        """Return how many processes read for every loop: as many as have room in shared memory, maybe none."""
        room = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else 2**40
        pixels = batch * (3 * 4 + 8) * self.scale.longest_edge**2  # floats of three colours, and a mask of integers
        return min(self.scale.readers, int(room / 2 / (WAITING * pixels)))


def _of_one_size(split: CocoSplit) -> CocoSplit:
    images = [image for image in split.images if (image["width"], image["height"]) == SIZE]
    kept = {image["id"] for image in images}
    return replace(split, images=images, annotations=[a for a in split.annotations if a["image_id"] in kept])
