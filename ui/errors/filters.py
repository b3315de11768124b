"""What Errors filters by: the sidebar's widgets, a button for each error type, and chips for what a link chose.

All of it lies in the session and makes up one `Selection`; a link sets it (`follow`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from core import LabError
from core.datasets.split import SIZES
from core.evaluation.findings.label_errors import Doubt
from core.evaluation.ordering import Order
from core.evaluation.selection import BACKGROUND, LOWEST_SCORE, Selection
from core.evaluation.table import ErrorType
from core.runs.marks import Mark, Marks
from ui.choose.run_picker import remember
from ui.choose.score import SCORE, clamp_score, pick_score
from ui.server import services
from ui.text import plain

# what the session remembers; those of widgets keep their own values
ERROR, PAIR, IMAGES = "error type", "pair", "images"
CLASSES, SIZE, ORDER, REVERSE = "error classes", "error sizes", "error order", "order reversed"
SCORE_TO, IOU, TRUNCATED, CROWD, MARKED = "score up to", "IoU from and to", "truncated", "crowd", "marked images"
NOTHING = {
    ERROR: None, PAIR: None, IMAGES: (), CLASSES: [], SIZE: [], SCORE_TO: 1.0, IOU: (0.0, 1.0), TRUNCATED: False,
    CROWD: False, MARKED: False,
}  # fmt: skip
NAMES = (  # in an address
    "score", "class", "size", "error", "true", "predicted", "image", "score_to", "iou_from", "iou_to", "truncated",
    "crowd", "marked", "order", "reverse",
)  # fmt: skip


def marked_images(run_id: str) -> set[int]:
    """Ids of the images that are marked whole."""
    return set(Marks(services.store()).image_ids(run_id))


def take_gallery_mark(key: str, run_id: str) -> None:
    """A gallery's callback: an image is marked, or not any more."""
    asked, marks = st.session_state[key].mark, Marks(services.store())
    mark = Mark(Doubt.IMAGE, int(asked["id"]))
    with suppress(LabError):  # the run was deleted meanwhile, which the page says
        if asked["on"]:
            marks.add(run_id, mark)
        else:
            marks.remove(run_id, mark.key)


def clear() -> None:
    """A callback: no filter; the score and the order stay."""
    for key, nothing in NOTHING.items():
        remember(key, nothing)


def follow(address: dict[str, list[str]], classes: Sequence[str]) -> None:
    """Sets all filters and the order as a link says, those too that it does not name."""
    linked = Selection.from_query(address, classes)
    remember(SCORE, clamp_score(linked.score))
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
    remember(ORDER, next((order for order in Order if [order] == address.get("order")), Order.WORST))
    remember(REVERSE, address.get("reverse") == ["1"])


def pick_filters(classes: Sequence[str]) -> Selection:
    """What the sidebar asks for, and what buttons and links left in the session."""
    for key, nothing in NOTHING.items():
        st.session_state.setdefault(key, nothing)
    score = pick_score("Count from score", "Predictions below it do not count: what only they found is missed.")
    chosen = st.multiselect("Class", classes, key=CLASSES, placeholder="All classes", persist_state="session",
                            help="Objects of these classes, and predictions that say so: an object that was taken for "
                            "another class counts under that one.")  # fmt: skip
    sizes = st.pills("Object size", SIZES, selection_mode="multi", key=SIZE, persist_state="session", width="stretch",
                     help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
    more = _pick_more()
    pair = st.session_state[PAIR]
    if pair and not set(pair) <= {*classes, BACKGROUND}:  # of another run
        pair = st.session_state[PAIR] = None
    selection = Selection(
        score, tuple(chosen), st.session_state[ERROR], tuple(sizes), pair,
        st.session_state[IMAGES], **more,
    )  # fmt: skip
    if selection.restricts:
        st.button("Clear all filters", key="clear", icon=":material/filter_alt_off:", on_click=clear, width="stretch")
    return selection


def _pick_more() -> dict:
    """The filters that are used less, as fields of a Selection."""
    names = {SCORE_TO: "score_to", IOU: "iou", TRUNCATED: "truncated", CROWD: "crowd", MARKED: "marked"}
    st.session_state[SCORE_TO] = max(st.session_state[SCORE_TO], clamp_score(st.session_state[SCORE]))
    used = sum(st.session_state[key] != NOTHING[key] for key in names)
    with st.expander(f"More filters · {used} set" if used else "More filters", key="more filters"):
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


def pick_order() -> tuple[Order, bool]:
    """The order of what is shown, and whether it is turned round."""
    order = Order(st.session_state.setdefault(ORDER, Order.WORST))
    st.selectbox("Order", list(Order), format_func=lambda order: order.label, key=ORDER, persist_state="session",
                 help=order.description)  # fmt: skip
    st.session_state.setdefault(REVERSE, False)
    st.toggle("The other way round", key=REVERSE, persist_state="session")
    return Order(st.session_state[ORDER]), st.session_state[REVERSE]


def order_query(order: Order, reverse: bool) -> dict[str, str]:
    """For an address; nothing where it is as at first."""
    return ({"order": order.value} if order is not Order.WORST else {}) | ({"reverse": "1"} if reverse else {})


def show_counts(counts: dict[str, int], chosen: str | None) -> None:
    """One button per error type with its count, which filters by it; its tooltip says what the type means."""
    with st.container(horizontal=True, gap="small"):
        st.button(f"All errors · {sum(counts.values()):,}", key="type all", on_click=_choose_error, args=(None,),
                  type="secondary" if chosen else "primary")  # fmt: skip
        for kind in ErrorType:
            st.button(f"{kind.label} · {counts[kind.value]:,}", key=f"type {kind.value}", help=kind.description,
                      type="primary" if chosen == kind.value else "secondary", on_click=_choose_error,
                      args=(kind.value,))  # fmt: skip


def _choose_error(value: str | None) -> None:
    """A button's callback: that type only, or, at a second click, all again."""
    remember(ERROR, None if st.session_state.get(ERROR) == value else value)


def show_chips(selection: Selection) -> None:
    """What a link chose and no widget shows, each as a button that takes it back."""
    chips = {}
    if selection.pair:
        chips[PAIR] = cell_text(*selection.pair)
    if selection.images:
        n = len(selection.images)
        chips[IMAGES] = f"{n:,} chosen image{'s' if n > 1 else ''}"
    if not chips:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Only", width="content")
        for key, text in chips.items():
            st.button(text, key=f"drop {key}", icon=":material/close:", icon_position="right", type="primary",
                      help="Take this filter back.", on_click=remember, args=(key, NOTHING[key]))  # fmt: skip


def cell_text(annotated: str, predicted: str) -> str:
    """A cell of the confusion matrix in words."""
    if predicted == BACKGROUND:
        return f"{plain(annotated)} not found"
    if annotated == BACKGROUND:
        return f"{plain(predicted)} predicted, no object found"
    verb = "found" if annotated == predicted else f"taken for {plain(predicted)}"
    return f"{plain(annotated)} {verb}"
