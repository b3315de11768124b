"""Scenarios, one after the other in each of two processes, which are forked from this warm one.

In: a list of scenarios. Out: their outcomes, as they come. A scenario that takes longer than it may, or whose process
dies, is lost.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from torture.scenario import Outcome, Scenario


class TookTooLong(BaseException):
    """A scenario that is not at its end after the seconds that it may take."""


def outcomes(scenarios: Sequence[Scenario], folder: Path, lanes: int) -> Iterator[tuple[Scenario, Outcome]]:
    """Run every scenario once, in `lanes` processes; yield each with its outcome."""
    waiting = dict(enumerate(scenarios))
    with selectors.DefaultSelector() as selector:
        children = []
        for lane in range(lanes):
            reader, writer = os.pipe()
            sys.stdout.flush()
            if not (pid := os.fork()):
                os.close(reader)
                _be_lane(dict(list(waiting.items())[lane::lanes]), folder / f"lane-{lane}", writer)
            os.close(writer)
            children.append(pid)
            selector.register(os.fdopen(reader, "rb"), selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if not line:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
                    continue
                number, tried, lost = json.loads(line)
                yield waiting.pop(number), Outcome(tried, tuple(lost))
        for pid in children:
            os.waitpid(pid, 0)
    for scenario in waiting.values():
        yield scenario, Outcome(lost=("its process died",))


def run_one(scenario: Scenario, folder: Path) -> Outcome:
    """Run a scenario in an empty folder, which is deleted afterwards; what it raises is lost."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(scenario.seconds)
    try:
        return scenario.attempt(folder)
    except TookTooLong:
        return Outcome(lost=(f"it was not over after {scenario.seconds} s",))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        return Outcome(lost=(text[:400],))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        shutil.rmtree(folder, ignore_errors=True)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise TookTooLong


def _be_lane(scenarios: dict[int, Scenario], folder: Path, writer: int) -> None:
    status = 1
    try:
        for number, scenario in scenarios.items():
            outcome = run_one(scenario, folder)
            with suppress(BrokenPipeError):
                os.write(writer, (json.dumps([number, outcome.tried, outcome.lost]) + "\n").encode())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)
