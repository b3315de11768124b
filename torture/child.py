"""A child that is forked from this warm process: what it does, how it ended, and nothing of it left behind.

Importing torch takes seconds, a fork milliseconds. So this process must never have started a thread, nor use more than
one thread in torch, whose pool no fork survives.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

TICK = 0.002  # seconds between two looks at a child
SETTLE = 10  # seconds that the children of a killed process may take to end


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    status    its exit status, or minus the signal that killed it; None if it had to be ended: it hung
    result    what its action returned, if it came to that
    seconds   that it took
    output    what it wrote to stdout and stderr; the file stays under the folder that the child was given
    """

    status: int | None
    result: Any
    seconds: float
    output: Path

    @property
    def text(self) -> str:
        """The end of its output."""
        with suppress(OSError):
            return self.output.read_text(errors="replace")[-2000:]
        return ""


def in_child(
    action: Callable[[], Any],
    folder: Path,
    seconds: float = 60,
    kill_after: float | None = None,
    limits: Mapping[int, int] | None = None,
) -> Ending:
    """Call `action` in a forked child and wait for its end; its result, which must be JSON, comes back.

    folder       for its output
    seconds      after which it is killed, as one that hangs
    kill_after   seconds after which it is killed on purpose
    limits       of resources, by their number in `resource`
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("child-*.log")))
    output, answer = folder / f"child-{number:03d}.log", folder / f"child-{number:03d}.json"
    sys.stdout.flush()
    sys.stderr.flush()
    begin = time.monotonic()
    pid = os.fork()
    if not pid:
        _be_child(action, output, answer, limits or {})
    try:
        status = _wait(pid, begin, seconds, kill_after)
    finally:
        _end(pid)
    result = None
    with suppress(OSError, ValueError):
        result = json.loads(answer.read_text())
    return Ending(status, result, time.monotonic() - begin, output)


def _be_child(action: Callable[[], Any], output: Path, answer: Path, limits: Mapping[int, int]) -> None:
    status = 70
    try:
        os.setpgid(0, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            signal.signal(number, handler)
        faulthandler.enable(log)
        for name, limit in limits.items():
            resource.setrlimit(name, (limit, resource.getrlimit(name)[1]))
        result = action()
        for name in limits:
            hard = resource.getrlimit(name)[1]
            resource.setrlimit(name, (hard, hard))
        answer.write_text(json.dumps(result))
        status = 0
    except BaseException:
        with suppress(BaseException):
            traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _wait(pid: int, begin: float, seconds: float, kill_after: float | None) -> int | None:
    """Return the child's exit status, minus the signal that ended it, or None if it took longer than `seconds`."""
    killed = False
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - begin
        if passed > seconds:
            return None
        if kill_after is not None and passed >= kill_after and not killed:
            os.kill(pid, signal.SIGKILL)
            killed = True
        time.sleep(TICK)


def _end(pid: int) -> None:
    """Kill what is left of the child and of its group, which are processes of ours only."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def processes_naming(text: str) -> list[psutil.Process]:
    """Return the processes whose command line or environment of our own making names `text`, this one left out."""
    named = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            words = [*process.cmdline(), process.environ().get("DETR_LAB_ROOT", "")]
            if process.pid != os.getpid() and any(text in word for word in words):
                named.append(process)
    return named


def kill_all(processes: list[psutil.Process]) -> None:
    """Kill these processes and wait until they are gone."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=SETTLE)


@contextmanager
def beside(action: Callable[[], Any]) -> Iterator[None]:
    """Call `action` in a forked process beside the block; it is killed at the block's end."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        try:
            os.setpgid(0, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            action()
        finally:
            os._exit(0)
    try:
        yield
    finally:
        _end(pid)
