"""Training one model of each family: images a second in half and in full precision, and whether both have one loss.

In: the first released model of each family, with random weights of its layout and pictures of its size. Out: a row for
each model and precision, with images a second on batches that are ready, peak memory, and the loss of the first step.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from itertools import cycle, islice
from pathlib import Path

import torch

from bench.gpu.loops import READY_STEPS, Step
from bench.gpu.record import Deadline, Record, Row
from bench.gpu.speed import PREPARING, measure_loop, reset_peak
from bench.gpu.workbench import MIXED, STEPS, Setting, Workbench
from bench.layouts import model_of
from core.detr.families.base import Detector
from core.detr.input.batch import Batch
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import step_loader
from core.detr.model import load_model
from core.detr.sources.released import RELEASED
from core.metrics import LOSS
from core.training.distributed import ProcessGroup
from core.training.step import Stepper

PRECISIONS = ("bf16", "fp32")
TOLERANCE = 0.05  # relative: half precision rounds, and may choose other queries on the same batch


class FamilyLoop:
    """A training of one released layout on the photographs of a bench, as `Training` sets it up."""

    def __init__(self, bench: Workbench, name: str, folder: Path) -> None:
        released, label_map = RELEASED[name], bench.label_map
        self.bench, self.name, self.batch = bench, name, bench.scale.batches[0]
        self.model = self._load(name, folder)
        photographs, square = bench.splits[MIXED], released.square
        self.data = DetectionDataset(photographs, label_map, *released.edges, ("flip",), square=square)
        self.data.stride, self.data.whole_cells = self.model.stride, self.model.whole_cells

    def _load(self, name: str, folder: Path) -> Detector:
        """Return the model with a head for the bench's classes and without dropout, by way of a checkpoint folder."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model_of(name).save_pretrained(folder)
            return load_model(str(folder), self.bench.label_map, dropout=0.0)[0]

    @functools.cached_property
    def ready(self) -> list[list[Batch]]:
        """The batches of the first steps."""
        on_gpu = self.bench.device.type == "cuda"
        loader = step_loader(self.data, self.batch, 1, 0, workers=self.bench.readers(self.batch), pin_memory=on_gpu)
        return list(islice(iter(loader), READY_STEPS))

    def run(self, precision: str, losses: list[float]) -> Generator[Step]:
        """Take steps from the same weights on the same batches, again and again; append the loss of each."""
        bench, setting = self.bench, Setting(precision, self.batch)
        weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        model = self.model.to(bench.device).to(memory_format=torch.channels_last).train()
        torch.manual_seed(0)
        stepper = Stepper(model, bench.config(setting), STEPS, bench.device, ProcessGroup())
        try:
            for number, batches in enumerate(cycle(self.ready)):
                losses.append(stepper.step(number, batches)[LOSS.train.tag])
                yield Step(self.batch, 0.0)
        finally:
            self.model.load_state_dict(weights)


def measure_families(bench: Workbench, record: Record, deadline: Deadline) -> None:
    """Add a row for each model and precision; a model that cannot be made costs its rows."""
    todo = [(name, precision) for name in bench.scale.families for precision in PRECISIONS]
    loop: FamilyLoop | None = None
    for done, (name, precision) in enumerate(todo):
        seconds = min(bench.scale.seconds, (1 - PREPARING) * deadline.left / (len(todo) - done))

        def measure(name: str = name, precision: str = precision, seconds: float = seconds) -> Row:
            nonlocal loop
            if loop is None or loop.name != name:
                loop = None  # its memory is not this one's
                loop = FamilyLoop(bench, name, bench.folder.parent / name)
            losses: list[float] = []
            reset_peak(bench.device)
            row = measure_loop(bench, loop.run(precision, losses), seconds, deadline)
            return {**row, "first_loss": losses[0]}

        key = {"model": name, "precision": precision, "batch": bench.scale.batches[0]}
        record.attempt("families", key, measure, deadline)


def agree(half: Row, full: Row) -> bool:
    """Check whether the first losses of two rows differ by no more than half precision may round."""
    return bool(abs(half["first_loss"] / full["first_loss"] - 1) <= TOLERANCE)
