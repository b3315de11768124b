"""The live run as a component: status, figures, curves and remarks, which fetch what is new themselves (live.js)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.runs.schema import Run
from ui.server import scripts, services

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "live_run",
    html='<div class="dl-curves">\n</div>',
    css=(HERE / "live.css").read_text(encoding="utf-8"),
    js=scripts.loader("ui/live/live.js"),
    isolate_styles=False,  # Plotly writes its styles into the page
)


def show_live_run(run: Run) -> None:
    """Show the run and, while it is live, what is new about once a second.

    The page is run again only when what it shows beside the component has changed: the run's status, its files.
    """
    _component(
        key="live run", data={"run": run.id, "version": services.page_version(run)}, on_version_change=lambda: None
    )
