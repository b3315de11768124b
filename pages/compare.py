"""Compare: what changed between two models? Metrics, settings, curves, and every object that is fixed or broken.

Any two evaluated models on the same images. What is shown is in the address (`ui/choose/address.py`), so a link opens
exactly that.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import LabError
from core.charts.compare.changes import alarm_bars, ap_heat, change_bars
from core.evaluation.findings.changes import verdict
from core.evaluation.table import table_metadata
from ui.charts.component import show_charts
from ui.choose import pair_picker
from ui.choose.address import Query, new_address, remember, write_address
from ui.choose.data_notice import show_data_notice, show_difference
from ui.choose.labels import labels_query, pick_labels
from ui.choose.run_picker import evaluated_runs, show_empty_page
from ui.choose.slices import pick_slices, sliced
from ui.compare import filters
from ui.compare.experiments import view as experiments
from ui.compare.gallery import show_gallery
from ui.compare.metrics import APIntervals, add_ap_intervals, ap_intervals, show_metrics
from ui.compare.same_labels import on_same_labels
from ui.compare.training import show_curves, show_settings
from ui.server import services
from ui.server.attributes import attributes_of
from ui.server.going import open_page
from ui.text import plain

TAB, EXPERIMENTS = "compare view", "experiments"
TABS = {
    pair_picker.FIRST_VIEW: "What changed",
    "figures": "Metrics",
    "training": "Settings and curves",
    EXPERIMENTS: "Experiments",
}
ADDRESS = ("run", "model", "before", "before_model", "view", "labels", experiments.NAME, *filters.NAMES)


def show_single_model_page() -> None:
    """Say what to do first while only one model is evaluated, and end the page."""
    st.title("Compare")
    st.info("Only one model has been evaluated: train again with one thing changed, or import another tool's results, "
            "and see here what changed.")  # fmt: skip
    st.page_link(services.TRAIN_PAGE, label="Open Train", icon=":material/model_training:")
    st.stop()


def show_experiments_alone() -> None:
    """Show the experiments while there are no two models to compare, if there are any, and end the page."""
    if not experiments.all_experiments():
        return
    st.title("Compare")
    if address := new_address("experiment picker", [experiments.NAME]):
        experiments.take_address(address)
    experiments.show_experiments(pair_picker.all_models(runs), lambda: None)
    write_address(experiments.experiment_query())
    st.sidebar.caption("Two models to compare are chosen here, once there are two.")
    st.stop()


def show_changes() -> None:
    """Show what changed by class and size, and the pictures of it; the intervals, which take long, come last."""
    changes = pair_picker.changes_of(*keys, scores, *tables)
    intervals = ap_intervals(*keys)
    before_classes, after_classes = (
        pair_picker.class_metrics_of(key, table) for key, table in zip(keys, tables, strict=True)
    )
    st.markdown(f"**{plain(names[1])}** after **{plain(names[0])}**. {plain(verdict(changes))}")
    place = st.empty()
    # asked before they are drawn: another tab may add to the intervals meanwhile
    missing = [c.name for c in after_classes if c.objects and c.name not in intervals]
    charts = [
        ap_heat(before_classes, after_classes, intervals), change_bars(changes), change_bars(changes, "size"),
        alarm_bars(changes),
    ]  # fmt: skip
    show_charts(charts, filters.take_click)
    show_gallery(changes, chosen, before, after)
    write_address(address_of(pair_picker.FIRST_VIEW))
    complete_intervals(intervals, missing, place)


def complete_intervals(intervals: APIntervals, missing: list[str], place: DeltaGenerator) -> None:
    """Add the intervals of the missing classes, showing in `place` how far that is; then run the page again."""
    for i, name in enumerate(missing):
        place.progress(i / len(missing), f"Drawing the images anew, a thousand times: {plain(name)} …")
        if name not in intervals:
            add_ap_intervals(intervals, name, *tables)
    if missing:
        st.rerun()


def show_training() -> None:
    """Show the settings and the curves of both trainings."""
    show_settings(before, after, names)
    show_curves(before, after)


def show_tabs() -> None:
    """Show the tabs, of which only the open one is computed."""
    shows: dict[str, Callable[[], None]] = {
        pair_picker.FIRST_VIEW: show_changes,
        "figures": partial(show_metrics, keys, tables, names),
        "training": show_training,
        EXPERIMENTS: partial(
            experiments.show_experiments, models, partial(remember, TAB, TABS[pair_picker.FIRST_VIEW])
        ),
    }
    for name, tab in zip(TABS, st.tabs(list(TABS.values()), key=TAB, on_change="rerun"), strict=True):
        if not tab.open:
            continue
        write_address(address_of(name))
        with tab:
            if problem and name in (pair_picker.FIRST_VIEW, "figures"):
                pair_picker.show_comparable_models(models, after, problem)
            else:
                shows[name]()
        if name == EXPERIMENTS:  # which of them is only known now
            write_address(address_of(name))


def address_of(tab: str) -> Query:
    """Return the whole address of what is shown on this tab."""
    query: Query = {"run": after.run.id, "model": after.model, "before": before.run.id, "before_model": before.model}
    query |= {"view": tab} | filters.query_of(chosen) | labels_query()
    return query | (experiments.experiment_query() if tab == EXPERIMENTS else {})


if st.query_params.get("view") == "runs":  # a link to the tab that is a page now
    open_page(services.RUNS_PAGE)
runs = evaluated_runs(services.store())
if len(models := pair_picker.all_models(runs)) < 2:
    show_experiments_alone()
if not runs:
    show_empty_page("Compare")
if len(models) < 2:
    show_single_model_page()
address = new_address(pair_picker.AFTER_PICKER, ADDRESS)
with st.sidebar:
    before, after = pair_picker.pick_pair(models, address)
    names = pair_picker.short_names(before, after)
    try:
        before, after = pick_labels((before, after), address)
        tables, keys, different = on_same_labels(before, after, names)
    except LabError as error:
        st.error(plain(error))
        st.stop()
    problem = pair_picker.problem_of(*keys, *tables)
    classes = sorted(table_metadata(tables[1]).classes)
    if address:
        filters.apply_address(address, classes)
        view = EXPERIMENTS if experiments.take_address(address) else address.get("view", [""])[0]
        remember(TAB, TABS.get(view, TABS[pair_picker.FIRST_VIEW]))
    whole, attributes = tables, attributes_of(after.run, tables[1])
    slices = pick_slices(attributes, filters.SLICES)
    (before_key, before_table), (after_key, after_table) = (
        sliced(key, table, attributes, slices) for key, table in zip(keys, tables, strict=True)
    )
    keys, tables = (before_key, after_key), (before_table, after_table)
    scores, chosen = filters.pick_filters(classes, lambda: pair_picker.best_scores_of(*keys, *tables))
if different:
    st.info(plain(different), icon=":material/difference:")
show_data_notice((before.run, whole[0]), (after.run, whole[1]), names=names)
if not problem:
    show_difference((before.run, whole[0]), (after.run, whole[1]))
if table_metadata(tables[1]).image_ids:
    show_tabs()
else:
    st.info("No image lies in all of these slices: clear one of them.")
