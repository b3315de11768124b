"""The score from which predictions count: one for Results, Errors, Compare and Predict, whichever of them chose it."""

from __future__ import annotations

import streamlit as st

from core.evaluation.selection import LOWEST_SCORE
from ui.server.going import HERE
from ui.text import plain

HIGHEST_SCORE = 0.95  # of the sliders; their lowest is the lowest that is shown at all
SCORE, SCORE_PAGE = "score", "score's page"  # in the session: the score, and the page that last asked for it


def clamp_score(score: float) -> float:
    """Return the nearest score that the sliders can show."""
    return min(max(score, LOWEST_SCORE), HIGHEST_SCORE)


def current_score() -> float:
    """Return the score as it was last chosen on any page."""
    here = st.session_state.get(HERE)
    if SCORE not in st.session_state or st.session_state.get(SCORE_PAGE) != here:
        # set, not only read: another page's slider of this key gives its value to this one a run too late
        st.session_state[SCORE] = st.session_state.get(SCORE, 0.5)
    st.session_state[SCORE_PAGE] = here
    return clamp_score(st.session_state[SCORE])


def set_score(score: float) -> None:
    """Choose a score; also a callback."""
    st.session_state[SCORE] = clamp_score(score)


def pick_score(label: str, help_text: str, disabled: bool = False) -> float:
    """Show the slider and return its score; `help_text` says what the page does with it."""
    current_score()
    st.slider(
        plain(label), LOWEST_SCORE, HIGHEST_SCORE, step=0.01, key=SCORE, persist_state="session",
        help=plain(help_text), disabled=disabled,
    )  # fmt: skip
    return clamp_score(st.session_state[SCORE])


def take_gallery_score(gallery: str) -> None:
    """Take over the score of the slider of a gallery, by its key; a callback."""
    set_score(round(float(st.session_state[gallery].score), 2))
