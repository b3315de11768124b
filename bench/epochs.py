"""A whole training's steps, from the files to the weights: ours, a plain transformers loop, transformers' `Trainer`.

All train the starter model on the same pictures of the same size, with as many reading processes and threads. Of ours
the steps are counted, as `train` tells them; it evaluates besides. A figure is the seconds for an image.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.material import (
    PHOTOGRAPHS,
    demo_settings,
    photographs,
    rival_model,
    rival_processor,
    scenes,
    threads,
    training_split,
)  # fmt: skip
from bench.plain import Pictures, plain_loop, trainer_loop
from bench.table import Bench, Figures, Row, once, seconds
from core.config import TrainConfig
from core.metrics import SPEED
from core.training.events import StepDone
from core.training.train import train

EPOCHS, THREADS = 3, 2
SIZES: dict[str, tuple[int, int]] = {"scenes": (192, 256), "photographs": (480, 640)}
IMAGES = {"scenes": 64, "photographs": 16}


def settings(material: str, workers: int, bench: Bench) -> TrainConfig:
    folder = (scenes if material == "scenes" else photographs)(bench, IMAGES[material])
    shortest, longest = SIZES[material]
    return demo_settings(
        folder, workers=workers, epochs=EPOCHS, eval_every=EPOCHS, shortest_edge=shortest, longest_edge=longest
    )


def seconds_of_ours(config: TrainConfig, bench: Bench, images: int) -> float:
    """Return the seconds that the steps of all epochs take together, each with the wait for its batch."""
    folder, total = bench.folder / "training", 0.0
    speeds = [event.metrics[SPEED.tag] for event in train(config, folder) if isinstance(event, StepDone)]
    per_epoch = len(speeds) // config.epochs
    for number, speed in enumerate(speeds):
        is_last = number % per_epoch == per_epoch - 1
        total += (images - (per_epoch - 1) * config.batch_size if is_last else config.batch_size) / speed
    shutil.rmtree(folder)
    return total


@once
def measure_training(material: str, workers: int, bench: Bench) -> dict[str, list[float]]:
    """Return the seconds for an image of each way to train, in every round."""
    config = settings(material, workers, bench)
    split, label_map = training_split(Path(config.data))
    images = len(split.images)
    pictures = Pictures(split, label_map, rival_processor(config.shortest_edge, config.longest_edge))
    ways: dict[str, Callable[[], float]] = {
        "ours": lambda: seconds_of_ours(config, bench, images),
        "plain": lambda: seconds(partial(plain_loop, rival_model(), pictures, config)),
        "trainer": lambda: seconds(partial(trainer_loop, rival_model(), pictures, config, bench.folder / "trainer")),
    }
    figures: dict[str, list[float]] = {name: [] for name in ways}
    with threads(THREADS):
        for number in range(bench.rounds):
            for name in reversed(ways) if number % 2 else ways:
                figures[name].append(ways[name]() / (images * EPOCHS))
    return figures


def measure_against(rival: str, material: str, workers: int, bench: Bench) -> Figures:
    figures = measure_training(material, workers, bench)
    return Figures(figures["ours"], figures[rival])


RIVALS = {"plain": "a plain transformers loop", "trainer": "transformers' Trainer"}
ROWS = [
    Row(
        f"epoch-{material}-{workers}-{rival}",
        f"{EPOCHS} epochs end to end, an image: starter model, {words} at {shortest} by {longest} pixels at most, "
        f"{workers} reading processes, {THREADS} threads",
        partial(measure_against, rival, material, workers),
        rival=RIVALS[rival],
    )
    for material, words in (("scenes", "drawn scenes"), ("photographs", PHOTOGRAPHS))
    for shortest, longest in [SIZES[material]]
    for workers in (0, 2)
    for rival in RIVALS
]
