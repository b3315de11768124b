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
from core.cli.command import INSTALLED, PROGRAM, Command, json_alone, show
from core.cli.experiments import commands as experiment_commands
from core.cli.preview import command as preview_commands
from core.cli.shell import commands as shell_commands
from core.cli.shell import config_command
from core.cli.shell.root import add_root, set_root
from core.cli.tracking import command as tracking_commands
from core.wording import is_utf8, sentence, short, with_commands

COMMANDS: tuple[Command, ...] = (
    *data_commands.COMMANDS,
    *model_commands.COMMANDS,
    *preview_commands.COMMANDS,
    *training_commands.COMMANDS,
    *config_command.COMMANDS,
    *experiment_commands.COMMANDS,
    *run_commands.COMMANDS,
    *tracking_commands.COMMANDS,
    *doctor_command.COMMANDS,
    *bin_commands.COMMANDS,
    *evaluation_commands.COMMANDS,
    *export_commands.COMMANDS,
    *app_commands.COMMANDS,
    *prediction_commands.COMMANDS,
    *shell_commands.COMMANDS,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    arguments, parser = sys.argv[1:] if arguments is None else arguments, make_parser()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that knows few letters gets escapes for the others
            stream.reconfigure(errors="backslashreplace")
    if unreadable := [argument for argument in arguments if not is_utf8(argument)]:
        parser.error(f"{short(unreadable[0])} is not UTF-8: give the file or folder another name.")
    options = parser.parse_args(arguments, Namespace(arguments=arguments, parser=parser))
    command: Command | None = options.command
    if command is None:  # detr-lab alone, perhaps with --root
        options = parser.parse_args([*arguments, "app"], Namespace(arguments=arguments, parser=parser))
        command = options.command
    try:
        if root := getattr(options, "root", ""):
            set_root(root)
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


class Version(argparse.Action):
    """Print the version; what knows it is imported only then."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Do what the option says."""
        from core.runs.provenance.code import lab_version

        show(f"DETR Lab {lab_version() or 'of an unknown version'}")
        parser.exit()


class Parser(argparse.ArgumentParser):
    """A parser whose errors, which repeat the arguments, are fit for a terminal."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with status 2."""
        super().error(sentence(message))


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(prog=PROGRAM, description="Fine-tune DETR and look at its errors.")
    parser.add_argument("--version", action=Version, help="print DETR Lab's version")
    parser.set_defaults(command=None)
    add_root(parser)
    subparsers = parser.add_subparsers(required=PROGRAM != INSTALLED, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help)
        command.add_options(subparser)
        add_root(subparser)
        if command.json:
            subparser.add_argument("--json", action="store_true", help=f"print {command.json}")
        subparser.set_defaults(command=command)
    return parser
