"""All scenes of a drawn data set, one after another, though several processes draw them.

In: a folder, the settings and a number of processes. Out: each scene's files in that folder, and its entries in order.
The processes are `worker.py`: never forks or spawned copies of this one, which may be an app with threads and a page as
its main module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from core import DataError
from core.child import Child, ChildEnded
from core.datasets.coco.entries import Entry
from core.datasets.drawing.scene_files import draw_files
from core.system.processes import ending_signal

DrawnScene: TypeAlias = tuple[str, Entry, list[Entry]]  # split, image, annotations without ids

MODULE = "core.datasets.drawing.worker"
WAIT_SECONDS = 60.0  # between two looks at a process that draws; it is waited for as long as it lives


def draw_scenes(folder: Path, settings: dict[str, Any], processes: int) -> Generator[DrawnScene, None, None]:
    """Draw every scene into the folders of the splits under `folder`, and yield them by number.

    Whoever closes the generator, or is thrown out of it, has no process left that draws. Raises OSError if a picture
    cannot be written, DataError if a process cannot be started or is ended.
    """
    total = settings["train"] + settings["val"]
    processes = min(processes, total)
    if processes == 1:
        yield from (draw_files(folder, settings, number) for number in range(total))
        return
    children: list[Child] = []
    try:
        for share in range(processes):
            children.append(_start())
            request = {"folder": str(folder.absolute()), "settings": settings, "share": share, "shares": processes}
            with suppress(OSError):  # it has ended; how is seen when its scenes are waited for
                children[-1].send(request)
        for number in range(total):
            yield _next_scene(children[number % processes])
    finally:
        for child in children:
            child.end()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start() -> Child:
    try:
        return Child([sys.executable, "-m", MODULE], os.environ)
    except OSError as error:
        raise DataError(f"The processes that draw scenes cannot be started: {error.strerror or error}.") from None


def _next_scene(child: Child) -> DrawnScene:
    answer = None
    try:
        while answer is None:
            answer = child.receive(WAIT_SECONDS)
    except ChildEnded as end:
        if ending_signal(end.code or 0):
            raise DataError("A process that drew scenes was ended from outside, most often for want of memory: take "
                            "fewer processes.") from None  # fmt: skip
        raise DataError(f"A process that drew scenes ended: {end}.") from None
    if "scene" not in answer:
        raise OSError(answer["errno"], answer["strerror"])
    split, image, annotations = answer["scene"]
    return split, image, annotations
