"""The score from which predictions count: one for Results, Errors, Compare and Predict, whichever of them chose it.

And the IoU of the galleries, which only colours their boxes: everything else goes by `FOREGROUND`.
"""

from __future__ import annotations

import streamlit as st

from core.evaluation.matching import THRESHOLDS
from core.evaluation.selection import LOWEST_SCORE
from core.evaluation.tide import FOREGROUND
from ui.choose.address import Address, Query
from ui.server.going import HERE
from ui.text import plain

IOU = "gallery iou"  # in the session, and "iou" in an address
IOUS = tuple(round(iou, 2) for iou in THRESHOLDS.tolist())
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


def current_iou() -> float:
    """Return the IoU from which predictions find objects in the galleries."""
    return float(st.session_state.get(IOU, FOREGROUND))


def take_gallery_iou(gallery: str) -> None:
    """Take over the IoU of the slider of a gallery, by its key; a callback."""
    set_iou(st.session_state[gallery].iou)


def set_iou(value: object) -> None:
    """Choose one of IOUS; anything else is FOREGROUND."""
    try:
        iou = round(float(str(value)), 2)
    except ValueError:
        iou = FOREGROUND
    st.session_state[IOU] = iou if iou in IOUS else FOREGROUND


def apply_iou(address: Address) -> None:
    """Take over what a link says of the IoU."""
    set_iou(address.get("iou", [""])[0])


def iou_query() -> Query:
    """Return what an address says of the IoU; nothing of FOREGROUND."""
    return {} if current_iou() == FOREGROUND else {"iou": f"{current_iou():g}"}
