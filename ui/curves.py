"""The live run as a component: status, figures and curves, which fetch what is new by themselves (curves.js)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.records import Run

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "live_run",
    html='<div class="dl-curves">\n</div>',
    css=(HERE / "curves.css").read_text(),
    js="\n".join((HERE / name).read_text() for name in ("curves.js", "plots.js", "element.js")),
    isolate_styles=False,  # Plotly writes its styles into the page
)


def live_run(run: Run) -> None:
    """Shows the run and, while it is live, what is new about once a second.

    The page is run again only when the run's status has changed, so that it offers what can be done now.
    """
    _component(key="live run", data={"run": run.id, "status": run.status.value}, on_status_change=lambda: None)
