"""Results: how good is it, and where? Every number from the detection table of one evaluated model."""

import streamlit as st

from core import LabError, RunError
from core.charts.chart import Chart
from core.charts.compare.differences import differences
from core.charts.sections import SECTIONS, View, verdicts
from core.evaluation.findings.bootstrap import Intervals, bootstrap
from core.evaluation.findings.curves import coco_figures, threshold_curve
from core.evaluation.findings.images import images
from core.evaluation.selection import Selection
from core.evaluation.table import about
from ui.charts.component import chart, show_charts
from ui.charts.tables import pick_images, show_class_metrics, show_coco_metrics
from ui.choose import pair_picker
from ui.choose.address import new_address, write_address
from ui.choose.run_picker import evaluated_runs, pick_evaluated_model, show_empty_page
from ui.choose.score import SCORE, clamp_score, pick_score
from ui.results import label_errors
from ui.server import cache, services
from ui.text import plain

CLASS, TAB, SHOWN = "results class", "results view", "results view shown"
OPENED, LEFT = "opened boxes", "addresses left"
RUN_PICKER = "results run"
ADDRESS = ("run", "model", "view", "score", "class")
ALL = "All classes"
LABELS = "labels"  # the one tab that is no section of charts
TABS = {name: section.title for name, section in SECTIONS.items()} | {LABELS: "Label errors"}
HARD, EASY = "Hardest images", "Easiest images"
LISTED = 48  # of them


def open_boxes(key: str) -> None:
    """A chart's callback: its boxes are shown on Errors by the run of the page that follows."""
    st.session_state[OPENED] = dict(st.session_state[key].open)


def adopt(score: float) -> None:
    st.session_state[SCORE] = clamp_score(score)


def go_to_errors(query: dict) -> None:
    """Opens a query on Errors."""
    leave_for(services.ERRORS_PAGE, query)


def leave_for(page, query: dict) -> None:
    """Opens a query of this model on a page. Streamlit leaves this one with that query in history: see `arrival`."""
    query = {**query, "run": run.id, "model": looked.model}
    st.session_state.setdefault(LEFT, {})[entry(query)] = shown_address()
    st.switch_page(page, query_params=query)


def arrival() -> dict[str, list[str]] | None:
    """What a link says, once; the way back from Errors says what was shown here."""
    address = new_address(RUN_PICKER, ADDRESS)
    return address and st.session_state.get(LEFT, {}).get(entry(shown_address()), address)


def shown_address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def entry(query: dict[str, str | list[str]]) -> tuple:
    """A query in the browser's history, as a key."""
    return tuple(sorted((name, (v,) if isinstance(v, str) else tuple(v)) for name, v in query.items()))


def pick_view(table) -> View:
    names = [ALL, *about(table).classes]
    if st.session_state.get(CLASS) not in names:  # of another run
        st.session_state[CLASS] = ALL
    name = st.selectbox("Class", names, key=CLASS, persist_state="session",
                        help="All figures of one class, or their mean over all.")  # fmt: skip
    words = "Predictions below it do not count; AP and what errors cost always count all."
    return View(table, pick_score("Score at least", words), None if name == ALL else (name,))


@st.cache_data(show_spinner=False, max_entries=64)
def charts_of(table: tuple, section: str, score: float, classes: tuple[str, ...] | None, _view: View) -> list[Chart]:
    """A section's charts; the other arguments name the view."""
    return SECTIONS[section].charts(_view)


@st.cache_data(show_spinner=False, max_entries=64)
def said_of(table: tuple, section: str, score: float, classes: tuple[str, ...] | None, _view: View) -> list[str]:
    """What is to be said of a section; of "figures" what is to be known first of all."""
    return verdicts(_view) if section == "figures" else [s for s in [SECTIONS[section].verdict(_view)] if s]


@st.cache_data(show_spinner="Drawing the images anew, a thousand times …", max_entries=32)
def intervals_of(table: tuple, classes: tuple[str, ...] | None, _table, _baseline) -> Intervals:
    return bootstrap(_table, _baseline, classes)


def show_figures() -> None:
    """The twelve figures beside the untouched model's, and by class; the intervals, which may take long, come last."""
    place = st.empty()
    place.skeleton(height=470)
    show_charts(charts_of(mark, "figures", view.score, view.classes, view), open_boxes)
    show_class_metrics(view.figures, view.score)
    before = baseline
    try:
        intervals = intervals_of(mark, view.classes, table, before)
    except RunError as error:  # the data set changed between the two evaluations
        st.warning(str(error))
        before = None
        intervals = intervals_of((*mark, "alone"), view.classes, table, before)
    left, right = place.container().columns(2, gap="medium")
    with left:
        show_coco_metrics(intervals, coco_figures(before, view.classes) if before is not None else None)
    with right:
        chart(differences(intervals), "chart differences")


