"""The process that answers with models (core/inference/worker.py), as the app sees it: one for the whole server.

It starts at the first question, or before it (`warm`), and ends after ten minutes without one, and with the app. So the
pages never wait for torch, which takes seconds to import, and its memory is given back.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from core.child import Child, ChildEnded
from core.engine.process import Start, environment_of, start_cold
from core.system.processes import ending_signal
from ui.server.engine import engine

IDLE_SECONDS = 600.0  # without a question, until the process ends
ENDING_SECONDS = 2.0  # that it has to end by itself
COMMAND = (sys.executable, "-m", "core.inference.worker")


class ModelWorker:
    """Asks the process, one question at a time, whichever thread asks; starts it again if it has ended."""

    def __init__(
        self,
        root: str = "",
        start: Start = start_cold,
        command: Sequence[str] = COMMAND,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._start, self._command, self._idle = start, command, idle
        self._environment = environment_of(root)
        self._asking = threading.Lock()
        self._timer: threading.Timer | None = None
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        child = self._child
        return child.pid if child else None

    def ask(self, request: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
        """Return the answer to a request as core/inference/worker.py takes it, or {"error": one sentence}.

        A process that ends meanwhile, or takes longer than `seconds` to answer, is ended; the next question finds a
        new one.
        """
        with self._asking:
            self._rest()
            try:
                child = self._send(request)
                answer = child.receive(seconds)
            except ChildEnded as end:
                reason = _reason(end) if self._child is child else "the app was closing"
                return {"error": f"The process that runs the models has ended ({reason}): ask again."}
            except OSError as error:
                return {"error": f"The process that runs the models could not be started: {error}."}
            finally:
                self._rest(self._idle)
            if answer is None:
                self._end()
                return {"error": f"The model did not answer within {seconds:.0f} seconds and was stopped: ask again."}
            return answer

    def warm(self, **model: str) -> None:
        """Have the process ready, and with `run` and `model` that model, before somebody asks; does not wait for it."""
        if not self._asking.locked():
            threading.Thread(target=self.ask, args=({"ask": "warm", **model},), daemon=True).start()

    def stop(self) -> None:
        """End the process, also in the middle of a question."""
        self._rest()
        self._end(0 if self._asking.locked() else ENDING_SECONDS)

    def _send(self, request: dict[str, Any]) -> Child:
        """Send the request to the process, or to a new one if there is none; raises OSError."""
        child = self._child
        if child and child.pid is not None:
            with suppress(OSError):  # it was ended a moment ago
                child.send(request)
                return child
        self._end()
        child = self._child = Child(self._command, self._environment, self._start)
        child.send(request)
        return child

    def _end(self, seconds: float = 0) -> None:
        child, self._child = self._child, None
        if child:
            child.end(seconds)

    def _rest(self, seconds: float | None = None) -> None:
        """Have the process end after so many seconds without a question; None: there is one now."""
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if seconds:
            self._timer = threading.Timer(seconds, self._end_if_idle)
            self._timer.daemon = True
            self._timer.start()

    def _end_if_idle(self) -> None:
        if self._asking.acquire(blocking=False):
            try:
                self._end(ENDING_SECONDS)
            finally:
                self._asking.release()


def _reason(end: ChildEnded) -> str:
    """Return why a process ended by itself: by a signal, or what it printed last."""
    if number := ending_signal(end.code or 0):
        return f"by signal {number}, most often for want of memory"
    return end.last_line or ("without a word" if end.code is None else f"with code {end.code}")


def model_worker() -> ModelWorker:
    """Return the one worker of this server."""
    return _worker(os.environ.get("DETR_LAB_ROOT", ""))


@st.cache_resource(show_spinner=False)
def _worker(root: str) -> ModelWorker:
    return ModelWorker(root, engine().start)
