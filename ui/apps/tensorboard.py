"""Open TensorBoard, on Train: the curves of all runs, of which the link shows the one that is watched."""

from __future__ import annotations

import os
from urllib.parse import quote

from core.apps.side_app import TENSORBOARD
from core.runs.schema import Run
from ui.apps.panel import Opening, show_panel
from ui.server import services

HELP = "The curves of all runs, as TensorBoard shows them, in a tab of its own."


def show_tensorboard(run: Run) -> None:
    """Show the panel; its link leads to the curves of this run."""
    request = {"ask": "open", "runs": os.fspath(services.store().runs_dir)}
    show_panel(
        Opening(TENSORBOARD, "tensorboard", request, HELP, f"?runFilter={quote(run.id)}#timeseries"), "tensorboard"
    )
