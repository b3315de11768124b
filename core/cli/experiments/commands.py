"""The commands about experiments: sweep, folds and learning-curve begin one, experiments and experiment show them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from core import LabError
from core.cli.advice.asking import confirm
from core.cli.chosen_run import TRAINING, chosen_run
from core.cli.command import Command, add_setting, show, show_json
from core.cli.data_commands import in_coco_layout
from core.cli.shell.settings import add_settings, config_of
from core.export.text import in_percent, percent
from core.runs.experiments.settings import SETTINGS
from core.runs.store import RunStore
from core.wording import sentence, short

if TYPE_CHECKING:
    from core.runs.experiments.record import Experiment, Member

WORDS = {
    "sweep": "train values of any settings, with several seeds each; which differ by more than noise?",
    "folds": "cross-validation: the same training on k splits; AP with its spread",
    "learning-curve": "the same training on shares of the images; what would twice the images give?",
}
EXPERIMENT_HELP = "an experiment's id, its beginning, or: last"


def add_begin_options(key: str, parser: ArgumentParser) -> None:
    """Add the options of a command that begins an experiment: its own, and every setting of a training."""
    for field in fields(SETTINGS[key]):
        if field.name == "values":
            parser.add_argument("values", nargs="*", metavar="SETTING=VALUES", help=field.metadata["help"])
        else:
            add_setting(parser, field)
    parser.add_argument("--name", help="a name for the experiment")
    parser.add_argument(
        "--queue", action="store_true", help="queue its trainings for the app, and do not wait for them"
    )
    parser.add_argument(
        "--anyway", action="store_true", help="although the settings will likely spoil the model; else it is asked"
    )
    add_settings(parser)


def begin(key: str, options: Namespace) -> int:
    """Queue an experiment and work off its trainings; return the exit status."""
    from core.cli.experiments.follow import work_off
    from core.runs.experiments.kinds import KINDS, queue_experiment
    from core.runs.manager import close_dead_runs

    store, kind = RunStore.default(), KINDS[key]
    given = {f.name: getattr(options, f.name) for f in fields(kind.settings) if getattr(options, f.name) is not None}
    settings = kind.settings(**given)
    if options.like:
        options.like = chosen_run(store, options.like, TRAINING).id
    config, fits = config_of(store, options)
    config = replace(config, data=in_coco_layout(store, config.data))
    confirm(config, fits, options.anyway)
    close_dead_runs(store)
    experiment = queue_experiment(store, kind, config, settings, options.name or "")
    show(experiment.id)
    show_json({"event": "started", "id": experiment.id})
    if options.queue:
        show(f"{len(_members(store, experiment))} trainings wait in the queue.")
        return 0
    rungs = ", ".join(map(str, experiment.plan.get("rungs", ())))
    words = f"; halving after epoch {rungs}" if rungs else ""
    show(f"{len(_members(store, experiment))} trainings{words}", file=sys.stderr)
    return work_off(store, experiment, lambda: show_experiment(store, experiment))


def add_list_options(parser: ArgumentParser) -> None:
    """Add the options of `experiments`: none of its own."""


def list_experiments(options: Namespace) -> None:
    """Print the experiments, the newest first, with how many of their trainings have ended."""
    from core.runs.experiments.record import Experiments
    from core.runs.manager import close_dead_runs

    store = RunStore.default()
    close_dead_runs(store)
    everything = Experiments(store).all()
    show_json([_experiment_json(store, one) for one in everything])
    show(f"{'id':<38}{'runs':>6}{'ended':>7}{'best AP':>9}  name")
    for one in everything:
        members = _members(store, one)
        ended = sum(not member.run.is_live for member in members)
        best = max((m.run.best_ap for m in members if m.run.best_ap is not None), default=None)
        show(f"{one.id:<38}{len(members):>6}{ended:>7}{percent(best):>9}  {short(one.name)}")


def add_show_options(parser: ArgumentParser) -> None:
    """Add the options of `experiment`."""
    parser.add_argument("experiment_id", metavar="EXPERIMENT", help=EXPERIMENT_HELP)
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--stop", action="store_true", help="stop all its trainings: what they saved is kept")
    act.add_argument("--resume", action="store_true", help="go on with its trainings that ended before their end")
    parser.add_argument("--queue", action="store_true", help="with --resume: queue them for the app, and do not wait")


def show_one(options: Namespace) -> int:
    """Print an experiment's trainings and what they say; or stop, or resume them. Return the exit status."""
    from core.cli.experiments.follow import work_off
    from core.runs.experiments.kinds import cancel_experiment, resume_experiment
    from core.runs.experiments.record import Experiments
    from core.runs.manager import close_dead_runs

    store = RunStore.default()
    close_dead_runs(store)
    experiment = Experiments(store).get(options.experiment_id)
    if options.stop:
        stopped = cancel_experiment(store, experiment.id)
        if not stopped:
            raise LabError(f"No training of {experiment.id} waits or is at work: there is nothing to stop.")
        show(f"{experiment.id}: {len(stopped)} trainings are stopped.")
        show_json({"id": experiment.id, "stopped": len(stopped)})
        return 0
    if options.resume:
        resumed = resume_experiment(store, experiment.id)
        if options.queue:
            show(f"{len(resumed)} trainings wait in the queue.")
            show_json({"id": experiment.id, "queued": len(resumed)})
            return 0
        return work_off(store, experiment, lambda: show_experiment(store, experiment))
    show_experiment(store, experiment)
    return 0


