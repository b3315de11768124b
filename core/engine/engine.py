"""The app's engine, as the app sees it: a process that has imported torch, and forks trainings and the like.

In: the modules that it imports, in the background, when it begins. Out: a process for each command, forked where that
is possible and the engine is ready, else started as a new program; both are the same `Process` to their owner. An
engine that dies is started again. Its children outlive it, and the app.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

import psutil

from core import PROJECT
from core.engine.process import Forked, Process, environment_of, start_cold
from core.system.features import has

SOCKET = "DETR_LAB_ENGINE_SOCKET"  # in the engine's environment: the number of its end
READY = b"ready"  # its first message
MOST_BYTES = 100_000  # of a message: what a socket takes at once is little more
SECONDS_TO_FORK = 10.0  # after which it is taken to hang
SECONDS_TO_END = 2.0
LONGEST_PAUSE, STEADY_SECONDS = 300.0, 60.0  # before a new one; how long one lives that is no reason for a pause
# one thread: those of OpenBLAS and of pyarrow's allocator begin with their import; torch's do not, until it computes;
# and no GPU: a library that asks torch for one while it is imported is answered from the driver's list
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "SPT_NOENV": "1",  # a child's title takes the place of the engine's command line, and not of its environment
}
OF_A_PROCESS = frozenset({"DETR_LAB_ROOT", "PYTHONUNBUFFERED"})  # what no module reads while it is imported

logger = logging.getLogger(__name__)


class Engine:
    """Starts processes; warm ones once `begin` was called and the imports are done, until `stop`."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._modules = list(modules)
        self._environment = environment_of() if environment is None else dict(environment)
        self._forking = threading.Lock()  # and of what is below
        self._popen: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None  # of an engine that is ready
        self._code: set[object] = set()  # that it imports
        self._closing, self._changed = threading.Event(), threading.Condition()
        self._thread: threading.Thread | None = None

    @staticmethod
    def is_possible() -> bool:
        """Check whether a process may be forked here: on Linux, unless DETR_LAB_ENGINE is "off"."""
        is_known = has("proc") and hasattr(os, "pidfd_open")  # its threads, and its children
        return has("fork") and is_known and os.environ.get("DETR_LAB_ENGINE") != "off"

    @property
    def pid(self) -> int | None:
        """The engine's process; None while there is none."""
        popen = self._popen
        return popen.pid if popen and popen.poll() is None else None

    @property
    def is_ready(self) -> bool:
        """Whether the imports are done."""
        return self._socket is not None

    def begin(self) -> None:
        """Start the engine in the background, once; where no process may be forked, do nothing."""
        if self.is_possible() and self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="detr-lab-engine", daemon=True)
            self._thread.start()

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait for the imports, at most so long; return whether they are done."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_ready, seconds)

    def stop(self) -> None:
        """End the engine; what it has forked lives on."""
        self._closing.set()
        with self._forking:
            self._drop()
        if self._thread:
            self._thread.join(SECONDS_TO_END)

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: int | IO[bytes],
        errors: int | IO[bytes],
        pipes: Mapping[str, int] | None = None,
    ) -> Process:
        """Start a command as `Start` says, without its imports if the engine is ready; raises OSError.

        Only a Python with the engine's own environment is forked, and only while code and packages are what the engine
        has imported: modules may have read another environment as they began.
        """
        pipes = pipes or {}
        is_same = _imported_by(environment) == _imported_by(self._environment)
        if is_same and command[0] == sys.executable and len(command) > 1:
            with self._forking:
                forked = self._fork(command, environment, output, errors, pipes)
            if forked:
                return forked
        return start_cold(command, environment, output, errors, pipes)

    def _fork(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: int | IO[bytes],
        errors: int | IO[bytes],
        pipes: Mapping[str, int],
    ) -> Forked | None:
        if self._socket is None:
            return None
        if self._code != _code():
            logger.info("The code has changed: a new engine is started.")
            self._drop()
            return None
        request = {"command": list(command), "environment": dict(environment), "pipes": list(pipes)}
        question = json.dumps(request).encode()
        if len(question) > MOST_BYTES:
            return None
        streams = [stream if isinstance(stream, int) else stream.fileno() for stream in (output, errors)]
        try:
            socket.send_fds(self._socket, [question], [*streams, *pipes.values()])
            message, given, _, _ = socket.recv_fds(self._socket, MOST_BYTES, 3, socket.MSG_CMSG_CLOEXEC)
            answer = json.loads(message)
        except (OSError, ValueError) as error:  # it has died, or hangs
            logger.warning("The engine does not answer (%s): a new one is started.", error)
            self._drop()
            return None
        if "refused" in answer:
            logger.warning("The engine cannot fork a process: %s.", answer["refused"])
            return None
        return _begin(answer["pid"], given)

    def _drop(self) -> None:
        """End the engine as it is; `_keep` sees it."""
        if self._socket:
            self._socket.close()
        self._socket = None
        if self._popen:
            self._popen.kill()

    def _keep(self) -> None:
        """Have an engine until `stop`, with a growing pause after each that does not last."""
        pause = 1.0
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                self._live()
            except OSError as error:
                logger.warning("The engine could not be started: %s.", error)
            pause = 1.0 if time.monotonic() - began > STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            self._closing.wait(pause)

    def _live(self) -> None:
        """Start an engine, and return when it has ended."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._forking:
            self._code = _code()
            if self._closing.is_set():
                ours.close()
                return
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "core.engine.server", *self._modules], cwd=PROJECT, stdin=subprocess.DEVNULL,
                env={**self._environment, **ENVIRONMENT, SOCKET: str(theirs.fileno())}, pass_fds=[theirs.fileno()],
                start_new_session=True,
            )  # fmt: skip
        with ours:
            if ours.recv(len(READY)) == READY:
                ours.settimeout(SECONDS_TO_FORK)
                with self._changed:
                    self._socket = ours
                    self._changed.notify_all()
            self._popen.wait()
            with self._forking:
                self._socket = None


def _begin(pid: int, given: Sequence[int]) -> Forked | None:
    """Have a child of the engine begin, with the descriptors that came with it; None, and it ends, if some are lost.

    The system drops those that are more than this process may have open.
    """
    try:
        process, status, go = given
        forked = Forked(pid, process, status)
    except (ValueError, OSError, psutil.Error) as error:
        logger.warning("A process of the engine cannot be watched (%s).", error)
        for descriptor in given:
            os.close(descriptor)
        return None
    with suppress(BrokenPipeError), os.fdopen(go, "wb", buffering=0) as begin:  # killed before it began
        begin.write(b"1")
    return forked


def _imported_by(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment a module may read while it is imported."""
    return {name: value for name, value in environment.items() if name not in OF_A_PROCESS}


def _code() -> set[object]:
    """Return what changes with this project's code, and with the versions of the installed packages."""
    installed = {name for name in os.listdir(sysconfig.get_paths()["purelib"]) if name.endswith(".dist-info")}
    changed = set()
    for path in (PROJECT / "core").rglob("*.py"):
        with suppress(OSError):  # it is just being replaced
            changed.add((str(path), path.stat().st_mtime_ns))
    return installed | changed
