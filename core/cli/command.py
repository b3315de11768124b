"""A command of the command line: its name, its options and what it does, in one object.

Each module `*_commands.py` has a tuple COMMANDS of them, from which `main.py` makes the parser; here is also what the
options of several commands have in common. Everything that takes time to import, as torch and pyarrow, is imported
inside the functions that need it: `--help` and short commands must start at once.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, BooleanOptionalAction, Namespace, _ArgumentGroup
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import Field, dataclass
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

from core import LabError
from core.keep_result import KeepResult
from core.wording import short, visible

INSTALLED = "detr-lab"  # the command of the installed package
PROGRAM = os.environ.get("DETR_LAB_PROGRAM", "python -m core")  # how it was started
T = TypeVar("T")
RUN_HELP = "a run's id, its beginning, or: last, the newest with something for this command"


@dataclass(frozen=True)
class Command:
    """A command of `python -m core`.

    help         its line in the list of commands
    add_options  adds its options to its parser
    run          does what it says, with the parsed options; returns the exit status, None for 0
    json         what its option --json prints, by `show_json`; "" if it has none, as it prints nothing to be read
    """

    name: str
    help: str
    add_options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int | None]
    json: str


def add_run(parser: ArgumentParser) -> None:
    """Add the argument RUN, read as `options.run_id`."""
    parser.add_argument("run_id", metavar="RUN", help=RUN_HELP)


def add_epoch(parser: ArgumentParser) -> None:
    """Add the option --epoch, which `chosen_evaluation` reads."""
    parser.add_argument(
        "--epoch", type=int, help="evaluated epoch; 0 = the baseline, before the first step (default: the best)"
    )


def show(*lines: object, file: TextIO | None = None) -> None:
    """Print lines, to stdout if no file is given: what they took out of files and names cannot act on the terminal."""
    for line in lines:
        print(visible(line).replace("python -m core ", f"{PROGRAM} "), file=file, flush=True)


_json_out: list[TextIO] = []  # stdout as it was, while a command has --json


@contextmanager
def json_alone(is_wanted: bool) -> Iterator[None]:
    """Keep stdout for `show_json`: all else that is printed meanwhile goes to stderr."""
    if not is_wanted:
        yield
        return
    _json_out.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _json_out.pop()


def show_json(value: object) -> None:
    """Print a value as a line of JSON to stdout if the command has --json, else nothing."""
    if _json_out:
        print(json.dumps(value), file=_json_out[-1], flush=True)


def check_score(score: float) -> None:
    """Raise LabError for a --score that is not in [0, 1]."""
    if not 0 <= score <= 1:  # written so that NaN fails too
        raise LabError(f"--score is {score:g}: give a number from 0 to 1.")


def show_progress(steps: Iterable[tuple[int, int]], unit: str, title: str) -> int:
    """Iterate over (done, total) to the end with a bar on stderr; return the last total, 0 without any step."""
    total = 0
    with tqdm(unit=unit, desc=short(title)) as bar:
        for done, total in steps:
            bar.total = total
            bar.update(done - bar.n)
    return total


def tell_steps(steps: Generator[str, None, T]) -> T:
    """Iterate to the end, say each step once on stderr, and return the result."""
    work, before = KeepResult(steps), ""
    for words in work:
        if words != before:
            show(f"{words} …", file=sys.stderr)
        before = words
    return work.result


def add_setting(parser: ArgumentParser | _ArgumentGroup, field: Field[Any], default: str = "default") -> None:
    """Add a field of `Settings` as an option; without a default, so that a preset can fill it.

    default  what the field's default is called in the line of help
    """
    option, text = "--" + field.name.replace("_", "-"), field.metadata["help"].replace("%", "%%")
    if isinstance(field.default, bool):
        parser.add_argument(option, action=BooleanOptionalAction, default=None, help=text)
    elif isinstance(field.default, tuple):
        parser.add_argument(option, nargs="+", action="extend", default=None, metavar="NAME", help=text)
    else:
        text += f" ({default}: {field.default})"
        kind = type(field.default)
        parser.add_argument(option, type=kind, default=None, choices=field.metadata.get("choices"), help=text)
