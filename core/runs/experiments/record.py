"""Experiments in the run database: `Experiments` writes and reads them, an `Experiment` is one, a `Member` a run of it.

The runs are ordinary ones, in the queue, the lists and the bin like all others. An experiment all of whose runs are
deleted is not listed any more; it is again once one of them is restored.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import RunError
from core.runs.damage import cells
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.wording import is_utf8, short

MOST_LETTERS = 200  # of a name
LISTED = (
    "select * from experiments where exists (select 1 from experiment_runs join runs on number = run"
    " where experiment = experiments.id and deleted is null) order by created desc, id desc"
)


@dataclass(frozen=True)
class Experiment:
    """One row of `experiments`.

    kind    a key of `KINDS`
    config  the settings that its runs are made from, as `TrainConfig.to_dict()`
    plan    its own settings, as its kind's `plan` writes them
    """

    id: str
    name: str
    kind: str
    config: dict[str, Any]
    plan: dict[str, Any]
    created: float
    is_cancelled: bool


@dataclass(frozen=True)
class Member:
    """A run of an experiment.

    variant      what sets it apart from the others: {"lr": 1e-4, "seed": 0}, {"fold": 2}
    pause_epoch  it stops, to be resumed, once the evaluation of this epoch is recorded; None: it goes on to its end
    """

    run: Run
    variant: dict[str, Any]
    pause_epoch: int | None

    @property
    def seed(self) -> int:
        """The seed of the run among those of the same setting."""
        return int(self.variant.get("seed", 0))

    @property
    def cell(self) -> tuple[tuple[str, Any], ...]:
        """The variant without the seed, to be compared with that of others."""
        return cell_of(self.variant)


def cell_of(variant: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return a variant without its seed, hashable.

    >>> cell_of({"lr": 0.1, "seed": 3})
    (('lr', 0.1),)
    """
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value) for name, value in variant.items() if name != "seed"
    )


@dataclass(frozen=True)
class NewRun:
    """A run that is to be queued: its settings as the store keeps them, its name, and what `Member` says."""

    config: dict[str, Any]
    name: str
    variant: dict[str, Any]
    pause_epoch: int | None = None


class Experiments:
    """The experiments of a store."""

    def __init__(self, store: RunStore) -> None:
        self.store, self._database = store, store.database

    @staticmethod
    def new_id(kind: str) -> str:
        """Return an id for a new experiment, sortable by time among those of its kind."""
        return f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"

    def data_folder(self, experiment_id: str) -> Path:
        """Return the folder of the data sets that are written for an experiment; it need not exist."""
        return self.store.experiments_dir / Path(experiment_id).name

    def create(
        self,
        experiment_id: str,
        name: str,
        kind: str,
        config: Mapping[str, Any],
        plan: Mapping[str, Any],
        runs: Sequence[NewRun],
    ) -> Experiment:
        """Record an experiment and put all its runs at the end of the queue, in their order: all of it, or nothing.

        Raises RunError if the name, or a text of the settings, cannot be stored.
        """
        name = name.strip() or experiment_id
        if not is_utf8(name) or len(name) > MOST_LETTERS:
            raise RunError(f"An experiment cannot be called {short(name, 60)}: give at most {MOST_LETTERS} letters.")
        with self._database.write() as db:
            db.execute(
                "insert into experiments (id, name, kind, config, plan, created) values (?, ?, ?, ?, ?, ?)",
                (experiment_id, name, kind, json.dumps(config), json.dumps(plan), time.time()),
            )
            for run in runs:
                run_id = self.store.insert(db, run.name, {"config": run.config, "status": Status.QUEUED})
                db.execute(
                    "insert into experiment_runs select number, ?, ?, ? from runs where id = ?",
                    (experiment_id, json.dumps(run.variant), run.pause_epoch, run_id),
                )
        return self.get(experiment_id)

    def all(self) -> list[Experiment]:
        """Return the experiments that have a run, the newest first; rows that cannot be read are left out."""
        with self._database.read() as db:
            rows = db.execute(LISTED).fetchall()
        return [one for row in rows if (one := _experiment(row))]

    def get(self, experiment_id: str) -> Experiment:
        """Return an experiment by its id, by a beginning that no other's id has, or by "last": the newest.

        Raises RunError, which lists some, if there is none.
        """
        everything = self.all()
        if not everything:
            raise RunError("There is no experiment yet: python -m core sweep, folds or learning-curve makes one.")
        if experiment_id == "last":
            return everything[0]
        exact = [one for one in everything if one.id == experiment_id]
        matches = exact or [one for one in everything if experiment_id and one.id.startswith(experiment_id)]
        if len(matches) == 1:
            return matches[0]
        ids = ", ".join(one.id for one in (matches or everything)[:5])
        if matches:
            raise RunError(f"{short(experiment_id)!r} begins {len(matches)} experiments: choose one of {ids}.")
        raise RunError(f"There is no experiment {short(experiment_id)!r}; there are, among others: {ids}.")

    def members(self, experiment_id: str) -> list[Member]:
        """Return the runs of an experiment that are not deleted, in the order in which they were queued."""
        with self._database.read() as db:
            rows = db.execute(
                "select runs.*, variant, pause_epoch from runs join experiment_runs on run = number"
                " where experiment = ? and deleted is null order by number",
                (experiment_id,),
            ).fetchall()
        members = []
        for row in rows:
            variant = _json_object(row["variant"])
            pause = row["pause_epoch"] if isinstance(row["pause_epoch"], int) else None
            members.append(Member(Run.from_row(row), variant, pause))
        return members

    def experiment_of_runs(self) -> dict[str, str]:
        """Return the id of its experiment for each run that has one, by the run's id."""
        with self._database.read() as db:
            rows = db.execute("select runs.id as run_id, experiment from experiment_runs join runs on number = run")
            return {row["run_id"]: row["experiment"] for row in rows}

    def rename(self, experiment_id: str, name: str) -> None:
        """Set the name of an experiment; an empty one is its id again."""
        with self._database.write() as db:
            db.execute("update experiments set name = ? where id = ?", (name.strip() or experiment_id, experiment_id))

    def set_cancelled(self, experiment_id: str, is_cancelled: bool) -> None:
        """Note whether runs of it may go on by themselves."""
        with self._database.write() as db:
            db.execute("update experiments set cancelled = ? where id = ?", (int(is_cancelled), experiment_id))


def _experiment(row: sqlite3.Row) -> Experiment | None:
    with suppress(cells.BadCell):
        return Experiment(
            cells.text(row["id"]), cells.text(row["name"]), cells.text(row["kind"]), _json_object(row["config"]),
            _json_object(row["plan"]), cells.seconds(row["created"]), bool(row["cancelled"]),
        )  # fmt: skip
    return None


def _json_object(value: Any) -> dict[str, Any]:
    """Return what a cell holds as JSON; nothing if it is damaged."""
    with suppress(ValueError, TypeError):
        read = json.loads(value)
        return read if isinstance(read, dict) else {}
    return {}
