"""The rows of the run database as dataclasses; `tables.py` has its tables, `store.py` reads and writes them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from core.labelled_enum import LabelledEnum
from core.runs.damage import cells
from core.runs.tables import REPEAT_METRICS
from core.wording import short

DAMAGED_ID = "damaged-"  # and its row's number: what a run is called whose id cannot be read


class Status(LabelledEnum):
    """The status of a run; `label` and `description` are for the user."""

    QUEUED = "queued", "Queued", "Waits for its turn."
    STARTING = "starting", "Starting", "Its process is loading."
    RUNNING = "running", "Running", "Trains or evaluates."
    FINISHED = "finished", "Finished", "Went through all its epochs."
    STOPPED = "stopped", "Stopped", "Was asked to stop; it can be resumed."
    FAILED = "failed", "Failed", "Ended with an error, which its message names."
    INTERRUPTED = "interrupted", "Interrupted", "Its process ended without a word; it can be resumed."
    DAMAGED = "damaged", "Damaged", "Its row in the run database holds what it cannot; it can only be deleted."

    @property
    def is_live(self) -> bool:
        """Whether the run waits for its turn or is at work, so that its record may still change."""
        return self in (Status.QUEUED, Status.STARTING, Status.RUNNING)


@dataclass(frozen=True)
class Run:
    """One row of `runs`; `tables.py` says what each field means, None is "not yet" or "unknown".

    A row with a cell that cannot be read is DAMAGED, whatever its status was, and `message` says which cell.
    """

    id: str
    name: str
    status: Status
    config: dict[str, Any]
    label_map: dict[str, Any] | None
    created: float
    queued: float | None
    started: float | None
    ended: float | None
    heartbeat: float | None
    pid: int | None
    pid_started: float | None
    stop_requested: bool
    message: str | None
    epoch: int | None
    epochs: int | None
    step: int | None
    steps: int | None
    images_per_second: float | None
    seconds_left: float | None
    baseline_ap: float | None
    ap: float | None
    best_ap: float | None
    best_epoch: int | None
    remarks: list[dict[str, Any]]
    notes: str
    deleted: float | None
    tags: list[str]

    @property
    def is_live(self) -> bool:
        """Whether the run waits for its turn or is at work."""
        return self.status.is_live

    @property
    def is_imported(self) -> bool:
        """Whether it was not trained here: another tool's results, or an evaluation of its own."""
        return "imported" in self.config

    @property
    def is_evaluation(self) -> bool:
        """Whether it is an evaluation that was made here, of any model on any images."""
        return "evaluation" in self.config

    @property
    def origin(self) -> str:
        """Where its results come from: "trained" or "evaluated" here, or "imported"."""
        return "evaluated" if self.is_evaluation else "imported" if self.is_imported else "trained"

    @property
    def is_damaged(self) -> bool:
        """Whether the run's row cannot be read as it stands: it is listed, and can only be deleted."""
        return self.status is Status.DAMAGED

    @property
    def label(self) -> str:
        """The status in a word; "Stopping" from the request to stop until the training has obeyed."""
        if self.is_imported and self.status is Status.FINISHED:
            return self.origin.capitalize()
        return "Stopping" if self.is_live and self.stop_requested else self.status.label

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> Run:
        """Return a row of `runs` as a Run, a damaged one too: what cannot be read of it is left out."""
        values: dict[str, Any] = {
            "config": {},
            "remarks": [],
            "stop_requested": False,
            "notes": "",
            "created": 0.0,
            "tags": [],
        }
        values["id"] = f"{DAMAGED_ID}{row['number']}"  # as long as its own is not read
        problems = []
        for f in fields(cls):
            try:
                values[f.name] = _READERS[f.name](row[f.name])
            except cells.BadCell as problem:
                problems.append(f"{f.name} holds {problem}")
                values.setdefault(f.name, None)
        if problems:
            more = f", and {len(problems) - 1} more of its cells are damaged" if len(problems) > 1 else ""
            values["status"], values["name"] = Status.DAMAGED, values["name"] or values["id"]
            values["message"] = (
                f"The run {short(values['name'])} is damaged: in its row of runs/runs.db {problems[0]}{more}. "
                "Delete the run, or put an undamaged copy of that file in its place."
            )
        return cls(**values)


def _status(value: Any) -> Status:
    with suppress(ValueError):
        if (status := Status(cells.text(value))) is not Status.DAMAGED:  # no row says so itself
            return status
    raise cells.BadCell(f"{short(repr(value), 40)}, which is no status")


