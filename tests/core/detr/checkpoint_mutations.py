"""Checkpoint folders changed at random: whoever reads one works or says one sentence, within seconds and little memory.

    failures(mutations(seed=0, count=400))      what went wrong, each with its number; [] if nothing did
    python -m tests.core.detr.checkpoint_mutations 10000 [--seed N]

A seed gives the same folders on every machine. A folder is one of each model family, or with a backbone of timm's.
`checkpoint_ways.py` changes its files.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from transformers.utils import logging

from core import LabError
from core.config import TrainConfig
from core.detr.families.base import Detector
from core.detr.model import FAMILIES, load_model, save_model
from core.detr.model_folder import read_config, read_label_map
from core.detr.pretrained import known_classes
from core.detr.processor import read_picture_settings
from core.detr.sources.image_processor import PROCESSOR
from core.inference.model_cache import load_published
from core.labels import LabelMap
from core.training.checkpoint_folder import STATE_FILE
from core.training.distributed import ProcessGroup
from core.training.step import Stepper
from core.training.trainer_state import misfits_explained
from core.training.training import Training
from tests.core.datasets.mutated_files import peak, place_of
from tests.core.detr.checkpoint_ways import WAYS
from tests.core.detr.released import TEN, released
from tests.core.hostile_entries import Waited, no_waiting

MOST_SECONDS = 10  # of the processor, for one folder
LONGEST_WAIT = 120  # seconds of a busy machine
MOST_GROWTH = 1_000_000  # KiB of memory, all folders together
MOST_LETTERS = 300  # of a sentence
KINDS = (*FAMILIES, "timm")
CONFIG = TrainConfig(lr=1e-3, epochs=2, ema=0.9, device="cpu", precision="fp16")
STEPS_PER_EPOCH = 3
KEEP = tempfile.TemporaryDirectory(prefix="whole-checkpoints-")


@dataclass(frozen=True)
class Mutation:
    """One change of one file of one folder, by its number and seed."""

    kind: str
    file: str
    number: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.file}, mutation {self.number}"

    def apply(self, folder: Path) -> None:
        """Make the folder as it is, with the change."""
        shutil.copytree(whole(self.kind), folder)
        path, rng = folder / self.file, random.Random(str(self))
        path.write_bytes(rng.choice(WAYS[self.file])(path.read_bytes(), rng))


def mutations(seed: int, count: int) -> Iterator[Mutation]:
    """Yield so many mutations."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        # timm's is the largest: seldom
        yield Mutation(rng.choices(KINDS, (*[4] * len(FAMILIES), 1))[0], rng.choice(list(WAYS)), f"{seed}-{number}")


def failures(chosen: Iterable[Mutation], outcomes: Counter[str] | None = None) -> list[str]:
    """Read each changed folder; return what is not as it should be. `outcomes` counts those that open, by file."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="m", dir="/tmp") as name:
        before = peak()
        for mutation in chosen:
            folder = Path(name) / "checkpoint"
            mutation.apply(folder)
            begun = time.process_time()
            try:
                with no_waiting(LONGEST_WAIT):
                    sentences = read_everything(folder, mutation.file)
            except (Exception, Waited) as error:
                sentences = []
                wrong.append(f"{mutation}: {type(error).__name__}: {str(error)[:200]} at {place_of(error)}")
            if (seconds := time.process_time() - begun) > MOST_SECONDS:
                wrong.append(f"{mutation}: {seconds:.0f} s")
            if outcomes is not None:
                outcomes[f"{mutation.file} {'refused' if sentences else 'opens'}"] += 1
            bad = [text for text in sentences if len(text) > MOST_LETTERS or not text.isprintable()]
            wrong += [f"{mutation}: no sentence: {text[:400]!r}" for text in bad]
            if peak() - before > MOST_GROWTH:
                wrong.append(f"{mutation}: {(peak() - before) / 1e6:.1f} GB more memory")
                before = peak()
            shutil.rmtree(folder)
    return wrong


def read_everything(folder: Path, file: str | None = None) -> list[str]:
    """Read a checkpoint's folder as each reader does that sees `file`; return the sentences of those that refuse it."""
    sentences = []
    for read in READERS if file != STATE_FILE else (resume,):
        try:
            read(folder)
        except LabError as error:
            sentences.append(str(error))
    return sentences


def resume(folder: Path) -> None:
    """Go on with a training from the folder's state, for a step."""
    config = read_config(folder)
    described = config.backbone_config
    kind = "timm" if described and described.model_type == "timm_backbone" else config.model_type
    stepper = new_stepper(copy.deepcopy(trained(kind)))
    training = SimpleNamespace(
        stepper=stepper, config=CONFIG, stopping=SimpleNamespace(), _count_steps=lambda: (0, STEPS_PER_EPOCH)
    )
    state = Training._read_state(cast(Training, training), folder)
    with misfits_explained(folder):
        stepper.restore(state)
    update(stepper)


def new_stepper(model: Detector) -> Stepper:
    """Return a stepper as a training makes it."""
    return Stepper(model, CONFIG, STEPS_PER_EPOCH * CONFIG.epochs, torch.device("cpu"), ProcessGroup())


def update(stepper: Stepper) -> None:
    """Make an update without pictures."""
    for parameter in stepper.parameters:
        parameter.grad = torch.full_like(parameter, 1e-3)
    stepper.optimizer.step()
    stepper.average_weights()


READERS: tuple[Callable[[Path], Any], ...] = (
    lambda folder: known_classes(str(folder)),
    read_label_map,
    read_picture_settings,
    lambda folder: load_published(str(folder)),
)


@cache
def trained(kind: str) -> Detector:
    """Return a family's model as it is before its training goes on."""
    return load_model(str(whole(kind)), TEN, CONFIG.dropout)[0]


@cache
def whole(kind: str) -> Path:
    """Make a checkpoint of a training that has done an epoch, in a folder that stays as long as the process."""
    base = Path(KEEP.name)
    family = "detr" if kind == "timm" else kind
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, _ = load_model(str(released(family, base / f"{kind} released", timm=kind == "timm")), TEN, 0.0)
        stepper = new_stepper(model)
        update(stepper)
        folder = base / kind
        save_model(stepper.evaluated, LabelMap(TEN.names, TEN.category_ids), folder)
    (folder / PROCESSOR).write_text(json.dumps({"size": {"shortest_edge": 192, "longest_edge": 256}}))
    state = {
        "epoch": 1, "step": 3, "best_ap": 0.25, "evaluated": 1, "since_best": 0, "config": CONFIG.to_dict(),
        **stepper.state(), "scaler": {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5,
                                      "growth_interval": 2000, "_growth_tracker": 0},
    }  # fmt: skip
    torch.save(state, folder / STATE_FILE)
    return folder


def main() -> int:
    """Try so many mutations; print each failure, and at the end how many there were."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    begun = time.monotonic()
    outcomes: Counter[str] = Counter()
    wrong = failures(mutations(options.seed, options.count), outcomes)
    print(*sorted(map(": ".join, [(name, str(times)) for name, times in outcomes.items()])), sep="\n")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{options.count} mutated checkpoints, {len(wrong)} failures, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
