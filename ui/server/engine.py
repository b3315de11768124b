"""The app's engine: the one process from which its trainings, and what answers with models, are forked.

It begins with the server, imports in the background, and keeps the memory of what is imported: once for all of them.
"""

from __future__ import annotations

import streamlit as st

from core.engine.engine import Engine
from core.engine.warm import WARM


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """Return the one engine of this server; without `begin` it starts new programs."""
    return Engine(WARM)
