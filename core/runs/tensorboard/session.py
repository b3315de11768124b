"""A run's settings, final figures and end, for TensorBoard's HParams tab, which compares runs by them.

In: a run and its evaluations. Out: one event file in `hparams/` of the run's folder, which is made anew from the record
whenever the training begins or goes on. It is a folder of its own, as the tab takes every curve of a session's folder
for a figure to compare; and a file for each part of a training would not do, as TensorBoard keeps the first start and
the first end that it reads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.config_diff import setting_values, value_text
from core.runs.schema import Evaluation, Run
from core.runs.tensorboard.event_file import NAMES, EventFile
from core.runs.tensorboard.values import end_value, start_value
from core.wording import short

FOLDER = "hparams"
# the tags, of which the tab shows the first five before a user chooses others; Scalars shows them as one group
TAGS = {name: f"model/{name}" for name in ("AP", "AP50", "AP75", "APs")}
BEST = "model/best AP"
MOST_LETTERS = 200  # of a setting


class Session:
    """Writes the session of a run: its start at once, its figures after each evaluation, and its end.

    evaluations  what is recorded of the run by now, in their order

    Raises OSError if a file cannot be written.
    """

    def __init__(self, run_folder: Path, run: Run, evaluations: Sequence[Evaluation]) -> None:
        folder = run_folder / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(NAMES):
            with suppress(OSError):  # a reader has it open (Windows): the new file then says that its steps are void
                path.unlink()
        self._file = EventFile(folder, purge_from=0)
        self._best: float | None = None
        self._file.add_values(0, [start_value(hyperparameters(run), run.started or run.created)])
        for evaluation in evaluations:
            self.add(evaluation.step, evaluation.figures, evaluation.is_best)

    def add(self, step: int, figures: dict[str, Any], is_best: bool) -> None:
        """Write the figures of an evaluation, and the AP of the best model so far."""
        if is_best:
            self._best = figures.get("AP")
        shown = {tag: figures.get(name) for name, tag in TAGS.items()} | {BEST: self._best}
        self._file.add(step, {tag: value for tag, value in shown.items() if value is not None})

    def end(self, is_success: bool) -> None:
        """Write that the training has reached its end, or has failed."""
        self._file.add_values(0, [end_value(is_success, time.time())])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def hyperparameters(run: Run) -> dict[str, str | float | bool]:
    """Return the run's name and all its settings, as the tab can compare them: numbers, texts, yes or no."""
    values: dict[str, str | float | bool] = {"run": short(run.name, MOST_LETTERS)}
    for name, value in setting_values(run.config).items():
        is_plain = isinstance(value, bool) or (isinstance(value, int | float) and math.isfinite(value))
        values[name] = value if is_plain else short(value_text(value), MOST_LETTERS)
    return values
