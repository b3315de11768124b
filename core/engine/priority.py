"""How much of the machine a process takes while others want it too."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path


def give_way(niceness: int) -> None:
    """Let others come first, by so much, from 1 to 19: the calling thread, and the session that its process leads.

    Linux's autogroups share the machine among sessions first; a thread's niceness then counts in its own alone.
    """
    if sys.platform == "linux":
        let_thread_give_way(niceness)
        if os.getsid(0) == os.getpid():
            with suppress(OSError):
                Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")
    elif hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(niceness)


def let_thread_give_way(niceness: int) -> None:
    """Let others come before the calling thread and those that it starts, where the system knows that of a thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
