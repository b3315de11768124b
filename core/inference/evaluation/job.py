"""An evaluation as a run: put into the queue, carried out and recorded, by the app's child or the command line.

In: an `EvaluationConfig`. Out: a run whose only evaluation, of epoch 0, is the model's. One that was stopped or broke
off begins anew when it is resumed; nothing of it is kept until it is whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core.engine.process_id import ProcessId
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.names import check_named, short_name
from core.inference.onnx.description import ENDING
from core.keep_result import KeepResult
from core.runs.drive import follow_work
from core.runs.evaluated.record import finish_evaluated
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import short

RECORD_SECONDS = 0.5  # between two records of how far it is


class Done(NamedTuple):
    """How many images are done, of how many; 0 of 0 while model and data are being read."""

    images: int
    of: int


def run_config(config: EvaluationConfig) -> dict[str, Any]:
    """Return what a run of this evaluation has as its config; `core/runs/evaluated` says what each part means."""
    imported: dict[str, Any] = {"gt": config.data, "dt": ", ".join(config.model), "images": config.images or None}
    if not config.is_of_file:
        imported |= {"images": config.data, "data": config.data, "part": config.part}
    if len(config.model) == 1 and config.model[0].lower().endswith(ENDING):
        imported["onnx"] = config.model[0]
    return {"imported": {**imported, "notes": []}, "evaluation": config.to_dict()}


def default_name(store: RunStore, config: EvaluationConfig) -> str:
    """Return a name for an evaluation's run: its model, its data and how the model sees them."""
    models = [short_name(store, name) for name in config.model]
    model = models[0] if len(models) == 1 else f"average of {len(models)} models"
    data = short(Path(config.data).name, 60) + ("" if config.is_of_file else f" {config.part}")
    return ", ".join(part for part in (f"{model} on {data}", config.input_words) if part)


def create_evaluations(
    store: RunStore, configs: Sequence[EvaluationConfig], name: str | None = None, process: ProcessId | None = None
) -> list[Run]:
    """Create a run for each evaluation, at the end of the queue, or as begun by `process`.

    Raises RunError, DataError or ModelError, and leaves no run, if what one of them names is not there.
    """
    for config in configs:
        check_named(store, config)
    return [
        store.create(run_config(config), name if name and len(configs) == 1 else default_name(store, config), process)
        for config in configs
    ]


def follow_evaluation(store: RunStore, run_id: str, stop: threading.Event | None = None) -> Generator[Done, None, None]:
    """Carry out a queued evaluation here and now; yield how far it is, each time that is recorded.

    It ends as a training does (`core.runs.drive.follow`): signals stop it, an error is its status.
    """
    yield from follow_work(store, run_id, lambda run: _recorded(store, run), _stopped, stop)


def _stopped(done: Done) -> str:
    return f"after {done.images:,} of {done.of:,} images" if done.of else "before its first image"


def _recorded(store: RunStore, run: Run) -> Generator[Done, None, None]:
    from core.inference.evaluation.evaluate import evaluate_model  # here: whoever only submits needs no torch

    _record(store, run, Done(0, 0), None)
    yield Done(0, 0)
    work = KeepResult(evaluate_model(store, EvaluationConfig.from_dict(run.config["evaluation"])))
    begin = last = time.monotonic()
    for images, of in work:
        now = time.monotonic()
        if now - last >= RECORD_SECONDS or images in (0, of):
            last = now
            _record(store, run, Done(images, of), images / (now - begin) if images else None)
            yield Done(images, of)
    outcome = work.result
    finish_evaluated(
        store,
        run,
        outcome.figures,
        outcome.table,
        outcome.split,
        outcome.notes,
        outcome.images_per_second,
        outcome.states,
    )


def _record(store: RunStore, run: Run, done: Done, rate: float | None) -> None:
    words = f"Evaluating: {done.images:,} of {done.of:,} images" if done.of else "Loading"
    state = {"step": done.images, "steps": done.of, "epoch": 0, "epochs": 0, "images_per_second": rate}
    left = (done.of - done.images) / rate if rate else None
    store.record(run.id, 0, {}, {"message": words, **state, "seconds_left": left}, None)
