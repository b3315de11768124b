"""What a page shows, in its address: a link opens exactly that.

The address is read on arrival and when the browser goes back or forward, and written after every change. In between the
session says what is chosen, not the address: what the browser sends may be older than the last change.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx


def new_address(widget: str, names: Sequence[str]) -> dict[str, list[str]] | None:
    """What a link says, once: at the first run of a visit, or when the browser went back or forward; None without.

    `widget` is the key of a widget that the page always shows: its state goes when the page is left.
    """
    if widget in st.session_state and not get_script_run_ctx().is_history_navigation:
        return None
    address = {name: st.query_params.get_all(name) for name in names if name in st.query_params}
    return address or None  # a click in the navigation: all as it was


def write_address(address: dict[str, str | list[str]]) -> None:
    """Makes the address say this, if it does not."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in address.items()}
    if {name: st.query_params.get_all(name) for name in st.query_params} != listed:
        st.query_params.from_dict(address)
