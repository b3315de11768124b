"""A child process that takes a request a line and gives answers a line, as JSON: started, asked, read from and ended.

In: a command. Out: its answers one after another, or how it has ended. How long to wait, when to start another one and
what is said to the user is its owner's: `core.datasets.coco2017.child` (downloads) and `ui.server.model_worker`.

Requests travel on a pipe of their own, which the child opens with `open_requests`. Its standard input has nothing in it
from the beginning: a library that asks a question there gets no request for an answer, and no waiting.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, TextIO

from core import PROJECT

REQUESTS = "DETR_LAB_REQUESTS"  # in the child's environment: the number of its end of the pipe
SECONDS_TO_END = 2.0  # for a child that says no more to be gone, and for its last lines to be read


class ChildEnded(Exception):
    """The child has ended.

    code       its exit status; −9 if it was ended by signal 9
    last_line  the last line that is not empty of its standard error, at most 200 characters; "" without one
    """

    def __init__(self, code: int, last_line: str) -> None:
        super().__init__(last_line or f"exit status {code}")
        self.code, self.last_line = code, last_line


class Child:
    """A running child process; to be ended by `end`, which any thread may call at any time.

    It works in the project's folder and in a session of its own, so that Ctrl-C in the terminal does not reach it and
    nothing that it has started is left behind.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process; raises OSError if that fails."""
        reading, writing = os.pipe()
        self._requests = os.fdopen(writing, "w", encoding="utf-8", errors="replace")
        try:
            self._process = subprocess.Popen(
                command, cwd=PROJECT, env={**environment, REQUESTS: str(reading)}, pass_fds=[reading],
                text=True, encoding="utf-8", errors="replace", start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except BaseException:
            self._requests.close()
            raise
        finally:
            os.close(reading)
        self._lines: queue.Queue[str | None] = queue.Queue()  # None: there are no more
        self._last_line = ""
        assert self._process.stdout and self._process.stderr  # for the type checker
        self._readers = [
            _start_reader(self._process.stdout, self._lines.put, lambda: self._lines.put(None)),
            _start_reader(self._process.stderr, self._keep_last_line, lambda: None),
        ]

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process.poll() is None else None

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
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        self._kill()
        for reader in self._readers:
            reader.join(SECONDS_TO_END)
        return ChildEnded(self._process.returncode, self._last_line)

    def end(self, seconds: float = 0) -> None:
        """End the child: ask it by closing its input, and after so many seconds by force, with all that it started."""
        if self._process.returncode is None:  # else it was seen to have ended, and its number may be another's by now
            if seconds:
                self._close_input()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
            self._kill()
        self._close_input()

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # it has ended; macOS says the latter
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()

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
