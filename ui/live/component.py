"""The live run as a component: status, figures, curves and remarks, which fetch what is new themselves (live.js)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from core.metrics import AP, GRAD_NORM, GROUPS, LOGGED_ERRORS, LOSSES, Loss
from core.runs.schema import Run
from ui.live.metrics_route import run_state
from ui.live.start import start_of
from ui.server import scripts, services

KEY = "live run"  # of the component in the session
HERE = Path(__file__).parent


def _words(loss: Loss) -> dict[str, Any]:
    layers = {"layers": asdict(loss.layers), "valLayers": asdict(loss.val_layers)}
    return {**asdict(loss), "train": asdict(loss.train), "val": asdict(loss.val), **layers}


METRICS = {  # their words, for the curves; types.d.ts describes it
    "losses": [_words(loss) for loss in LOSSES],
    "errors": [_words(error) for error in LOGGED_ERRORS],
    "groups": {key: asdict(group) for key, group in GROUPS.items()},
    "ap": asdict(AP),
    "gradNorm": asdict(GRAD_NORM),
}

_component = scripts.component(
    "live_run",
    "ui/live/live.js",
    html='<div class="dl-curves">\n</div>',
    css=(HERE / "live.css").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly writes its styles into the page
)


def show_live_run(run: Run, train_advised: Callable[[str], None]) -> None:
    """Show the run and, while it is live, what is new about once a second.

    The page is run again only when what it shows beside the component has changed: the run's status, its files; and
    when the button of a remark is clicked. `train_advised` is then called with the remark's rule, as a callback.
    """

    def take() -> None:
        advised = st.session_state[KEY].get("advised")  # {"run": its id, "rule": …}
        if isinstance(advised, dict) and advised.get("run") == run.id:
            train_advised(str(advised.get("rule")))

    _component(key=KEY, data=live_data(run), on_version_change=lambda: None, on_advised_change=take)


def live_data(run: Run) -> dict[str, Any]:
    """Return what the component begins with: the run, how far its start is, and what is drawn of it."""
    start = start_of(run, run_state(run)["message"] or "")
    return {"run": run.id, "version": services.page_version(run), "start": start, "metrics": METRICS}
