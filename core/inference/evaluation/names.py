"""How an evaluation names its models and images, and whether they are there, before anything is opened.

In: what a person typed. Out: names as `EvaluationConfig.model` has them. A run's model is RUN:best, RUN:last or
RUN:untouched: its folder may be replaced while it trains. Torch is not needed: the app asks, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from core import DataError, LabError, ModelError, RunError, lab_root
from core.config import RANDOM_MODELS
from core.datasets.layouts import TEST, find_splits, find_test_file
from core.detr.pretrained import check_weights, known_classes
from core.files import real_path
from core.inference.evaluation.config import EvaluationConfig
from core.inference.onnx.description import read_description
from core.inference.onnx.file import is_onnx
from core.runs.evaluated.images import onnx_file_of
from core.runs.models import RunModel, checkpoint_of
from core.runs.paths import RUN_ID
from core.runs.store import RunStore
from core.wording import short

NEWEST = "last"  # the run that was made last, as everywhere on the command line


def full_names(store: RunStore, names: Sequence[str]) -> tuple[str, ...]:
    """Return names as settings keep them: runs with their whole id and their model, paths absolute.

    An evaluated run stands for the models that it evaluated. Raises RunError for a run that there is not.
    """
    return tuple(name for text in names for name in _full_names(store, text))


def _full_names(store: RunStore, text: str) -> tuple[str, ...]:
    if os.path.exists(text):
        return (str(real_path(text)),)
    head, _, tail = text.rpartition(":")
    run_text, model = (head, tail) if tail in RunModel.names() and head else (text, "")
    if not model and text != NEWEST and not RUN_ID.fullmatch(text):
        try:
            run = store.get(text)
        except RunError:  # a name on the hub
            return (text,)
    else:
        run = store.get(run_text)
    if run.is_evaluation:
        return EvaluationConfig.from_dict(run.config["evaluation"]).model
    return (f"{run.id}:{RunModel.from_name(model or RunModel.BEST)}",)


def run_of(name: str) -> tuple[str, str] | None:
    """Return the run and its model that a full name means; None of a folder, a file or a name on the hub."""
    run_id, _, model = name.rpartition(":")
    return (run_id, model) if RUN_ID.fullmatch(run_id) and model in list(RunModel) else None


def short_name(store: RunStore, name: str) -> str:
    """Return a model's name for a list: of a run its own, of a path its last part."""
    if run := run_of(name):
        label = RunModel(run[1]).label.lower()
        try:
            return f"{short(store.get(run[0]).name, 60)}, {label}"
        except LabError:  # deleted meanwhile
            return f"{run[0]}, {label}"
    return short(name.rstrip("/").rpartition("/")[2] if os.path.isabs(name) else name, 60)


def check_named(store: RunStore, config: EvaluationConfig) -> None:
    """Raise DataError or ModelError if data or a model are plainly not there, RunError for a run; read none of them.

    A model on the hub that is not on this machine is not judged.
    """
    for name in config.model:
        _check_model(store, name)
    folder = lab_root() / config.data
    if config.is_of_file:
        if not folder.is_file():
            raise DataError(f"There is no COCO file {folder}.")
        return
    if config.part == TEST and find_test_file(folder):
        return
    parts = find_splits(folder)
    may_be_inside = config.part == TEST and any(location.shared for location in parts.values())
    if config.part not in parts and not may_be_inside:
        raise DataError(f"The data set {folder} has no {config.part} split; it has: {', '.join(parts)}.")


def _check_model(store: RunStore, name: str) -> None:
    if named := run_of(name):
        run = store.get(named[0])
        if run.is_imported and onnx_file_of(run) is None:
            raise RunError(f"The run {run.name} was {run.origin}: there is no model of it that could be evaluated.")
        if not run.is_imported and named[1] != RunModel.BASELINE:
            checkpoint_of(store, run, named[1])
    elif is_onnx(name):
        if not (path := Path(os.path.expanduser(name))).is_file():
            raise ModelError(f"The ONNX file {short(path, 120)} is not there: check its path.")
        read_description(path)
    elif name in RANDOM_MODELS:
        raise ModelError("A model with random weights cannot be evaluated: it has no classes before a training.")
    else:
        known_classes(name, lab_root())
        check_weights(name, lab_root())
