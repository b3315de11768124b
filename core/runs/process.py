"""The process that works on a run: recognised, and how it has ended in words.

Apart from `manager.py` so that the command line and a training itself can name processes as the app does.
"""

from __future__ import annotations

import signal

import psutil

from core.runs.schema import Run
from core.system.proc import start_time

SAME_PROCESS_SECONDS = 0.005  # less than a tick of the clock that start times are counted in


def has_process(run: Run) -> bool:
    """Check whether the process noted for the run is alive, and not another one that has its pid now."""
    if run.pid is None or run.pid_started is None:
        return False
    try:
        if psutil.Process(run.pid).status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(start_time(run.pid) - run.pid_started) < SAME_PROCESS_SECONDS or is_dedicated_process(run)
    except (psutil.Error, ValueError):  # gone, or another user's
        return False


def is_dedicated_process(run: Run) -> bool:
    """Check whether the command line of the run's process names the run, so that it works on no other one."""
    try:
        # a process of the engine has its command line in one piece
        return run.pid is not None and run.id in " ".join(psutil.Process(run.pid).cmdline()).split()
    except (psutil.Error, ValueError):
        return False


def ended_by(number: int) -> str:
    """Return in words that a process was ended by the signal of this number, and what that may mean."""
    name = {one.value: one.name for one in signal.Signals}.get(number, f"signal {number}")
    return f"was ended by {name}" + (", which often means that memory ran out" if name == "SIGKILL" else "")
