"""Work that takes a while, in a thread of the server's own, so that no tab that is closed or rerun can break it off.

In: a generator. It runs to its end whatever tabs come and go; every tab can see how far it is, and stop it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Any

import streamlit as st

from core import LabError

LOOK_SECONDS = 0.5  # at most between two looks at work that says nothing


class Work:
    """A generator at work: what it yielded last, and once it has ended its result or a sentence on what went wrong."""

    def __init__(self, name: str, make: Callable[[], Generator], failure: str):
        self.name, self.latest, self.result, self.error = name, None, None, ""
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
        """Asks it to end after its current step, which is moments away."""
        self.stopped = True

    def steps(self) -> Iterator[Any]:
        """What it yields, as often as it can be looked at, until it has ended."""
        while self.is_running:
            with self._changed:
                if self.is_running:  # it may have ended just now
                    self._changed.wait(timeout=LOOK_SECONDS)
            if self.latest is not None:
                yield self.latest

    def join(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)


class Desk:
    """All work of this server, by name: one at a time of each."""

    def __init__(self):
        self._all: dict[str, Work] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, make: Callable[[], Generator], failure: str) -> Work:
        """The work of that name that runs, or a new one."""
        with self._lock:
            work = self._all.get(name)
            if work is None or not work.is_running:
                work = self._all[name] = Work(name, make, failure)
            return work

    def find(self, name: str) -> Work | None:
        """The last work of that name, if there was one."""
        return self._all.get(name)

    def forget(self, name: str) -> None:
        """Lets go of work that has ended, after its end was told."""
        with self._lock, suppress(KeyError):
            if not self._all[name].is_running:
                del self._all[name]

    def stop_all(self, seconds: float) -> None:
        """Ends everything, waiting at most so long in all."""
        with self._lock:
            running = [work for work in self._all.values() if work.is_running]
        for work in running:
            work.stop()
        deadline = time.monotonic() + seconds
        for work in running:
            work.join(max(0.0, deadline - time.monotonic()))


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    return Desk()
