"""The training of a DETR: a generator of events.

    for progress in train(config, folder):
        …

In: a TrainConfig. Out: an event (`events.py`) after every step and every evaluation, and the checkpoints `last` and
`best` (by AP) in `folder`. To stop is to stop iterating: `finally` leaves a checkpoint that `train(…, resume=True)`
goes on from. There are no callbacks: the background thread, the command line and the tests all drive this generator.

What is saved is recorded, and what is recorded can be brought back, at every instant: `last` is written when all steps
of its epoch are recorded, and before their evaluation; `best` when that is recorded. A killed training repeats, with
the same numbers, what its checkpoint lacks. Whoever fails to record an event throws NotRecorded.

Processes that train together (`distributed.py`) all run it; the main one's events count, and only it writes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config import TrainConfig
from core.datasets.check import sound_splits
from core.datasets.fingerprint.fingerprint import Fingerprint, take_fingerprint
from core.datasets.folder.totals import count_totals
from core.datasets.layouts import SPLITS
from core.datasets.split import read_split
from core.keep_result import KeepResult
from core.labels import LabelMap
from core.training.data.training_data import TrainingData, choose_data, saved_classes
from core.training.distributed import Stopped
from core.training.events import Loading, NotRecorded, Progress
from core.training.training import Training


def train(config: TrainConfig, folder: Path, resume: bool = False) -> Generator[Progress, None, None]:
    """Fine-tune as `config` says; checkpoints go to `folder`. With `resume`, go on from `folder`/last.

    Every training checks itself (`preflight.py`) and evaluates the untouched model before its first step. Raises
    ConfigError, DataError or ModelError before the first step, RunError if the pre-flight fails, losses are no finite
    numbers or a checkpoint cannot be written, DataError when a picture cannot be read.
    """
    saved = saved_classes(Path(folder)) if resume else None
    data, fingerprint = yield from _read_data(config, saved)
    yield _loading(config, "Loading the model", fingerprint=fingerprint, resumes=resume)
    data.require_same_classes()
    training = Training(config, Path(folder), resume, data)
    has_begun, is_finished = resume, False
    try:
        if not resume and training.processes.is_main_process:
            yield from training.preflight()
        has_begun = True
        if training.is_evaluation_due():
            yield from training.evaluate()
        while not training.is_over():
            yield from training.train_epoch()
            training.save_last()
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


def _read_data(
    config: TrainConfig, saved: LabelMap | None
) -> Generator[Progress, None, tuple[TrainingData, Fingerprint]]:
    """Read both splits and leave out what cannot be used; yield how far it is, return the data with its fingerprint."""
    yield _loading(config, "Reading the annotations")
    splits = [read_split(config.data, name) for name in SPLITS]
    work = KeepResult(sound_splits(*splits))
    for done, total in work:
        yield _loading(config, f"Looking at the pictures: {done:,} of {total:,}")
    totals = count_totals({split.name: split for split in splits}, work.result[2])
    data = replace(choose_data(config, *work.result, saved), totals=totals)
    left_out = {
        split.name: frozenset(split.image_by_id.keys() - sound.image_by_id.keys())
        for split, sound in zip(splits, work.result[:2], strict=True)
    }
    noted = KeepResult(take_fingerprint(data.label_map, (data.train, data.val), left_out))
    for done, total in noted:
        yield _loading(config, f"Noting which pictures they are: {done:,} of {total:,}")
    return data, noted.result


def _loading(config: TrainConfig, message: str, **fields: Any) -> Loading:
    return Loading(epoch=0, epochs=config.epochs, step=0, steps=0, message=message, **fields)
