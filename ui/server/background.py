"""Tasks that take a while, each in a thread of the server: no tab that is closed or run again can break one off.

In: a generator, which runs to its end whatever tabs come and go. Out: how far it is, for every tab that asks, and its
result or error. It is apart from the job manager, which trains: these tasks end with the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Any

import streamlit as st

from core import LabError

LOOK_SECONDS = 0.5  # at most, between two looks at a task that yields nothing


class Task:
    """A generator in a thread of its own.

    latest   what it yielded last; None before the first time
    result   what it returned; None until then, and after a failure or a stop
    error    what went wrong, in a sentence; empty if nothing did
    stopped  whether it was ended before its end
    """

    def __init__(self, name: str, make: Callable[[], Generator[Any, None, Any]], failure: str) -> None:
        """Start the thread. `failure` begins the sentence on an error that is no LabError."""
        self.name, self.error = name, ""
        self.latest: Any = None
        self.result: Any = None
        self.stopped, self.is_running = False, True
        self._make, self._failure = make, failure
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with closing(self._make()) as steps:
                while not self.stopped:
                    self.latest = next(steps)
                    with self._changed:
                        self._changed.notify_all()
        except StopIteration as end:
            self.result, self.stopped = end.value, False
        except LabError as error:
            self.error = str(error)
        except BaseException as error:  # in this thread nobody else would hear of it
            self.error = f"{self._failure}: {error!r}."
        finally:
            with self._changed:
                self.is_running = False
                self._changed.notify_all()

    def stop(self) -> None:
        """Ask the task to end after its current step, which takes moments."""
        self.stopped = True

    def progress(self) -> Iterator[Any]:
        """Yield `latest` whenever it changes, and at least every LOOK_SECONDS, until the task has ended."""
        while self.is_running:
            with self._changed:
                if self.is_running:  # it may have ended just now
                    self._changed.wait(timeout=LOOK_SECONDS)
            if self.latest is not None:
                yield self.latest

    def join(self, seconds: float | None = None) -> None:
        """Wait for the task's end, at most so many seconds."""
        self._thread.join(seconds)


class TaskRegistry:
    """All background tasks of this server, by name: one at a time of each name."""

    def __init__(self) -> None:
        self._all: dict[str, Task] = {}
        self._lock = threading.Lock()

    def start(self, name: str, make: Callable[[], Generator[Any, None, Any]], failure: str) -> Task:
        """Return the running task of that name, or start a new one."""
        with self._lock:
            task = self._all.get(name)
            if task is None or not task.is_running:
                task = self._all[name] = Task(name, make, failure)
            return task

    def find(self, name: str) -> Task | None:
        """Return the last task of that name, running or ended; None if there is none."""
        return self._all.get(name)

    def forget(self, name: str) -> None:
        """Remove a task that has ended, once its end was shown."""
        with self._lock, suppress(KeyError):
            if not self._all[name].is_running:
                del self._all[name]

    def stop_all(self, seconds: float) -> None:
        """Stop all tasks, and wait for them at most so many seconds in all."""
        with self._lock:
            running = [task for task in self._all.values() if task.is_running]
        for task in running:
            task.stop()
        deadline = time.monotonic() + seconds
        for task in running:
            task.join(max(0.0, deadline - time.monotonic()))


@st.cache_resource(show_spinner=False)
def background_tasks() -> TaskRegistry:
    """Return the one registry of this server."""
    return TaskRegistry()
