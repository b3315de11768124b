"""The table of `make bench`: rows, both sides of a row in turns, and the table as Markdown.

A row is one object in a list of the file that measures it. Every figure is a cost – seconds, megabytes, an exponent –
so that a rival's figure divided by ours says how many times as good ours is. Times depend on the machine and on what
else runs on it; ratios less, because both sides take turns in one run.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")
HEAD = "| row | measured | here | by others | ratio | limit |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Bench:
    """One run of the bench: the folder that rows may fill, which is deleted at its end, and the rounds of each row."""

    folder: Path
    rounds: int


@dataclass(frozen=True)
class Figures:
    """What each round cost: ours, the rival's and the limit's, of which there may be none."""

    ours: Sequence[float]
    rival: Sequence[float] = ()
    limit: Sequence[float] = ()


@dataclass(frozen=True)
class Row:
    """One row of the table.

    name     by which it is chosen; the part before the first "-" is its group
    words    what is measured
    measure  does so
    unit     of its figures; "s" is shown as ms or µs where it is small
    rival    what does the same
    limit    what bounds it: the name of something that does only a part of it
    wanted   the most that is wanted, in `unit`
    """

    name: str
    words: str
    measure: Callable[[Bench], Figures]
    unit: str = "s"
    rival: str = ""
    limit: str = ""
    wanted: float | None = None


class NotMeasured(Exception):
    """Raised by a row that needs what this machine does not have; its words say what."""


def once(measure: Callable[..., Result]) -> Callable[..., Result]:
    """Do what several rows need once for the same arguments; where it fails, it fails for each of them at once."""
    results: dict[tuple, Result] = {}
    errors: dict[tuple, Exception] = {}

    @wraps(measure)
    def remembered(*arguments: Any) -> Result:
        if arguments in errors:
            raise errors[arguments]
        if arguments not in results:
            try:
                results[arguments] = measure(*arguments)
            except Exception as error:
                errors[arguments] = error
                raise
        return results[arguments]

    return remembered


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def take_turns(*sides: Callable[[int], object], rounds: int) -> Figures:
    """Measure up to three sides – ours, the rival, the limit – each called once in every round, with its number.

    Every second round begins with the last side.
    """
    places = range(len(sides))
    times: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        for place in reversed(places) if number % 2 else places:
            times[place].append(seconds(lambda: sides[place](number)))  # noqa: B023 - it is called at once
    return Figures(*times)


def quotient(others: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(other / one for other, one in zip(others, ours, strict=True))


def chosen(rows: Iterable[Row], names: Sequence[str]) -> list[Row]:
    """Return the rows with these names or of these groups; all if none is named. Raises ValueError if one has none."""
    rows = list(rows)
    for name in names:
        if not any(_answers(row, name) for row in rows):
            raise ValueError(f"there is no row {name!r}: choose of {', '.join(row.name for row in rows)}")
    return [row for row in rows if not names or any(_answers(row, name) for name in names)]


def _answers(row: Row, name: str) -> bool:
    return row.name == name or row.name.startswith(f"{name}-")


def line(row: Row, figures: Figures) -> str:
    """Return a row of the Markdown table."""
    ours = shown(statistics.median(figures.ours), row.unit)
    rival = ratio = ""
    if figures.rival:
        rival = f"{shown(statistics.median(figures.rival), row.unit)}, {row.rival}"
        ratio = f"{quotient(figures.rival, figures.ours):.3g}"
    limits = [f"at most {row.wanted:g} {row.unit}".rstrip()] if row.wanted is not None else []
    if figures.limit:
        bound = shown(statistics.median(figures.limit), row.unit)
        limits.append(f"{bound}, {row.limit}: {quotient(figures.limit, figures.ours):.2f}")
    return _cells(row, ours, rival, ratio, "; ".join(limits))


def line_without(row: Row, reason: str) -> str:
    """Return the row where nothing could be measured."""
    return _cells(row, reason, "", "", "")


def _cells(row: Row, *cells: str) -> str:
    return f"| {' | '.join([f'`{row.name}`', row.words, *cells])} |"


def shown(figure: float, unit: str) -> str:
    """Return a figure in three digits with its unit.

    >>> shown(0.00213, "s"), shown(1234.5, "MB"), shown(0.987, "")
    ('2.13 ms', '1234 MB', '0.987')
    """
    if unit == "s" and figure < 1:
        figure, unit = (figure * 1e3, "ms") if figure >= 1e-3 else (figure * 1e6, "µs")
    return f"{figure:.{0 if abs(figure) >= 100 else 1 if abs(figure) >= 10 else 2}f} {unit}".rstrip()


def machine() -> str:
    """Return a sentence on this machine: cores, processor, torch and Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {_processor()}, torch {version('torch')}, Python {platform.python_version()}."


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for row in information.read_text(encoding="utf-8").splitlines():
            if row.startswith("model name"):
                return row.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def write_between(path: Path, name: str, text: str) -> None:
    """Write `text` between the marks of this name in a Markdown file. Raises ValueError if it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, mark, rest = path.read_text(encoding="utf-8").partition(begin)
    _, other, after = rest.partition(end)
    if not (mark and other):
        raise ValueError(f"{path.name} has no place for the table: {begin} … {end}")
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
