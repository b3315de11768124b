"""The panel of an application of others on a page: a button that opens it, then its link, its port and Stop.

In: an `Opening`. What takes a while, to start or to bring tags back, is a background task, so that it goes on when the
tab is closed; whether the process still lives is looked at every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from core.apps.side_app import ADDRESS, AppProcess, SideApp
from ui.server.background import Task, background_tasks
from ui.server.side_apps import side_apps
from ui.text import plain

LOOK_SECONDS, LOOK_AGAIN_SECONDS = 1.0, 3.0  # while it starts, and while it is open
Steps = Generator[str, None, dict[str, Any]]


@dataclass(frozen=True)
class Opening:
    """What is opened, and how.

    name      of the background task: one for each thing that is opened
    request   to the application's child
    help      of the button
    path      added to the address that the child answers with
    end       what is done before its process is stopped, as asking it to keep something; it yields words
    disabled  whether there is nothing that could be opened
    """

    app: SideApp
    name: str
    request: dict[str, Any]
    help: str
    path: str = ""
    end: Callable[[], Steps] | None = None
    disabled: bool = False


def show_panel(opening: Opening, key: str, more: Callable[[], None] | None = None) -> None:
    """Show the panel where it is called; `more` shows what else can be done while the application is open.

    key  of the widgets, one for each place of a page
    """
    process, task = side_apps().process_of(opening.app), background_tasks().find(opening.name)
    if task and task.is_running:
        _show_progress(opening, key)
    elif task and _is_open(task, process):
        _show_link(opening, key, task.result)
        if more:
            more()
    else:
        if task:
            _show_end(task, process)
        st.button(f"Open in {plain(opening.app.title)}", key=f"{key} open", icon=":material/open_in_new:",
                  help=plain(opening.help), width="stretch", on_click=open_app, args=(opening,),
                  disabled=opening.disabled)  # fmt: skip


def open_app(opening: Opening) -> None:
    """Open it, in the background; a callback."""
    process = side_apps().process_of(opening.app)
    background_tasks().start(opening.name, lambda: process.ask(opening.request), "It could not be opened")


def stop_app(opening: Opening) -> None:
    """Stop the application, once it has kept what is to be kept; a callback."""
    process = side_apps().process_of(opening.app)
    background_tasks().start(opening.name, partial(_stop, process, opening.end), "It could not be stopped")


def _stop(process: AppProcess, end: Callable[[], Steps] | None) -> Steps:
    try:
        answer = (yield from end()) if end else {}
    finally:
        process.stop()
    return {"sentence": answer.get("sentence", "")}


def _is_open(task: Task, process: AppProcess) -> bool:
    return bool(task.result) and "port" in task.result and task.result["pid"] == process.pid is not None


@st.fragment(run_every=LOOK_SECONDS)
def _show_progress(opening: Opening, key: str) -> None:
    """Show what is done, with Stop; run the page again at its end."""
    task = background_tasks().find(opening.name)
    if task is None or not task.is_running:
        st.rerun()
    st.caption(f"{plain(task.latest or f'Starting {opening.app.title}')} …")
    st.button("Stop", key=f"{key} break off", icon=":material/stop:", disabled=task.stopped, on_click=task.stop)


@st.fragment(run_every=LOOK_AGAIN_SECONDS)
def _show_link(opening: Opening, key: str, answer: dict[str, Any]) -> None:
    """Show the link, the port and Stop; run the page again where the process is gone."""
    if side_apps().process_of(opening.app).pid != answer["pid"]:
        st.rerun()
    port = int(answer["port"])
    with st.container(horizontal=True, key=f"{key} link"):
        st.link_button(f"Open {plain(opening.app.title)}", f"http://{ADDRESS}:{port}{answer['path']}{opening.path}",
                       icon=":material/open_in_new:", type="primary")  # fmt: skip
        if st.button("Stop", key=f"{key} stop", icon=":material/stop:", on_click=stop_app, args=(opening,)):
            st.rerun()
    st.caption(f"It answers at port {port:d} of this machine only: from another one, forward that port, too.")
    if note := answer.get("note"):
        st.caption(plain(note))


def _show_end(task: Task, process: AppProcess) -> None:
    """Say how it ended, unless it was stopped and nothing came of that."""
    result = task.result or {}
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif process.death and "port" in result:
        st.error(plain(process.death), icon=":material/error:")
    elif sentence := result.get("sentence"):
        st.caption(plain(sentence))
