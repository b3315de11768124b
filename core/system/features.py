"""What this system has of what only some systems have: `has`, the one place that asks for it.

Linux has all of it, macOS no "proc" and no safe "fork", Windows nothing. DETR_LAB_LACKS in the environment names what
to do without, as "fork proc": with it tests on Linux go the ways of the other systems, in child processes too.
"""

from __future__ import annotations

import os
import sys

LACKS = "DETR_LAB_LACKS"
IS_POSIX = os.name == "posix"
FEATURES = {
    "fork": sys.platform == "linux" and hasattr(os, "fork"),  # of a process with libraries loaded: macOS breaks it off
    "proc": os.path.isdir("/proc/self/task"),  # what Linux tells of processes, as files
    "sessions": hasattr(os, "killpg"),  # of processes, which a terminal does not reach and which end together
    "descriptors": IS_POSIX,  # a child may have any of its parent's open files, by number
    "signals": IS_POSIX,  # which can be caught, and tell how a process has ended
    "replacing": IS_POSIX,  # to rename over what others have open, and over an empty folder
    "one root": IS_POSIX,  # paths without drives and servers, a shell with backslashes before spaces
}


def has(feature: str) -> bool:
    """Check whether the system has one of FEATURES, and is not to do without it."""
    return FEATURES[feature] and feature.replace(" ", "-") not in os.environ.get(LACKS, "").split()
