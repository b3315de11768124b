"""The commands about the command line itself: completion, and app, which starts the dashboard."""

from __future__ import annotations

import os
import sys
from argparse import Action, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator

from core import PROJECT, LabError, lab_root
from core.cli.command import INSTALLED, Command

SHELLS = ("bash", "zsh", "fish")
PATHS = {"FILE", "PATH", "FOLDER", "DIR", "DATA", "PICTURE"}  # metavars of what is a file or a folder
PATH_OPTIONS = {"out", "data", "model", "images", "gt", "dt", "config", "pictures", "root", "folder"}


def add_completion_options(parser: ArgumentParser) -> None:
    """Add the options of `completion`."""
    parser.add_argument("shell", choices=SHELLS, help="whose script is printed")


def completion(options: Namespace) -> None:
    """Print a shell's script that completes commands, options, choices and paths."""
    try:
        import shtab
    except ImportError:
        raise LabError("Completion needs the package shtab: pip install shtab.") from None

    parser = options.parser
    parser.prog = INSTALLED
    for action in _actions(parser):
        if action.choices is None and (action.metavar in PATHS or action.dest in PATH_OPTIONS):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
    print(shtab.complete(parser, options.shell))


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    """Yield the arguments of a parser and of its commands that take a value."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        elif action.nargs != 0:
            yield action


def add_app_options(parser: ArgumentParser) -> None:
    """Add the options of `app`."""
    parser.add_argument("--port", type=int, default=8501, help="at which it answers (default: %(default)s)")
    parser.add_argument("--headless", action="store_true", help="open no browser")


def app(options: Namespace) -> None:
    """Become the server of the dashboard, in the project's folder, whose .streamlit/config.toml it follows."""
    if not 0 < options.port < 65536:
        raise LabError(f"--port is {options.port}: give a number from 1 to 65535.")
    os.environ["DETR_LAB_ROOT"] = str(lab_root())
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={options.port}"]
    command += ["--server.headless=true"] if options.headless else []
    os.chdir(PROJECT)
    sys.stdout.flush()
    os.execv(sys.executable, command)  # Ctrl-C and signals are then the server's own


COMMANDS = (
    Command("app", "start the dashboard, at http://localhost:8501", add_app_options, app, ""),
    Command(
        "completion", "print a script with which bash, zsh or fish completes commands, options and paths",
        add_completion_options, completion, "",
    ),
)  # fmt: skip
