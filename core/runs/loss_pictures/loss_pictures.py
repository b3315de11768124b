"""loss_ce.png and loss_bbox.png in a run's folder: its class loss and its box loss over the steps.

In: a run's record. Out: the two files, written whole or not at all, whenever an evaluation is done and when the
training ends. Of the record only what is new is read each time.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from contextlib import suppress

import numpy as np

from core import RunError
from core.charts.drawn.losses import TAGS, loss_pictures
from core.disk import atomic_file
from core.runs.schema import Run
from core.runs.store import RunStore

QUICK = 1  # zlib's level, while a training waits


class LossPictures:
    """Keeps the two pictures of a run up to date while it is trained."""

    def __init__(self, store: RunStore, run: Run) -> None:
        self._store, self._run = store, run
        self._steps: dict[str, array[int]] = defaultdict(lambda: array("q"))
        self._values: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._last_row = 0
        self._is_due = False  # whether something is recorded that the pictures do not show

    def write(self) -> None:
        """Draw what is recorded by now; nothing if that is nothing new.

        The training does not end for a picture: where one cannot be written, as on a full disk or where another
        program has it open, the older one stays until the next time, and what the record needs says so itself.
        """
        with suppress(RunError, OSError):
            self._read()
            if not self._is_due:
                return
            curves = {tag: (np.array(self._steps[tag]), np.array(self._values[tag])) for tag in self._steps}
            for name, picture in loss_pictures(curves, self._run.name).items():
                with atomic_file(self._store.loss_path(self._run.id, name)) as partial:
                    picture.save(partial, format="PNG", compress_level=QUICK)
            self._is_due = False

    def _read(self) -> None:
        """Read what was recorded since the last time."""
        rows, last = self._store.metrics_after(self._run.id, self._last_row, TAGS)
        for _, tag, step, value in rows:
            self._steps[tag].append(step)
            self._values[tag].append(value)
        self._is_due |= last != self._last_row
        self._last_row = last
