"""Going to another page from code, so that one arrives there.

Streamlit's `switch_page` loses a race: what the browser asks of the old page before it has heard of the new one is
answered after it. A part that is run again every second then leaves neither page on the screen, and a component that
sends something brings the old page back. In: the page to go to. Out: that page, whatever was asked meanwhile.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

HERE, GOING = "page shown", "page gone to"  # in the session
SECONDS = 1.0  # for so long after the switch the old page is not what the user wants


class _Going(NamedTuple):
    origin: Path | None
    page: Path
    query: dict[str, Any] | None
    since: float


def open_page(page: Path, query: dict[str, Any] | None = None) -> NoReturn:
    """Open another page with an address's query; nothing after this is run."""
    st.session_state[GOING] = _Going(st.session_state.get(HERE), page, query, time.monotonic())
    _switch(page, query)


def arrive(here: Path) -> None:
    """Note that the page `here` is shown; if the session was just sent away from it, go there again.

    Not if the user went back: that is what was asked.
    """
    context, going = get_script_run_ctx(), st.session_state.get(GOING)
    if context and context.is_history_navigation:
        going = st.session_state[GOING] = None
    if going and here == going.origin != going.page and time.monotonic() - going.since < SECONDS:
        _switch(going.page, going.query)
    st.session_state[HERE] = here


def _switch(page: Path, query: dict[str, Any] | None) -> NoReturn:
    if context := get_script_run_ctx():
        context.fragment_storage.clear()  # what asks for a part that is not there is not heard
    st.switch_page(page, query_params=query)
