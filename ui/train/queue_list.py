"""The queue: a button with the number of waiting runs, behind it their list, to be reordered or cancelled.

Each run is told by its name, data set and model, and by the settings in which the waiting runs differ.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.runs.queue import queue_differences
from ui.choose import pickers
from ui.server import services
from ui.text import plain


def show_queue(attempt: Callable[..., None], watch: Callable[[str], None]) -> None:
    """Show the button, unless no run waits.

    attempt  called as attempt(action, *args): calls the action and shows its error
    watch    shows a run, by its id
    """
    waiting = services.waiting()
    if not waiting:
        return
    jobs = services.jobs()
    with st.popover(f"Queue · {len(waiting)}", key="queue", icon=":material/format_list_numbered:"):
        differences = queue_differences(waiting)
        for place, run in enumerate(waiting):
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", width=380
            ):
                st.button(f"{place + 1:d}. {plain(pickers.run_name(run))}", key=f"show {run.id}", type="tertiary",
                          on_click=watch, args=(run.id,), help="Shows this run.")  # fmt: skip
                with st.container(horizontal=True, width="content", gap="xsmall"):
                    st.button("", key=f"up {run.id}", icon=":material/arrow_upward:", disabled=place == 0,
                              on_click=attempt, args=(jobs.move, run.id, -1), help="One place earlier")  # fmt: skip
                    st.button("", key=f"down {run.id}", icon=":material/arrow_downward:", disabled=run is waiting[-1],
                              on_click=attempt, args=(jobs.move, run.id, 1), help="One place later")  # fmt: skip
                    st.button("", key=f"cancel {run.id}", icon=":material/close:", on_click=attempt,
                              args=(jobs.stop, run.id), help="Takes it out of the queue.")  # fmt: skip
            st.caption(plain(differences[run.id]))
