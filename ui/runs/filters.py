"""Which runs the table shows and which of its columns: search, tags, status; and which runs are chosen in it.

All of it lies in the session, and in the address of the page; the columns, which are to outlive both, in the run store.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.runs.many.preferences import preference, set_preference
from core.runs.many.search import Searched
from core.runs.many.tags import all_tags
from core.runs.schema import Run
from core.wording import visible
from ui.choose.address import Address, Query, remember
from ui.choose.widget_value import set_widget_value
from ui.runs.columns import DEFAULT, Column
from ui.server import services
from ui.text import plain

SEARCH, TAGS, STATUSES, COLUMNS, CHOSEN, CHOICES = (
    "runs search", "runs tags", "runs statuses", "runs columns", "runs chosen", "runs choices"
)  # fmt: skip
NAMES = ("search", "tag", "status", "column", "chosen")  # in an address


def apply_address(address: Address) -> None:
    """Set what a link says of the table; what it does not say is as at first."""
    remember(SEARCH, address.get("search", [""])[0])
    remember(TAGS, address.get("tag", []))
    remember(STATUSES, address.get("status", []))
    if "column" in address:
        remember(COLUMNS, address["column"])
    choose(address.get("chosen", []))


def query_of() -> Query:
    """Return what an address says of the table; defaults are left out."""
    query: Query = {"search": text} if (text := st.session_state.get(SEARCH, "")) else {}
    for name, key in (("tag", TAGS), ("status", STATUSES), ("chosen", CHOSEN)):
        query |= {name: list(values)} if (values := st.session_state.get(key)) else {}
    columns = list(st.session_state.get(COLUMNS, DEFAULT))
    return query | ({"column": columns} if columns != list(DEFAULT) else {})


def choose(run_ids: Sequence[str]) -> None:
    """Choose these runs in the table, and no others; also a callback."""
    remember(CHOSEN, list(dict.fromkeys(run_ids)))
    remember(CHOICES, st.session_state.get(CHOICES, 0) + 1)  # a new table, which shows the choice


def chosen_ids() -> list[str]:
    """Return the ids of the chosen runs."""
    return list(st.session_state.get(CHOSEN, []))


def show_filters(runs: Sequence[Run]) -> list[Run]:
    """Show the widgets in the sidebar; return the runs that they leave, in their order."""
    text = st.text_input("Search", key=SEARCH, persist_state="session", placeholder="Words, or lr:1e-4",
                         help="In name, tags, notes, data set, model and status; with a colon in one setting, as "
                         "`lr:1e-4`, `epochs:50`, `data:street`. All words must fit.")  # fmt: skip
    tags, statuses = all_tags(runs), list(dict.fromkeys(run.label for run in runs))
    for key, known in ((TAGS, tags), (STATUSES, statuses)):
        # what nobody has any more is no option
        if (values := st.session_state.get(key)) and not set(values) <= set(known):
            st.session_state[key] = [one for one in values if one in known]
    wanted = []
    if tags:  # without options Streamlit would send the empty choice at each run
        wanted = st.multiselect("Tags", tags, key=TAGS, format_func=visible, placeholder="Any", persist_state="session",
                                help="Runs that have all of these.")  # fmt: skip
    allowed = st.multiselect("Status", statuses, key=STATUSES, placeholder="Any", persist_state="session")
    left = [
        run for run in runs
        if set(wanted) <= set(run.tags) and (not allowed or run.label in allowed)
    ]  # fmt: skip
    return [run for run in left if Searched.of(run).fits(text)] if text.strip() else left


def pick_columns(columns: Sequence[Column]) -> list[Column]:
    """Show the choice of columns, which the run store keeps; return the chosen ones in their order."""
    by_key = {column.key: column for column in columns}
    if COLUMNS not in st.session_state:
        kept = preference(services.store(), COLUMNS)
        st.session_state[COLUMNS] = [one for one in kept if isinstance(one, str)] if isinstance(kept, list) else DEFAULT
    set_widget_value(COLUMNS, [key for key in st.session_state[COLUMNS] if key in by_key])
    with st.popover("Columns", icon=":material/view_column:"):
        keys = st.multiselect("Columns", list(by_key), key=COLUMNS, format_func=lambda key: by_key[key].label,
                              persist_state="session", on_change=_keep, label_visibility="collapsed", width=420,
                              help="Kept for the next time, too.")  # fmt: skip
        st.button("As at first", key="runs default columns", icon=":material/restart_alt:", on_click=_set_default)
    return [by_key[key] for key in keys]


def _keep() -> None:
    set_preference(services.store(), COLUMNS, list(st.session_state[COLUMNS]))


def _set_default() -> None:
    remember(COLUMNS, list(DEFAULT))
    _keep()


def show_choice(chosen: Sequence[Run], shown: Sequence[Run], total: int) -> None:
    """Say how many runs are shown and chosen, with a button that chooses none."""
    ids = {run.id for run in shown}
    hidden = sum(run.id not in ids for run in chosen)
    words = f"{len(shown):,} of {total:,} runs" if len(shown) < total else f"{total:,} runs"
    words += f" · {len(chosen):,} chosen" if chosen else " · choose rows on their left"
    words += f", {hidden:,} of them not in sight" if hidden else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(words), width="content")
        if chosen:
            st.button("Choose none", key="runs none", type="tertiary", on_click=choose, args=([],))
