"""A small training whose models can be asked: what several tests of the answers share."""

from __future__ import annotations

from pathlib import Path

from core.config import TrainConfig
from core.runs.drive import drive
from core.runs.schema import Run, Status
from core.runs.store import RunStore


def trained(root: Path, data: Path, **changes) -> tuple[RunStore, Run]:
    """A store under `root` with a run of two epochs on `data`, a small random model; all three models have tables."""
    config = {
        "data": str(data), "model": "random", "classes": ("person", "car"), "epochs": 2, "batch_size": 4, "lr": 1e-3,
        "shortest_edge": 80, "longest_edge": 110, "device": "cpu", "workers": 0, "seed": 3,
    }  # fmt: skip
    store = RunStore(root)
    run = store.create(TrainConfig(**{**config, **changes}).to_dict())
    run = drive(store, run.id)
    assert run.status is Status.FINISHED, run.message
    return store, run
