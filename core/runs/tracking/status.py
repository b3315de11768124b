"""What is known of a run's way to its trackers, in sentences, for the command line and for Train.

In: the cursors in the run's folder. Out: a `State` of each.
"""

from __future__ import annotations

from dataclasses import dataclass

from core import RunError
from core.runs.schema import Run
from core.runs.store import RunStore
from core.runs.tracking.cursor import Cursor
from core.trackers.kinds import BY_KEY
from core.wording import sentence


@dataclass(frozen=True)
class State:
    """How far a run came to a tracker: its label, a sentence, and whether something went wrong."""

    label: str
    sentence: str
    is_problem: bool = False


def states(store: RunStore, run: Run) -> list[State]:
    """Return the state of each tracker and notice that a run was sent to, or is to be."""
    folder = store.tracking_folder(run.id)
    asked = [key for key in run.config.get("trackers") or () if key in BY_KEY]
    keys = dict.fromkeys([*asked, *(key for key in BY_KEY if (folder / f"{key}.json").is_file())])
    return [_state(store, run, key) for key in keys]


def _state(store: RunStore, run: Run, key: str) -> State:
    label = BY_KEY[key].label
    try:
        cursor = Cursor.read(store.tracking_folder(run.id) / f"{key}.json")
    except RunError as error:
        return State(label, sentence(error), is_problem=True)
    again = f"python -m core track {run.id} --to {key}"
    count = f"{cursor.sent:,} metrics and {len(cursor.epochs):,} evaluations are there"
    if cursor.problem:
        return State(label, f"{sentence(cursor.problem)} {again} sends what is missing.", is_problem=True)
    if BY_KEY[key].variable:
        count = "Told of its end" if cursor.closed else "It tells of the run's end"
    if run.is_live or (cursor.closed and cursor.closed == run.ended):
        return State(label, f"{count}. {cursor.where}".strip())
    return State(label, f"{count}, not how it ended: if nothing sends it any more, {again} does.")
