"""The score from which predictions count: one for Results, Errors, Compare and Predict, whichever of them chose it."""

import streamlit as st

from core.evaluation.selection import LOWEST_SCORE

HIGHEST_SCORE = 0.95  # of the sliders; their lowest is the lowest that is shown at all
SCORE = "score"  # its key in the session


def clamp_score(score: float) -> float:
    """A score that the sliders can show."""
    return min(max(score, LOWEST_SCORE), HIGHEST_SCORE)


def current_score() -> float:
    """As it was last chosen on any page."""
    # set, not only there: another page's slider of this key gives its value to this one a run too late
    st.session_state[SCORE] = st.session_state.get(SCORE, 0.5)
    return clamp_score(st.session_state[SCORE])


def pick_score(label: str, words: str) -> float:
    """The slider; `words` say what the page does with it."""
    current_score()
    st.slider(label, LOWEST_SCORE, HIGHEST_SCORE, step=0.01, key=SCORE, persist_state="session", help=words)
    return clamp_score(st.session_state[SCORE])


def take_gallery_score(key: str) -> None:
    """A gallery's callback: its slider's score for the counts and filters too."""
    st.session_state[SCORE] = clamp_score(round(float(st.session_state[key].score), 2))
