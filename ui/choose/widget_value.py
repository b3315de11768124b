"""A widget's value that the script itself corrects: what a user chooses meanwhile must not be lost by it."""

from __future__ import annotations

from typing import Any

import streamlit as st


def set_widget_value(key: str, value: Any) -> None:
    """Set a widget's value, before it is drawn, unless it has it already.

    Streamlit sends each value that is assigned back to the browser, also the same one; a script that is still running
    while a user chooses something else would undo that choice.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
