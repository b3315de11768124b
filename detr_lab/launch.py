"""The command `detr-lab`: the project's command line, or without a command the dashboard.

The project lies in `house/` as it lies in its repository, so that its names `core`, `ui` and `pages` are found by this
command and its children alone, and are in nobody else's way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parent / "house"


def main() -> int:
    """Run the command line with the current folder as its root, unless DETR_LAB_ROOT or --root names another."""
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(HOUSE))]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HOUSE), *others])  # for children: python -m core …
    os.environ["DETR_LAB_ROOT"] = os.environ.get("DETR_LAB_ROOT") or os.getcwd()
    os.environ["DETR_LAB_PROGRAM"] = "detr-lab"
    sys.path.insert(0, str(HOUSE))
    from core.__main__ import run

    return run()