_READERS: dict[str, Callable[[Any], Any]] = {**cells.READERS, "status": _status}


def number_of_damaged(run_id: str) -> int | None:
    """Return the number of the row whose own id cannot be read; None for an ordinary id."""
    number = run_id.removeprefix(DAMAGED_ID)
    return int(number) if number != run_id and number.isdecimal() and len(number) < 19 else None


def to_columns(values: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a Run as SQLite keeps them, by name; raise ValueError for a name that is no field."""
    unknown = set(values) - {f.name for f in fields(Run)}
    if unknown:
        raise ValueError(f"A run has no field {min(unknown)!r}.")
    # an enum, a subclass of str, is kept as plain text; the sign that is replaced stands for damage when it is read
    columns = {n: str(v).replace(cells.NO_TEXT, "?") if isinstance(v, str) else v for n, v in values.items()}
    return {name: json.dumps(value) if isinstance(value, (dict, list)) else value for name, value in columns.items()}


@dataclass(frozen=True)
class NewEvaluation:
    """An epoch's evaluation that is to be recorded.

    epoch      how many are done; 0: the baseline
    figures    COCO's metrics, as `CocoFigures.to_dict()`
    is_best    whether its AP is the highest so far
    has_table  whether its detection table is written
    """

    epoch: int
    figures: dict[str, Any]
    is_best: bool = False
    has_table: bool = False


@dataclass(frozen=True)
class Evaluation:
    """An evaluated epoch: its COCO metrics (`CocoFigures` as a dict) and detection table, None if that is not kept."""

    run_id: str
    epoch: int
    step: int
    created: float
    figures: dict[str, Any]
    is_best: bool
    table: Path | None

    @classmethod
    def from_row(cls, row: sqlite3.Row, run_id: str, table_path: Callable[[str, int], Path]) -> Evaluation | None:
        """Return a row of `evaluations`; None if a cell of it is damaged."""
        try:
            epoch, step = cells.count(row["epoch"], cells.MOST_EPOCHS), cells.count(row["step"])
            is_best, has_table = cells.flag(row["is_best"]), cells.flag(row["has_table"])
            created, figures = cells.seconds(row["created"]), cells.figures(row["figures"])
        except cells.BadCell:
            return None
        return cls(run_id, epoch, step, created, figures, is_best, table_path(run_id, epoch) if has_table else None)


def insert_metrics(db: sqlite3.Connection, number: int, step: int, metrics: Mapping[str, float]) -> None:
    """Insert a step's metrics of the run `number`, and when it was recorded, if nothing was of that step before."""
    db.executemany(
        "insert into metrics (run, step, tag, value) values (?, ?, ?, ?)",
        [(number, step, tag, float(value)) for tag, value in metrics.items()],
    )
    if metrics:
        db.execute("insert or ignore into times (run, step, time) values (?, ?, ?)", (number, step, time.time()))


def delete_metrics(db: sqlite3.Connection, number: int, step: int, tags: Sequence[str] | None) -> None:
    """Delete what the run `number` has recorded from `step` on; with `tags`, at `step` itself only these metrics."""
    only = "" if tags is None else f" and (step > ? or tag in ({', '.join('?' * len(tags))}))"
    values = (number, step) if tags is None else (number, step, step, *tags)
    db.execute(f"delete from metrics where run = ? and step >= ?{only}", values)
    db.execute(f"delete from times where run = ? and step {'>=' if tags is None else '>'} ?", (number, step))


def insert_evaluation(db: sqlite3.Connection, number: int, step: int, evaluation: NewEvaluation) -> list[int]:
    """Insert an evaluation of the run `number`; return the epochs whose detection tables are not kept any more."""
    figures, epoch = evaluation.figures, evaluation.epoch
    db.execute(
        "insert or replace into evaluations values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number, epoch, step, time.time(), json.dumps(figures), figures.get("AP"), evaluation.is_best,
            evaluation.has_table,
        ),
    )  # fmt: skip
    db.execute(REPEAT_METRICS, (number,))
    rows = db.execute(
        "update evaluations set has_table = 0 where run = :run and has_table and epoch not in (0,"
        " (select max(epoch) from evaluations where run = :run and typeof(epoch) = 'integer'),"
        " coalesce((select max(epoch) from evaluations where run = :run and is_best"
        " and typeof(epoch) = 'integer'), 0)) and typeof(epoch) = 'integer' returning epoch",
        {"run": number},
    ).fetchall()
    return [row["epoch"] for row in rows]
