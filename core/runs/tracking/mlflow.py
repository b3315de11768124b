"""MLflow: the run with its metrics, settings as parameters, pictures as artifacts, and figures of the best evaluation.

Without MLFLOW_TRACKING_URI all runs lie in one SQLite database under runs/mlflow: MLflow's folders of files are not
kept up any more, and could not hold both val/AP and val/AP/car.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.runs.schema import Evaluation, Run, Status
from core.runs.tracking.tracker import PROJECT_NAME, End, Picture, Row, Tracker, settings_of

MOST_AT_ONCE = 1000  # metrics; the server takes no more
MOST_LETTERS = 500  # of a parameter
NOT_IN_NAMES = re.compile(r"[^\w\-. :/]")
OUTCOMES = {Status.FINISHED: "FINISHED", Status.STOPPED: "KILLED"}  # others: FAILED


class Mlflow(Tracker):
    """A run of MLflow."""

    def open(self, run: Run, folder: Path, name: str) -> str:
        """Begin the run, or go on with it; its id is MLflow's own."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from filelock import FileLock
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param, RunTag

        self._metric, self._tag = Metric, RunTag
        self._waiting: list[Any] = []
        address, artifacts = os.environ.get("MLFLOW_TRACKING_URI", "").strip(), None
        if address:
            self._client = MlflowClient(tracking_uri=address)
            self.where = "It is where MLFLOW_TRACKING_URI says."
        else:
            store = folder.parents[2] / "mlflow"
            store.mkdir(parents=True, exist_ok=True)
            with FileLock(store / "mlflow.lock"):  # two that create its tables at once would fail
                self._client = MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
            artifacts = (store / "artifacts").as_uri()
            self.where = f"mlflow ui --backend-store-uri sqlite:///{store / 'mlflow.db'} shows it."
        if name:
            self._id = name
            self._client.update_run(name, status="RUNNING")
            return name
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT_NAME
        experiment = self._client.get_experiment_by_name(project)
        number = experiment.experiment_id if experiment else self._client.create_experiment(project, artifacts)
        self._id = str(self._client.create_run(number, run_name=run.name, tags={"detr_lab.run": run.id}).info.run_id)
        texts = {key: str(value)[:MOST_LETTERS] for key, value in settings_of(run).items()}
        self._client.log_batch(self._id, params=[Param(key, text) for key, text in texts.items()])
        return self._id

    def missing(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows whose tag has no value at their step."""
        steps = {
            tag: {metric.step for metric in self._client.get_metric_history(self._id, metric_name(tag))}
            for tag in {row.tag for row in rows}
        }
        return [row for row in rows if row.step not in steps[row.tag]]

    def log(self, step: int, metrics: Mapping[str, float], row: int) -> None:
        """Take metrics of a step; they are sent together with others."""
        now = int(time.time() * 1000)
        self._waiting += [self._metric(metric_name(tag), value, now, step) for tag, value in metrics.items()]

    def evaluated(self, evaluation: Evaluation, pictures: Sequence[Picture], row: int) -> None:
        """Take the pictures, as artifacts in a folder of their epoch."""
        for number, picture in enumerate(pictures, start=1):
            name = f"pictures/epoch_{evaluation.epoch:04d}/{number}.png"
            self._client.log_image(self._id, picture.image, artifact_file=name)

    def flush(self) -> None:
        """Send the metrics that wait; each request is one transaction."""
        for first in range(0, len(self._waiting), MOST_AT_ONCE):
            self._client.log_batch(self._id, metrics=self._waiting[first : first + MOST_AT_ONCE])
        self._waiting = []

    def close(self, end: End) -> None:
        """Send the figures, how the run ended and where its checkpoint lies."""
        now, step = int(time.time() * 1000), end.best.step if end.best else 0
        words = {"status": str(end.run.status), "message": end.run.message or "", "checkpoint": end.checkpoint}
        figures = [self._metric(metric_name(name), value, now, step) for name, value in end.figures().items()]
        tags = [self._tag(f"detr_lab.{name}", text) for name, text in words.items()]
        self._client.log_batch(self._id, metrics=figures, tags=tags)
        self._client.set_terminated(self._id, OUTCOMES.get(end.run.status, "FAILED"))


def metric_name(tag: str) -> str:
    """Return a tag as MLflow takes it: other signs, which classes' names may have, become their number.

    >>> metric_name("val/AP/traffic light"), metric_name("val/AP/50 %")
    ('val/AP/traffic light', 'val/AP/50 _25')
    """
    name = NOT_IN_NAMES.sub(lambda sign: f"_{ord(sign[0]):x}", tag)
    return "/".join(f"_{part}" if part in ("", ".", "..") else part for part in name.split("/"))
