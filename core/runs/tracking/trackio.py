"""Trackio: the run with its metrics and pictures, in SQLite under runs/trackio unless TRACKIO_DIR says otherwise."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.runs.schema import Evaluation, Run
from core.runs.tracking.tracker import PROJECT_NAME, End, Picture, Row, Tracker, TrackerError, settings_of

SECONDS_TO_WRITE = 60.0  # for its thread, which writes twice a second
LOOK_SECONDS = 0.05


class Trackio(Tracker):
    """A run of Trackio, known by its name, which is the id that it has here."""

    def open(self, run: Run, folder: Path, name: str) -> str:
        """Begin the run, or go on with it."""
        place = os.environ.setdefault("TRACKIO_DIR", str(folder.parents[2] / "trackio"))
        with contextlib.redirect_stdout(sys.stderr):
            import trackio
            from trackio.sqlite_storage import SQLiteStorage

            self._trackio, self._storage = trackio, SQLiteStorage
            self._project = os.environ.get("TRACKIO_PROJECT") or PROJECT_NAME
            self._run = trackio.init(
                project=self._project, name=name or run.id, config={"name": run.name, **settings_of(run)},
                resume="allow", auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
        self._is_local = not (os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL"))
        self._count = self._logged()
        self.where = f"TRACKIO_DIR={place} trackio show --project {self._project} shows it."
        return str(self._run.name)

    def missing(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows whose tag has no value at their step."""
        logs: list[dict[str, Any]] = self._storage.get_logs(self._project, self._run.name, run_id=self._run.id)
        logged = {(tag, log["step"]) for log in logs for tag in log}
        return [row for row in rows if (row.tag, row.step) not in logged]

    def log(self, step: int, metrics: Mapping[str, float], row: int) -> None:
        """Take metrics of a step."""
        self._log(dict(metrics), step)

    def evaluated(self, evaluation: Evaluation, pictures: Sequence[Picture], row: int) -> None:
        """Take the pictures, each by its place among them."""
        if pictures:
            images = [self._trackio.Image(one.image, caption=one.name) for one in pictures]
            self._log({f"pictures/{number}": one for number, one in enumerate(images, start=1)}, evaluation.step)

    def flush(self) -> None:
        """Wait until its thread has written all; raises TrackerError if it does not."""
        until = time.monotonic() + SECONDS_TO_WRITE
        while self._is_local and self._logged() < self._count:
            if time.monotonic() > until:
                raise TrackerError(f"Trackio has not written what it took within {SECONDS_TO_WRITE:g} seconds.")
            time.sleep(LOOK_SECONDS)

    def close(self, end: End) -> None:
        """Write the figures and how the run ended at its last step, and end Trackio's thread."""
        words = {"status": str(end.run.status), "message": end.run.message or "", "checkpoint": end.checkpoint}
        self._log({**end.figures(), **words}, end.run.step or 0)
        self.flush()
        with contextlib.redirect_stdout(sys.stderr):
            self._trackio.finish()

    def _log(self, values: dict[str, Any], step: int) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            self._trackio.log(values, step=step)
        self._count += 1

    def _logged(self) -> int:
        """Return how often something was logged, as far as that is written here."""
        count: int = self._storage.get_log_count(self._project, self._run.name, run_id=self._run.id)
        return count if self._is_local else 0
