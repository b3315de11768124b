"""A training step on a ready batch of eight scenes, the starter model, against what a user of transformers writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from bench.material import STARTER, demo_settings, rival_model, rival_processor, scenes, threads, training_split
from bench.plain import Pictures, collate, optimizer_of, plain_step
from bench.table import Bench, Figures, Row, take_turns
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import load_model, use_query_groups
from core.training.distributed import ProcessGroup
from core.training.step import Stepper

STEPS = 10  # of each side for each round of the bench


def measure_step(count: int, bench: Bench) -> Figures:
    config = demo_settings(scenes(bench))
    split, label_map = training_split(scenes(bench))
    step = ready_step(bench)
    processor = rival_processor(config.shortest_edge, config.longest_edge)
    their_batch = collate(processor, [Pictures(split, label_map, processor)[index] for index in range(8)])
    their_model = rival_model()
    optimizer = optimizer_of(their_model, config)
    sides = (
        step,
        lambda _: plain_step(their_model, their_batch, optimizer, config.clip),
    )
    with threads(count):
        take_turns(*sides, rounds=2)
        return take_turns(*sides, rounds=STEPS * bench.rounds)


def ready_step(bench: Bench, groups: int = 1) -> Callable[[int], object]:
    """Return what makes a step of the starter on a ready batch, with so many groups of queries."""
    config = demo_settings(scenes(bench))
    split, label_map = training_split(scenes(bench))
    batch = next(iter(loader(DetectionDataset(split, label_map, config.shortest_edge, config.longest_edge), 8)))
    model = load_model(str(STARTER), label_map, 0.0)[0].to(memory_format=torch.channels_last).train()
    use_query_groups(model, groups, config.seed)
    stepper = Stepper(model, config, 10**6, torch.device("cpu"), ProcessGroup())
    return lambda number: stepper.step(number, [batch])


def measure_groups(groups: int, bench: Bench) -> Figures:
    sides = ready_step(bench, groups), ready_step(bench)
    with threads(1):
        take_turns(*sides, rounds=2)
        return take_turns(*sides, rounds=STEPS * bench.rounds)


ROWS = [
    Row(
        f"step-{count}",
        f"a training step of the starter model on a ready batch of 8 scenes, {count} thread{'s' if count > 1 else ''}",
        partial(measure_step, count),
        rival="transformers, its loss and AdamW",
    )
    for count in (1, 2)
] + [
    Row(
        f"step-groups-{groups}",
        f"a training step of the starter model with {groups} groups of queries on a ready batch of 8 scenes, 1 thread",
        partial(measure_groups, groups),
        rival="without groups",
    )
    for groups in (3, 6)
]
