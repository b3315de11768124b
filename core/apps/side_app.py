"""An application of others beside DETR Lab's pages, in a child process: started, asked, and ended with its owner.

In: one of `SIDE_APPS`, whose module serves it to this machine alone. Out: the port at which it answers, or one sentence
on why it does not. What a child takes and gives, as JSON on the pipes of `core.child`:

    {"ask": "open", …}  -> {"words": what is done} …, and {"port": …, "path": of its page, …}
    whatever else its module says -> the same words, and an answer; or {"error": one sentence}

A child ends when its requests do, after it has kept what is to be kept.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core import LabError
from core.child import Child, ChildEnded
from core.engine.process import environment_of

ADDRESS = "127.0.0.1"  # the only one at which such an application may be reached
LOOK_SECONDS = 0.5  # between two looks whether whoever waits still does
SILENT_SECONDS = 120.0  # without a word, after which a child is ended; a database is looked for during 30
ENDING_SECONDS = 3.0  # for a child to keep what is to be kept, where its owner has to end, too
PORTS_TRIED = 20


@dataclass(frozen=True)
class SideApp:
    """An application that is opened beside the pages.

    key     its short name, as in commands
    title   what it calls itself
    module  of the child that serves it: `python -m …`
    """

    key: str
    title: str
    module: str


FIFTYONE = SideApp("fiftyone", "FiftyOne", "core.apps.fiftyone_child")
TENSORBOARD = SideApp("tensorboard", "TensorBoard", "core.apps.tensorboard_child")
SIDE_APPS = (FIFTYONE, TENSORBOARD)


class AppProcess:
    """The one process of an application, started with the first request; asked one request at a time."""

    def __init__(
        self, app: SideApp, root: str = "", command: Sequence[str] = (), seconds: float = SILENT_SECONDS
    ) -> None:
        self._app, self._root, self._seconds = app, root, seconds
        self._command = command or (sys.executable, "-m", app.module)
        self._asking = threading.Lock()
        self._child: Child | None = None
        self._is_stopped = True

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        child = self._child
        return child.pid if child else None

    @property
    def death(self) -> str:
        """Why the process has ended that nobody stopped, in a sentence; "" if there is one, or none was begun."""
        child = self._child
        if child is None or self._is_stopped or child.pid is not None:
            return ""
        return f"{self._app.title} has ended ({_reason(child.how_ended())}): open it again."

    def ask(self, request: Mapping[str, Any]) -> Generator[str, None, dict[str, Any]]:
        """Send a request; yield what is done, in words, and return the answer with the `pid` that gave it.

        Whoever closes the generator ends the process, as the answer would be taken for the next one's. Raises LabError
        where it cannot be started, refuses, ends, or says nothing for too long.
        """
        while not self._asking.acquire(timeout=LOOK_SECONDS):
            yield f"Waiting for {self._app.title}"
        is_answered = False
        try:
            answer = yield from self._read_answer(self._send(request))
            is_answered = True
        except (ChildEnded, OSError) as end:
            if self._is_stopped:
                raise LabError(f"{self._app.title} was stopped.") from None
            self.stop(0)
            raise LabError(f"{self._app.title} could not be opened ({_reason(end)}): try again.") from None
        finally:
            if not is_answered:
                self.stop(0)
            self._asking.release()
        if "error" in answer:
            raise LabError(answer["error"])
        return {**answer, "pid": self.pid}

    def stop(self, seconds: float = ENDING_SECONDS) -> None:
        """End the process, after so many seconds by force; also while it is asked something."""
        self._is_stopped = True
        if self._child:
            self._child.end(seconds)

    def _send(self, request: Mapping[str, Any]) -> Child:
        """Send the request to the process, or to a new one if there is none; return it. Raises OSError."""
        if self._child and self._child.pid is not None and not self._is_stopped:
            with suppress(OSError):  # it was ended a moment ago
                self._child.send(request)
                return self._child
        self.stop(0)
        self._child, self._is_stopped = None, False
        self._child = Child(self._command, environment_of(self._root))
        self._child.send(request)
        return self._child

    def _read_answer(self, child: Child) -> Generator[str, None, dict[str, Any]]:
        words, heard = f"Starting {self._app.title}", time.monotonic()
        while True:
            yield words
            answer = child.receive(LOOK_SECONDS)
            if answer is not None:
                heard, words = time.monotonic(), answer.get("words", "")
                if not words:
                    return answer
            elif time.monotonic() - heard > self._seconds:
                raise LabError(
                    f"{self._app.title} did not answer within {self._seconds:.0f} seconds and was ended: try again."
                )


def free_port(first: int) -> int:
    """Return a port at which nothing listens: from `first` on, so that a tunnel to it finds it again, else any."""
    for number in (*range(first, first + PORTS_TRIED), 0):
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((ADDRESS, number))
            port: int = probe.getsockname()[1]
            return port
    raise LabError("No port is free on this machine: end a program that serves one.")


def _reason(end: Exception) -> str:
    """Return why a process ended by itself, in a few words."""
    code, line = getattr(end, "code", None), getattr(end, "last_line", "")
    if code is not None and code < 0:
        return f"by signal {-code}"
    return line or ("without a word" if isinstance(end, ChildEnded) else str(end))
