"""The page of a gallery that is shown: its number lies in the session, where pagination and the arrow keys put it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ui.choose.widget_value import set_widget_value

PER_PAGE = 24
PAGE_SIZES = (24, 48, 96)


def page_count(items: Sequence[Any], per_page: int = PER_PAGE) -> int:
    """Return the number of pages: one also where there is nothing."""
    return max(1, -(-len(items) // per_page))


def current_page(key: str, pages: int) -> int:
    """Return the page, from 1, that the session has under `key`, moved into the range that there is."""
    set_widget_value(key, min(max(1, st.session_state.get(key, 1)), pages))
    return st.session_state[key]


def page_of(key: str, shown_key: str, shown: object, pages: int, keep: bool = False) -> int:
    """Return the current page: the first one when something else is shown than in the last run.

    shown_key  under which the session remembers `shown`
    keep       the page stays all the same: a link names it
    """
    if not keep and st.session_state.get(shown_key) != shown:
        st.session_state[key] = 1
    st.session_state[shown_key] = shown
    return current_page(key, pages)


def turn_page(key: str, gallery: str) -> None:
    """Go one page on or back, as the gallery of that key asks; a callback. `current_page` keeps it in range."""
    st.session_state[key] += st.session_state[gallery].turn
