"""Errors: show me. The validation images of a run with what was there and what was found, by kind of error.

What is shown is in the address (`ui/address.py`), so a link opens exactly that.
"""

from dataclasses import replace

import streamlit as st

from core import LabError
from core.coco import SIZES
from core.selection import BACKGROUND, Selection, count_errors, selected_rows
from core.table import ErrorType
from ui import gallery, server
from ui.address import new_address, write_address
from ui.evaluated import evaluated_runs, pick_evaluated, remember, say_there_is_none
from ui.text import plain

# what the page remembers; the widgets of the sidebar keep their own values
ERROR, PAIR, IMAGES, PAGE = "error type", "pair", "images", "page"
SCORE, CLASSES, SIZE, ORDER = "score", "error classes", "error sizes", "error order"
RUN_PICKER = "errors run"
BY_ERRORS, BY_NAME = "Most errors first", "File name"
ADDRESS = ("run", "model", "score", "class", "size", "error", "true", "predicted", "image")


def choose_error(value: str | None) -> None:
    """A button's callback: that type only, or, at a second click, all again."""
    remember(ERROR, None if st.session_state.get(ERROR) == value else value)


def turn_page() -> None:
    """From the gallery: one page on or back; the page itself keeps it in range."""
    st.session_state[PAGE] += st.session_state.gallery.turn


def take_score() -> None:
    """From the gallery: its slider's score for the counts and filters too."""
    remember(SCORE, in_range(round(float(st.session_state.gallery.score), 2)))


def in_range(score: float) -> float:
    """A score that the sliders can show."""
    return min(max(score, gallery.LOWEST_SCORE), gallery.HIGHEST_SCORE)


def follow(address: dict[str, list[str]], classes: list[str]) -> None:
    """Sets all filters as a link says, those too that it does not name."""
    linked = Selection.from_query(address, classes)
    remember(SCORE, in_range(linked.score))
    remember(CLASSES, list(linked.classes))
    remember(SIZE, list(linked.sizes))
    remember(ERROR, linked.error)
    remember(PAIR, linked.pair)
    remember(IMAGES, linked.images)


def pick_filters(classes: list[str]) -> Selection:
    """What the sidebar asks for, and what buttons and links left in the session."""
    st.session_state.setdefault(SCORE, 0.5)
    st.slider("Score at least", gallery.LOWEST_SCORE, gallery.HIGHEST_SCORE, step=0.01, key=SCORE,
              persist_state="session", help="Predictions below it do not count.")  # fmt: skip
    chosen = st.multiselect("Class", classes, key=CLASSES, placeholder="All classes", persist_state="session")
    sizes = st.pills("Object size", SIZES, selection_mode="multi", key=SIZE, persist_state="session", width="stretch",
                     help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
    pair = st.session_state.get(PAIR)
    if pair and not set(pair) <= {*classes, BACKGROUND}:  # of another run
        pair = st.session_state[PAIR] = None
    return Selection(
        in_range(st.session_state[SCORE]), tuple(chosen), st.session_state.get(ERROR), tuple(sizes), pair,
        st.session_state.get(IMAGES, ()),
    )  # fmt: skip


def show_counts(counts: dict[str, int], chosen: str | None) -> None:
    """One button per error type with its count, which filters by it; its tooltip says what the type means."""
    with st.container(horizontal=True, gap="small"):
        st.button(f"All errors · {sum(counts.values()):,}", key="type all", on_click=choose_error, args=(None,),
                  type="secondary" if chosen else "primary")  # fmt: skip
        for kind in ErrorType:
            st.button(f"{kind.label} · {counts[kind.value]:,}", key=f"type {kind.value}", help=kind.description,
                      type="primary" if chosen == kind.value else "secondary", on_click=choose_error,
                      args=(kind.value,))  # fmt: skip


def show_chips(selection: Selection) -> None:
    """What a link chose and no widget shows, each as a button that takes it back."""
    chips = {}
    if selection.pair:
        chips[PAIR] = cell_text(*selection.pair), None
    if selection.images:
        n = len(selection.images)
        chips[IMAGES] = f"{n:,} chosen image{'s' if n > 1 else ''}", ()
    if not chips:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Only", width="content")
        for key, (text, nothing) in chips.items():
            st.button(text, key=f"drop {key}", icon=":material/close:", icon_position="right", type="primary",
                      help="Take this filter back.", on_click=remember, args=(key, nothing))  # fmt: skip


def cell_text(annotated: str, predicted: str) -> str:
    """A cell of the confusion matrix in words."""
    if predicted == BACKGROUND:
        return f"{plain(annotated)} not found"
    if annotated == BACKGROUND:
        return f"{plain(predicted)} predicted, no object found"
    verb = "found" if annotated == predicted else f"taken for {plain(predicted)}"
    return f"{plain(annotated)} {verb}"


if not (found := evaluated_runs(server.store())):
    say_there_is_none("Errors")
address = new_address(RUN_PICKER, ADDRESS)
with st.sidebar:
    looked = pick_evaluated(found, RUN_PICKER, address)
    run, evaluation = looked.run, looked.evaluation
    try:
        table, images = server.table_of(evaluation), server.validation_images(run)
    except LabError as error:
        st.error(str(error))
        st.stop()
    classes = gallery.class_names(table)
    if address:
        follow(address, classes)
    selection = pick_filters(classes)
    order = st.segmented_control("Order", [BY_ERRORS, BY_NAME], key=ORDER, default=BY_ERRORS, required=True,
                                 persist_state="session", width="stretch")  # fmt: skip
write_address({"run": run.id, "model": looked.model, **selection.to_query()})

counted = selected_rows(table, replace(selection, error=None))
show_counts(count_errors(table, selection.score, counted), selection.error)
show_chips(selection)
ids = gallery.chosen_images(
    (*looked.mark, images.json_path.stat().st_mtime_ns), selection, order == BY_NAME, table, images,
)  # fmt: skip
if not ids:
    st.info("No image has what the filters ask for: lower the score, or clear a filter.")
    st.stop()
if st.session_state.get("shown") != (shown := (evaluation.table, selection, order)):
    st.session_state["shown"], st.session_state[PAGE] = shown, 1
pages = gallery.page_count(ids)
st.session_state[PAGE] = min(max(1, st.session_state.get(PAGE, 1)), pages)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    highest = gallery.highest_score(table)
    too_low = f" · no prediction reaches {selection.score:.2f}, the highest score is {highest:.2f}"
    st.caption(
        f"{len(ids):,} of {len(images.image_by_id):,} validation images{too_low if highest < selection.score else ''}"
    )
    st.pagination(pages, key=PAGE, width=340)
gallery.gallery(run, table, images, ids, st.session_state[PAGE], selection, turn_page, take_score)
