"""ClearML: the run as a task with its metrics, settings, pictures, and figures of the best evaluation.

Without an account it is an offline session of ClearML, a folder beside the run, and a run that goes on goes on in the
same one. A thread reports in place of ClearML's process, between which and this one every metric takes milliseconds
and every flush seconds.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core import disk
from core.runs.schema import Evaluation, Run, Status
from core.runs.tracking.tracker import PROJECT_NAME, End, Picture, Row, Tracker, TrackerError, settings_of
from core.system.console import quoted

LOOK_SECONDS = 0.05
METRICS = "metrics.jsonl"  # of an offline session
FEWEST_LETTERS = 3  # of a task's name
OVERRIDES = {"sdk": {"development": {"report_use_subprocess": False}}}
FRAMEWORKS = (
    "hydra", "scikit", "matplotlib", "tensorflow", "tensorboard", "pytorch", "megengine", "xgboost", "catboost",
    "fastai", "lightgbm", "gradio", "detect_repository",
)  # fmt: skip
# of a ClearML around this process, whose task this would become
OF_OTHERS = ("CLEARML_TASK_ID", "CLEARML_PROC_MASTER_ID")


class ClearML(Tracker):
    """A task of ClearML, or an offline session."""

    _session: Path | None = None  # the folder of an offline one

    def open(self, run: Run, folder: Path, name: str) -> str:
        """Begin the task, or go on with it; its id is ClearML's own."""
        for variable in OF_OTHERS:
            os.environ.pop(variable, None)
        os.environ.setdefault("CLEARML_LOG_LEVEL", "ERROR")
        with contextlib.redirect_stdout(sys.stderr):
            from clearml import Task
            from clearml.config import config_obj

            is_offline = name.startswith("offline-") if name else Task.is_offline() or not _has_account(config_obj)
            if is_offline:
                os.environ["CLEARML_CACHE_DIR"] = str(folder)
            Task.set_offline(is_offline)
            config_obj.set_overrides(OVERRIDES)
            if name and is_offline:
                _mend(folder / "offline" / name, folder / "task.json")
            elif name:
                Task.get_task(task_id=name)  # raises without it, where Task.init would begin another one
            # 0: a task that goes on counts its steps from where they began
            goes_on = {"reuse_last_task_id": name, "continue_last_task": 0} if name else {"reuse_last_task_id": False}
            self._task = Task.init(
                project_name=_project(), task_name=_task_name(run), auto_connect_arg_parser=False,
                auto_connect_frameworks=dict.fromkeys(FRAMEWORKS, False), auto_connect_streams=False,
                auto_resource_monitoring=False, output_uri=False, **goes_on,
            )  # fmt: skip
            self._logger = self._task.get_logger()
            self._task.connect(settings_of(run))
        if is_offline:
            self._session = Path(self._task.get_offline_mode_folder())
            with disk.atomic_file(folder / "task.json", durable=True) as partial:
                shutil.copyfile(self._session / "task.json", partial)
            command = quoted(["clearml-task", "--import-offline-session", str(self._session)])
            self.where = f"{command} sends it to the server."
        else:
            self.where = f"Look at {self._task.get_output_log_web_page()}."
        return str(self._task.id)

    def missing(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows whose tag has no value at their step."""
        if self._session:
            logged = {(one["metric"], one["variant"], one["iter"]) for one in _scalars(self._session / METRICS)}
        else:
            logged = {
                (title, series, step)
                for title, of_title in self._task.get_all_reported_scalars(x_axis="iter").items()
                for series, values in of_title.items()
                for step in values["x"]
            }
        return [row for row in rows if (*title_and_series(row.tag), row.step) not in logged]

    def log(self, step: int, metrics: Mapping[str, float], row: int) -> None:
        """Take metrics of a step, but those that are no number: ClearML would show them as 0."""
        for tag, value in metrics.items():
            if math.isfinite(value):
                title, series = title_and_series(tag)
                self._logger.report_scalar(title, series, value=value, iteration=step)

    def evaluated(self, evaluation: Evaluation, pictures: Sequence[Picture], row: int) -> None:
        """Take the pictures; the epoch is in their names, which a new process would give a second time."""
        for number, picture in enumerate(pictures, start=1):
            series = f"epoch {evaluation.epoch} picture {number}"
            self._logger.report_image("pictures", series, iteration=evaluation.step, image=picture.image)

    def flush(self) -> None:
        """Wait until ClearML's thread has sent all, or has put it into the session."""
        self._task.flush(wait_for_uploads=True)
        while self._task._reporter.events_waiting():
            time.sleep(LOOK_SECONDS)
        if self._session and (self._session / METRICS).is_file():
            disk.flush(self._session / METRICS)

    def close(self, end: End) -> None:
        """Send the figures, how the run ended and where its checkpoint lies, and end the task."""
        for name, value in end.figures().items():
            self._logger.report_single_value(name, value)
        words = {"status": str(end.run.status), "message": end.run.message or "", "checkpoint": end.checkpoint}
        self._task.set_user_properties(**words)
        self.flush()
        with contextlib.redirect_stdout(sys.stderr):
            self._task.close()
        if self._session is None and end.run.status is Status.STOPPED:
            self._task.stopped(force=True)
        elif self._session is None and end.run.status is not Status.FINISHED:
            self._task.mark_failed(force=True, status_message=end.run.message)


def title_and_series(tag: str) -> tuple[str, str]:
    """Return in which of ClearML's graphs a tag is a curve, and its name there: the classes' are in one graph.

    >>> title_and_series("val/AP/traffic light"), title_and_series("val/AP")
    (('val/AP', 'traffic light'), ('val/AP', 'val/AP'))
    """
    parts = tag.split("/", 2)
    return ("/".join(parts[:2]), parts[2]) if len(parts) == 3 and parts[2] else (tag, tag)


def _project() -> str:
    return os.environ.get("CLEARML_PROJECT") or PROJECT_NAME


def _task_name(run: Run) -> str:
    return run.name if len(run.name.strip()) >= FEWEST_LETTERS else run.id


def _has_account(config: Any) -> bool:
    """Check whether ClearML has a key, from clearml.conf or the environment, without asking for it."""
    names = ("CLEARML_API_ACCESS_KEY", "CLEARML_AUTH_TOKEN")
    return any(os.environ.get(name) for name in names) or bool(config.get("api.credentials.access_key", None))


def _mend(session: Path, kept: Path) -> None:
    """Make an offline session whole in whose writing a process was killed: what is half there was not handed over.

    kept  a copy of its task.json, which ClearML writes over; raises TrackerError if the session is gone
    """
    if not session.is_dir() or not kept.is_file():
        raise TrackerError(f"{session} is gone: delete {kept.parent}.json, and the run is sent anew as a whole.")
    for path in session.glob("*.jsonl"):
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    try:
        json.loads((session / "task.json").read_bytes())
    except (OSError, ValueError):
        shutil.copyfile(kept, session / "task.json")


def _scalars(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the scalars in the file of a session's metrics."""
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield from (event for event in json.loads(line) if event["type"] == "training_stats_scalar")
