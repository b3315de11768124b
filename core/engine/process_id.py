"""How a process is known: by its pid and when it started, because pids are used again."""

from __future__ import annotations

import os

from core.system.proc import start_time

ProcessId = tuple[int, float]  # pid and `start_time`


def this_process() -> ProcessId:
    """Return the calling process, as `RunQueue` and `RunStore.create` take it."""
    return process_of(os.getpid())


def process_of(pid: int) -> ProcessId:
    """Return a process by its pid; raise psutil.Error if there is none."""
    return pid, start_time(pid)
