"""All that a training leaves for TensorBoard, in one object: `Board`.

In: the metrics of each step, each evaluation with its detection table, and how the training ends. Out: event files in
the run's folder: curves under the tags of the run store, watched pictures, precision-recall curves; and in `hparams/`
what the HParams tab shows. Used by `recorder.py` in the process that trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from core.runs.schema import Evaluation, NewEvaluation, Run
from core.runs.tensorboard.curves import pr_values
from core.runs.tensorboard.event_file import EventFile
from core.runs.tensorboard.pictures import WatchedPictures
from core.runs.tensorboard.session import Session
from core.training.events import Evaluated


class Board:
    """Writes one part of a training, from its beginning or where it goes on.

    purge_from   the first step that comes anew: TensorBoard drops what an earlier part left from there on
    evaluations  what is recorded of the run before this part

    Raises OSError if a file cannot be written.
    """

    def __init__(self, folder: Path, run: Run, purge_from: int, evaluations: Sequence[Evaluation] = ()) -> None:
        self._events = EventFile(folder, purge_from)
        self._session = Session(folder, run, evaluations)
        self._pictures = WatchedPictures(run.config.get("seed", 0))

    def add(self, step: int, metrics: dict[str, float]) -> None:
        """Write the metrics of a step."""
        self._events.add(step, metrics)

    def add_evaluation(self, progress: Evaluated, evaluation: NewEvaluation, table: pa.Table | None) -> None:
        """Write an evaluation besides its metrics; without a detection table only its figures."""
        if table is not None:
            values = pr_values(table)
            if progress.picture_path and progress.ground_truth:
                values += self._pictures.values(table, progress.ground_truth["images"], progress.picture_path)
            self._events.add_values(progress.step, values)
        self._session.add(progress.step, evaluation.figures, evaluation.is_best)

    def close(self, is_success: bool | None) -> None:
        """Close the files; is_success: whether the training reached its end, None for one that was stopped.

        A stopped training has no end: it may go on, and TensorBoard keeps the first end that it has read.
        """
        if is_success is not None:
            with suppress(OSError):  # on a full disk, too, the run's record is what counts
                self._session.end(is_success)
        for file in (self._events, self._session):
            with suppress(OSError):  # what could not be written has been said when it was to be written
                file.close()
