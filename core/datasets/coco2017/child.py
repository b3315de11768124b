"""The child process of a download (`worker.py`), as its parent sees it: started, asked, and ended when it stalls.

In: requests as `worker.py` describes them. Out: its answers one by one, with a tick between them a few times a
second, so that whoever asks can tell how far it is, and can stop. Apart from `download.py` because it knows nothing of
data sets, and FiftyOne is never imported here.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from core import DataError
from core.child import Child, ChildEnded

STALL_SECONDS = 30  # without a word from the child or a byte of a file
START_SECONDS = 180  # the same while it imports FiftyOne, from a slow disk
TICK_SECONDS = 0.25
SECONDS_TO_END = 1.0
MODULE = "core.datasets.coco2017.worker"
QUIET = {"FIFTYONE_DO_NOT_TRACK": "true", "FIFTYONE_SHOW_PROGRESS_BARS": "false"}


class Stalled(Exception):
    """The child was silent for too long, or has died, as the text says; the next request starts another one."""


class Fetcher:
    """A child process that downloads, started with the first request; to be closed, as by `with`."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._is_ready = False

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process; None while there is none."""
        return self._child.pid if self._child else None

    def ask(self, request: dict[str, Any], watched: Path) -> Iterator[dict[str, Any]]:
        """Send the request and yield its answers up to the one with "done"; {} stands for a moment without any.

        Growth of the files in the folder `watched` is a sign of life. Raises Stalled, and DataError if no child can
        be started.
        """
        child = self._child or self._start()
        try:
            child.send(request)
        except OSError:  # it has died between two requests
            self._give_up(_death(child.how_ended()))
        last_sign, size = time.monotonic(), None
        while True:
            try:
                answer = child.receive(TICK_SECONDS)
            except ChildEnded as end:
                self._give_up(_death(end))
            if answer is None:
                if (now := bytes_in(watched)) != size:
                    last_sign, size = time.monotonic(), now
                elif time.monotonic() - last_sign > (STALL_SECONDS if self._is_ready else START_SECONDS):
                    self._give_up("no answer")
                yield {}
                continue
            last_sign = time.monotonic()
            if "ready" in answer:
                self._is_ready = True
                continue
            yield answer
            if "done" in answer:
                return

    def close(self) -> None:
        """End the child: ask it first, by force after a second."""
        self._end(SECONDS_TO_END)

    def _start(self) -> Child:
        environment = {**os.environ, **QUIET}
        try:
            child = self._child = Child([sys.executable, "-m", MODULE], environment)
        except OSError as error:
            raise DataError(f"The download cannot be started: {error.strerror}.") from None
        self._is_ready = False
        return child

    def _give_up(self, reason: str) -> NoReturn:
        self._end(0)
        raise Stalled(reason)

    def _end(self, seconds: float) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end(seconds)


def _death(end: ChildEnded) -> str:
    return "the fetching process ended" + (f": {end.last_line}" if end.last_line else "")


def bytes_in(folder: str | Path) -> int:
    """Return the bytes of all files in a folder and those below it; files that vanish meanwhile do not count."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += bytes_in(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total
