"""Mutated inputs over every reader: each is read, or refused in one sentence, in bounded time and memory.

In: `Reader`s, each with a sound input. Out: scenarios of some hundred mutations each, which a child reads one by one.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import psutil

from core import LabError
from torture.child import in_child
from torture.faults.faults import bad_sentences
from torture.scenario import Outcome, Plan, Scenario

BATCH = 250  # inputs of a scenario
SECONDS = 10  # that one input may take
MEMORY = 2 * 2**30  # bytes more than this process has
GROWTH = 2**30  # bytes of memory that a batch may need at most
MOST_TOLD = 6  # losses of a batch that are told


@dataclass(frozen=True)
class Reader:
    """One reader of inputs.

    row      of the table
    name     of its inputs, by which they are drawn
    count    of inputs in the whole
    begin    makes the sound input in an empty folder; what it returns goes to `read`
    read     reads one mutation of it; a LabError is its answer to what is unsound, and whatever else it raises is lost
    """

    row: str
    name: str
    count: int
    begin: Callable[[Path], Any]
    read: Callable[[Random, Any], None]


class Lost(Exception):
    """What does not hold, in a reader's own words."""


def scenarios(plan: Plan) -> Sequence[Scenario]:
    """Return every reader's inputs, in batches."""
    from torture.inputs import checkpoints, data, values

    listed: list[Scenario] = []
    for reader in (*data.readers(), *checkpoints.readers(plan), *values.readers(plan)):
        count = plan.count(reader.count, least=5)
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            name = f"{reader.row}, {reader.name}, inputs {numbers[0]} to {numbers[-1]}"
            attempt = partial(_batch, reader, plan.seed, numbers)
            listed.append(Scenario(f"inputs: {reader.row}", len(listed), name, attempt, seconds=900))
    return listed


def _batch(reader: Reader, seed: int, numbers: range, folder: Path) -> Outcome:
    """Read the inputs in children: one that hangs or dies costs its input, and the next child goes on after it."""
    lost: list[str] = []
    tried, progress = 0, folder / "progress"
    while tried < len(numbers):
        progress.write_bytes(b"")
        limits = {resource.RLIMIT_AS: psutil.Process().memory_info().vms + MEMORY}
        action = partial(_read_all, reader, seed, numbers[tried:], folder / f"from-{tried}", progress)
        ending = in_child(action, folder, seconds=3 * SECONDS + len(numbers), limits=limits)
        lost += ending.result or []
        done = len(progress.read_bytes()) // 4
        if ending.status == 0:
            break
        with suppress(OSError):
            lost += (folder / f"from-{tried}" / "lost").read_text().splitlines()
        how = "it hung" if ending.status is None else f"the process ended with {ending.status}"
        lost.append(f"input {numbers[tried + max(done - 1, 0)]}: {how}: {ending.text[-200:]!r}")
        tried += max(done, 1)
    return Outcome(len(numbers), tuple(lost))


class _TooSlow(BaseException):
    """An input that takes too long."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlow


def _read_all(reader: Reader, seed: int, numbers: range, folder: Path, progress: Path) -> list[str]:
    folder.mkdir()
    os.chdir(folder)
    state = reader.begin(folder)
    signal.signal(signal.SIGALRM, _stop)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lost = []
    with progress.open("ab", buffering=0) as marks, (folder / "lost").open("a", buffering=1, errors="replace") as told:
        for number in numbers:
            marks.write(struct.pack("<i", number))
            for sentence in _read_one(reader, Random(f"{seed}:{reader.name}:{number}"), state):
                lost.append(f"input {number}: {sentence}")
                told.write(lost[-1].replace("\n", " ") + "\n")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > GROWTH:
        lost.append(f"inputs {numbers[0]} to {numbers[-1]} took {grown / 2**20:,.0f} MiB of memory")
    return lost


def _read_one(reader: Reader, random: Random, state: Any) -> list[str]:
    """Read one mutated input; return what is wrong with how that ended."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        reader.read(random, state)
    except LabError as error:
        return bad_sentences([str(error)])
    except Lost as error:
        return [str(error)]
    except _TooSlow:
        return [f"it took more than {SECONDS} s"]
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/core/" in frame.filename or "/ui/" in frame.filename] or frames
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return [f"{type(error).__name__} ({place}): {str(error)[:160]!r}"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return []
