"""The popover "Saved views" of every page whose address says what it shows: saves, opens, renames and deletes views.

In: the page and its address. Out: rows of the run database; the page of a view that is opened.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.runs.many.views import MOST_LETTERS, SavedView, Views
from core.wording import short
from ui.choose.address import read_again
from ui.choose.manage_run import attempt
from ui.server import services
from ui.server.going import open_page
from ui.text import join_names, plain

PAGES = {path.stem: path for path in (services.RUNS_PAGE, services.RESULTS_PAGE, services.ERRORS_PAGE,
                                      services.COMPARE_PAGE)}  # fmt: skip
TITLES = {name: name.capitalize() for name in PAGES}
NAME, OPENED = "view name", "view opened"  # in the session


def show_views(page: str) -> None:
    """Show the popover in the sidebar, and what is to be known of a view that was just opened.

    page  a key of PAGES, the page that is shown
    """
    views = Views(services.store()).all()
    known = {run.id for run in services.store().runs()}
    with st.sidebar.popover(f"Saved views · {len(views):d}" if views else "Saved views", key="views",
                            icon=":material/bookmark:", width="stretch"):  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Save this view as", key=NAME, max_chars=MOST_LETTERS, placeholder="A name for it")
            st.button("Save", key="save view", icon=":material/bookmark_add:", type="primary", on_click=_save,
                      args=(page,), help="Keeps what this page shows: its address.")  # fmt: skip
        for view in views:
            _show_view(view, view.missing_runs(known))


def show_opened_view() -> None:
    """Say that runs of the view that was just opened are deleted; above the page, at its first run alone."""
    if sentence := st.session_state.pop(OPENED, None):
        st.warning(plain(sentence), icon=":material/bookmark:")


def _show_view(view: SavedView, missing: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        title = TITLES.get(view.page)
        st.markdown(f"**{plain(short(view.name))}**  \n{plain(title or 'A page of another version')}", width="stretch")
        if st.button("Open view", key=f"open view {view.number}", disabled=title is None):
            _open(view, missing)
        with st.popover("", key=f"change view {view.number}", icon=":material/more_vert:", help="Rename or delete"):
            key = f"name of view {view.number}"
            st.session_state.setdefault(key, view.name)
            st.text_input("Name", key=key, max_chars=MOST_LETTERS, on_change=_change,
                          args=(lambda views, name: views.set_name(view.number, name), key))  # fmt: skip
            st.button("Delete this view", key=f"delete view {view.number}", icon=":material/delete:",
                      on_click=_change, args=(lambda views, _: views.delete(view.number), key))  # fmt: skip
    if missing:
        st.caption(f"Deleted meanwhile: {join_names(missing, 3)}. The view opens with what is left.")


def _open(view: SavedView, missing: list[str]) -> None:
    if missing:
        runs = "a run that is" if len(missing) == 1 else f"{len(missing)} runs that are"
        ids = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        st.session_state[OPENED] = f"The view “{short(view.name)}” shows {runs} deleted meanwhile: {ids}."
    read_again()
    open_page(PAGES[view.page], dict(view.query))


def _save(page: str) -> None:
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    name = st.session_state.get(NAME, "")
    if attempt(lambda: Views(services.store()).save(name, page, query)):
        st.session_state[NAME] = ""
        st.toast("Saved.", icon=":material/bookmark_added:")


def _change(change: Callable[[Views, str], None], key: str) -> None:
    attempt(lambda: change(Views(services.store()), st.session_state.get(key, "")))
    st.session_state.pop(key, None)  # what the store says now