def show_curves() -> None:
    best = threshold_curve(table, view.names).best
    with st.container(horizontal=True, vertical_alignment="center"):
        if best is None:
            st.caption("Nothing is found at any score.")
        else:
            st.button(f"Use score {best:.2f} everywhere", key="adopt", icon=":material/tune:", on_click=adopt,
                      args=(best,), disabled=abs(best - view.score) < 0.005,
                      help="The threshold with the highest F1, for this page and the gallery.")  # fmt: skip
            st.caption("The best F1 of " + (plain(view.names[0]) if view.classes else "all classes together") + ".")
    show_charts(charts_of(mark, "curves", view.score, view.classes, view), open_boxes)


def show_images() -> None:
    show_charts(charts_of(mark, "images", view.score, view.classes, view), open_boxes)
    found = images(view.part, view.score)
    which = st.segmented_control("Which images", [HARD, EASY], default=HARD, required=True, key="which images",
                                 label_visibility="collapsed", persist_state="session")  # fmt: skip
    listed = found.figures[:LISTED] if which == HARD else found.easiest(LISTED)
    chosen = pick_images(listed, cache.validation_images(run), f"images {run.id} {which}", which)
    if st.button(f"Show {'this image' if len(chosen) == 1 else f'these {len(chosen)} images'}", key="show images",
                 icon=":material/image_search:", help="Choose rows on their left, or take all of them."):  # fmt: skip
        go_to_errors(Selection(view.score, view.classes or (), images=tuple(chosen)).to_query())


def show_confusion() -> None:
    numbers, shares = charts_of(mark, "confusion", view.score, view.classes, view)
    shown = st.segmented_control("Cells", ["Numbers", "Percent of a row"], default="Numbers", key="confusion cells",
                                 required=True, label_visibility="collapsed", persist_state="session")  # fmt: skip
    show_charts([numbers if shown == "Numbers" else shares], open_boxes)


SPECIAL = {"figures": show_figures, "curves": show_curves, "confusion": show_confusion, "images": show_images}


def show_section(name: str) -> None:
    st.caption(SECTIONS[name].question)
    if sentences := said_of(mark, name, view.score, view.classes, view):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))
    if name in SPECIAL:
        SPECIAL[name]()
    else:
        show_charts(charts_of(mark, name, view.score, view.classes, view), open_boxes)


def show_tabs() -> None:
    if TAB not in st.session_state and SHOWN in st.session_state:
        st.session_state[TAB] = st.session_state[SHOWN]
    for name, tab in zip(TABS, st.tabs(list(TABS.values()), key=TAB, on_change="rerun"), strict=True):
        if tab.open:
            st.session_state[SHOWN] = TABS[name]  # Streamlit forgets a tab on another page
            write_address(address_of(name))
            with tab:
                if name == LABELS:
                    label_errors.show_doubts(run, table, mark, view.score, view.classes, go_to_errors)
                else:
                    show_section(name)


def follow(address: dict[str, list[str]], classes: tuple[str, ...]) -> None:
    """Sets what a link says, and what it does not name as it is at first."""
    linked = Selection.from_query(address, classes)
    adopt(linked.score)
    st.session_state[CLASS] = linked.classes[0] if linked.classes else ALL
    st.session_state[TAB] = TABS.get(address.get("view", [""])[0], next(iter(TABS.values())))


def address_of(tab: str) -> dict:
    query = Selection(view.score, view.classes or ()).to_query()
    return {"run": run.id, "model": looked.model, "view": tab, **query}


if not (found := evaluated_runs(services.store())):
    show_empty_page("Results")
address = arrival()
with st.sidebar:
    looked = pick_evaluated_model(found, RUN_PICKER, address)
    run, mark = looked.run, looked.mark
    try:
        table = cache.table_of(looked.evaluation)
        baseline = cache.table_of(looked.baseline) if looked.baseline else None
    except LabError as error:
        st.error(str(error))
        st.stop()
    if address:
        follow(address, about(table).classes)
    view = pick_view(table)
    if st.button("Compare with another run", key="compare", icon=":material/compare:", width="stretch",
                 help="What changed from another run, or from the untouched model, to this one."):  # fmt: skip
        leave_for(services.COMPARE_PAGE, pair_picker.compare_address(found, looked, view.score))
if query := st.session_state.pop(OPENED, None):
    go_to_errors(query)
show_tabs()
