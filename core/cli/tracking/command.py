"""The command about other experiment trackers: track."""

from __future__ import annotations

import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace

from core import LabError
from core.cli.chosen_run import TRAINING, chosen_run
from core.cli.command import Command, add_run, show, show_json
from core.runs.schema import Run
from core.runs.store import RunStore
from core.trackers.kinds import BY_KEY, NOTICES, TRACKERS, check_trackers
from core.wording import sentence

NICENESS = 5  # the training comes first


def add_track_options(parser: ArgumentParser) -> None:
    """Add the options of `track`."""
    add_run(parser)
    names = ", ".join(kind.key for kind in TRACKERS)
    parser.add_argument(
        "--to", nargs="+", metavar="NAME", choices=list(BY_KEY),
        help=f"{names} (default: those of the run's settings); or a notice: {', '.join(k.key for k in NOTICES)}",
    )  # fmt: skip
    parser.add_argument("--status", action="store_true", help="only say how far it is sent, and what went wrong")
    parser.add_argument("--waits", action="store_true", help=SUPPRESS)  # for another process that sends it


def track(options: Namespace) -> int:
    """Send a run's record to trackers, until the run has ended and all is there; return the exit status."""
    store = RunStore.default()
    run = chosen_run(store, options.run_id, TRAINING)
    if options.status:
        _show_states(store, run)
        return 0
    keys = list(dict.fromkeys(options.to or run.config.get("trackers") or ()))
    if not keys:
        raise LabError(f"The settings of the run {run.id} name no tracker: name one with --to.")
    check_trackers(keys)
    if run.is_imported and any(not BY_KEY[key].variable for key in keys):
        raise LabError(f"The run {run.id} is {run.origin}: it has no training whose record could be sent.")
    if len(keys) > 1:
        status = _track_at_once(store, run.id, keys, subprocess.DEVNULL if options.json else None)
        if options.json:
            _show_states(store, store.get(run.id))
        return status
    return _follow(store, run.id, keys[0], options.waits)


def _follow(store: RunStore, run_id: str, key: str, waits: bool) -> int:
    from core.runs.log import bound_output
    from core.runs.manager import close_dead_runs
    from core.runs.tracking.follower import Follower
    from core.runs.tracking.start import follower_command
    from core.system.priority import give_way

    if waits:  # nobody sees it
        bound_output()
        give_way(NICENESS)
    again = [*follower_command(run_id, key), *(["--waits"] if waits else [])]
    cursor = Follower(store, run_id, BY_KEY[key], close_dead_runs, again).follow(waits)
    if cursor is None:
        raise LabError(f"The run {run_id} was deleted.")
    if cursor.problem:
        raise LabError(cursor.problem)
    if not waits:
        _show_states(store, store.get(run_id), key)
    return 0


def _track_at_once(store: RunStore, run_id: str, keys: list[str], output: int | None) -> int:
    """Send to each tracker from a process of its own, as their libraries do not share one; return the worst status."""
    from core.engine.process import working_folder
    from core.runs.tracking.start import follower_command, follower_environment

    children = [
        subprocess.Popen(
            follower_command(run_id, key), cwd=working_folder(environment), env=environment,
            stdin=subprocess.DEVNULL, stdout=output,
        )
        for key in keys
        for environment in [follower_environment(store, is_notice=bool(BY_KEY[key].variable))]
    ]  # fmt: skip
    return max(abs(child.wait()) for child in children)


def _show_states(store: RunStore, run: Run, key: str = "") -> None:
    from core.runs.tracking.status import states

    chosen = [state for state in states(store, run) if not key or state.label == BY_KEY[key].label]
    show_json([{"tracker": state.label, "state": state.sentence, "is_problem": state.is_problem} for state in chosen])
    for state in chosen:
        show(f"{state.label}: {sentence(state.sentence)}")
    if not chosen:
        show(f"The run {run.id} was sent to no tracker.", file=sys.stderr)


COMMANDS = (
    Command(
        "track", "send a run's metrics, settings, figures and pictures to W&B, MLflow, Trackio or ClearML",
        add_track_options, track, "a JSON list: tracker, state in words, is_problem",
    ),
)  # fmt: skip
