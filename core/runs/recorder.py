"""From a training's events to its record: rows in the run store, TensorBoard events and detection tables.

The tags and steps are the same in both, so that `tensorboard --logdir=runs` shows the curves of the page. Written in
the process that trains; whoever watches reads the store.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from core.config import TrainConfig
from core.datasets.fingerprint.fingerprint import Fingerprint
from core.disk import atomic_file
from core.evaluation.alike.path import states_path
from core.evaluation.alike.states import record_states
from core.evaluation.table import METADATA_KEY, table_metadata, write_table
from core.evaluation.tide import detection_table
from core.runs.deletion.leftovers import clear_run
from core.runs.loss_pictures.loss_pictures import LossPictures
from core.runs.provenance.code import note_code
from core.runs.provenance.data import hold_to_data, keep_fingerprint, note_step
from core.runs.schema import NewEvaluation, Run
from core.runs.store import RunStore
from core.runs.tensorboard.board import Board
from core.runs.watched import part_of, watched_images
from core.training.doctor.doctor import Doctor
from core.training.doctor.steps import not_finite
from core.training.events import (
    Evaluated,
    Finished,
    Loading,
    Measured,
    PreflightDone,
    PreflightRunning,
    Profile,
    Progress,
    Starting,
    StepDone,
)
from core.training.remark import Remark, TrainingRule

ROWS_AT_ONCE = 50_000  # of metrics: a long run has millions
QUICK = 1  # zlib's level: the usual 6 takes six times as long, while a user waits, for a tenth less
DOCTOR_SECONDS = 5  # between two looks at a live run, besides those after its evaluations


class Recorder:
    """Writes every event of one run, in a `with` block.

    Raises RunError if the store cannot be written.
    """

    def __init__(self, store: RunStore, run_id: str) -> None:
        self.store, self.run = store, store.get(run_id)
        self._board: Board | None = None
        self._losses = LossPictures(store, self.run)
        self._has_finished = False
        self._label_map = self.run.label_map
        self._data = ""  # the digest of its fingerprint
        self._start: dict[str, Any] = {}  # what start.json holds
        self._doctor = Doctor(TrainConfig.from_dict(self.run.config), _skipped_images(self.run))
        # what an earlier part of the training said of itself is kept for good, what the doctor said it says anew
        kept = [Remark.from_dict(r) for r in self.run.remarks if r["rule"] in list(TrainingRule)]
        self._training_remarks = {remark.rule: remark for remark in kept}
        self._examined = time.monotonic()

    def __enter__(self) -> Recorder:
        self.store.folder(self.run.id).mkdir(parents=True, exist_ok=True)
        clear_run(self.store, self.run.id)
        self._delete_unrecorded_tables()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._board:
            return
        is_stopped = kind is not None and issubclass(kind, (GeneratorExit, KeyboardInterrupt))
        is_success = True if self._has_finished or kind is None else None if is_stopped else False
        self._board.close(is_success)
        self._losses.write()

    def _delete_unrecorded_tables(self) -> None:
        """Delete detection tables that a killed process wrote and did not record, or did not delete in time."""
        evaluations = self.store.evaluations(self.run.id)
        kept = {evaluation.table for evaluation in evaluations}
        kept |= {states_path(table) for table in kept if table}
        kept |= {self.store.watched_path(self.run.id, evaluation.epoch) for evaluation in evaluations}
        for folder in ("tables", "watched"):
            for path in self.store.folder(self.run.id).glob(f"{folder}/epoch_*.parquet"):
                if path not in kept:
                    with suppress(OSError):  # a reader has it open
                        path.unlink()

    def write(self, progress: Progress) -> None:
        """Record one event: where the training is in the run's row, and what is new where it belongs."""
        state: dict[str, Any] = {"message": progress.message or None}
        if progress.epochs:  # which a training by minutes does not know from the beginning
            state["epochs"] = progress.epochs
        if not isinstance(progress, Loading):  # which does not yet know where a resumed training stands
            state |= {
                "epoch": progress.epoch, "step": progress.step, "steps": progress.steps,
                "images_per_second": progress.images_per_second, "seconds_left": progress.seconds_left,
            }  # fmt: skip
        if isinstance(progress, Loading) and progress.fingerprint:
            self._hold_to_data(progress.fingerprint, progress.resumes)
        if progress.label_map and progress.label_map.to_dict() != self._label_map:
            state["label_map"] = self._label_map = progress.label_map.to_dict()
        if isinstance(progress, Starting):
            self._note_start(progress)
        if isinstance(progress, PreflightDone):
            checks = {"checks": [asdict(check) for check in progress.checks]}
            _write_json(self.store.preflight_path(self.run.id), checks)
        if isinstance(progress, Measured):
            self._write_measured(progress, state)
        else:
            self.store.record(self.run.id, progress.step, {}, state)
        self._has_finished |= isinstance(progress, Finished)

    def _write_measured(self, progress: Measured, state: dict[str, Any]) -> None:
        """Record what a step or an evaluation has measured: first in the store, then for TensorBoard."""
        board = self._board or self._begin(progress)
        evaluation, table = None, None
        if isinstance(progress, StepDone) and progress.profile:
            self._write_profile(progress.profile)
        if isinstance(progress, Evaluated):
            table = self._written_table(progress)
            evaluation = NewEvaluation(
                progress.epoch, progress.figures.to_dict(), progress.is_best, has_table=table is not None
            )
        state |= self._examine(progress)
        self.store.record(self.run.id, progress.step, progress.metrics, state, evaluation)
        board.add(progress.step, progress.metrics)
        if isinstance(progress, Evaluated) and evaluation:
            board.add_evaluation(progress, evaluation, table)
            self._losses.write()

    def _hold_to_data(self, fingerprint: Fingerprint, resumes: bool) -> None:
        """Note what data and code the training uses; raises RunError if it goes on, and nobody agreed to the data."""
        folder = self.store.folder(self.run.id)
        if resumes:
            hold_to_data(self.store, self.run, fingerprint)
        else:
            keep_fingerprint(folder, fingerprint)
        note_code(folder, (self.run.step or 0) if resumes else 0)
        self._data = fingerprint.digest

    def _begin(self, progress: Measured) -> Board:
        """Prepare for the first metrics: forget what a killed training recorded after its last checkpoint."""
        # an evaluation belongs to a step that is done; a step's metrics to one that is being done anew
        is_done = isinstance(progress, Evaluated)
        self.store.rewind(self.run.id, progress.step, progress.metrics if is_done else None)
        self._replay()
        if remark := note_step(self.store, self.run.id, progress.step):
            self._training_remarks[remark.rule] = remark
            self._examined = -math.inf  # it is told now
        folder, before = self.store.folder(self.run.id), self.store.evaluations(self.run.id)
        self._board = Board(folder, self.run, progress.step + is_done, before)
        return self._board

    def _replay(self) -> None:
        """Give the doctor what a training that goes on has recorded before, step by step."""
        self._doctor.history.set_length(self.run.epochs or 0, self.run.steps or 0)
        last, at = 0, 0
        metrics: dict[str, float] = {}
        while True:
            rows, last = self.store.metrics_after(self.run.id, last, limit=ROWS_AT_ONCE)
            for _, tag, step, value in rows:
                if step != at and metrics:
                    self._doctor.update(at, metrics)
                    metrics = {}
                at, metrics[tag] = step, value
            if len(rows) < ROWS_AT_ONCE:
                break
        if metrics:
            self._doctor.update(at, metrics)

    def _examine(self, progress: Measured) -> dict[str, Any]:
        """Return the run's remarks, the training's own and the doctor's, if it is time to look; else nothing."""
        self._doctor.history.set_length(progress.epochs, progress.steps)
        self._training_remarks |= {remark.rule: remark for remark in progress.remarks}
        skipped_images = progress.skipped_images if isinstance(progress, StepDone) else ()
        self._doctor.update(progress.step, progress.metrics, skipped_images)
        now = time.monotonic()
        is_news = isinstance(progress, Evaluated) or progress.remarks or skipped_images
        if not is_news and now - self._examined <= DOCTOR_SECONDS:
            return {}
        self._examined = now
        remarks = [*self._training_remarks.values(), *self._doctor.remarks()]
        remarks.sort(key=lambda remark: remark.level.urgency)
        return {"remarks": [remark.to_dict() for remark in remarks]}

    def _note_start(self, progress: Starting) -> None:
        """Write down what is done of the start, if anything is new; a training that begins anew is checked anew."""
        path, picture = self.store.start_path(self.run.id), self.store.preflight_picture(self.run.id)
        is_news = not self._start or progress.done
        if not self._start:
            resumes = isinstance(progress, Loading) and progress.resumes
            self._start = {"started": self.run.started, "resumes": resumes, "done": [], "picture": False}
            for old in () if resumes else (self.store.preflight_path(self.run.id), picture):
                with suppress(OSError):  # a reader has it open
                    old.unlink()
        if isinstance(progress, PreflightRunning) and progress.picture:
            with atomic_file(picture) as partial:
                progress.picture.save(partial, format="PNG", compress_level=QUICK)
            self._start["picture"] = is_news = True
        if progress.done:
            self._start["done"].append(asdict(progress.done))
        if is_news:
            _write_json(path, self._start)

    def _write_profile(self, profile: Profile) -> None:
        with atomic_file(self.store.trace_path(self.run.id)) as partial:
            partial.write_bytes(profile.trace)
        table = {"steps": profile.steps, "operators": profile.operators}
        _write_json(self.store.profile_path(self.run.id), table)

    def _written_table(self, progress: Evaluated) -> pa.Table | None:
        """Write the detection table of an evaluation and return it; None where no detections are kept."""
        if progress.detections is None or progress.ground_truth is None:
            return None
        table = detection_table(progress.ground_truth, progress.detections, progress.label_map, progress.model_input)
        metadata = replace(table_metadata(table), data=self._data)
        table = table.replace_schema_metadata({METADATA_KEY: metadata.to_json()})
        path = self.store.table_path(self.run.id, progress.epoch)
        record_states(progress.states, table, path)
        write_table(table, path)
        watched = watched_images(table, self.run.config.get("seed", 0))
        write_table(part_of(table, watched), self.store.watched_path(self.run.id, progress.epoch))
        return table


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _skipped_images(run: Run) -> tuple[int, ...]:
    """Return the images that the doctor's remark on steps left out names, which no metric does."""
    return next((tuple(r.get("images", ())) for r in run.remarks if r["rule"] == not_finite.key), ())
