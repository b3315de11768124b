"""The choices of Data in its address, so that a reload and a link bring them back.

In: an address, which anybody may have written. Out: the session, as the sidebar's widgets have it; what makes no sense
is left out, and so is a folder that would have to be converted: a link only reads.
"""

from __future__ import annotations

import streamlit as st

from core import lab_root
from core.datasets.demo import BUILT_IN
from core.datasets.layouts import list_datasets
from core.files import typed_path
from core.wording import is_utf8
from ui.choose import data_source
from ui.choose.address import Address, Query, is_back_or_forward, new_address, write_address
from ui.data import choices
from ui.server import services

SOURCES = {"scenes": data_source.BUILT_IN, "coco": data_source.COCO, "folder": data_source.OWN}
NUMBERS = {"train": choices.TRAIN, "val": choices.VAL, "empty": choices.EMPTY, "seed": choices.SEED}
MOST = {"train": 10**9, "val": 10**9, "empty": 90, "seed": 2**31}
NAMES = ("source", "scenes", "subset", "folder", "class", *NUMBERS)
SHOWN = "data shown"  # in the session: a mark that Streamlit does not drop, beside the address that it was read from
LONGEST = 1000  # characters of a path


def take_draft() -> None:
    """Choose what the address says, at the first run of a session and when the browser goes back or forward."""
    address = new_address(SHOWN, NAMES)
    st.session_state[SHOWN] = True
    if address is not None:
        choose_from_address(address)


def choose_from_address(address: Address) -> None:
    """Set the session as the address says; what it does not say stays."""
    state = st.session_state
    first = {name: values[0] for name, values in address.items() if values}
    if scenes := next((one for one in BUILT_IN if one.folder == first.get("scenes")), None):
        state[data_source.WHICH] = scenes
    known = [*(folder.name for folder in list_datasets(services.store().data_dir)), data_source.NEW]
    if first.get("subset") in known:
        state[data_source.SUBSET] = first["subset"]
    folder = first.get("folder", "")
    can_open = 0 < len(folder) <= LONGEST and folder.isprintable() and is_utf8(folder)
    if can_open and data_source.opens_unchanged(folder):
        state[data_source.TYPED] = folder
    if first.get("source") in SOURCES and (first["source"] != "folder" or state.get(data_source.TYPED)):
        state[data_source.SOURCE] = SOURCES[first["source"]]
    for name, key in NUMBERS.items():
        text = first.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= MOST[name]:
            state[key] = int(text)
    if "class" in address:
        choices.ask_for_classes(address["class"])


def write_draft() -> None:
    """Make the address say what is chosen, where it is not what a fresh page has."""
    if is_back_or_forward() and not any(name in st.query_params for name in NAMES):
        return
    state, query = st.session_state, Query()
    source = next((name for name, value in SOURCES.items() if value == state.get(data_source.SOURCE)), "scenes")
    if source != "scenes":
        query["source"] = source
    values = {
        "scenes": {"scenes": getattr(state.get(data_source.WHICH), "folder", "")},
        "coco": {"subset": state.get(data_source.SUBSET, "")},
        "folder": {"folder": typed_path(state.get(data_source.TYPED, ""), lab_root())},
    }[source]
    query |= {name: value for name, value in values.items() if value and value != BUILT_IN[0].folder}
    query |= {name: str(state[key]) for name, key in NUMBERS.items() if state.get(key)}
    if (classes := choices.changed_classes()) is not None:
        query["class"] = classes or [""]
    write_address(query)
