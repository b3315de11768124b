"""Errors: show me. The validation images of a run with what was there and what was found, by kind of error."""

import streamlit as st

from core import LabError
from core.coco import SIZES
from core.records import Evaluation
from core.table import ErrorType, count_errors
from ui import gallery, pickers, server
from ui.pickers import ap_text

# what the page remembers; the widgets of the sidebar keep their own values
ERROR, PAGE, SCORE, CLASSES, SIZE, ORDER = (
    "error type", "page", "score", "error classes", "error sizes", "error order",
)  # fmt: skip
BY_ERRORS, BY_NAME = "Most errors first", "File name"


def choose_error(value: str | None) -> None:
    """A button's callback: that type only, or, at a second click, all again."""
    st.session_state[ERROR] = None if st.session_state.get(ERROR) == value else value


def turn_page() -> None:
    """From the gallery: one page on or back; the page itself keeps it in range."""
    st.session_state[PAGE] += st.session_state.gallery.turn


def take_score() -> None:
    """From the gallery: its slider's score for the counts and filters too."""
    low, high = gallery.LOWEST_SCORE, gallery.HIGHEST_SCORE
    st.session_state[SCORE] = round(min(max(float(st.session_state.gallery.score), low), high), 2)


def choose_run(run_id: str) -> None:
    """Into the address, so that a link opens it, and into the session, which outlives a visit to another page."""
    st.session_state["errors of"] = st.query_params["run"] = run_id


def choose_model(name: str) -> None:
    st.session_state["model chosen"] = name


def pick_evaluation(evaluations: list[Evaluation]) -> Evaluation:
    """The best, the last or the untouched model: of other epochs no table is kept."""
    last = evaluations[-1]
    best = next((e for e in reversed(evaluations) if e.is_best), last)
    models = {"Best and last" if best is last else "Best": best, "Last": last, "Untouched": evaluations[0]}
    models = {name: e for name, e in models.items() if (e.epoch == 0) == (name == "Untouched")}
    if best is last:
        models.pop("Last", None)
    labels = {name: f"{name} · epoch {e.epoch} · AP {ap_text(e.figures.get('AP'))}" for name, e in models.items()}
    chosen = st.session_state.get("model chosen", "")
    name = next((name for name in models if chosen and chosen in name), next(iter(models)))
    return models[pickers.pick("Model", labels, "model", name, choose_model)]


def pick_filters(classes: list[str]) -> gallery.Filters:
    st.session_state.setdefault(SCORE, 0.5)
    st.slider("Score at least", gallery.LOWEST_SCORE, gallery.HIGHEST_SCORE, step=0.01, key=SCORE,
              persist_state="session", help="Predictions below it do not count.")  # fmt: skip
    chosen = st.multiselect("Class", classes, key=CLASSES, placeholder="All classes", persist_state="session")
    sizes = st.pills("Object size", SIZES, selection_mode="multi", key=SIZE, persist_state="session", width="stretch",
                     help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
    order = st.segmented_control("Order", [BY_ERRORS, BY_NAME], key=ORDER, default=BY_ERRORS, required=True,
                                 persist_state="session", width="stretch")  # fmt: skip
    return gallery.Filters(
        st.session_state[SCORE], tuple(chosen), st.session_state.get(ERROR), tuple(sizes), order == BY_NAME
    )


def show_counts(counts: dict[str, int], chosen: str | None) -> None:
    """One button per error type with its count, which filters by it; its tooltip says what the type means."""
    with st.container(horizontal=True, gap="small"):
        st.button(f"All errors · {sum(counts.values()):,}", key="type all", on_click=choose_error, args=(None,),
                  type="secondary" if chosen else "primary")  # fmt: skip
        for kind in ErrorType:
            st.button(f"{kind.label} · {counts[kind.value]:,}", key=f"type {kind.value}", help=kind.description,
                      type="primary" if chosen == kind.value else "secondary", on_click=choose_error,
                      args=(kind.value,))  # fmt: skip


store = server.store()
evaluated = {run.id: tables for run in store.list() if (tables := [e for e in store.evaluations(run.id) if e.table])}
if not evaluated:
    st.title("Errors")
    st.info("No run has been evaluated yet: open Train and click **Train**.")
    st.page_link(server.TRAIN_PAGE, label="Open Train", icon=":material/model_training:")
    st.stop()

with st.sidebar:
    runs = [run for run in store.list() if run.id in evaluated]
    if (linked := st.query_params.get("run", "")) in evaluated:
        st.session_state["errors of"] = linked
    run = pickers.pick_run(runs, "errors run", st.session_state.get("errors of"), runs[0], choose_run)
    evaluation = pick_evaluation(evaluated[run.id])
    try:
        table, images = server.table_of(evaluation), server.validation_images(run)
    except LabError as error:
        st.error(str(error))
        st.stop()
    filters = pick_filters(gallery.class_names(table))

show_counts(count_errors(gallery.in_sight(table, filters), filters.score), filters.error)
ids = gallery.chosen_images(
    (run.id, evaluation.epoch, evaluation.created, images.json_path.stat().st_mtime_ns), filters, table, images
)
if not ids:
    st.info("No image has what the filters ask for: lower the score, or clear a filter.")
    st.stop()
if st.session_state.get("shown") != (shown := (evaluation.table, filters)):
    st.session_state["shown"], st.session_state[PAGE] = shown, 1
pages = gallery.page_count(ids)
st.session_state[PAGE] = min(max(1, st.session_state.get(PAGE, 1)), pages)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    highest = gallery.highest_score(table)
    too_low = f" · no prediction reaches {filters.score:.2f}, the highest score is {highest:.2f}"
    st.caption(
        f"{len(ids):,} of {len(images.image_by_id):,} validation images{too_low if highest < filters.score else ''}"
    )
    st.pagination(pages, key=PAGE, width=340)
gallery.gallery(run, table, images, ids, st.session_state[PAGE], filters, turn_page, take_score)
