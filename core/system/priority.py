"""How much of the machine a process takes while others want it too."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from core.system.features import has


def give_way(niceness: int) -> None:
    """Let others come first, by so much, from 1 to 19: the calling thread, and the session that its process leads.

    Linux's autogroups share the machine among sessions first; a thread's niceness then counts in its own alone. Other
    systems know it of a whole process; Windows has one step of it.
    """
    if has("proc"):
        let_thread_give_way(niceness)
        if os.getsid(0) == os.getpid():
            with suppress(OSError):
                Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")
        return
    with suppress(psutil.Error, OSError):
        process = psutil.Process()
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(min(19, process.nice() + niceness))


def let_thread_give_way(niceness: int) -> None:
    """Let others come before the calling thread and those that it starts, where the system knows that of a thread."""
    if has("proc"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
