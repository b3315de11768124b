"""An experiment worked off on the command line: its trainings one after another, each in a process of its own.

What is shown is read from the run store, so it is the same whoever trains: this command, or an app on the same store.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from core import LabError, RunError
from core.cli.command import show
from core.engine.engine import Engine
from core.engine.warm import WARM
from core.export.text import percent
from core.runs.experiments.halving import advance
from core.runs.experiments.kinds import cancel_experiment
from core.runs.experiments.record import Experiment, Experiments, Member
from core.runs.manager import JobManager
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.wording import sentence, short, visible

POLL_SECONDS = 0.3
LOADING_SECONDS = 120.0  # until all trainings can do without their imports; then they begin with them
STOP_SECONDS = 60.0  # how long the end of a training is waited for after Ctrl-C


def work_off(store: RunStore, experiment: Experiment, show_results: Callable[[], None]) -> int:
    """Train all runs of an experiment that wait, show how far they are and what they say; return the exit status.

    Ctrl-C stops them all, and what they saved is kept.
    """
    engine = Engine(WARM)
    engine.begin()
    if engine.is_possible():
        show("Loading", file=sys.stderr)
        engine.wait_until_ready(LOADING_SECONDS)
    manager = JobManager(store, start=engine.start, experiment=experiment.id)
    try:
        _follow(store, experiment)
    except KeyboardInterrupt:
        cancel_experiment(store, experiment.id)
        show("Stopping the training; press Ctrl-C again to leave at once.", file=sys.stderr)
        _wait_for_end(store, experiment)
        show(f"stopped: python -m core experiment {experiment.id} --resume goes on", file=sys.stderr)
        return 130
    finally:
        manager.shutdown()
        engine.stop()
    show_results()
    members = Experiments(store).members(experiment.id)
    if members and not any(member.run.status is Status.FINISHED for member in members):
        failed = next((one.run for one in members if one.run.status is Status.FAILED), None)
        raise LabError(failed.message or "The trainings failed." if failed else "No training went to its end.")
    return 0


def _follow(store: RunStore, experiment: Experiment) -> None:
    """Show a bar of the training at work, and a line for each that has ended, until none is left."""
    ended: set[tuple[str, float | None]] = set()
    with tqdm(unit="step") as bar:
        while True:
            members = Experiments(store).members(experiment.id)
            _tell_ended(members, ended, bar)
            live = [one.run for one in members if one.run.is_live]
            # one may pause after the first look, or be let go on by the app before the last
            if not advance(store) and not live and not _is_live(store, experiment):
                return
            _tell_current(store, live, len(members), bar)
            time.sleep(POLL_SECONDS)


def _tell_ended(members: Sequence[Member], ended: set[tuple[str, float | None]], bar: tqdm) -> None:
    for member in members:
        run = member.run
        if run.is_live or (run.id, run.ended) in ended:
            continue
        ended.add((run.id, run.ended))
        result = f"best AP {percent(run.best_ap)}" if run.best_ap is not None else "no AP"
        why = f" ({sentence(run.message)})" if run.message else ""
        bar.write(visible(f"{short(run.name)}: {run.label.lower()}, {result}{why}"))


def _tell_current(store: RunStore, live: Sequence[Run], total: int, bar: tqdm) -> None:
    current = next((run for run in live if run.status is not Status.QUEUED), None)
    left = f"{len(live)} of {total} left"
    if current is None:
        other = next((run for run in store.runs() if run.is_live and run.status is not Status.QUEUED), None)
        waits = f"waits for {short(other.name, 40)}" if other else "begins"
        words = f"{left}: {waits}"
    else:
        words = f"{left}: {short(current.name, 60)}"
    place = (current.step or 0, current.steps) if current else (0, None)
    if (bar.n, bar.total, bar.desc) != (*place, f"{visible(words)}: "):  # else a log has a line for each look
        bar.n, bar.total = place
        bar.set_description(visible(words))


def _wait_for_end(store: RunStore, experiment: Experiment) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            if not _is_live(store, experiment):
                return
        except RunError:
            return
        time.sleep(POLL_SECONDS)


def _is_live(store: RunStore, experiment: Experiment) -> bool:
    return any(member.run.is_live for member in Experiments(store).members(experiment.id))
