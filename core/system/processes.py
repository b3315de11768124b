"""Processes: how they are started apart from the terminal, and ended with all they started; how they have ended."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

import psutil

from core.system.features import has

# of Windows
NEW_GROUP, BREAK = 0x200, 1  # subprocess.CREATE_NEW_PROCESS_GROUP, signal.CTRL_BREAK_EVENT
FROM_OUTSIDE, FROM_CRASHES = 15, 2**31  # the exit code that psutil gives what it kills, and the first of crashes
# what a process is asked to end by; a terminal of Windows has another one than Ctrl-C for those that it is kept from
STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))


def own_session() -> dict[str, Any]:
    """Return what subprocess.Popen takes for a process that Ctrl-C in the terminal does not reach."""
    if has("sessions"):
        return {"start_new_session": True}
    return {"creationflags": NEW_GROUP} if os.name == "nt" else {}


def passed_on(number: int) -> int:
    """Return the signal by which one is passed on to a process of its own session."""
    return BREAK if os.name == "nt" and number != signal.SIGTERM else number


def torch_environment() -> dict[str, str]:
    """Return what has to be in the environment before torch is loaded: what an Apple GPU lacks is done on the CPU."""
    return {"PYTORCH_ENABLE_MPS_FALLBACK": "1"} if sys.platform == "darwin" else {}


def start_method() -> str:
    """Return how multiprocessing is to start a process here that has libraries loaded: "fork" or "spawn"."""
    return "fork" if has("fork") else "spawn"


def kill_family(pid: int) -> None:
    """Kill a process and its children, and theirs."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]  # the parent first, which could say that a child is lost
    except psutil.Error:
        return
    for process in family:
        with suppress(psutil.Error):
            process.kill()


def kill_session(pid: int) -> None:
    """Kill what has started in the session that a process leads; without sessions, the process and its children."""
    if has("sessions"):
        with suppress(ProcessLookupError, PermissionError):  # it has ended; macOS says the latter
            os.killpg(pid, signal.SIGKILL)
    else:
        kill_family(pid)


def ending_signal(code: int) -> int | None:
    """Return the signal by which a process with this exit code was ended; None if it ended by itself.

    Windows has no signals: there it is SIGTERM for what was ended from outside, and SIGSEGV for a crash, as 0xC0000005.

    >>> ending_signal(-9), ending_signal(1), ending_signal(0)
    (9, None, None)
    """
    if code < 0:
        return -code
    if has("signals"):
        return None
    if code >= FROM_CRASHES:
        return int(signal.SIGSEGV)
    return int(signal.SIGTERM) if code == FROM_OUTSIDE else None
