"""Experiments that are killed while they are queued: their runs and their data sets are there whole, or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from core import PROJECT
from core.cli.main import main
from core.runs.experiments.record import Experiments
from core.runs.store import RunStore


def queue_folds(root: Path) -> None:
    """Queue an experiment with data sets of its own, if there is none."""
    store = RunStore(root)
    is_there = bool(Experiments(store).all())
    store.close()
    if not is_there:
        os.environ["DETR_LAB_ROOT"] = str(root)
        if status := main(["folds", "--folds", "2", "--data", str(root / "data"), "--model", "random", "--queue"]):
            raise SystemExit(status)


def experiments(root: Path) -> Any:
    """Return each experiment of the store with its runs, and what is in their data sets."""
    store = RunStore(root)
    try:
        members = [one for experiment in Experiments(store).all() for one in Experiments(store).members(experiment.id)]
        return [(one.variant, _data_of(Path(one.run.config["data"]))) for one in members]
    finally:
        store.close()


def _data_of(folder: Path) -> Any:
    """Return the image ids of the parts of a data set."""
    paths = sorted((PROJECT / folder / "annotations").glob("*.json"))
    return [[image["id"] for image in json.loads(path.read_text())["images"]] for path in paths]
