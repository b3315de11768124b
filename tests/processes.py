"""Processes as tests look at them: one may end while it is being looked at."""

import psutil


def lives(process: int | psutil.Process) -> bool:
    """Whether a process, by its id or itself, runs: one that has ended and that nobody has waited for does not."""
    try:
        return (psutil.Process(process) if isinstance(process, int) else process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
