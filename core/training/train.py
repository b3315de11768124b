"""The training of a DETR: a generator of events.

    for progress in train(config, folder):
        …

In: a TrainConfig. Out: an event (`events.py`) after every step and every evaluation, and the checkpoints `last` and
`best` (by AP) in `folder`. To stop is to stop iterating: `finally` leaves a checkpoint that `train(…, resume=True)`
goes on from. There are no callbacks: the background thread, the command line and the tests all drive this generator.

What is saved is recorded, and what is recorded can be brought back, at every instant: `last` is written when all steps
of its epoch are recorded, and before their evaluation; `best` when that is recorded. A killed training repeats, with
the same numbers, what its checkpoint lacks; by minutes, too, as the plan of an epoch is in the checkpoint before it.
Whoever fails to record an event throws NotRecorded.

Processes that train together (`distributed.py`) all run it; the main one's events count, and only it writes.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config import TrainConfig
from core.datasets.check import sound_splits
from core.datasets.fingerprint.fingerprint import take_fingerprint
from core.datasets.folder.totals import count_totals
from core.datasets.layouts import SPLITS
from core.datasets.split import CocoSplit, read_split
from core.detr.device import float32_products
from core.detr.pretrained import fetch_model
from core.keep_result import KeepResult
from core.training.data.training_data import TrainingData, choose_data, saved_classes
from core.training.distributed import Stopped
from core.training.events import ANNOTATIONS, PICTURES, Check, Loading, NotRecorded, Progress
from core.training.training import Training


def train(config: TrainConfig, folder: Path, resume: bool = False) -> Generator[Progress, None, None]:
    """Fine-tune as `config` says; checkpoints go to `folder`. With `resume`, go on from `folder`/last.

    Every training checks itself (`preflight.py`) and evaluates the untouched model before its first step. Raises
    ConfigError, DataError or ModelError before the first step, RunError if the pre-flight fails, losses are no finite
    numbers or a checkpoint cannot be written, DataError when a picture cannot be read.
    """
    started = time.perf_counter()
    data = yield from _read_data(config, Path(folder), resume)
    data.require_same_classes()
    fetching = time.perf_counter()
    for message in () if resume else fetch_model(config.model):
        yield _loading(config, message)
    started += time.perf_counter() - fetching  # by minutes a download is not part of the training
    yield _loading(config, "Loading the model", resumes=resume)
    training = Training(config, Path(folder), resume, data, started)
    with float32_products(training.stepper.precision):
        yield from _follow(training, config, resume)


def _follow(training: Training, config: TrainConfig, resume: bool) -> Generator[Progress, None, None]:
    """Take a training from its pre-flight, or from where it was, to its end."""
    has_begun, is_finished = resume, False
    try:
        yield _loading(config, "Reading the first batch", resumes=resume, done=training.model_loaded)
        if not resume and training.processes.is_main_process:
            yield from training.preflight()
        has_begun = True
        if training.is_evaluation_due():
            yield from training.evaluate()
        while not training.is_over():
            yield from training.train_epoch()
            training.save_if_due()
            if training.is_evaluation_due():
                yield from training.evaluate()
        is_finished = True
        training.retire_checkpoint()
        yield training.finished()
        training.delete_retired()
    except (Stopped, NotRecorded):
        pass
    finally:
        training.profiler.close()
        if not is_finished:
            training.processes.broadcast_stop()
            if has_begun:
                training.save_last()
        training.processes.close()


def _read_data(config: TrainConfig, folder: Path, resume: bool) -> Generator[Progress, None, TrainingData]:
    """Read both splits and leave out what cannot be used; yield how far it is, the fingerprint last."""
    saved = saved_classes(folder) if resume else None
    splits: list[CocoSplit] = []
    for name in SPLITS:
        read = f" – {_amount(splits)} so far" if splits else ""
        yield _loading(config, f"Reading the annotations: {name}{read}", resumes=resume)
        splits.append(read_split(config.data, name))
    is_read = Check(ANNOTATIONS, True, f"{_amount(splits)}.")
    yield _loading(config, "Looking at the pictures", resumes=resume, done=is_read)
    work = KeepResult(sound_splits(*splits))
    for done, total in work:
        yield _loading(config, f"Looking at the pictures: {done:,} of {total:,}", resumes=resume)
    totals = count_totals({split.name: split for split in splits}, work.result[2])
    data = replace(choose_data(config, *work.result, saved), totals=totals)
    left_out = {
        split.name: frozenset(split.image_by_id.keys() - sound.image_by_id.keys())
        for split, sound in zip(splits, work.result[:2], strict=True)
    }
    noted = KeepResult(take_fingerprint(data.label_map, (data.train, data.val), left_out))
    for done, total in noted:
        yield _loading(config, f"Noting which pictures they are: {done:,} of {total:,}", resumes=resume)
    is_seen = Check(PICTURES, True, f"{len(data.train.images):,} to train on, {len(data.val.images):,} to validate on.")
    yield _loading(config, "Looking for the model", resumes=resume, fingerprint=noted.result, done=is_seen)
    return data


def _amount(splits: list[CocoSplit]) -> str:
    images, annotations = sum(len(s.images) for s in splits), sum(len(s.annotations) for s in splits)
    return f"{images:,} images with {annotations:,} annotations"


def _loading(config: TrainConfig, message: str, **fields: Any) -> Loading:
    return Loading(epoch=0, epochs=0 if config.minutes else config.epochs, step=0, steps=0, message=message, **fields)
