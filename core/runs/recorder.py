"""From a training's Progress to its record: rows in the run store, TensorBoard events and detection tables.

The tags and steps are the same in both, so that `tensorboard --logdir=runs` shows the curves of the page. Written in
the process that trains; whoever watches reads the store.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict
from pathlib import Path

from core.config import TrainConfig
from core.evaluation.table import write_table
from core.evaluation.tide import detection_table
from core.runs.store import RunStore
from core.runs.watched import part_of, watched_images
from core.training.doctor.doctor import Doctor
from core.training.progress import LEVELS, Progress, Remark

FLUSH_SECONDS = 5  # how old TensorBoard's view of a live run may be
TRAINING_RULES = ("batch_halved", "not_finite", "stopped_early")  # said by the training itself, so kept for good
ROWS_AT_ONCE = 50_000  # of metrics: a long run has millions
DOCTOR_SECONDS = 5  # between two looks at a live run, besides those after its evaluations


class Recorder:
    """Writes every Progress of one run, in a `with` block.

    Raises RunError if the store cannot be written.
    """

    def __init__(self, store: RunStore, run_id: str):
        self.store, self.run = store, store.get(run_id)
        self._events: _EventFile | None = None
        self._has_labels = self.run.label_map is not None
        self._doctor = Doctor(TrainConfig.from_dict(self.run.config))
        self._said = {r["rule"]: Remark(**r) for r in self.run.remarks if r["rule"] in TRAINING_RULES}
        self._examined = time.monotonic()

    def __enter__(self) -> Recorder:
        self.store.folder(self.run.id).mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_) -> None:
        if self._events:
            self._events.close()

    def write(self, progress: Progress) -> None:
        """Record one Progress; what it says of the run's state stands in the run's row."""
        state = {"message": progress.message or None, "epochs": progress.epochs}
        if progress.kind != "loading":  # which does not yet know where a resumed training stands
            state |= {
                "epoch": progress.epoch, "step": progress.step, "steps": progress.steps,
                "images_per_second": progress.images_per_second, "seconds_left": progress.seconds_left,
            }  # fmt: skip
        if progress.label_map and not self._has_labels:
            state["label_map"] = progress.label_map.to_dict()
            self._has_labels = True
        if progress.metrics and not self._events:
            self._begin(progress)
        if progress.checks:
            self._preflight(progress)
        if progress.profile:
            self._profile(progress)
        if progress.figures:
            self._evaluation(progress)
        state |= self._remarks(progress)
        self.store.record(self.run.id, progress.step, progress.metrics, state)
        if progress.metrics:
            self._events.add(progress.step, progress.metrics)

    def _begin(self, progress: Progress) -> None:
        """Before the first metrics: forget what a training that was killed recorded after its last checkpoint."""
        # an evaluation belongs to a step that is done; a step's metrics to one that is being done anew
        done = progress.figures is not None
        self.store.rewind(self.run.id, progress.step, progress.metrics if done else None)
        self._remember()
        self._events = _EventFile(self.store.folder(self.run.id), purge_from=progress.step + done)

    def _remember(self) -> None:
        """Let the doctor see what a training that goes on has recorded before, step by step."""
        last, step, metrics = 0, None, {}
        while True:
            rows, last = self.store.metrics_after(self.run.id, last, limit=ROWS_AT_ONCE)
            for _, tag, at, value in rows:
                if at != step and metrics:
                    self._doctor.see(step, metrics)
                    metrics = {}
                step, metrics[tag] = at, value
            if len(rows) < ROWS_AT_ONCE:
                break
        if metrics:
            self._doctor.see(step, metrics)

    def _remarks(self, progress: Progress) -> dict:
        """What is to be said of the run now, if somebody has looked: the training's own words and the doctor's."""
        self._said |= {remark.rule: remark for remark in progress.remarks}
        if progress.metrics:
            self._doctor.see(progress.step, progress.metrics)
        now = time.monotonic()
        if not (progress.remarks or progress.figures or (progress.metrics and now - self._examined > DOCTOR_SECONDS)):
            return {}
        self._examined = now
        own = [r for r in self._doctor.remarks() if r.rule not in self._said]
        remarks = sorted([*self._said.values(), *own], key=lambda remark: LEVELS.index(remark.level))
        return {"remarks": [remark.to_dict() for remark in remarks]}

    def _preflight(self, progress: Progress) -> None:
        path = self.store.preflight_path(self.run.id)
        path.parent.mkdir(parents=True, exist_ok=True)  # deleted by hand, maybe
        path.write_text(json.dumps({"checks": [asdict(check) for check in progress.checks]}, indent=1))
        if progress.picture:
            progress.picture.save(self.store.preflight_picture(self.run.id))

    def _profile(self, progress: Progress) -> None:
        found = progress.profile
        self.store.folder(self.run.id).mkdir(parents=True, exist_ok=True)
        self.store.trace_path(self.run.id).write_bytes(found.trace)
        table = {"steps": found.steps, "operators": found.operators}
        self.store.profile_path(self.run.id).write_text(json.dumps(table, indent=1))

    def _evaluation(self, progress: Progress) -> None:
        if progress.detections is not None:
            path = self.store.table_path(self.run.id, progress.epoch)
            path.parent.mkdir(parents=True, exist_ok=True)
            table = detection_table(
                progress.ground_truth, progress.detections, progress.label_map, progress.model_input
            )
            write_table(table, path)
            watched = watched_images(table, self.run.config.get("seed", 0))
            write_table(part_of(table, watched), self.store.watched_path(self.run.id, progress.epoch))
        self.store.add_evaluation(
            self.run.id, progress.epoch, progress.step, progress.figures.to_dict(),
            is_best=progress.is_best, has_table=progress.detections is not None,
        )  # fmt: skip


class _EventFile:
    """A TensorBoard event file of scalars, one event a step.

    Not through torch.utils.tensorboard, nor through the writer behind it: that one opens the file anew for every event,
    in a thread of its own, and fails for good if this fails once.
    """

    def __init__(self, folder: Path, purge_from: int):
        # here, not above: 0.8 s that the page process, which imports jobs.py, need not spend
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        # TensorBoard reads a folder's files in the order of their names
        times = [float(".".join(path.name.split(".")[3:5])) for path in folder.glob("events.out.tfevents.*")]
        now = max([time.time(), *(last + 1 for last in times)])  # also where the machine's clock was set back
        name = f"events.out.tfevents.{now:017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("ab")
        self._records = RecordWriter(self._file)
        self._flushed = 0.0
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        # TensorBoard then drops the steps from there on that an earlier file of the run has
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=time.time(), step=purge_from, session_log=start))

    def add(self, step: int, metrics: dict[str, float]) -> None:
        values = [self._summary.Value(tag=tag, simple_value=value) for tag, value in metrics.items()]
        self._write(self._event(wall_time=time.time(), step=step, summary=self._summary(value=values)))

    def _write(self, event) -> None:
        self._records.write(event.SerializeToString())
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        self._file.close()
