"""The bin: runs that their user has deleted, which can be brought back until they are removed for good.

In: a run that does not train. Out: the run's row with the time of its deletion, so that nothing lists it any more, and
its folders in `runs/.deleted` and `checkpoints/.deleted`. A process that is killed in between leaves the run or the
deleted run, and nothing else: see `folders.py`.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from core import RunError, lab_root
from core.files import lies_in, real_path
from core.runs.deletion.folders import REMOVED, remove_all, settle, size_of
from core.runs.paths import RUN_ID
from core.runs.process import has_process
from core.runs.schema import Run, number_of_damaged
from core.runs.store import RunStore
from core.wording import short

ENDING_SECONDS = 60.0  # so long the process of a run that has ended may still be writing
IN_BIN = f"select * from runs where deleted is not null and not ({REMOVED}) order by deleted desc, number desc"
THIS_RUN = "(id = ? or number = ?)"


@dataclass(frozen=True)
class DeletedRun:
    """A run in the bin, and the bytes that its folders take."""

    run: Run
    size: int


class Bin:
    """The deleted runs of a store. Each change is one transaction, so that several processes may make them at once."""

    def __init__(self, store: RunStore) -> None:
        self.store, self._database = store, store.database

    def delete(self, run_id: str) -> int:
        """Move a run into the bin; return how many bytes its folders take, which are free once it is removed.

        Raises RunError if it waits, trains or has ended only now, if a run that waits or trains needs its checkpoints,
        if there is no such run, or if its folders cannot be moved; the run is then as it was.
        """
        try:
            with self._database.write() as db:
                rows = db.execute("select * from runs where deleted is null").fetchall()
                runs = {row["number"]: Run.from_row(row) for row in rows}
                number = next((n for n, run in runs.items() if run.id == run_id), None)
                if number is None:
                    raise RunError(f"There is no run {short(run_id)} any more.")
                run = runs[number]
                _require_ended(run)
                self._require_unused(run, list(runs.values()))
                db.execute("update runs set deleted = ? where number = ?", (time.time(), number))
                if RUN_ID.fullmatch(run.id):
                    settle(self.store, run.id, is_deleted=True)
        except (OSError, RunError) as error:
            self._settle_again(run_id)
            if isinstance(error, OSError):
                raise RunError(f"The run {run_id} cannot be deleted: {_reason(error)}.") from error
            raise
        return self.size(run.id)

    def restore(self, run_id: str) -> Run:
        """Bring a run back from the bin; raise RunError if it is not there, or its folders cannot be moved."""
        run = self.find(run_id)
        try:
            with self._database.write() as db:
                changed = db.execute(
                    f"update runs set deleted = null where {THIS_RUN} and deleted is not null and not ({REMOVED})",
                    (run.id, number_of_damaged(run.id)),
                ).rowcount
                if not changed:
                    raise RunError(f"The run {run.id} is being removed for good: it cannot be brought back.")
                if RUN_ID.fullmatch(run.id):
                    settle(self.store, run.id, is_deleted=False)
        except OSError as error:
            self._settle_again(run.id)
            raise RunError(f"The run {run.id} cannot be brought back: {_reason(error)}.") from error
        return next(one for one in self.store.runs() if one.id == run.id)

    def runs(self) -> list[DeletedRun]:
        """Return the runs in the bin, the one that was deleted last first; not those that are being removed."""
        return [DeletedRun(run, self.size(run.id)) for run in self._runs()]

    def _runs(self) -> list[Run]:
        with self._database.read() as db:
            return [Run.from_row(row) for row in db.execute(IN_BIN)]

    def find(self, name: str) -> Run:
        """Return a run in the bin by its id, by a beginning that no other's id has, or by "last": that deleted last.

        Raises RunError if there is none.
        """
        runs = self._runs()
        if not runs:
            raise RunError("No run is deleted: there is nothing to bring back or to remove.")
        if name == "last":
            return runs[0]
        matches = [run for run in runs if run.id == name] or [run for run in runs if name and run.id.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        ids = ", ".join(run.id for run in (matches or runs)[:5])
        if matches:
            raise RunError(f"{short(name)!r} begins {len(matches)} deleted runs: choose one of {ids}.")
        raise RunError(f"There is no deleted run {short(name)!r}; there are, among others: {ids}.")

    def remove(self, run_ids: list[str]) -> None:
        """Remove runs of the bin for good; raise RunError if a file of them remains, which a later call removes."""
        with self._database.write() as db:
            db.executemany(
                f"update runs set deleted = 0 where {THIS_RUN} and deleted is not null",
                [(run_id, number_of_damaged(run_id)) for run_id in run_ids],
            )
        try:
            remove_all(self.store, self._database)
        except OSError as error:
            raise RunError(f"A deleted run cannot be removed: {_reason(error)}.") from error

    def size(self, run_id: str) -> int:
        """Return the bytes of a run's folders, in the bin or not."""
        if not RUN_ID.fullmatch(run_id):
            return 0
        return sum(size_of(folder) for places in self.store.places(run_id) for folder in places)

    def _require_unused(self, run: Run, runs: list[Run]) -> None:
        """Raise RunError if a run that waits or trains starts from a checkpoint of this one."""
        if not RUN_ID.fullmatch(run.id):
            return
        folder = real_path(self.store.checkpoints(run.id))
        for other in runs:
            model = other.config.get("model")
            if other.is_live and isinstance(model, str) and "\0" not in model and lies_in(lab_root() / model, folder):
                raise RunError(
                    f"The run {short(other.name)} is {other.status} and starts from a checkpoint of "
                    f"{short(run.name)}: stop it first, or wait until it has ended."
                )

    def _settle_again(self, run_id: str) -> None:
        """Put the folders back where the row, which was not changed, says that they are."""
        with self._database.read() as db:
            row = db.execute("select deleted from runs where id = ?", (run_id,)).fetchone()
        if row is not None and RUN_ID.fullmatch(run_id):
            try:
                settle(self.store, run_id, row["deleted"] is not None)
            except OSError:
                return  # the next process tries again


def is_ending(run: Run) -> bool:
    """Check whether the process of a run that has ended may still be writing."""
    has_just_ended = abs(time.time() - (run.ended or 0)) < ENDING_SECONDS
    return has_just_ended and run.pid != os.getpid() and has_process(run)


def _require_ended(run: Run) -> None:
    if run.is_live:
        raise RunError(f"The run {short(run.name)} is {run.status}: stop it before you delete it.")
    if is_ending(run):
        raise RunError(f"The process of {short(run.name)} is still ending: delete the run in a moment.")


def _reason(error: OSError) -> str:
    return f"{short(error.filename)}: {error.strerror}" if error.strerror and error.filename else str(error)
