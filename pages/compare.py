"""Compare: what changed between two models? Figures, settings, curves, and every object that is fixed or broken.

Any two evaluated models on the same images. What is shown is in the address (`ui/choose/address.py`), so a link opens
exactly that.
"""

from functools import partial

import streamlit as st

from core import LabError
from core.charts.compare.changes import alarm_bars, ap_heat, change_bars
from core.evaluation.findings.changes import verdict
from core.evaluation.table import about
from ui.charts.component import show_charts
from ui.choose import pair_picker
from ui.choose.address import new_address, write_address
from ui.choose.run_picker import evaluated_runs, remember, show_empty_page
from ui.compare import pictures
from ui.compare.all_runs import show_runs
from ui.compare.metrics import judge_class, judged_of, show_figures
from ui.compare.pictures import take_click
from ui.compare.training import show_curves, show_settings
from ui.server import cache, services
from ui.text import plain

TAB = "compare view"
TABS = {
    pair_picker.FIRST_VIEW: "What changed",
    "figures": "Figures",
    "training": "Settings and curves",
    "runs": "All runs",
}
ADDRESS = ("run", "model", "before", "before_model", "view", *pictures.NAMES)


def say_there_is_one() -> None:
    """An empty page: with one model there is nothing to compare."""
    st.title("Compare")
    st.info("Only one model has been evaluated: train again with one thing changed, or import another tool's results, "
            "and see here what changed.")  # fmt: skip
    st.page_link(services.TRAIN_PAGE, label="Open Train", icon=":material/model_training:")
    st.stop()


def show_changes() -> None:
    """What has changed by class and size, and the pictures behind it; whether a change is noise comes last."""
    found = pair_picker.changes_of(*marks, score, *tables)
    judged = judged_of(*marks)
    figures = [pair_picker.figures_of(mark, table) for mark, table in zip(marks, tables, strict=True)]
    st.markdown(f"**{plain(names[1])}** after **{plain(names[0])}**. {plain(verdict(found))}")
    place = st.empty()
    show_charts([ap_heat(*figures, judged), change_bars(found), change_bars(found, "size"), alarm_bars(found)],
                take_click)  # fmt: skip
    pictures.show_gallery(found, asked, before, after)
    write_address(address_of(pair_picker.FIRST_VIEW))
    judge([f.name for f in figures[1] if f.objects and f.name not in judged], judged, place)


def judge(missing: list[str], judged: dict, place) -> None:
    """Judges the changes of AP, class by class, showing in `place` how far that is; then the page shows the answers."""
    for i, name in enumerate(missing):
        place.progress(i / len(missing), f"Drawing the images anew, a thousand times: {plain(name)} …")
        judge_class(judged, name, *tables)
    if missing:
        st.rerun()


def show_training() -> None:
    show_settings(before, after, names)
    show_curves(before, after)


def show_tabs() -> None:
    shows = {
        pair_picker.FIRST_VIEW: show_changes,
        "figures": partial(show_figures, marks, tables, names),
        "training": show_training,
        "runs": partial(show_runs, models, partial(remember, TAB, TABS[pair_picker.FIRST_VIEW])),
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


def address_of(tab: str) -> dict:
    query = {"run": after.run.id, "model": after.model, "before": before.run.id, "before_model": before.model}
    return query | {"view": tab} | pictures.query_of(score, asked)


if not (found := evaluated_runs(services.store())):
    show_empty_page("Compare")
if len(models := pair_picker.all_models(found)) < 2:
    say_there_is_one()
address = new_address(pair_picker.AFTER_PICKER, ADDRESS)
with st.sidebar:
    before, after = pair_picker.pick_two(models, address)
    names, marks = pair_picker.short_names(before, after), (before.mark, after.mark)
    try:
        tables = cache.table_of(before.evaluation), cache.table_of(after.evaluation)
    except LabError as error:
        st.error(str(error))
        st.stop()
    problem = pair_picker.problem_of(*marks, *tables)
    classes = sorted(about(tables[1]).classes)
    if address:
        pictures.follow(address, classes)
        remember(TAB, TABS.get(address.get("view", [""])[0], TABS[pair_picker.FIRST_VIEW]))
    score, asked = pictures.pick_filters(classes)
show_tabs()
