"""What was refused, as a page shows it: the sentence, and below it the lines of a shell that it tells, to be copied."""

from __future__ import annotations

import streamlit as st

from core.wording import with_commands
from ui.text import plain


def show_refusal(message: object, icon: str | None = None) -> None:
    """Show an error, or the message of a run that failed."""
    text, lines = with_commands(message)
    st.error(plain(text), icon=icon)
    if lines:
        st.code("\n".join(lines), language=None, wrap_lines=True)
