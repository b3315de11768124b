"""The process that works on a run: known again by pid and start time, ended by force.

Apart from `jobs.py` so that the command line and a training itself can name processes as the app does.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from core.runs.schema import Run

SAME_PROCESS_SECONDS = 0.005  # less than a tick of the clock that start times are counted in

ProcessId = tuple[int, float]  # pid and start time (see `start_time`), because pids come again


def this_process() -> ProcessId:
    """The calling process, as `RunQueue` and `RunStore.create` want it."""
    return process_of(os.getpid())


def process_of(pid: int) -> ProcessId:
    """A process by its pid; raises psutil.Error if there is none."""
    return pid, start_time(pid)


def start_time(pid: int) -> float:
    """When a process started, in seconds, by a clock that nobody sets; raises psutil.Error if there is none.

    On Linux since the machine's start (proc(5), stat, field 22): what psutil makes of it, seconds since 1970, changes
    for every living process when the machine's clock is set. Elsewhere that is noted once, and psutil's is taken.
    """
    process = psutil.Process(pid)  # which raises the error
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # the name before may hold anything
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return process.create_time()


def has_process(run: Run) -> bool:
    """Whether the process noted for the run is there and still the same one, not another with its pid."""
    try:
        if psutil.Process(run.pid).status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(start_time(run.pid) - run.pid_started) < SAME_PROCESS_SECONDS or is_dedicated_process(run)
    except (psutil.Error, TypeError, ValueError):  # gone, another user's, or never noted
        return False


def is_dedicated_process(run: Run) -> bool:
    """Whether the command line of the run's process names the run, so that the process is there for it alone."""
    try:
        return run.id in psutil.Process(run.pid).cmdline()
    except (psutil.Error, TypeError, ValueError):
        return False


def kill(pid: int) -> None:
    """End a process and its children (which read images for it) at once."""
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