def show_experiment(store: RunStore, experiment: Experiment) -> None:
    """Print an experiment's runs in a table, and what they say in sentences."""
    from core.runs.experiments.kinds import summarize

    members = _members(store, experiment)
    show(f"{'id':<21}{'status':<13}{'epoch':>9}{'best AP':>9}  run")
    for member in members:
        run = member.run
        epoch = f"{run.epoch or 0:>4}/{run.config.get('epochs', '?'):<4}"
        show(f"{run.id:<21}{run.label:<13}{epoch}{percent(run.best_ap):>9}  {short(run.name)}")
    show("", *(sentence(text) for text in summarize(store, experiment, members).sentences))
    show_json(_experiment_json(store, experiment) | {"findings": _findings_json(store, experiment)})


def _members(store: RunStore, experiment: Experiment) -> list[Member]:
    from core.runs.experiments.record import Experiments

    return Experiments(store).members(experiment.id)


def _experiment_json(store: RunStore, experiment: Experiment) -> dict[str, Any]:
    """Return an experiment and its runs, AP in percent."""
    runs = [
        {
            "id": member.run.id, "name": member.run.name, "status": member.run.status.value, "variant": member.variant,
            "epoch": member.run.epoch, "best_AP": in_percent(member.run.best_ap),
        }
        for member in _members(store, experiment)
    ]  # fmt: skip
    return {
        "id": experiment.id, "name": experiment.name, "kind": experiment.kind, "plan": experiment.plan,
        "created": experiment.created, "cancelled": experiment.is_cancelled, "runs": runs,
    }  # fmt: skip


def _findings_json(store: RunStore, experiment: Experiment) -> dict[str, Any]:
    from core.runs.experiments.kinds import summarize

    summary = summarize(store, experiment)
    return {"sentences": summary.sentences, **summary.values}


def _begin_command(key: str, words: str) -> Command:
    add: Callable[[ArgumentParser], None] = partial(add_begin_options, key)
    return Command(key, words, add, partial(begin, key), "a line of JSON with its id, and one with what came of it")


COMMANDS = (
    *(_begin_command(key, words) for key, words in WORDS.items()),
    Command(
        "experiments", "list the experiments: sweeps, folds and learning curves", add_list_options, list_experiments,
        "a JSON list",
    ),
    Command(
        "experiment", "what an experiment's trainings say; or stop or resume them", add_show_options, show_one,
        "what its trainings say as JSON, AP in percent",
    ),
)  # fmt: skip
