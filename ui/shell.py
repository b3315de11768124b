"""The frame around every page: its title, icon and navigation. Streamlit runs this file at every rerun."""

import streamlit as st

from core import PROJECT, LabError
from ui.choose.damage import show_damage
from ui.choose.manage_run import show_note
from ui.server.going import arrive
from ui.server.services import (
    COMPARE_PAGE,
    DATA_PAGE,
    ERRORS_PAGE,
    PREDICT_PAGE,
    RESULTS_PAGE,
    RUNS_PAGE,
    TRAIN_PAGE,
)
from ui.text import plain
from ui.views.menu import PAGES, show_opened_view, show_views

STYLE = PROJECT / "ui/assets/page.css"  # what Streamlit has no option for

st.set_page_config(
    page_title="DETR Lab", page_icon=PROJECT / "ui/assets/icon.svg", layout="wide", initial_sidebar_state=330
)
st.logo(PROJECT / "ui/assets/logo.svg", icon_image=PROJECT / "ui/assets/icon.svg", size="large")
st.html(STYLE)
pages = {
    DATA_PAGE: st.Page(DATA_PAGE, title="Data", icon=":material/photo_library:",
            help="What a training sees: get images, count them, look at them, find problems."),
    TRAIN_PAGE: st.Page(TRAIN_PAGE, title="Train", icon=":material/model_training:", default=True,
            help="Choose data, model and settings, click Train, and watch the curves."),
    RUNS_PAGE: st.Page(RUNS_PAGE, title="Runs", icon=":material/table_rows:",
            help="Every run in one table: find, tag, compare and delete them, and lay their curves over each other."),
    RESULTS_PAGE: st.Page(RESULTS_PAGE, title="Results", icon=":material/query_stats:",
            help="How good a model is, and where: metrics, PR curves, confusion matrix, the impact of its errors."),
    ERRORS_PAGE: st.Page(ERRORS_PAGE, title="Errors", icon=":material/image_search:",
            help="Page through the validation images: where a model errs, and how."),
    COMPARE_PAGE: st.Page(COMPARE_PAGE, title="Compare", icon=":material/compare:",
            help="What changed between two models: metrics, settings, objects fixed and broken."),
    PREDICT_PAGE: st.Page(PREDICT_PAGE, title="Predict", icon=":material/center_focus_strong:",
            help="Try a model on pictures of your own."),
}  # fmt: skip
page = st.navigation(list(pages.values()), position="top")
here = next(path for path, one in pages.items() if one is page)
arrive(here)
show_damage()
show_note()
show_opened_view()
try:
    page.run()
    if here.stem in PAGES:
        show_views(here.stem)
except LabError as error:  # what no page could foresee, as a run database that was deleted: its sentence, no traceback
    st.error(plain(error), icon=":material/error:")
