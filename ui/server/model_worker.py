"""The process that answers with models (core/inference/worker.py), as the app sees it: one for the whole server.

It starts at the first question, or before it (`warm`), and ends after ten minutes without one, and with the app. So the
pages never wait for torch, which takes seconds to import, and its memory is given back.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

import streamlit as st

from core import PROJECT

IDLE_SECONDS = 600.0  # without a question, until the process ends
ENDING_SECONDS = 2.0  # that it has to end by itself
COMMAND = [sys.executable, "-m", "core.inference.worker"]


class Worker:
    """Asks the process, one question at a time, whichever thread asks; starts it again if it has ended."""

    def __init__(self, root: str = "", command: list[str] = COMMAND, idle: float = IDLE_SECONDS):
        self._command, self._idle = command, idle
        # torch's threads spin while they wait for each other: with the cores busy, an answer took 750 ms instead of 30
        self._environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONUNBUFFERED": "1"}
        if root:
            self._environment["DETR_LAB_ROOT"] = os.path.abspath(root)
        self._asking, self._timer = threading.Lock(), None
        self._child: subprocess.Popen | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._printed: deque[str] = deque(maxlen=1)
        self._readers: list[threading.Thread] = []

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        child = self._child
        return child.pid if child and child.poll() is None else None

    def ask(self, request: dict, seconds: float = 60) -> dict:
        """The answer to a request as core/inference/worker.py takes it, or {"error": one sentence}.

        A process that ends meanwhile, or takes longer than `seconds` to answer, is ended; the next question finds a
        new one.
        """
        with self._asking:
            self._rest()
            try:
                if self.pid is None:
                    self._start()
                try:
                    self._send(request)
                except OSError:  # it was ended a moment ago
                    self._start()
                    self._send(request)
                line = self._answers.get(timeout=seconds)
            except queue.Empty:
                self._end(at_once=True)
                return {"error": f"The model did not answer within {seconds:.0f} seconds and was stopped: ask again."}
            except OSError as error:
                return {"error": f"The process that runs the models could not be started: {error}."}
            finally:
                self._rest(self._idle)
            if line is None:
                return {"error": f"The process that runs the models has ended ({self._why_ended()}): ask again."}
            return json.loads(line)

    def warm(self, **model) -> None:
        """Has the process ready, and with `run` and `model` that model, before somebody asks; does not wait for it."""
        if not self._asking.locked():
            threading.Thread(target=self.ask, args=({"ask": "warm", **model},), daemon=True).start()

    def stop(self) -> None:
        """Ends the process, also in the middle of a question."""
        self._rest()
        self._end(at_once=self._asking.locked())

    def _start(self) -> None:
        self._end(at_once=True)
        self._child = subprocess.Popen(
            self._command, cwd=PROJECT, env=self._environment, text=True, encoding="utf-8", errors="replace",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C on the app does not reach it while it loads
        )  # fmt: skip
        answers, printed = self._answers, self._printed = queue.Queue(), deque(maxlen=1)
        self._readers = [
            threading.Thread(target=_read, args=how, name="detr-lab-answers", daemon=True)
            for how in (
                (self._child.stdout, answers.put, lambda: answers.put(None)),
                (self._child.stderr, printed.append, lambda: None),
            )
        ]
        for reader in self._readers:
            reader.start()

    def _send(self, request: dict) -> None:
        child = self._child
        try:
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        except (AttributeError, ValueError):  # it is being stopped
            raise BrokenPipeError("it is being stopped") from None

    def _end(self, at_once: bool) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(OSError):  # what it never read cannot be sent any more
            child.stdin.close()
        try:
            if at_once:
                child.kill()
            child.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _rest(self, seconds: float | None = None) -> None:
        """Without a question for so long, the process ends; None: it is asked now."""
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
                self._end(at_once=False)
            finally:
                self._asking.release()

    def _why_ended(self) -> str:
        """Of a process that ended by itself: by a signal, or else what it printed last."""
        if self._child is None:
            return "the app was closing"
        code = self._child.wait()
        self._end(at_once=True)
        for reader in self._readers:
            reader.join(ENDING_SECONDS)
        if code < 0:
            return f"by signal {-code}, most often for want of memory"
        return self._printed[-1].strip()[:200] if self._printed else f"with code {code}"


def _read(stream: TextIO, take: Callable[[str], None], end: Callable[[], None]) -> None:
    """Takes every line of a process until its end."""
    with suppress(ValueError, OSError), stream:
        for line in stream:
            take(line)
    end()


def models() -> Worker:
    """The one worker of this server."""
    return _worker(os.environ.get("DETR_LAB_ROOT", ""))


@st.cache_resource(show_spinner=False)
def _worker(root: str) -> Worker:
    return Worker(root)
