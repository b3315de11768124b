"""The filters of Errors: the sidebar's widgets, a button for each error type, and chips for what a link chose.

All of them lie in the session and make up one `Selection`; a link sets them (`apply_address`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from core import LabError
from core.datasets.attributes.attribute import ImageAttributes
from core.datasets.coco.ids import to_id
from core.datasets.split import SIZES
from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.ordering import SortOrder
from core.evaluation.selection import BACKGROUND, LOWEST_SCORE, Selection
from core.evaluation.table import ErrorType
from core.runs.marks import Mark, Marks
from ui.choose.address import Address, remember
from ui.choose.score import SCORE, clamp_score, pick_score, set_score
from ui.choose.slices import pick_slices, slice_name
from ui.choose.widget_value import set_widget_value
from ui.server import services
from ui.text import plain

# in the session
ERROR, PAIR, IMAGES = "error type", "pair", "images"
CLASSES, SIZE, ORDER, REVERSE = "error classes", "error sizes", "error order", "order reversed"
SCORE_TO, IOU, TRUNCATED, CROWD, MARKED = "score up to", "IoU from and to", "truncated", "crowd", "marked images"
SLICES = "error slices"
NO_FILTER: dict[str, Any] = {
    ERROR: None, PAIR: None, IMAGES: (), CLASSES: [], SIZE: [], SCORE_TO: 1.0, IOU: (0.0, 1.0), TRUNCATED: False,
    CROWD: False, MARKED: False, SLICES: [],
}  # fmt: skip
NAMES = (  # in an address
    "score", "class", "size", "error", "true", "predicted", "image", "score_to", "iou_from", "iou_to", "truncated",
    "crowd", "marked", "slice", "order", "reverse",
)  # fmt: skip


def marked_images(run_id: str) -> set[int]:
    """Return the ids of the images that are marked as a whole."""
    return set(Marks(services.store()).image_ids(run_id))


def take_gallery_mark(gallery: str, run_id: str) -> None:
    """Mark an image, or take its mark back, as the gallery of that key says; a callback."""
    request, marks = st.session_state[gallery].mark, Marks(services.store())
    image_id = to_id(request["id"])  # text, as a browser's number would be rounded
    if image_id is None:
        return
    mark = Mark(LabelErrorKind.IMAGE, image_id)
    with suppress(LabError):  # the run was deleted meanwhile, which the page says
        if request["on"]:
            marks.add(run_id, mark)
        else:
            marks.remove(run_id, mark.key)


def clear_filters() -> None:
    """Clear all filters, but neither the score nor the order; a callback."""
    for key, value in NO_FILTER.items():
        remember(key, value)


def apply_address(address: Address, classes: Sequence[str]) -> None:
    """Set all filters and the order as a link says; what it does not name is set to no filter."""
    linked = Selection.from_query(address, classes)
    set_score(linked.score)
    remember(CLASSES, list(linked.classes))
    remember(SIZE, list(linked.sizes))
    remember(ERROR, linked.error)
    remember(PAIR, linked.pair)
    remember(IMAGES, linked.images)
    remember(SCORE_TO, max(linked.score_to, LOWEST_SCORE))
    remember(IOU, linked.iou)
    remember(TRUNCATED, linked.truncated)
    remember(CROWD, linked.crowd)
    remember(MARKED, linked.marked)
    remember(SLICES, list(linked.slices))
    remember(ORDER, next((order for order in SortOrder if [order] == address.get("order")), SortOrder.WORST))
    remember(REVERSE, address.get("reverse") == ["1"])


def pick_filters(classes: Sequence[str], attributes: ImageAttributes) -> Selection:
    """Show the sidebar's filters; return the selection with them and with those of buttons and links.

    attributes  what is known of the images, which makes the slices
    """
    for key, value in NO_FILTER.items():
        st.session_state.setdefault(key, value)
    score = pick_score("Count from score", "Predictions below it do not count: what only they found is missed.")
    chosen = st.multiselect("Class", classes, key=CLASSES, placeholder="All classes", persist_state="session",
                            help="Objects of these classes, and predictions that say so: an object that was taken for "
                            "another class counts under that one.")  # fmt: skip
    sizes = st.pills("Object size", SIZES, selection_mode="multi", key=SIZE, persist_state="session", width="stretch",
                     help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
    slices = pick_slices(attributes, SLICES)
    more = _pick_more()
    pair = st.session_state[PAIR]
    if pair and not set(pair) <= {*classes, BACKGROUND}:  # of another run
        pair = st.session_state[PAIR] = None
    selection = Selection(
        score, tuple(chosen), st.session_state[ERROR], tuple(sizes), pair,
        st.session_state[IMAGES], slices=slices, **more,
    )  # fmt: skip
    if selection.restricts:
        st.button("Clear all filters", key="clear", icon=":material/filter_alt_off:", on_click=clear_filters,
                  width="stretch")  # fmt: skip
    return selection


def _pick_more() -> dict[str, Any]:
    """Show the filters that are used less; return them as fields of a Selection."""
    names = {SCORE_TO: "score_to", IOU: "iou", TRUNCATED: "truncated", CROWD: "crowd", MARKED: "marked"}
    set_widget_value(SCORE_TO, max(st.session_state[SCORE_TO], clamp_score(st.session_state[SCORE])))
    used = sum(st.session_state[key] != NO_FILTER[key] for key in names)
    with st.expander(f"More filters · {used:d} set" if used else "More filters", key="more filters"):
        st.slider("Score up to", LOWEST_SCORE, 1.0, step=0.01, key=SCORE_TO, persist_state="session",
                  help="Only predictions with at most this score; objects have none.")  # fmt: skip
        st.slider("IoU from and to", 0.0, 1.0, step=0.01, key=IOU, persist_state="session",
                  help="Only predictions: IoU with the object that each found, else the highest with any.")  # fmt: skip
        st.checkbox("At the border", key=TRUNCATED, persist_state="session",
                    help="Objects that touch the picture's border, and predictions of them.")  # fmt: skip
        st.checkbox("Crowds", key=CROWD, persist_state="session",
                    help="Objects marked as crowds, and predictions of nothing but a crowd: none counts.")  # fmt: skip
        st.checkbox("Marked images", key=MARKED, persist_state="session",
                    help="Images that you marked: point at one and press **m**.")  # fmt: skip
    return {name: st.session_state[key] for key, name in names.items()}


def pick_order() -> tuple[SortOrder, bool]:
    """Show the choice of the order; return it, and whether it is reversed."""
    order = SortOrder(st.session_state.setdefault(ORDER, SortOrder.WORST))
    st.selectbox("Order", list(SortOrder), format_func=lambda order: order.label, key=ORDER, persist_state="session",
                 help=plain(order.description))  # fmt: skip
    st.session_state.setdefault(REVERSE, False)
    st.toggle("The other way round", key=REVERSE, persist_state="session")
    return SortOrder(st.session_state[ORDER]), st.session_state[REVERSE]


def order_query(order: SortOrder, reverse: bool) -> dict[str, str]:
    """Return what an address says of the order: nothing of the default."""
    return ({"order": order.value} if order is not SortOrder.WORST else {}) | ({"reverse": "1"} if reverse else {})


def show_error_types(counts: dict[str, int], chosen: str | None) -> None:
    """Show a button for each error type with its count, which filters by it; its tooltip says what the type means."""
    with st.container(horizontal=True, gap="small"):
        st.button(f"All errors · {sum(counts.values()):,}", key="type all", on_click=_choose_error, args=(None,),
                  type="secondary" if chosen else "primary")  # fmt: skip
        for error in ErrorType:
            st.button(f"{plain(error.label)} · {counts[error.value]:,}", key=f"type {error.value}",
                      type="primary" if chosen == error.value else "secondary", help=plain(error.description),
                      on_click=_choose_error, args=(error.value,))  # fmt: skip


def _choose_error(value: str | None) -> None:
    """Filter by the error type, or, at a second click on its button, by none; a callback."""
    remember(ERROR, None if st.session_state.get(ERROR) == value else value)


def show_chips(selection: Selection) -> None:
    """Show what a link or a chart's click sets, each as a button that clears it: a cell, images, slices."""
    chips: dict[str, tuple[str, str, object]] = {}  # by a button's key: its text, and what it sets
    if selection.pair:
        chips[PAIR] = cell_text(*selection.pair), PAIR, None
    if selection.images:
        n = len(selection.images)
        chips[IMAGES] = f"{n:,} chosen image{'s' if n > 1 else ''}", IMAGES, NO_FILTER[IMAGES]
    for one in selection.slices:
        chips[f"slice {slice_name(one)}"] = slice_name(one), SLICES, [s for s in selection.slices if s != one]
    if not chips:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Only", width="content")
        for name, (text, key, value) in chips.items():
            st.button(plain(text), key=f"drop {name}", icon=":material/close:", icon_position="right", type="primary",
                      help="Take this filter back.", on_click=remember, args=(key, value))  # fmt: skip


def cell_text(annotated: str, predicted: str) -> str:
    """Describe a cell of the confusion matrix."""
    if predicted == BACKGROUND:
        return f"{annotated} not found"
    if annotated == BACKGROUND:
        return f"{predicted} predicted, no object found"
    verb = "found" if annotated == predicted else f"taken for {predicted}"
    return f"{annotated} {verb}"
