"""The filters of Compare: which change, classes and sizes the pictures show, and from which scores predictions count.

All of them lie in the session, where the charts' clicks put them; a link sets them (`apply_address`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from core.datasets.split import SIZES
from core.evaluation.findings.changes import FIXED_OR_BROKEN, OBJECT_CHANGES, Change
from core.evaluation.selection import Selection
from ui.choose.address import Address, Query, remember
from ui.choose.score import SCORE, apply_iou, clamp_score, iou_query, pick_score, set_score, take_gallery_score
from ui.choose.widget_value import set_widget_value
from ui.text import plain

# in the session
CHANGE, CLASSES, SIZE, VIEW, LAYOUT, PAGE = (
    "change", "compare classes", "compare sizes", "compare as", "compare layout", "compare page"
)  # fmt: skip
BEST_SCORES = "compare best scores"  # each model's own, instead of one for both
CLICKS = "compare visits"  # on charts, each of which leads to the pictures
VIEWS = {"images": "Images", "objects": "Objects"}
LAYOUTS = {"beside": "Side by side", "over": "One over the other"}
SLICES = "compare slices"
NAMES = ("score", "scores", "change", "class", "size", "slice", "as", "layout", "page", "iou")  # in an address


class ChangeFilter(NamedTuple):
    """The changes to show: one kind, or None for all that is fixed or broken; of classes and sizes, or of all."""

    change: Change | None
    classes: tuple[str, ...]
    sizes: tuple[str, ...]

    @property
    def kinds(self) -> tuple[Change, ...]:
        """Return the kinds of change that are shown."""
        return (self.change,) if self.change else FIXED_OR_BROKEN

    @property
    def is_about_objects(self) -> bool:
        """Check whether it shows objects, and not false alarms."""
        return set(self.kinds) <= set(OBJECT_CHANGES)


def take_click(key: str) -> None:
    """Filter by what was clicked on in the chart of that key; a callback."""
    target = dict(st.session_state[key].open)
    remember(CHANGE, target["change"])
    remember(CLASSES, [target["class"]] if "class" in target else [])
    remember(SIZE, [target["size"]] if "size" in target else [])
    remember(CLICKS, st.session_state.get(CLICKS, 0) + 1)


def apply_address(address: Address, classes: Sequence[str]) -> None:
    """Set all that is shown as a link says."""
    linked = Selection.from_query(address, classes)
    values = {name: address.get(name, [""])[0] for name in NAMES}
    set_score(linked.score)
    apply_iou(address)
    remember(BEST_SCORES, values["scores"] == "best")
    remember(CLASSES, list(linked.classes))
    remember(SIZE, list(linked.sizes))
    remember(SLICES, list(linked.slices))
    remember(CHANGE, values["change"] if values["change"] in set(Change) else None)
    remember(VIEW, values["as"] if values["as"] in VIEWS else "images")
    remember(LAYOUT, values["layout"] if values["layout"] in LAYOUTS else "beside")
    remember(PAGE, int(values["page"]) if values["page"].isdecimal() and len(values["page"]) < 9 else 1)


def pick_filters(
    classes: Sequence[str], best_scores: Callable[[], tuple[float | None, float | None]]
) -> tuple[tuple[float, float], ChangeFilter]:
    """Show the sidebar's widgets; return the scores from which predictions count, and the filter of the pictures.

    best_scores  returns the scores of (before, after) with the best F1; None where there is none
    """
    scores = _pick_scores(best_scores)
    known = [name for name in st.session_state.get(CLASSES, []) if name in classes]
    set_widget_value(CLASSES, known)  # others are of another data set
    st.multiselect("Class", classes, key=CLASSES, placeholder="All classes", persist_state="session",
                   help="Of which classes pictures are shown.")  # fmt: skip
    sizes = st.pills("Object size", SIZES, selection_mode="multi", key=SIZE, persist_state="session", width="stretch",
                     help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
    change = st.session_state.get(CHANGE)
    chosen = ChangeFilter(Change(change) if change else None, tuple(st.session_state[CLASSES]), tuple(sizes))
    return scores, chosen


def _pick_scores(best_scores: Callable[[], tuple[float | None, float | None]]) -> tuple[float, float]:
    """Show the slider, and the choice of a score for each model instead; return those of (before, after)."""
    score = pick_score(
        "Count from score", "Predictions below it do not count: what only they found is wrong. AP counts all.",
        disabled=st.session_state.get(BEST_SCORES, False),
    )  # fmt: skip
    is_own = st.toggle(
        "Each from its own best score", key=BEST_SCORES, persist_state="session",
        help="A score of 0.5 means something else in DETR than in D-FINE or RT-DETR. This counts each model's "
        "predictions from the score of its best F1.",
    )  # fmt: skip
    if not is_own:
        return score, score
    before, after = (score if best is None else clamp_score(best) for best in best_scores())
    st.caption(plain(f"Before from {before:.2f}, after from {after:.2f}."))
    return before, after


def take_score(gallery: str) -> None:
    """Count both models from the score of the gallery's slider; a callback."""
    take_gallery_score(gallery)
    remember(BEST_SCORES, False)


def pick_layout() -> tuple[str, str]:
    """Show how the pictures are shown, and what of them; return (one of LAYOUTS, one of VIEWS)."""
    for key, default in ((LAYOUT, "beside"), (VIEW, "images")):
        st.session_state.setdefault(key, default)
    st.segmented_control("Layout", list(LAYOUTS), format_func=LAYOUTS.__getitem__, key=LAYOUT, required=True,
                         label_visibility="collapsed", persist_state="session")  # fmt: skip
    st.segmented_control("View", list(VIEWS), format_func=VIEWS.__getitem__, key=VIEW, required=True,
                         label_visibility="collapsed", persist_state="session")  # fmt: skip
    return st.session_state[LAYOUT], st.session_state[VIEW]


def query_of(chosen: ChangeFilter) -> Query:
    """Return what an address says of the scores and the filters; defaults are left out."""
    slices = tuple(st.session_state.get(SLICES, ()))
    selection = Selection(clamp_score(st.session_state[SCORE]), chosen.classes, sizes=chosen.sizes, slices=slices)
    query: Query = dict(selection.to_query())
    query |= iou_query()
    query |= {"scores": "best"} if st.session_state.get(BEST_SCORES) else {}
    query |= {"change": chosen.change.value} if chosen.change else {}
    for key, name, default in ((VIEW, "as", "images"), (LAYOUT, "layout", "beside"), (PAGE, "page", 1)):
        value = st.session_state.get(key, default)
        query |= {name: str(value)} if value != default else {}
    return query
