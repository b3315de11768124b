"""With which labels an evaluation is shown: those that it was made with, or as they are corrected now.

In: the models chosen on a page, and the journals of their labels. Out: the same with what is chosen, their tables and
images. While nothing is corrected there is no choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.split import CocoSplit
from ui.choose.address import Address, Query, remember
from ui.choose.run_picker import EvaluatedModel
from ui.server import cache, labels

LABELS = "labels shown"
CORRECTED, EVALUATED = "corrected", "evaluated"  # in an address, under "labels"
WORDS = {CORRECTED: "Corrected", EVALUATED: "As evaluated"}


def pick_labels(models: Sequence[EvaluatedModel], address: Address | None) -> list[EvaluatedModel]:
    """Show the choice if labels of any of the models were corrected; return the models with it."""
    if address:
        is_linked = address.get("labels", [""])[0] == EVALUATED
        remember(LABELS, EVALUATED if is_linked else CORRECTED)
    st.session_state.setdefault(LABELS, CORRECTED)
    states = [_state(model) for model in models]
    if not any(states):
        st.session_state[LABELS] = CORRECTED
        return [replace(m, may_correct=state is not None) for m, state in zip(models, states, strict=True)]
    chosen = st.segmented_control(
        "Labels", list(WORDS), format_func=WORDS.__getitem__, key=LABELS, required=True, width="stretch",
        persist_state="session", help="Labels of these images were corrected here: the same predictions are matched "
        "with them anew, or with those that the model was evaluated with.",
    )  # fmt: skip
    is_corrected = chosen == CORRECTED
    return [
        replace(model, labels=(state or "") if is_corrected else "", may_correct=state is not None and is_corrected)
        for model, state in zip(models, states, strict=True)
    ]


def _state(model: EvaluatedModel) -> str | None:
    """Return the state of the journal of a model's labels; None if their files are gone, so that none is corrected."""
    try:
        return labels.mender_of(model.run).journal.state()
    except LabError:
        return None


def labels_query() -> Query:
    """Return what an address says of the choice: nothing of corrected labels, which are shown where there are any."""
    return {"labels": EVALUATED} if st.session_state.get(LABELS) == EVALUATED else {}


def table_of(viewed: EvaluatedModel) -> pa.Table:
    """Return the model's detection table with the chosen labels; raises LabError."""
    if viewed.labels:
        return labels.corrected_table_of(viewed.run, viewed.evaluation)
    return cache.table_of(viewed.evaluation)


def baseline_table_of(viewed: EvaluatedModel) -> pa.Table | None:
    """Return the baseline's table with the same labels; None if there is none. Raises LabError."""
    return table_of(replace(viewed, evaluation=viewed.baseline)) if viewed.baseline else None


def images_of(viewed: EvaluatedModel) -> CocoSplit:
    """Return the images that the model was evaluated on, with the chosen labels; raises DataError."""
    return labels.corrected_images(viewed.run) if viewed.labels else cache.validation_images(viewed.run)
