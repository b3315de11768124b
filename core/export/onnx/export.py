"""Exports a model of a run as a folder of ONNX files, whole or not at all.

In: a run, and one of its models. Out: the folder that `write.py` fills; by default that of the run, in which Results
looks for it. Whoever stops iterating stops the export, and nothing is left of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from core import ConfigError, RunError
from core.disk import atomic_folder
from core.export.onnx.write import OnnxOptions, write_onnx
from core.inference.model_cache import ModelCache
from core.runs.evaluated.images import data_of
from core.runs.models import RunModel, evaluated_models
from core.runs.schema import Run
from core.runs.store import RunStore


def check_options(options: OnnxOptions) -> None:
    """Raise ConfigError for numbers that mean nothing."""
    if not 0 <= options.most_fall <= 1:  # written so that NaN fails too
        raise ConfigError(f"AP cannot fall by {100 * options.most_fall:g} points: give a number from 0 to 100.")
    if options.images is not None and options.images < 1:
        raise ConfigError(f"{options.images} images are too few to measure on: give 1 or more.")


def model_of_epoch(store: RunStore, run: Run, epoch: int | None = None) -> tuple[str, int]:
    """Return the model of a run that is of an epoch, and the epoch; by default the best.

    Raises RunError if its weights are not kept, or the run has none.
    """
    if run.is_imported:
        raise RunError(f"The run {run.name} was {run.origin}: there is no checkpoint of it that could be exported.")
    models = {name: one.epoch for name, one in evaluated_models(store.evaluations(run.id)).items()}
    if not models:
        raise RunError(
            f"The run {run.name} is not evaluated yet, so no model of it can be exported: wait, or resume it."
        )
    chosen = [(name, of) for name, of in models.items() if epoch in (None, of)]
    if not chosen:
        kept = ", ".join(f"{of} ({RunModel(name).label.lower()})" for name, of in models.items())
        raise RunError(f"The model of epoch {epoch} of {run.name} is not kept: take one of {kept}.")
    return chosen[0]


def export_onnx(
    store: RunStore, run: Run, epoch: int | None = None, out: Path | None = None, options: OnnxOptions | None = None
) -> Iterator[str]:
    """Write the ONNX files of a run's model into `out`, or into the run's own folder, in place of older ones there.

    Yields what is done, in words. Raises RunError if `out` holds something or cannot be written; what `write_onnx`,
    `model_of_epoch` and `ModelCache.get` raise.
    """
    check_options(options or OnnxOptions())
    name, epoch = model_of_epoch(store, run, epoch)
    if out and os.path.lexists(out) and not (os.path.isdir(out) and not os.listdir(out)):
        raise RunError(f"{out} is there already: choose another folder for the model, or delete that one.")
    target = out or store.onnx_folder(run.id, epoch)
    yield "Reading the model"
    loaded = ModelCache(store).get(run.id, name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(target, replace=out is None) as partial:
            yield from write_onnx(loaded, str(data_of(run)), partial, epoch, options)
    except OSError as error:
        raise RunError(f"{target} cannot be written: {error.strerror or error}.") from error
