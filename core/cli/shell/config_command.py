"""The command config: a run's settings as a YAML file, or as the line of a shell that trains with them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core import LabError
from core.cli.chosen_run import TRAINING, chosen_run
from core.cli.command import PROGRAM, Command, add_run, show, show_json
from core.runs.store import RunStore
from core.training.settings_file.command_line import reproduce
from core.training.settings_file.yaml_file import settings_text


def add_config_options(parser: ArgumentParser) -> None:
    """Add the options of `config`."""
    add_run(parser)
    parser.add_argument("--command", dest="as_command", action="store_true", help="print the line that trains so again")


def config(options: Namespace) -> None:
    """Print a run's settings."""
    from core.runs.advised.advised_run import settings_of

    store = RunStore.default()
    run = chosen_run(store, options.run_id, TRAINING)
    if run.is_imported:
        raise LabError(f"The run {run.id} is {run.label.lower()}: it has no settings of a training.")
    settings = settings_of(run)
    line = reproduce(settings, PROGRAM)
    if options.as_command:
        show(line)
    else:
        show(*settings_text(settings, f"the settings of the run {run.id}").splitlines())
    show_json({"id": run.id, "settings": settings.to_dict(), "command": line})


COMMANDS = (
    Command(
        "config", "a run's settings as YAML for train --config, or with --command as the line that trains so again",
        add_config_options, config, "one JSON object: id, settings, command",
    ),
)  # fmt: skip
