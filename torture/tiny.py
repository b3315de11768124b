"""The smallest world in which everything happens: few drawn pictures, a random model, a training of two seconds.

Everything in it is made once, before the scenarios, which copy it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from core.config import TrainConfig
from core.datasets.demo import draw_dataset
from core.runs.drive import drive
from core.runs.manager import close_dead_runs
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from torture.writes import Strike, Writes

SIDE = 64  # pixels
TRAIN, VAL = 6, 3  # images
RESUMABLE = (Status.STOPPED, Status.FAILED, Status.INTERRUPTED)


def load_torch() -> None:
    """Import what a training needs, once for all children that are forked; one thread, as no pool survives a fork."""
    import pyarrow.parquet
    import tensorboard.compat.proto.event_pb2
    import tensorboard.summary.writer.record_writer  # noqa: F401
    import torch
    import transformers.modeling_utils  # noqa: F401
    from transformers.utils import logging

    import core.evaluation.tide
    import core.training.train  # noqa: F401

    logging.disable_progress_bar()
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    torch.set_num_threads(1)


def draw(folder: Path) -> Path:
    """Draw the tiny data set into `folder`/data/street, if it is not there; return it."""
    data = folder / "data" / "street"
    if not data.is_dir():
        for _ in draw_dataset(data, "day", train=TRAIN, val=VAL, seed=3, size=SIDE):
            pass
    return data


def config(data: Path, **changes: Any) -> TrainConfig:
    """Return the settings of a training of 2 epochs of 3 steps."""
    settings: dict[str, Any] = {
        "data": str(data), "model": "random", "epochs": 2, "batch_size": 2, "lr": 1e-3, "lr_backbone": 1e-4,
        "lr_head": 1e-3, "shortest_edge": SIDE, "longest_edge": SIDE, "workers": 0, "device": "cpu", "seed": 5,
        "freeze": "none", "dropout": 0.1,
    }  # fmt: skip
    return TrainConfig(**(settings | changes))


def queue_run(root: Path, settings: TrainConfig) -> str:
    """Create a store with one run that waits; return its id."""
    store = RunStore(root)
    run = store.create(settings.to_dict())
    store.close()
    return run.id


def copy_root(source: Path, target: Path) -> Path:
    """Copy a store without its data sets."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("data"))
    return target


def go_on(root: Path, run_id: str, strike: Strike | None = None, count: bool = False) -> dict[str, Any]:
    """Do what a user does after a restart: open the store, close what died, resume the run if it is not finished.

    Returns {"status", "message", "events"}: how the run then is, and with `count` the writes that were made.
    """
    writes = Writes(root, strike).install() if strike or count else None
    os.environ["DETR_LAB_ROOT"] = str(root)
    store = RunStore.default()
    close_dead_runs(store)
    run = store.get(run_id)
    if run.status in RESUMABLE:
        RunQueue(store).requeue(run_id)
    if run.status is not Status.FINISHED:
        drive(store, run_id)
    run = store.get(run_id)
    store.close()
    return {"status": str(run.status), "message": run.message, "events": writes.events if writes and count else []}
