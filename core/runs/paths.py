"""Where a store's files lie, under its root folder:

    runs/runs.db                   the database, which records.py describes
    runs/<id>/                     TensorBoard events, log.txt, tables/epoch_0003.parquet, watched/epoch_0003.parquet,
                                   analysis_1.png, report.html, preflight.json and .png, profile.json, trace.json.gz
    checkpoints/<id>/best, last    what the training saved
    data/                          data sets

Apart from `runs.py`, which adds the database: a path says nothing of whether the file is there.
"""

from __future__ import annotations

import re
from pathlib import Path

from core import RunError

RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


class RunPaths:
    """The paths of all runs' files; raises RunError for what is no run's id, so that none leads out of the root."""

    def __init__(self, root):
        self.root = Path(root).absolute()
        self.data_dir = self.root / "data"
        self.runs_dir = self.root / "runs"
        self.checkpoints_dir = self.root / "checkpoints"

    def folder(self, run_id: str) -> Path:
        """The run's own folder, which is also its TensorBoard folder."""
        if not RUN_ID.fullmatch(run_id):  # an id may come from an address bar
            raise RunError(f"{run_id!r} is not a run's id.")
        return self.runs_dir / run_id

    def log_path(self, run_id: str) -> Path:
        return self.folder(run_id) / "log.txt"

    def table_path(self, run_id: str, epoch: int) -> Path:
        """Where that epoch's detection table is written; an Evaluation says whether it is still there."""
        return self.folder(run_id) / "tables" / f"epoch_{int(epoch):04d}.parquet"

    def watched_path(self, run_id: str, epoch: int) -> Path:
        """Where that epoch's boxes on the watched images are, of every evaluated epoch (`watch.py`)."""
        return self.folder(run_id) / "watched" / f"epoch_{int(epoch):04d}.parquet"

    def analysis_path(self, run_id: str, number: int) -> Path:
        """Where the run's picture with this number, from 1, of expected and predicted boxes is written."""
        return self.folder(run_id) / f"analysis_{int(number)}.png"

    def report_path(self, run_id: str) -> Path:
        return self.folder(run_id) / "report.html"

    def checkpoints(self, run_id: str) -> Path:
        """The folder of the run's checkpoints, which `train` writes into."""
        return self.checkpoints_dir / self.folder(run_id).name

    def checkpoint(self, run_id: str, which: str) -> Path:
        """Where its "best" or "last" checkpoint is, once it is saved."""
        if which not in ("best", "last"):
            raise RunError(f"A run has the checkpoints 'best' and 'last', not {which!r}.")
        folder, older = (self.checkpoints(run_id) / name for name in (which, which + ".old"))
        # a training that dies between the two renames of a save leaves the older one only
        return older if older.is_dir() and not folder.is_dir() else folder

    def preflight_path(self, run_id: str) -> Path:
        """The pre-flight's checks as JSON: {"checks": [{"name", "ok", "evidence"}, …]}."""
        return self.folder(run_id) / "preflight.json"

    def preflight_picture(self, run_id: str) -> Path:
        """The first training batch as the model saw it, with its boxes (PNG)."""
        return self.folder(run_id) / "preflight.png"

    def profile_path(self, run_id: str) -> Path:
        """The profiler's table as JSON: {"steps", "operators": [{"name", "calls", "cpu_ms", "gpu_ms"}, …]}."""
        return self.folder(run_id) / "profile.json"

    def trace_path(self, run_id: str) -> Path:
        """The profiler's Chrome trace, gzipped JSON, for Perfetto."""
        return self.folder(run_id) / "trace.json.gz"
