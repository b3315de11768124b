"""A command that takes requests as a child of `core.child` does, run to its end."""

from __future__ import annotations

import os
import subprocess

from core.child import REQUESTS
from core.engine.process import Start
from tests.engines import run_python


def run_piped(
    start: Start, *arguments: str, requests: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `python …` with all requests (a few kB) in the pipe already, which then ends."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        pipe.write(requests)
    try:
        return run_python(start, *arguments, pipes={REQUESTS: reading}, **environment)
    finally:
        os.close(reading)
