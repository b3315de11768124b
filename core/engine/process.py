"""A process that was started here or forked by the engine, as whoever needs it sees it: alive, or ended, and how.

    start_cold(command, environment, output, errors) -> Process
    Engine.start(the same)                           -> Process, forked where that is possible

In both ways it works in the root folder, in a session of its own, so that Ctrl-C in the terminal does not reach
it, and with nothing in its standard input.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Protocol

from core import PROJECT
from core.engine.process_id import ProcessId, process_of
from core.system.features import has
from core.system.processes import own_session, torch_environment

SECONDS_TO_TELL = 2.0  # for the engine to hand over how a process of its own has ended


def environment_of(root: str | os.PathLike[str] = "") -> dict[str, str]:
    """Return the environment of a process that works for this one, in the same root folder or in another.

    torch's threads wait for each other with a short spin: with none a training is a fifth slower, with libgomp's own,
    thirty times as long, the first steps beside a browser.
    """
    environment = {"GOMP_SPINCOUNT": "10000", **torch_environment(), **os.environ, "PYTHONUNBUFFERED": "1"}
    if not has("one root"):
        environment["PYTHONUTF8"] = "1"  # Windows writes into pipes and files in the letters of its language
    return environment | ({"DETR_LAB_ROOT": os.path.abspath(root)} if root else {})


SAFE = {"PYTHONSAFEPATH": "1"}  # a module is not looked for in the current folder, which is the user's


def with_code(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which `python -m core …` is this code, whatever the current folder holds."""
    others = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(PROJECT))]
    return {**environment, "PYTHONPATH": os.pathsep.join([str(PROJECT), *others])}


def working_folder(environment: Mapping[str, str]) -> str:
    """Return the folder in which a process with this environment works: its root, where relative paths are found."""
    root = environment.get("DETR_LAB_ROOT", "")
    return root if os.path.isdir(root) else str(PROJECT)


class Process(ABC):
    """A running process, or one that has ended."""

    id: ProcessId

    @abstractmethod
    def wait(self, seconds: float = 0) -> bool:
        """Wait until the process has ended, at most so long; return whether it has."""

    @property
    @abstractmethod
    def code(self) -> int | None:
        """Its exit status, −9 if it was ended by signal 9; None while it runs, and where nobody can know any more."""

    def release(self) -> None:  # noqa: B027 (to forget is mostly no work)
        """Let the process run on, and forget it."""


class Start(Protocol):
    """What starts a process: `start_cold`, or an engine's `start`."""

    def __call__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: int | IO[bytes],
        errors: int | IO[bytes],
        pipes: Mapping[str, int] = ...,
    ) -> Process:
        """Start a command with this environment; raises OSError.

        output, errors  files or descriptors for its standard output and error; they stay the caller's to close
        pipes           further descriptors, each by the environment variable that tells the process its number; where
                        a child can have none, one at most, which is its standard input, number 0
        """


class _Started(Process):
    """A child of this process."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.id = process_of(popen.pid)

    def wait(self, seconds: float = 0) -> bool:
        """Do as `Process.wait`."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        return self._popen.returncode is not None

    @property
    def code(self) -> int | None:
        """Return what `Process.code` says."""
        return self._popen.poll()

    def release(self) -> None:
        if self._popen.poll() is None:
            self._popen.returncode = 0  # Popen would warn, when it is garbage-collected, of what is left running


def start_cold(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: int | IO[bytes],
    errors: int | IO[bytes],
    pipes: Mapping[str, int] | None = None,
) -> Process:
    """Start a command as a new program, as `Start` says."""
    numbers, stdin = dict(pipes or {}), subprocess.DEVNULL
    options: dict[str, Any] = own_session()
    if has("descriptors"):
        options["pass_fds"] = list(numbers.values())
    elif numbers:
        [(name, stdin)] = numbers.items()
        numbers = {name: 0}
    safe = SAFE if "-m" in command else {}
    popen = subprocess.Popen(
        command, cwd=working_folder(environment),
        env=with_code(environment) | {name: str(number) for name, number in numbers.items()} | safe,
        stdin=stdin, stdout=output, stderr=errors, **options,
    )  # fmt: skip
    return _Started(popen)


class Forked(Process):
    """A child of the engine: it is known by a descriptor, so that no other process can be taken for it.

    process  a pidfd, which can be read once the process has ended
    status   a pipe from the engine, in which it then says how; it is closed without a word if the engine has died
    """

    def __init__(self, pid: int, process: int, status: int) -> None:
        self.id = process_of(pid)
        self._process, self._status = process, status
        for descriptor in (process, status):  # not closed before: another thread may be waiting for them
            weakref.finalize(self, os.close, descriptor)
        self._asking = threading.Lock()
        self._code: int | None = None
        self._has_ended = False

    def wait(self, seconds: float = 0) -> bool:
        """Do as `Process.wait`; threads may wait at once."""
        if not self._has_ended and _is_readable(self._process, seconds):
            with self._asking:
                self._read_status()
        return self._has_ended

    def _read_status(self) -> None:
        if not self._has_ended:
            text = os.read(self._status, 16) if _is_readable(self._status, SECONDS_TO_TELL) else b""
            self._code = int(text) if text else None
            self._has_ended = True

    @property
    def code(self) -> int | None:
        """Return what `Process.code` says."""
        self.wait()
        return self._code


def _is_readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
