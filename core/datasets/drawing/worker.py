"""A process that draws its share of the scenes: `python -m core.datasets.drawing.worker`.

In: one request on the pipe of `core.child`, as JSON: {"folder", "settings", "share", "shares"}. Out: an answer a line
on stdout for each of its scenes, which are every `shares`-th from number `share` on: {"scene": [split, image,
annotations]}. If one cannot be written: {"errno", "strerror"}, the last answer.

It gives way to whoever shows a page meanwhile, and ends with its parent: nobody takes its next answer then.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from core.child import open_requests
from core.datasets.drawing.scene_files import draw_files
from core.system.priority import give_way

NICENESS = 10


def main() -> None:
    """Draw the scenes of one request."""
    with open_requests() as requests:
        request = json.loads(requests.readline() or "null")
    if request is None:  # the parent has ended
        return
    give_way(NICENESS)
    settings = request["settings"]
    for number in range(request["share"], settings["train"] + settings["val"], request["shares"]):
        try:
            scene = draw_files(Path(request["folder"]), settings, number)
        except OSError as error:
            _answer({"errno": error.errno, "strerror": error.strerror or str(error)})
            return
        _answer({"scene": scene})


def _answer(answer: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(1)  # at its own end Python would complain that the pipe is broken


if __name__ == "__main__":
    main()
