"""A command that takes requests as a child of `core.child` does, run to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from core import PROJECT
from core.child import REQUESTS


def run_piped(command: Sequence[str], requests: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with all requests (a few kB) in the pipe already, which then ends."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        pipe.write(requests)
    try:
        variables: Mapping[str, str] = {**os.environ, **environment, REQUESTS: str(reading)}
        return subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=PROJECT,
            env=variables, pass_fds=[reading], timeout=300,
        )  # fmt: skip
    finally:
        os.close(reading)
