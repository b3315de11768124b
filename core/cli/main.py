"""The command line: `python -m core demo | download | check | train | evaluate | …`, each with --help.

A command is a `Command` in one of the modules `*_commands.py`. Errors end in one sentence on stderr and exit status 1
(2 for wrong arguments); Ctrl-C stops a training as the Stop button does.
"""

from __future__ import annotations

import argparse
import sys
from argparse import Namespace
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from core import LabError
from core.cli import (
    bin_commands,
    data_commands,
    evaluation_commands,
    export_commands,
    model_commands,
    prediction_commands,
    run_commands,
    training_commands,
)
from core.cli.advice import doctor_command
from core.cli.apps import commands as app_commands
from core.cli.command import Command, json_alone, show
from core.cli.experiments import commands as experiment_commands
from core.cli.preview import command as preview_commands
from core.cli.tracking import command as tracking_commands
from core.wording import is_utf8, sentence, short, with_commands

COMMANDS: tuple[Command, ...] = (
    *data_commands.COMMANDS,
    *model_commands.COMMANDS,
    *preview_commands.COMMANDS,
    *training_commands.COMMANDS,
    *experiment_commands.COMMANDS,
    *run_commands.COMMANDS,
    *tracking_commands.COMMANDS,
    *doctor_command.COMMANDS,
    *bin_commands.COMMANDS,
    *evaluation_commands.COMMANDS,
    *export_commands.COMMANDS,
    *app_commands.COMMANDS,
    *prediction_commands.COMMANDS,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    arguments, parser = sys.argv[1:] if arguments is None else arguments, _parser()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that knows few letters gets escapes for the others
            stream.reconfigure(errors="backslashreplace")
    if unreadable := [argument for argument in arguments if not is_utf8(argument)]:
        parser.error(f"{short(unreadable[0])} is not UTF-8: give the file or folder another name.")
    options = parser.parse_args(arguments, Namespace(arguments=arguments))
    command: Command = options.command
    try:
        with json_alone(getattr(options, "json", False)):
            return command.run(options) or 0
    except LabError as error:
        with suppress(OSError):  # stderr may be a log on a full disk
            text, lines = with_commands(error)
            show(f"error: {text}", *(f"    {line}" for line in lines), file=sys.stderr)
        return _status(error)
    except KeyboardInterrupt:
        show("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # … | head
        sys.stderr.close()
        return 141
    except OSError as error:  # of a path that was typed: a name that is too long, a folder that may not be read
        show(f"error: {short(error.filename)} cannot be used: {error.strerror or error}.", file=sys.stderr)
        return 1


def _status(error: LabError) -> int:
    """Return 1, or the status by which the app learns that a full disk kept the training from recording its end."""
    from core.disk import is_disk_full
    from core.runs.drive import DISK_FULL_STATUS

    return DISK_FULL_STATUS if is_disk_full(error) else 1


class Parser(argparse.ArgumentParser):
    """A parser whose errors, which repeat the arguments, are fit for a terminal."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with status 2."""
        super().error(sentence(message))


def _parser() -> Parser:
    parser = Parser(prog="python -m core", description="Fine-tune DETR and look at its errors.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help)
        command.add_options(subparser)
        if command.json:
            subparser.add_argument("--json", action="store_true", help=f"print {command.json}")
        subparser.set_defaults(command=command)
    return parser
