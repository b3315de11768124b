"""Weights & Biases: the run with its id, its tags, its steps as "step", pictures and a summary.

Its own step is the row in the run store, which only grows, also where a resumed training repeats steps and where
several offline folders are one run. Offline, unless you are logged in or WANDB_MODE says otherwise.
"""

from __future__ import annotations

import json
import netrc
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.runs.schema import Evaluation, Run, Status
from core.runs.tracking.tracker import PROJECT_NAME, End, Picture, Row, Tracker, settings_of
from core.system.console import quoted

SECONDS_TO_WRITE = 1.0  # at most, until what was taken is in the file


class Wandb(Tracker):
    """A run of Weights & Biases."""

    def open(self, run: Run, folder: Path, name: str) -> str:
        """Begin the run, or go on with it, under the id that it has here."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._wandb, self._folder = wandb, folder
        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, save_code=False, x_disable_stats=True,
            x_disable_meta=True, x_disable_machine_info=True, x_save_requirements=False,
            x_transaction_log_flush_interval=SECONDS_TO_WRITE,
        )  # fmt: skip
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT_NAME, id=name or run.id, name=run.name, dir=str(folder),
            mode=os.environ.get("WANDB_MODE") or ("online" if _is_logged_in() else "offline"), resume="allow",
            config=settings_of(run), settings=settings,
        )  # fmt: skip
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        self._last_row: int | None = None  # that is there, once it is asked for
        if not self._run.offline:
            self.where = f"Look at {self._run.url}."
        else:
            pattern = f"{quoted([str(folder / 'wandb')])}/offline-run-*"
            self.where = f"wandb sync {pattern} sends it to the server."
        return str(self._run.id)

    def whole_until(self, row: int) -> int:
        """Return the last row that is there: they arrive in order."""
        return min(row, self._row_there())

    def missing(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows after the last one that is there."""
        last = self._row_there()
        return [row for row in rows if row.row > last]

    def log(self, step: int, metrics: Mapping[str, float], row: int) -> None:
        """Take metrics of a step."""
        self._run.log({"step": step, **metrics}, step=2 * row, commit=True)

    def evaluated(self, evaluation: Evaluation, pictures: Sequence[Picture], row: int) -> None:
        """Take the pictures, between two rows."""
        if pictures:
            images = [self._wandb.Image(one.image, caption=one.name) for one in pictures]
            values = {"step": evaluation.step, "epoch": evaluation.epoch, "pictures": images}
            self._run.log(values, step=2 * row + 1, commit=True)

    def close(self, end: End) -> None:
        """Write the summary, and wait until all is on the disk or on the server."""
        words = {"status": str(end.run.status), "message": end.run.message or "", "checkpoint": end.checkpoint}
        for name, value in {**end.figures(), **words}.items():
            self._run.summary[name] = value
        self._run.finish(exit_code=0 if end.run.status in (Status.FINISHED, Status.STOPPED) else 1)

    def _row_there(self) -> int:
        """Return the last row that the server, or an offline folder of an earlier process, has."""
        if self._last_row is None:
            steps = [self._run.step - 1] if self._run.step else []
            steps += [step for path in self._folder.rglob("*.wandb") for step in _steps_of(path)]
            self._last_row = max(steps, default=0) // 2
        return self._last_row


def _steps_of(path: Path) -> list[int]:
    """Return W&B's own steps in a file of an offline run, as its own reader finds them."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    reader = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    steps = []
    for line in reader.stdout.splitlines():
        with suppress(ValueError):
            record: dict[str, Any] = json.loads(line)
            if record.get("type") == "history":
                steps.append(int(record["history"]["step"].get("num", 0)))
    return steps


def _is_logged_in() -> bool:
    """Check whether W&B has a key, as `wandb login` leaves one, without asking for it."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    with suppress(OSError, netrc.NetrcParseError):
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False
