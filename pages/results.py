"""Results: how good is a model, and where? Every number comes from the detection table of one evaluated model."""

from functools import partial
from pathlib import Path

import streamlit as st

from core import LabError
from core.charts.sections import SECTIONS, View
from core.evaluation.selection import Selection, slice_text
from core.evaluation.table import table_metadata
from ui.apps.fiftyone import show_fiftyone
from ui.choose import pair_picker
from ui.choose.address import Address, Query, new_address, write_address
from ui.choose.data_notice import show_data_notice
from ui.choose.labels import baseline_table_of, labels_query, pick_labels, table_of
from ui.choose.run_picker import evaluated_runs, pick_evaluated_model, show_empty_page
from ui.choose.score import pick_score, set_score
from ui.choose.slices import pick_slices, sliced
from ui.results.corrections import mend_label, show_corrections
from ui.results.evaluate_model import show_evaluate_model
from ui.results.evaluations import show_begun
from ui.results.export_model import show_export_model
from ui.results.label_errors import show_label_errors
from ui.results.likeness_map import show_likeness_map
from ui.results.onnx import show_onnx
from ui.results.sections import show_section
from ui.results.shown import Shown
from ui.results.what_if import show_what_if
from ui.server import services
from ui.server.attributes import attributes_of
from ui.server.going import open_page
from ui.text import plain

CLASS, SLICES, TAB, SHOWN = "results class", "results slices", "results view", "results view shown"
OPENED, LEFT = "opened boxes", "addresses left"
RUN_PICKER = "results run"
ADDRESS = ("run", "model", "view", "score", "class", "slice", "labels")
ALL = "All classes"
LABELS, MAP, WHAT_IF, ONNX = "labels", "map", "what-if", "onnx"  # tabs that are no section of charts
TABS = {name: section.title for name, section in SECTIONS.items()}
TABS |= {LABELS: "Label errors", MAP: "Map", WHAT_IF: "What if", ONNX: "ONNX"}


# To other pages and back


def open_boxes(key: str) -> None:
    """Have the boxes of the click on a chart shown on Errors, after this run of the page; a callback."""
    st.session_state[OPENED] = dict(st.session_state[key].open)


def go_to_errors(query: Query) -> None:
    """Open a query on Errors, on the images of the slices that are chosen here."""
    texts = [*map(slice_text, slices), *query.get("slice", [])]
    go_to(services.ERRORS_PAGE, {**query, "slice": texts} if texts else query)


def go_to(page: Path, query: Query) -> None:
    """Open a query of this model on another page, and note what is shown here for the way back: see `arrival`.

    Streamlit keeps this page in the browser's history with the other page's query.
    """
    query = {**query, "run": run.id, "model": viewed.model, **labels_query()}
    st.session_state.setdefault(LEFT, {})[history_key(query)] = shown_address()
    open_page(page, query)


def arrival() -> Address | None:
    """Return what a link says, once; on the way back from another page, what was shown here."""
    address = new_address(RUN_PICKER, ADDRESS)
    return address and st.session_state.get(LEFT, {}).get(history_key(shown_address()), address)


def shown_address() -> dict[str, list[str]]:
    """Return the address that the browser shows."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def history_key(query: dict[str, list[str]] | Query) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return an entry of the browser's history as a key of a dict."""
    return tuple(sorted((name, (v,) if isinstance(v, str) else tuple(v)) for name, v in query.items()))


# What is shown


def pick_class() -> tuple[str, ...] | None:
    """Show the choice of class; return the chosen one, None for all."""
    names = [ALL, *table_metadata(table).classes]
    if st.session_state.get(CLASS) not in names:  # of another run
        st.session_state[CLASS] = ALL
    name = st.selectbox("Class", names, key=CLASS, persist_state="session",
                        help="All metrics of one class, or their mean over all.")  # fmt: skip
    return None if name == ALL else (name,)


def apply_address(address: Address) -> None:
    """Set what a link says; what it does not name is set to its default."""
    linked = Selection.from_query(address, table_metadata(table).classes)
    set_score(linked.score)
    st.session_state[CLASS] = linked.classes[0] if linked.classes else ALL
    st.session_state[SLICES] = list(linked.slices)
    st.session_state[TAB] = TABS.get(address.get("view", [""])[0], next(iter(TABS.values())))


def address_of(tab: str) -> Query:
    """Return the whole address of what is shown on this tab."""
    query = Selection(view.score, view.classes or (), slices=slices).to_query()
    return {"run": run.id, "model": viewed.model, "view": tab, **query, **labels_query()}


def show_tabs() -> None:
    """Show the tabs, of which only the open one is computed."""
    if TAB not in st.session_state and SHOWN in st.session_state:
        st.session_state[TAB] = st.session_state[SHOWN]
    for name, tab in zip(TABS, st.tabs(list(TABS.values()), key=TAB, on_change="rerun"), strict=True):
        if tab.open:
            st.session_state[SHOWN] = TABS[name]  # Streamlit forgets a tab on another page
            write_address(address_of(name))
            with tab:
                if name == LABELS:
                    if viewed.may_correct:
                        show_corrections(viewed, view.score)
                    mend = partial(mend_label, run) if viewed.may_correct else None
                    show_label_errors(run, table, key, view.score, view.classes, go_to_errors, mend)
                elif name == MAP:
                    show_likeness_map(viewed, key, view, go_to_errors)
                elif name == WHAT_IF:
                    show_what_if(viewed)
                elif name == ONNX:
                    show_onnx(viewed)
                else:
                    show_section(name, Shown(run, key, baseline, view, attributes, open_boxes, go_to_errors))


if not (runs := evaluated_runs(services.store())):
    with st.sidebar:
        show_evaluate_model(None)
    show_begun(None)
    show_empty_page("Results")
address = arrival()
with st.sidebar:
    viewed = pick_evaluated_model(runs, RUN_PICKER, address)
    run = viewed.run
    try:
        [viewed] = pick_labels([viewed], address)
        table, baseline = table_of(viewed), baseline_table_of(viewed)
    except LabError as error:
        st.error(plain(error))
        st.stop()
    if address:
        apply_address(address)
    classes, attributes = pick_class(), attributes_of(run, table)
    slices = pick_slices(attributes, SLICES)
    key, table = sliced(viewed.table_key, table, attributes, slices)
    if baseline is not None:
        run_id, epoch, created, labels = viewed.table_key
        before_key = f"before {run_id}", epoch, created, labels
        baseline = sliced(before_key, baseline, attributes, slices)[1]
    score = pick_score(
        "Score at least", "Predictions below it do not count; AP and the impact of errors always count all."
    )
    view = View(table, score, classes)
    if st.button("Compare with another run", key="compare", icon=":material/compare:", width="stretch",
                 help="What changed from another run, or from the baseline, to this one."):  # fmt: skip
        go_to(services.COMPARE_PAGE, pair_picker.compare_address(runs, viewed, view.score))
    show_evaluate_model(viewed)
    show_export_model(viewed, view.score)
    with st.popover("FiftyOne", key="fiftyone", icon=":material/photo_library:", width="stretch"):
        show_fiftyone(viewed, view.score, attributes.images_of(slices) if slices else None, "results fiftyone")
if query := st.session_state.pop(OPENED, None):
    go_to_errors(query)
show_data_notice((run, table))
show_begun(viewed)
if table_metadata(table).image_ids:
    show_tabs()
else:
    st.info("No image lies in all of these slices: clear one of them.")
