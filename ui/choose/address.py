"""What a page shows, in its address: a link opens exactly that.

The address is read on arrival and when the browser goes back or forward, and written after every change. In between
the session says what is chosen, not the address: what the browser sends may be older than the last change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

Address = Mapping[str, list[str]]  # the values of each name in an address
AGAIN = "address is read again"  # in the session
Query = dict[str, str | list[str]]  # the same as it is written: one value, or several


def new_address(widget: str, names: Sequence[str]) -> Address | None:
    """Return what a link says, once: at the first run of a visit, and when the browser goes back or forward.

    None at every other run, and where the address says nothing. `widget` is the key of a widget that the page always
    shows: Streamlit drops its state when the page is left.
    """
    is_asked = st.session_state.pop(AGAIN, False)
    if widget in st.session_state and not is_back_or_forward() and not is_asked:
        return None
    address = {name: st.query_params.get_all(name) for name in names if name in st.query_params}
    return address or None  # a click in the navigation: all as it was


def read_again() -> None:
    """Have the next run of a page read its address, which a link on that page itself has changed."""
    st.session_state[AGAIN] = True


def is_back_or_forward() -> bool:
    """Check whether this run is one that the browser asked for by going back or forward."""
    context = get_script_run_ctx()
    return bool(context and context.is_history_navigation)


def write_address(query: Mapping[str, str | list[str]]) -> None:
    """Make the address say this, if it does not."""
    values = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    if {name: st.query_params.get_all(name) for name in st.query_params} != values:
        st.query_params.from_dict(query)


def remember(key: str, value: object) -> None:
    """Set what the session says, and so the address after it; also a callback."""
    st.session_state[key] = value
