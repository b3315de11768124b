"""What is damaged in the run database, told above every page: the pages themselves show what is whole."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from core import LabError
from core.runs.damage.report import lost_rows
from core.wording import short
from ui.server import services
from ui.text import plain

TOLD = 3  # runs, each in a sentence
LONGEST = 400  # of a sentence


def show_damage() -> None:
    """Say of which runs rows are damaged; where the whole database cannot be read, the page says that."""
    with suppress(LabError):
        store = services.store()
        sentences = [run.message or "" for run in store.runs() if run.is_damaged] + lost_rows(store.database)
        for sentence in sentences[:TOLD]:
            st.warning(plain(short(sentence, LONGEST)), icon=":material/healing:")
        if len(sentences) > TOLD:
            more = len(sentences) - TOLD
            st.warning(f"{more:,} more runs are damaged: Train lists them.", icon=":material/healing:")
