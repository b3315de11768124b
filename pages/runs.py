"""Runs: every run in one table – live, failed, imported ones too – what to do with several, and their curves."""

import streamlit as st

from ui.choose.address import new_address, write_address
from ui.choose.manage_run import show_bin
from ui.runs import curves, filters
from ui.runs.actions import show_actions
from ui.runs.settings_chart import show_settings_chart
from ui.runs.table import show_table
from ui.server import services

ADDRESS = (*filters.NAMES, *curves.NAMES)

runs = services.store().runs()
if not runs:
    st.title("Runs")
    st.info("There is no run yet: open Train and click **Train**.")
    st.page_link(services.TRAIN_PAGE, label="Open Train", icon=":material/model_training:")
    show_bin()
    st.sidebar.caption("Which runs are shown is chosen here.")  # with a sidebar the links above stay in their place
    st.stop()
if address := new_address(filters.SEARCH, ADDRESS):
    filters.apply_address(address)
    curves.apply_address(address)
with st.sidebar:
    shown = filters.show_filters(runs)
place = st.container(horizontal=True, vertical_alignment="center")
table, words = st.container(), st.container()
by_id = {run.id: run for run in runs}
if gone := [run_id for run_id in filters.chosen_ids() if run_id not in by_id]:  # deleted, or of an old link
    filters.choose([run_id for run_id in filters.chosen_ids() if run_id in by_id])
    st.warning(f"{len(gone):,} of the chosen runs are not there any more.")
chosen = [by_id[run_id] for run_id in filters.chosen_ids()]
with place:
    show_actions(chosen, runs)
    columns = st.container(width="content")
    show_bin()
with words:
    filters.show_choice(chosen, shown, len(runs))
with table:
    if shown:
        show_table(shown, runs, columns)
    else:
        st.info("No run fits: change the search, the tags or the status.")
if chosen:
    curves.show_curves(chosen)
write_address(filters.query_of() | curves.query_of())
show_settings_chart(shown)
