"""How a process is known: by its pid and when it started, because pids are used again."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

ProcessId = tuple[int, float]  # pid and start time (see `start_time`)


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
