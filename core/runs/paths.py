"""Paths of a store's files, all under its root folder:

    runs/runs.db                   the database, which schema.py describes
    runs/<id>/                     TensorBoard events, log.txt, tables/epoch_0003.parquet, the table's decoder states
                                   (epoch_0003.states.parquet), watched/epoch_0003.parquet, hparams/ (TensorBoard's
                                   too), loss_ce.png, loss_bbox.png, analysis_1.png, report.html, start.json,
                                   preflight.json and .png, profile.json, trace.json.gz, onnx/epoch_0003/,
                                   tracking/
    checkpoints/<id>/best, last    what the training saved
    runs/.deleted/<id>/            the same of deleted runs, and checkpoints/.deleted/<id>
    data/                          data sets
    data/.experiments/<id>/        those that are written for an experiment

Apart from `store.py`, which adds the database: a path does not say whether the file exists.
"""

from __future__ import annotations

import re
from pathlib import Path

from core import RunError
from core.evaluation.alike.path import states_path
from core.training.checkpoint_folder import current

RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
BIN, EXPERIMENTS = ".deleted", ".experiments"


def table_name(epoch: int) -> str:
    """Return the path of an epoch's detection table in a run's folder."""
    return f"tables/epoch_{int(epoch):04d}.parquet"


class RunPaths:
    """The paths of all runs' files; methods raise RunError for a malformed id, so that no path leaves the root."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        self.data_dir = self.root / "data"
        self.experiments_dir = self.data_dir / EXPERIMENTS
        self.runs_dir = self.root / "runs"
        self.checkpoints_dir = self.root / "checkpoints"

    def folder(self, run_id: str) -> Path:
        """Return the run's folder, which is also its TensorBoard folder."""
        if not RUN_ID.fullmatch(run_id):  # an id may come from an address bar
            raise RunError(f"{run_id!r} is not a run's id.")
        return self.runs_dir / run_id

    def log_path(self, run_id: str) -> Path:
        """Return the path of the output of the run's process, with the traceback of its error."""
        return self.folder(run_id) / "log.txt"

    def table_path(self, run_id: str, epoch: int) -> Path:
        """Return the path of an epoch's detection table; its Evaluation says whether it is still kept."""
        return self.folder(run_id) / table_name(epoch)

    def table_files(self, run_id: str, epoch: int) -> tuple[Path, Path]:
        """Return the paths of an epoch's detection table and of the decoder states beside it."""
        table = self.table_path(run_id, epoch)
        return table, states_path(table)

    def watched_path(self, run_id: str, epoch: int) -> Path:
        """Return the path of an evaluated epoch's boxes on the watched images (`watched.py`)."""
        return self.folder(run_id) / "watched" / f"epoch_{int(epoch):04d}.parquet"

    def analysis_path(self, run_id: str, number: int) -> Path:
        """Return the path of a picture that `analyze` draws, with annotated and predicted boxes; from number 1."""
        return self.folder(run_id) / f"analysis_{int(number)}.png"

    def loss_path(self, run_id: str, name: str) -> Path:
        """Return the path of the picture of a run's class loss, "loss_ce", or box loss, "loss_bbox"."""
        return self.folder(run_id) / f"{name}.png"

    def report_path(self, run_id: str) -> Path:
        """Return the path of the report that `analyze` writes."""
        return self.folder(run_id) / "report.html"

    def onnx_folder(self, run_id: str, epoch: int) -> Path:
        """Return the folder of the ONNX files of an epoch's model, which `core.export.onnx` writes; 0: the baseline."""
        return self.folder(run_id) / "onnx" / f"epoch_{int(epoch):04d}"

    def tracking_folder(self, run_id: str) -> Path:
        """Return the folder of what `core/runs/tracking/` keeps of the run's way to other trackers."""
        return self.folder(run_id) / "tracking"

    def checkpoints(self, run_id: str) -> Path:
        """Return the folder of the run's checkpoints, into which `train` saves them."""
        return self.checkpoints_dir / self.folder(run_id).name

    def checkpoint(self, run_id: str, name: str) -> Path:
        """Return the folder of the run's "best" or "last" checkpoint; raise RunError for another name."""
        if name not in ("best", "last"):
            raise RunError(f"A run has the checkpoints 'best' and 'last', not {name!r}.")
        return current(self.checkpoints(run_id) / name)

    def places(self, run_id: str) -> tuple[tuple[Path, Path], ...]:
        """Return each folder that a run has, and where it lies once the run is deleted."""
        folders = self.folder(run_id), self.checkpoints(run_id)
        return tuple((folder, folder.with_name(BIN) / run_id) for folder in folders)

    def start_path(self, run_id: str) -> Path:
        """Return the path of what is done of the run's last start, JSON.

        {"started": when the run last began, "resumes", "done": [{"name", "ok", "evidence"}, …],
         "picture": whether that of the pre-flight is there}
        """
        return self.folder(run_id) / "start.json"

    def preflight_path(self, run_id: str) -> Path:
        """Return the path of the pre-flight's checks, JSON: {"checks": [{"name", "ok", "evidence"}, …]}."""
        return self.folder(run_id) / "preflight.json"

    def preflight_picture(self, run_id: str) -> Path:
        """Return the path of the first training batch as the model saw it, with its boxes (PNG)."""
        return self.folder(run_id) / "preflight.png"

    def profile_path(self, run_id: str) -> Path:
        """Return the path of the profiler's table, JSON.

        {"steps", "operators": [{"name", "calls", "cpu_ms", "gpu_ms"}, …]}
        """
        return self.folder(run_id) / "profile.json"

    def trace_path(self, run_id: str) -> Path:
        """Return the path of the profiler's Chrome trace, gzipped JSON, for Perfetto."""
        return self.folder(run_id) / "trace.json.gz"
