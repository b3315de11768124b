"""Other experiment trackers on Train: which of them a run is sent to, and how far that came."""

from __future__ import annotations

from dataclasses import fields

import streamlit as st

from core.config import TrainConfig
from core.runs.schema import Run
from core.runs.tracking.status import states
from core.trackers.kinds import BY_KEY, KEYS
from ui.server import services
from ui.text import Markup, plain


def pick_trackers(key: str) -> tuple[str, ...]:
    """Show the trackers and return the keys of those that are chosen."""
    meta = next(field.metadata for field in fields(TrainConfig) if field.name == "trackers")
    return tuple(
        st.multiselect(
            plain(meta["label"]), KEYS, key=key, format_func=lambda one: BY_KEY[one].label, placeholder="None",
            help=plain(meta["help"]), persist_state="session",
        )
    )  # fmt: skip


def show_tracking(run: Run) -> None:
    """Say how far the run came to its trackers and notices, if it has any."""
    for state in states(services.store(), run):
        sign = ":orange[:material/warning:]" if state.is_problem else ":material/outbox:"
        st.caption(Markup(f"{sign} {plain(state.label)}: {plain(state.sentence)}"))
