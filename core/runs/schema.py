"""The tables of the run database, and their rows as dataclasses; `store.py` reads and writes them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from core.labelled_enum import LabelledEnum
from core.runs.damage import cells
from core.wording import short

VERSION = 4  # the database's user_version; raise it whenever SCHEMA changes, and say in UPGRADES how to get there
MARKS = """create table marks (
    run        integer not null references runs on delete cascade,
    key        text not null,                             -- what is marked, a Mark's key
    image_id   integer not null,
    kind       text not null,                             -- a LabelErrorKind
    class_name text,                                      -- the suggested class
    x1 real, y1 real, x2 real, y2 real,                   -- the suggested box, pixels
    gt_id      integer,                                   -- the annotation that may be wrong
    score      real,                                      -- of the prediction that contradicts it
    created    real not null,
    primary key (run, key)
)"""
DAMAGED_ID = "damaged-"  # and its row's number: what a run is called whose id cannot be read
UPGRADES = {  # version to what leads to its next one
    1: "alter table runs add column remarks text not null default '[]'",
    2: MARKS,
    3: "alter table runs add column notes text not null default ''; alter table runs add column deleted real",
}

SCHEMA = f"""
create table runs (
    number            integer primary key autoincrement,  -- the order of creation; never given twice
    id                text not null unique,               -- 20261123-001530-ab12, local time
    name              text not null,
    status            text not null,                      -- a Status
    config            text not null,                      -- TrainConfig as JSON, or that of evaluated/__init__.py
    label_map         text,                               -- LabelMap as JSON, once the training knows it
    created           real not null,                      -- this and the next four: seconds since 1970
    queued            real,                               -- its place in the queue: when it joined, or later
    started           real,                               -- when it last began
    ended             real,
    heartbeat         real,                               -- when it last recorded something
    pid               integer,                            -- the process that works on it …
    pid_started       real,                               -- … and its start time, because pids come again
    stop_requested    integer not null default 0,
    message           text,                               -- what it is doing, or a sentence on how it ended
    notes             text not null default '',           -- free text of the user
    deleted           real,                               -- when it was moved into the bin; 0: it goes for good
    epoch             integer,                            -- done, of `epochs`
    epochs            integer,
    step              integer,                            -- done, of `steps`, over all epochs
    steps             integer,
    images_per_second real,
    seconds_left      real,
    baseline_ap       real,                               -- this and the next three follow from evaluations
    ap                real,
    best_ap           real,
    best_epoch        integer,
    remarks           text not null default '[]'          -- of the doctor and the training, as JSON: Remark.to_dict()
);
create table metrics (
    row   integer primary key autoincrement,              -- what a page asks by; never given twice
    run   integer not null references runs on delete cascade,
    step  integer not null,
    tag   text not null,
    value real                                            -- null stands for NaN, which SQLite cannot hold
);
create index metrics_of_run on metrics (run);             -- and by row, as in every index
create table evaluations (
    run        integer not null references runs on delete cascade,
    epoch      integer not null,                          -- 0: the untouched model
    step       integer not null,
    created    real not null,
    figures    text not null,                             -- CocoFigures as JSON
    ap         real,                                      -- the figures' AP
    is_best    integer not null,                          -- the best one when it was made
    has_table  integer not null,                          -- whether its detection table is kept
    primary key (run, epoch)
);
{MARKS};
"""

QUEUE_STEP = 0.001  # seconds at least between the times at which two runs joined the queue
# The value of `queued` for a run that joins now (?): behind all that wait, whatever the clock and damaged rows say.
END_OF_QUEUE = (
    "max(?, coalesce((select max(queued) from runs as others"
    f" where others.status = 'queued' and others.queued < {cells.LAST_SECOND}), 0) + {QUEUE_STEP})"
)
# Columns of `runs` that repeat `evaluations`, so that a list of runs is one query.
REPEAT_METRICS = """
update runs set
    baseline_ap = (select ap from evaluations where run = number and epoch = 0),
    ap = (select ap from evaluations where run = number order by epoch desc limit 1),
    best_ap = (select ap from evaluations where run = number and is_best order by epoch desc limit 1),
    best_epoch = (select epoch from evaluations where run = number and is_best order by epoch desc limit 1)
where number = ?
"""


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
    """One row of `runs`; SCHEMA says what each field means, None is "not yet" or "unknown".

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
        values: dict[str, Any] = {"config": {}, "remarks": [], "stop_requested": False, "notes": "", "created": 0.0}
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
