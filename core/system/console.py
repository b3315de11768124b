"""What is printed, and lines that a person may copy into a shell."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence

from core.system.features import has


def print_anything() -> None:
    r"""Let this process print what its terminal has no letters for, as "\u2192": Windows' pipes know few."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) and stream.errors == "strict":
            reconfigure(errors="backslashreplace")


def quoted(words: Sequence[str]) -> str:
    """Return a line of the system's shell that has these words.

    >>> quoted(["python", "a b.py"]) in ("python 'a b.py'", 'python "a b.py"')
    True
    """
    return shlex.join(words) if has("one root") else subprocess.list2cmdline(words)
