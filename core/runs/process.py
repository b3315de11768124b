"""The process that works on a run: recognised by pid and start time, killed on demand.

Apart from `manager.py` so that the command line and a training itself can name processes as the app does.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from core.runs.schema import Run

SAME_PROCESS_SECONDS = 0.005  # less than a tick of the clock that start times are counted in

ProcessId = tuple[int, float]  # pid and start time (see `start_time`), because pids are reused


def this_process() -> ProcessId:
    """Return the calling process, as `RunQueue` and `RunStore.create` take it."""
    return process_of(os.getpid())


def process_of(pid: int) -> ProcessId:
    """Return a process by its pid; raise psutil.Error if there is none."""
    return pid, start_time(pid)


def start_time(pid: int) -> float:
    """Return when a process started, in seconds by a clock that nobody sets; raise psutil.Error if there is none.

    On Linux the seconds since boot (proc(5), stat, field 22): psutil makes of them seconds since 1970, which change
    for every living process when the machine's clock is set. Other systems note the start once, so psutil's is taken.
    """
    process = psutil.Process(pid)  # which raises the error
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # the name may hold anything
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return process.create_time()


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
        return run.pid is not None and run.id in psutil.Process(run.pid).cmdline()
    except (psutil.Error, ValueError):
        return False


def ended_by(number: int) -> str:
    """Return in words that a process was ended by the signal of this number, and what that may mean."""
    name = {one.value: one.name for one in signal.Signals}.get(number, f"signal {number}")
    return f"was ended by {name}" + (", which often means that memory ran out" if name == "SIGKILL" else "")


def kill(pid: int) -> None:
    """Kill a process and its children, which read images for it."""
    try:
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.Error:
        return
    for process in family:
        try:
            process.kill()
        except psutil.Error:
            continue
