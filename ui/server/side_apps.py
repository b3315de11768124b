"""Applications of others, as the app sees them: a process of each at most, which ends with the server.

In: `core.apps.side_app`: `SIDE_APPS`. Out: the process of each, for every tab and run.
"""

from __future__ import annotations

import os

import streamlit as st

from core.apps.side_app import SIDE_APPS, AppProcess, SideApp


class SideApps:
    """The processes of all applications, each begun with the first request."""

    def __init__(self, root: str = "") -> None:
        self._processes = {app.key: AppProcess(app, root) for app in SIDE_APPS}

    def process_of(self, app: SideApp) -> AppProcess:
        """Return the one process of an application."""
        return self._processes[app.key]

    def stop_all(self) -> None:
        """End all of them, each within seconds."""
        for process in self._processes.values():
            process.stop()


def side_apps() -> SideApps:
    """Return those of this server."""
    return _side_apps(os.environ.get("DETR_LAB_ROOT", ""))


@st.cache_resource(show_spinner=False)
def _side_apps(root: str) -> SideApps:
    return SideApps(root)
