"""When a run made each of its steps: the minutes by which curves of several runs can be drawn.

In: a run of the store. Out: a `Clock`. Runs note the time of every step; of those that an earlier version made only the
times of their evaluations are known, and a step between two of them is placed evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.runs.damage.cells import LAST_SECOND
from core.runs.schema import number_of_damaged
from core.runs.store import RunStore

RECORDED, ESTIMATED, UNKNOWN = "recorded", "estimated", "unknown"  # how a clock knows its times


@dataclass(frozen=True)
class Clock:
    """The times of some of a run's steps.

    steps    (N,) rising
    minutes  (N,) since the first of them, never falling; a pause of a stopped run counts
    source   RECORDED of every step; ESTIMATED between evaluations; or UNKNOWN, without any
    """

    steps: np.ndarray
    minutes: np.ndarray
    source: str

    def at(self, steps: Sequence[int]) -> list[float | None]:
        """Return the minutes of steps; None outside of what is known.

        >>> Clock(np.array([0, 10]), np.array([0.0, 5.0]), ESTIMATED).at([0, 4, 11])
        [0.0, 2.0, None]
        """
        if not len(self.steps):
            return [None] * len(steps)
        places = np.interp(steps, self.steps, self.minutes, left=np.nan, right=np.nan)
        return [None if np.isnan(place) else float(place) for place in places.tolist()]


def clock(store: RunStore, run_id: str) -> Clock:
    """Return the clock of a run: by the times of its steps, else by those of its evaluations, else of nothing."""
    times = _times(store, run_id)
    evaluations = {one.step: one.created for one in store.evaluations(run_id)}
    if times and (not evaluations or min(times) <= min(evaluations)):
        return _clock(times, RECORDED)
    if times:  # resumed: its beginning was made by an earlier version
        first = min(times)
        return _clock({step: time for step, time in evaluations.items() if step < first} | times, ESTIMATED)
    return _clock(evaluations, ESTIMATED) if len(evaluations) > 1 else _clock({}, UNKNOWN)


def _times(store: RunStore, run_id: str) -> dict[int, float]:
    """Return when each step was recorded, seconds since 1970."""
    with store.database.read() as db:
        rows = db.execute(
            "select times.step, time from times join runs on number = run where (id = ? or number = ?)"
            " and deleted is null and typeof(times.step) = 'integer' and typeof(time) in ('real', 'integer')"
            f" and time between 0 and {LAST_SECOND}",
            (run_id, number_of_damaged(run_id)),
        ).fetchall()
    return {int(step): float(time) for step, time in rows}


def _clock(times: dict[int, float], source: str) -> Clock:
    steps = np.array(sorted(times), np.int64)
    seconds = np.array([times[step] for step in steps.tolist()], np.float64)
    # a machine's clock may be set back: time does not
    minutes = (np.maximum.accumulate(seconds) - seconds[0]) / 60 if len(seconds) else seconds
    return Clock(steps, minutes, source)
