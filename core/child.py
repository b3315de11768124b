"""A child process that takes a request a line and gives answers a line, as JSON: started, asked, read from and ended.

In: a command. Out: its answers one after another, or how it has ended. How long to wait, when to start another one and
what is said to the user is its owner's: `core.datasets.coco2017.child` (downloads) and `ui.server.model_worker`.

Requests travel on a pipe of their own, which the child opens with `open_requests`. Its standard input has nothing in it
from the beginning: a library that asks a question there gets no request for an answer, and no waiting. Where a child
can have no other pipe than its standard input, `open_requests` takes that away from the libraries.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, TextIO

from core.engine.process import Start, start_cold
from core.system.processes import kill_session

REQUESTS = "DETR_LAB_REQUESTS"  # in the child's environment: the number of its end of the pipe
SECONDS_TO_END = 2.0  # for a child that says no more to be gone, and for its last lines to be read


class ChildEnded(Exception):
    """The child has ended.

    code       its exit status; −9 if it was ended by signal 9; None if nobody knows
    last_line  the last line that is not empty of its standard error, at most 200 characters; "" without one
    """

    def __init__(self, code: int | None, last_line: str) -> None:
        super().__init__(last_line or f"exit status {code}")
        self.code, self.last_line = code, last_line


class Child:
    """A running child process; to be ended by `end`, which any thread may call at any time.

    It works in the root folder and in a session of its own, so that Ctrl-C in the terminal does not reach it and
    nothing that it has started is left behind.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], start: Start = start_cold) -> None:
        """Start the process; raises OSError if that fails."""
        reading, writing = os.pipe()
        (out, output), (err, errors) = os.pipe(), os.pipe()
        self._requests = os.fdopen(writing, "w", encoding="utf-8", errors="replace")
        self._lines: queue.Queue[str | None] = queue.Queue()  # None: there are no more
        self._last_line = ""
        streams = [os.fdopen(end, encoding="utf-8", errors="replace") for end in (out, err)]
        try:
            self._process = start(command, environment, output, errors, {REQUESTS: reading})
        except BaseException:
            for file in (self._requests, *streams):
                file.close()
            raise
        finally:
            for end in (reading, output, errors):
                os.close(end)
        self._readers = [
            _start_reader(streams[0], self._lines.put, lambda: self._lines.put(None)),
            _start_reader(streams[1], self._keep_last_line, lambda: None),
        ]

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return None if self._process.wait() else self._process.id[0]

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request; raises OSError if the child has ended."""
        line = json.dumps(request) + "\n"
        try:
            self._requests.write(line)
            self._requests.flush()
        except ValueError:  # `end` has closed it
            raise BrokenPipeError("the child was ended") from None

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Return the next answer, or None if there is none within so many seconds; raises ChildEnded."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        if line is None:
            raise self.how_ended()
        return json.loads(line)

    def how_ended(self) -> ChildEnded:
        """Return how the child has ended; one that only says no more is ended."""
        self._process.wait(SECONDS_TO_END)
        self._kill()
        for reader in self._readers:
            reader.join(SECONDS_TO_END)
        return ChildEnded(self._process.code, self._last_line)

    def end(self, seconds: float = 0) -> None:
        """End the child: ask it by closing its input, and after so many seconds by force, with all that it started."""
        if not self._process.wait():  # else its number may be another's by now
            if seconds:
                self._close_input()
                self._process.wait(seconds)
            self._kill()
        self._close_input()

    def _kill(self) -> None:
        kill_session(self._process.id[0])
        self._process.wait(SECONDS_TO_END)

    def _close_input(self) -> None:
        with suppress(OSError):  # what it has not read cannot be sent any more
            self._requests.close()

    def _keep_last_line(self, line: str) -> None:
        self._last_line = line.strip()[:200] or self._last_line


def open_requests() -> TextIO:
    """Open, in a child, the stream of its parent's requests, one a line; it ends with the parent.

    To be called once, before anything is started that could inherit it.
    """
    descriptor = int(os.environ.pop(REQUESTS))
    if descriptor == 0:  # Windows
        descriptor, null = os.dup(0), os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
    os.set_inheritable(descriptor, False)
    return os.fdopen(descriptor, encoding="utf-8")


def _start_reader(stream: IO[str], take: Callable[[str], None], end: Callable[[], None]) -> threading.Thread:
    """Start a thread that hands every line of a stream to `take`, and calls `end` after the last one."""

    def read() -> None:
        with suppress(ValueError, OSError), stream:
            for line in stream:
                take(line)
        end()

    thread = threading.Thread(target=read, name="detr-lab-child", daemon=True)
    thread.start()
    return thread
