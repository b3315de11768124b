"""The process that exports models, as the app sees it: one for each export, which ends with it.

In: a request as `core.export.onnx.worker` takes it. Out: what it is doing, in words, and its answer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from core import LabError
from core.child import Child, ChildEnded
from core.disk import clear_leftovers
from core.engine.process import environment_of
from core.system.processes import ending_signal
from ui.server.engine import engine

COMMAND = (sys.executable, "-m", "core.export.onnx.worker")
LOOK_SECONDS = 0.5  # between two looks whether it is to stop


def ask_exporter(request: dict[str, Any], folder: Path) -> Generator[str, None, dict[str, Any]]:
    """Send the request to a process of its own; yield what that does, and return its answer.

    folder  where it writes; what it leaves there unfinished is deleted
    Whoever closes the generator ends the process. Raises LabError, its sentence.
    """
    words = "Starting"
    try:
        child = Child(COMMAND, environment_of(os.environ.get("DETR_LAB_ROOT", "")), engine().start)
    except OSError as error:
        raise LabError(f"The export could not be started: {error}.") from error
    try:
        child.send(request)
        while True:
            answer = child.receive(LOOK_SECONDS)
            if answer is not None and "error" in answer:
                raise LabError(answer["error"])
            if answer is not None and "words" not in answer:
                return answer
            words = answer["words"] if answer else words
            yield words
    except (ChildEnded, OSError) as end:
        code, line = getattr(end, "code", None), getattr(end, "last_line", "")
        reason = f"by signal {number}, most often for want of memory" if (number := ending_signal(code or 0)) else line
        raise LabError(f"The process that exports has ended ({reason or 'without a word'}): try again.") from end
    finally:
        child.end()
        clear_leftovers(folder)
