"""What the system tells of processes: from /proc where that is, else from psutil."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from core.system.features import has

THREADS, FILES = "/proc/self/task", "/proc/self/fd"


def start_time(pid: int) -> float:
    """Return when a process started, in seconds by a clock that nobody sets; raise psutil.Error if there is none.

    On Linux the seconds since boot (proc(5), stat, field 22): psutil makes of them seconds since 1970, which change
    for every living process when the machine's clock is set. Other systems note the start once, so psutil's is taken.
    """
    process = psutil.Process(pid)  # which raises the error
    if has("proc"):
        with suppress(OSError, IndexError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            return int(text.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")  # the name may hold anything
    return process.create_time()


def open_files() -> int | None:
    """Return how many files this process has open; None where the system counts something else."""
    if has("proc"):
        with suppress(OSError):
            return len(os.listdir(FILES))
    with suppress(psutil.Error, AttributeError):  # Windows counts handles
        return psutil.Process().num_fds()
    return None


def count_threads() -> int:
    """Return how many threads this process has, those of libraries too."""
    return len(os.listdir(THREADS)) if has("proc") else psutil.Process().num_threads()


def has_thread(native_id: int | None) -> bool:
    """Check whether the system still has a thread of this process; False where it does not say."""
    return has("proc") and os.path.exists(f"{THREADS}/{native_id}")


def opened_paths() -> Iterator[str]:
    """Yield the paths that this process has open, devices too; none where the system does not say."""
    for number in os.listdir(FILES) if has("proc") else ():
        with suppress(OSError):  # that of the listing itself
            yield os.readlink(f"{FILES}/{number}")
